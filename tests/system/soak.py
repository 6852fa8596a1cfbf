#!/usr/bin/env python3
"""Kills a training run (kill -9) at random moments and resumes it, until it was killed often enough; then
it must have made what a run that nobody disturbed makes, bit for bit. After every kill each checkpoint
that has a manifest must pass verification. Needs LACUNA_BINARY.

Usage: soak.py [COUNT] [SEED]. The short version of it is a test (test_resume.py).
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import small_run

# A checkpoint after every step: most of the time one is being written. The number of steps between
# evaluations is another, so that the process is also killed between the two.
OPTIONS = ["--train.evaluate_every=7 steps", "--checkpoint.every=1 steps",
           "--checkpoint.keep_every=20 steps"]
SECONDS_A_KILL = 5  # on the mean, with everything; a soak that takes longer has failed
SECONDS_OF_RANKS = 15  # more, which those that are left take to say who is lost


def children_of(process):
    try:
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []


def is_running(number):
    try:
        with open(f"/proc/{number}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill_one(process, moments):
    """Kills the process, or one of those that it has launched, and waits until all have ended."""
    victims = [process.pid, *children_of(process)]
    os.kill(moments.choice(victims), signal.SIGKILL)
    process.communicate(timeout=60)
    limit = time.monotonic() + 60
    while any(is_running(child) for child in victims):
        assert time.monotonic() < limit, "a process has outlived its launcher"
        time.sleep(0.01)


def run_for(folder, seconds, arguments, moments):
    """Whether the run, resumed, came to its end within so many seconds; otherwise it is killed."""
    process = subprocess.Popen(
        [small_run.BINARY, "train", "c.toml", "--resume=auto", *arguments, *OPTIONS], cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        errors = process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        kill_one(process, moments)
        return False
    assert process.returncode == 0, errors
    return True


def verify(run):
    """How many checkpoints have a manifest; all of them must be as it says, whatever the name of their
    folder. Evaluating one verifies it first."""
    places = sorted(file.parent for file in (run / "checkpoints").glob("*/manifest.json"))
    for place in places:
        result = small_run.lacuna(run.parent, "eval", str(place), "--raw")
        assert result.returncode == 0, f"{place} has a manifest, but: {result.stderr}"
    return len(places)


def soak(folder, count, seed, processes=1, steps=60, say=lambda line: None):
    """Kills a run of so many steps `count` times. Returns the kills while a checkpoint was written (or an old one
    removed), the checkpoints verified and the times the run came to its end."""
    small_run.prepare(folder)
    arguments = [f"--train.length={steps} steps"]
    if processes > 1:
        arguments.append(f"--processes={processes}")
    whole = small_run.lacuna(folder, "train", "c.toml", "--train.run=whole", *arguments, *OPTIONS)
    assert whole.returncode == 0, whole.stderr
    a_kill = SECONDS_A_KILL + (SECONDS_OF_RANKS if processes > 1 else 0)
    moments, limit = random.Random(seed), time.monotonic() + a_kill * (count + 10)
    run = folder / "run"
    kills = writing = verified = ends = 0
    while kills < count or run.exists():
        assert time.monotonic() < limit, f"no end after {kills} kills"
        seconds = moments.uniform(0.01, 0.4 * processes) if kills < count else 120
        if not run_for(folder, seconds, arguments, moments):
            kills += 1
            half = sorted(place.name for place in (run / "checkpoints").glob("step-*.*"))
            writing += bool(half)
            verified += verify(run)
            say(f"kill {kills:3} after {seconds:.3f} s: steps "
                f"{', '.join(map(str, small_run.steps(run))) or 'none'}; half-way: "
                f"{', '.join(half) or 'none'}")
            continue
        different = small_run.differences(folder / "whole", run)
        # Ranks whose launcher is killed stop in order: within an evaluation that means a checkpoint before it.
        logs = [set(small_run.log(place)) for place in (folder / "whole", run)]
        if processes > 1 and "log.txt" in different and logs[0] == logs[1]:
            different.remove("log.txt")
        assert not different, f"after {kills} kills these differ: {different}"
        ends += 1
        say(f"end {ends}: the same bytes as the undisturbed run")
        shutil.rmtree(run)  # the next kills hit a run that begins again
    return writing, verified, ends


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10**6)
    processes = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    print(f"soak: {count} kills of {processes} processes, seed {seed}", flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        writing, verified, ends = soak(Path(folder), count, seed, processes,
                                        say=lambda line: print(line, flush=True))
    print(f"{count} kills (seed {seed}), {writing} of them while a checkpoint was written or removed; "
          f"{verified} verifications passed; {ends} runs came to their end with the bytes of the "
          f"undisturbed one; {time.monotonic() - start:.0f} seconds")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
