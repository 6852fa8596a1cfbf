"""A small run for the tests of checkpoints, and what of a run must not depend on how often it was
stopped. Needs LACUNA_BINARY."""
import hashlib
import json
import os
import random
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

BINARY = os.environ["LACUNA_BINARY"]
CONFIG = """
[data]
paths = ["text"]
split = "0.8 / 0.2"
[model]
layers = 2
width = 32
context = 40
attention = ["local(8)", "fixed(8, 2, 2)"]
dropout = 0.2
[optim]
warmup = "5 steps"
[train]
run = "run"
length = "20 steps"
batch = 2
accumulation = 2
evaluate_every = "5 steps"
threads = 1
[checkpoint]
every = "5 steps"
keep_every = "5 steps"
"""
ECHO = ["--data.format=echo", "--data.block=10", "--data.size=20000"]
TIMES = ("seconds", "time", "tokens_per_second")
# Of log.txt, what a step says: its loss, an evaluation, a checkpoint, the end.
LOGGED = re.compile(r"info (step \d+/\d+  loss \S+ bits|step \d+  .*|done after \d+ steps)")


def prepare(folder):
    """The configuration and the data of the small run."""
    (folder / "c.toml").write_text(CONFIG)
    words = random.Random(2).choices(["step ", "go ", "on ", "again\n"], k=3000)
    (folder / "text").write_text("".join(words))


def lacuna(folder, *arguments):
    return subprocess.run([BINARY, *arguments], cwd=folder, capture_output=True, text=True,
                          errors="replace", check=False)


def metrics(run):
    """The lines apart from times."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def log(run):
    return LOGGED.findall((run / "log.txt").read_text())


def tensors(run):
    """Weights, averages and optimizer, of the run and of its checkpoints: bytes by file."""
    return {str(file.relative_to(run)): file.read_bytes() for file in run.rglob("*.safetensors")}


def differences(first, second):
    """Names of what differs between two runs but must not."""
    found = [name for name, read in (("metrics.jsonl", metrics), ("log.txt", log))
             if read(first) != read(second)]
    files, others = tensors(first), tensors(second)
    return found + sorted(name for name in files.keys() | others.keys()
                          if files.get(name) != others.get(name))


def steps(run):
    """The steps whose checkpoints have their final names, ascending."""
    return sorted(int(place.name[5:]) for place in (run / "checkpoints").glob("step-*")
                  if place.name[5:].isdigit())


class SmallRun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        prepare(self.path)

    def lacuna(self, *arguments):
        return lacuna(self.path, *arguments)

    def train(self, *arguments):
        run = self.lacuna("train", "c.toml", *arguments)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stderr

    def refused(self, fragment, *arguments):
        before = self.snapshot()
        run = self.lacuna(*arguments)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertIn(fragment, run.stderr)
        self.assertEqual(before, self.snapshot())

    def snapshot(self):
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest()
                for file in self.path.rglob("*") if file.is_file()}

    def same_results(self, first, second):
        self.assertEqual(differences(self.path / first, self.path / second), [])

    def same_weights(self, first, second):
        for name in ("weights.safetensors", "average.safetensors"):
            self.assertTrue((self.path / first / name).read_bytes() ==
                            (self.path / second / name).read_bytes(), name)
