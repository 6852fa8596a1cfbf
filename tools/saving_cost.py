#!/usr/bin/env python3
"""How much saving lengthens the steps meanwhile: one training run with a checkpoint every few steps, its
step times from metrics.jsonl. A step counts as one during saving if any of it, or the copy before it, lies
between the end of the step that was saved and the moment the checkpoint got its final name.

Usage: saving_cost.py [--binary FILE] [--checkpoints N] [--every STEPS] [--width C] [--threads N]
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = """
[data]
paths = ["text"]
split = "1 / 0"
[model]
layers = 6
heads = 6
width = {width}
context = 512
attention = ["local(16)", "fixed(32, 8, 4)"]
[train]
run = "run"
length = "{steps} steps"
batch = 2
evaluate_every = "0 steps"
threads = {threads}
[checkpoint]
every = "{every} steps"
keep_last = 1000
"""


def train(arguments, folder):
    steps = arguments.every * (arguments.checkpoints + 1) - 1
    (folder / "c.toml").write_text(CONFIG.format(
        width=arguments.width, steps=steps, threads=arguments.threads, every=arguments.every))
    (folder / "text").write_bytes(random.Random(1).randbytes(1 << 20))
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    trained = subprocess.run([Path(arguments.binary).resolve(), "train", "c.toml"], cwd=folder, check=False,
                             env=environment, stderr=subprocess.PIPE, text=True)
    if trained.returncode != 0:
        sys.exit(f"saving_cost.py: the run has failed: {trained.stderr}")
    return folder / "run"


def durations(run, every):
    """Seconds of the steps during saving and of the others, and how long each checkpoint took."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    ends = {line["step"]: line["time"] for line in lines if line["kind"] == "train"}
    named = {step: (run / f"checkpoints/step-{step}").stat().st_ctime
             for step in ends if step % every == 0}
    saving, others = [], []
    for step in range(every + 1, max(ends) + 1):  # a first cycle to warm up
        last = (step - 1) // every * every
        (saving if ends[step - 1] < named[last] else others).append(ends[step] - ends[step - 1])
    return saving, others, [named[step] - ends[step] for step in named]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default="build/release/lacuna")
    parser.add_argument("--checkpoints", type=int, default=20)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        run = train(arguments, Path(folder))
        size = sum(file.stat().st_size for file in
                   (run / f"checkpoints/step-{arguments.every}").iterdir())
        saving, others, writing = durations(run, arguments.every)
    if not saving or not others:
        sys.exit(f"saving_cost.py: of the steps {len(saving)} lay within saving and {len(others)} without: "
                 "nothing to compare. Raise --every, or --checkpoints")
    during, otherwise = statistics.median(saving), statistics.median(others)
    extra = sum(saving) - len(saving) * otherwise
    print(f"{size / 1e6:.1f} MB a checkpoint, written within {statistics.median(writing):.3f} s (median); "
          f"median step {1e3 * during:.1f} ms during saving ({len(saving)} steps), {1e3 * otherwise:.1f} ms "
          f"otherwise ({len(others)}): {during / otherwise:.3f} times; on the mean saving adds "
          f"{1e3 * extra / len(writing):.1f} ms a checkpoint")


if __name__ == "__main__":
    main()
