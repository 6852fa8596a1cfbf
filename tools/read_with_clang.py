#!/usr/bin/env python3
"""Has clang read every source of the CPU build, tests and fuzz targets' parsers included, with warnings as
errors: what g++ alone builds, people with clang cannot. Nothing is compiled, which saves most of the time.

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
from pathlib import Path


def read(entry: dict) -> str:
    """What clang has to say of a source, empty when that is nothing."""
    words = shlex.split(entry["command"])
    at = words.index("-o")
    del words[at:at + 2]
    result = subprocess.run([*words, "-fsyntax-only"], cwd=entry["directory"], capture_output=True,
                            text=True, check=False)
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
    # Threads that wait for their clang.
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        refusals = [said for said in pool.map(read, entries) if said]
    print("".join(refusals), end="")
    print(f"clang reads {len(entries) - len(refusals)} of {len(entries)} sources without a word")
    return 1 if refusals else 0


if __name__ == "__main__":
    sys.exit(main())
