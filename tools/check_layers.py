#!/usr/bin/env python3
"""Holds the #include lines of the tree against the plan of the rooms: arrows only point down.

Looks at include/lacuna/<room>, src/<room>, top-level data/ and cuda/. Tests are exempt. A violation
is one line `file:line: what`. Rules:
  - a room includes itself and the rooms below it; nobody else includes cpu/ or cuda/;
  - the headers of the CUDA toolkit stay in the room cuda;
  - third-party headers stay out of include/ and of .cu files;
  - a quoted include outside lacuna/ names a file of the including file's own folder tree;
  - no file is longer than 400 lines.

Usage: check_layers.py [--root DIR] [--self-test]
Exit codes: 0 clean, 1 violations (or a failed self-test), 2 nothing to look at.
"""
import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Iterator

# What each room includes directly; what those include comes with it. Nobody lists cpu or cuda.
MAY_INCLUDE = {
    "base": "",
    "tensor": "base",
    "sparse": "base",
    "kernels": "tensor sparse",
    "io": "tensor",
    "data": "tensor io",
    "comm": "tensor",
    "cpu": "kernels",
    "cuda": "kernels comm",
    "autograd": "kernels",
    "ops": "autograd",
    "nn": "ops",
    "optim": "nn",
    "train": "optim data comm io",
    "proof": "kernels",
    "cli": "train proof",
}
SOURCES = {".h", ".hpp", ".cuh", ".cpp", ".cc", ".cu", ".def", ".inl"}
LONGEST = 400
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
CUDA_HEADER = re.compile(r"(cuda|cublas|nccl|nvtx|nvml|cub/|nv/|mma\.h|cooperative_groups"
                         r"|driver_types|vector_types)")
# Of <...>, what is neither third-party nor CUDA: C++ headers have no dot and no slash.
SYSTEM_HEADER = re.compile(
    r"[a-z0-9_]+$|(sys|linux|arpa|net|netinet)/"
    r"|(assert|ctype|dlfcn|errno|fcntl|float|inttypes|limits|math|netdb|poll|pthread|sched|signal|stdarg"
    r"|stddef|stdint|stdio|stdlib|string|strings|time|unistd|\w+intrin)\.h$")


def rooms_below(room: str) -> set[str]:
    below = set(MAY_INCLUDE[room].split())
    return below.union(*map(rooms_below, below))


def place_of(path: Path) -> tuple[str, Path] | None:
    """The room of a file (relative to the root) and the folder tree it may quote files from."""
    parts = path.parts
    if parts[0] in ("data", "cuda"):
        return parts[0], Path(parts[0])
    depth = 2 if parts[:2] == ("include", "lacuna") else 1
    if len(parts) < depth + 2:  # lies in no room
        return None
    return parts[depth], Path(*parts[:depth + 1])


def include_fault(root: Path, path: Path, room: str, tree: Path, quote: str, name: str) -> str:
    """What is wrong with one include line, or nothing."""
    if name.startswith("lacuna/"):
        other = name.split("/")[1]
        if other not in MAY_INCLUDE:
            return f"{name}: {other} is no room"
        allowed = other == room or other in rooms_below(room)
        return "" if allowed else f"room {room} may not include room {other}"
    if quote == '"':
        folder = (root / tree).resolve()
        for base in (path.parent, tree, Path()):
            target = (root / base / name).resolve()
            if target.is_file() and target.is_relative_to(folder):
                return ""
        return f'"{name}" is no file under {tree}/'
    if CUDA_HEADER.match(name):
        if room != "cuda":
            return f"room {room} may not include the CUDA header <{name}>"
        third_party = "/" in name or name.startswith("cooperative_groups")  # slow to compile
    else:
        third_party = not SYSTEM_HEADER.match(name)
    if third_party and path.suffix in (".cu", ".cuh"):
        return f"third-party header <{name}> in a CUDA source"
    if third_party and path.parts[0] == "include":
        return f"third-party header <{name}> in include/"
    return ""


def source_files(root: Path) -> Iterator[Path]:
    for top in ("include/lacuna", "src", "data", "cuda"):
        for path in sorted((root / top).rglob("*")):
            if path.is_file() and path.suffix in SOURCES:
                yield path.relative_to(root)


def violations(root: Path) -> Iterator[str]:
    for path in source_files(root):
        lines = (root / path).read_text(encoding="utf-8").splitlines()
        if len(lines) > LONGEST:
            yield f"{path}:{len(lines)}: longer than {LONGEST} lines"
        place = place_of(path)
        if place is None or place[0] not in MAY_INCLUDE:
            yield f"{path}:1: lies in no room of the plan"
            continue
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match and (fault := include_fault(root, path, *place, match[1], match[2])):
                yield f"{path}:{number}: {fault}"


# A file, its text, and the violation expected of it (none: the file is in order).
SELF_TEST = [
    ("include/lacuna/base/error.h", "#include <string>\n#include <sys/stat.h>\n", ""),
    ("include/lacuna/tensor/up.h", '#pragma once\n#include "lacuna/nn/block.h"\n',
     ":2: room tensor may not include room nn"),
    ("src/sparse/side.cpp", '#include "lacuna/tensor/view.h"\n',
     ":1: room sparse may not include room tensor"),
    ("src/nn/angle.cpp", "  # include <lacuna/train/trainer.h>\n",
     ":1: room nn may not include room train"),
    ("data/text.cpp", '#include "lacuna/io/image.h"\n\n#include "lacuna/comm/communicator.h"\n',
     ":3: room data may not include room comm"),
    ("cuda/softmax.cu", '#include "lacuna/autograd/tape.h"\n',
     ":1: room cuda may not include room autograd"),
    ("src/proof/entry.cpp", '#include "lacuna/kernels/linear.h"\n#include "lacuna/ops/ops.h"\n',
     ":2: room proof may not include room ops"),
    ("src/cli/cpu.cpp", '#include "lacuna/cpu/threads.h"\n',
     ":1: room cli may not include room cpu"),
    ("src/cli/cuda.cpp", '#include "lacuna/cuda/check.h"\n',
     ":1: room cli may not include room cuda"),
    ("src/cpu/cuda.cpp", '#include "lacuna/cuda/check.h"\n',
     ":1: room cpu may not include room cuda"),
    ("src/ops/unknown.cpp", '#include "lacuna/attic/box.h"\n',
     ":1: lacuna/attic/box.h: attic is no room"),
    ("include/lacuna/attic/box.h", "int a;\n", ":1: lies in no room of the plan"),
    ("src/stray.cpp", "int a;\n", ":1: lies in no room of the plan"),
    *((f"include/lacuna/io/third{i}.h", f"#include <{name}>\n",
       f":1: third-party header <{name}> in include/")
      for i, name in enumerate(("CLI/CLI.hpp", "toml++/toml.h", "spdlog/spdlog.h", "dnnl.h",
                                "png.h", "nlohmann/json.hpp", "catch2/catch.hpp", "catch.hpp"))),
    ("cuda/third.cu", "#include <spdlog/spdlog.h>\n",
     ":1: third-party header <spdlog/spdlog.h> in a CUDA source"),
    ("cuda/slow.cu", "#include <cub/cub.cuh>\n",
     ":1: third-party header <cub/cub.cuh> in a CUDA source"),
    ("src/tensor/gpu.cpp", "#include <cuda_runtime.h>\n",
     ":1: room tensor may not include the CUDA header <cuda_runtime.h>"),
    ("src/nn/outside.cpp", '#include "../ops/helper.h"\n',
     ':1: "../ops/helper.h" is no file under src/nn/'),
    ("src/nn/missing.cpp", '#include "missing.h"\n', ':1: "missing.h" is no file under src/nn/'),
    ("src/io/long.cpp", "\n" * (LONGEST + 1), f":{LONGEST + 1}: longer than {LONGEST} lines"),
    ("src/io/long_enough.cpp", "\n" * LONGEST, ""),
    ("src/ops/helper.h", "", ""),
    ("src/io/inside.cpp",
     '#include "detail/png.h"\n#include <png.h>\n#include <spdlog/spdlog.h>\n', ""),
    ("src/io/detail/png.h", '#include "lacuna/io/image.h"\n', ""),
    ("src/train/far.cpp", '#include "lacuna/base/error.h"\n#include "lacuna/sparse/pass.h"\n', ""),
    ("cuda/attention/forward_sm90.cu", '#include "device/mma.cuh"\n#include "cuda/device/mma.cuh"\n'
     '#include <cuda_bf16.h>\n#include <cstdint>\n#include "lacuna/comm/communicator.h"\n', ""),
    ("cuda/device/mma.cuh", '// #include "lacuna/cli/no.h"\n', ""),
    ("src/cpu/own.cpp", '#include "lacuna/cpu/threads.h"\n', ""),
    ("tests/nn/exempt.cpp", '#include "lacuna/cuda/check.h"\n#include <catch2/catch.hpp>\n', ""),
]


def self_test() -> int:
    """Plants one violation of every kind in a temporary tree and wants exactly those reported."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text, _ in SELF_TEST:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        found = set(violations(Path(folder)))
    expected = {name + fault for name, _, fault in SELF_TEST if fault}
    for line in sorted(expected - found):
        print(f"self-test: not found: {line}")
    for line in sorted(found - expected):
        print(f"self-test: found without reason: {line}")
    print(f"self-test: {len(expected & found)} of {len(expected)} planted violations found")
    return 0 if found == expected else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true", help="check that the check can fail")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    files = sum(1 for _ in source_files(args.root))
    if files == 0:
        print(f"check_layers.py: no sources under {args.root}", file=sys.stderr)
        return 2
    faults = list(violations(args.root))
    print("\n".join(faults) if faults else f"{files} files, every include points down")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
