#!/usr/bin/env python3
"""Has clang read every source of the CPU build, tests and fuzz targets' parsers included, with warnings as
errors: what g++ alone builds, people with clang cannot. Each is read alone, so that it includes what it uses.
Nothing is compiled but the header of Catch2, once for all tests, which saves most of the time.

Usage: read_with_clang.py [--build FOLDER]; FOLDER (default build/clang) is what `cmake --preset clang` has made.
Exit codes: 0 all is accepted, 1 a source is refused, 2 there is no such build folder.
"""
import argparse
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path


CATCH = Path(__file__).resolve().parent.parent / "tests/catch.h"


def words_of(entry: dict) -> list[str]:
    """The command of a source, without its output and -c SOURCE."""
    words = shlex.split(entry["command"])
    for option in ("-o", "-c"):
        at = words.index(option)
        del words[at:at + 2]
    return words


def precompiled_catch(entry: dict, folder: Path) -> list[str]:
    """Compiles catch.h as that test has it; returns the options that use it."""
    header = folder / "catch.pch"
    subprocess.run([*words_of(entry), "-x", "c++-header", CATCH, "-o", header], cwd=entry["directory"], check=True)
    return ["-include-pch", str(header)]


def read(entry: dict, options: list[str]) -> str:
    """What clang has to say of a source, empty when that is nothing."""
    result = subprocess.run([*words_of(entry), *options, "-fsyntax-only", entry["file"]], cwd=entry["directory"],
                            capture_output=True, text=True, check=False)
    if result.returncode == 0 and not result.stderr:
        return ""
    return f"{entry['file']}: exit code {result.returncode}\n{result.stderr}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/clang"))
    commands = parser.parse_args().build / "compile_commands.json"
    if not commands.is_file():
        print(f"there is no {commands}: run `cmake --preset clang` first", file=sys.stderr)
        return 2
    entries = json.loads(commands.read_text(encoding="utf-8"))
    tests = [entry for entry in entries if 'catch.h"' in Path(entry["file"]).read_text(encoding="utf-8")]
    with tempfile.TemporaryDirectory() as folder:
        catch = precompiled_catch(tests[0], Path(folder))
        options = [catch if entry in tests else [] for entry in entries]
        # Threads that wait for their clang.
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            refusals = [said for said in pool.map(read, entries, options) if said]
    print("".join(refusals), end="")
    print(f"clang reads {len(entries) - len(refusals)} of {len(entries)} sources without a word")
    return 1 if refusals else 0


if __name__ == "__main__":
    sys.exit(main())
