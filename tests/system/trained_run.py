"""A working folder with a text, a configuration and a run that was trained from it, for tests that drive
the binary; and readers of what it writes. Needs LACUNA_BINARY."""
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

BINARY = os.path.abspath(os.environ["LACUNA_BINARY"])
# Threads that wait without spinning: a busy machine would make two of them crawl.
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive"}
# What a stopped command may say, unless it ends sooner than that.
ANSWER = "stopping after the work at hand; again to quit now\n"
FILES = ["average.safetensors", "checkpoints", "config.toml", "events", "lock", "log.txt", "metrics.jsonl",
         "starts.jsonl", "weights.safetensors"]
CONFIG = """[data]
paths = ["text"]
split = "0.8 / 0.15 / 0.05"

[model]
layers = 1
heads = 2
width = 16
context = 32
attention = ["fixed(8, 2)"]
dropout = 0.1

[optim]
learning_rate = 0.02
warmup = "2 steps"

[train]
length = "25 steps"
batch = 4
evaluate_every = "10 steps"
threads = 1
"""


def text_bytes():
    words = ["lo ", "gap ", "sparse ", "a ", "stride\n"]
    return "".join(random.Random(1).choices(words, k=1500)).encode()[:5003]


def files_of(run):
    """What a run folder holds, but for the event file's name, which has the time in it."""
    return sorted("events" if "tfevents" in name else name for name in os.listdir(run))


def lacuna(folder, *arguments):
    return subprocess.run([BINARY, *map(str, arguments)], cwd=folder, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False, env=ENVIRONMENT)


def snapshot(folder):
    """Everything below a folder: names, kinds, times and contents."""
    tree = {}
    for path in sorted(Path(folder).rglob("*")):
        content = path.read_bytes() if path.is_file() else None
        tree[str(path)] = (path.lstat().st_mode, path.lstat().st_mtime_ns, content)
    return tree


def read_metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def read_safetensors(path):
    """Header and raw data, by the format's own rules."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8:8 + length]), raw[8 + length:]


def write_safetensors(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def numbers(header, data, name, code):
    begin, end = header[name]["data_offsets"]
    return [value for (value,) in struct.iter_unpack("<" + code, data[begin:end])]


class TrainedRun(unittest.TestCase):
    """A working folder with a text, a configuration and, as 'run', what was trained from it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lacuna-cli-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        shutil.copytree(TrainedRun.trained, self.path, dirs_exist_ok=True)
        self.run_folder = self.path / "run"

    @classmethod
    def setUpClass(cls):
        if hasattr(TrainedRun, "trained"):
            return
        folder = tempfile.TemporaryDirectory(prefix="lacuna-cli-")
        unittest.addModuleCleanup(folder.cleanup)
        TrainedRun.trained = folder.name
        (Path(folder.name) / "text").write_bytes(text_bytes())
        (Path(folder.name) / "c.toml").write_text(CONFIG)
        TrainedRun.training = lacuna(folder.name, "train", "c.toml", "--train.run", "run")

    def ok(self, *arguments):
        result = lacuna(self.path, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return result

    def train(self, run, *arguments):
        self.ok("train", "c.toml", "--train.run", run, *arguments)
        return self.path / run

    def refused(self, arguments, *fragments, codes=(2,)):
        """One line on stderr with these fragments, exit code 2, and nothing changed."""
        with self.subTest(" ".join(map(str, arguments))):
            before = snapshot(self.path)
            result = lacuna(self.path, *arguments)
            error = result.stderr.decode()
            self.assertIn(result.returncode, codes, error)
            self.assertTrue(error.startswith("lacuna: "), error)
            self.assertEqual(error.count("\n"), 1, error)
            self.assertTrue(error.endswith((".\n", "?\n")), error)
            self.assertNotIn("?.", error)
            self.assertNotIn("unexpected:", error)
            self.assertEqual(result.stdout, b"")
            for fragment in fragments:
                self.assertIn(fragment, error)
            self.assertEqual(before, snapshot(self.path))
