"""Small runs on pictures that a test makes, for the tests of their formats. Needs LACUNA_BINARY."""
import os
import re
import tempfile
import unittest
from pathlib import Path

import numpy as np
from trained_run import lacuna, numbers, read_safetensors, snapshot

# A folder of real data; without it the tests that need some are skipped.
REAL = os.environ.get("LACUNA_DATA")
needs_real_data = unittest.skipUnless(REAL, "LACUNA_DATA names no folder with real data")
TINY = """[model]
layers = 1
heads = 1
width = 8
attention = ["local(4)"]
[train]
length = "1 steps"
evaluate_every = "0 steps"
batch = 1
threads = 1
run = "run"
"""


def random_pictures(count, height=64, width=64, channels=3, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8)


class Pictures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lacuna-pictures-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)

    def put(self, name, content):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def config(self, data, name="c.toml"):
        self.put(name, f"[data]\n{data}\n{TINY}".encode())

    def run_ok(self, *arguments):
        result = lacuna(self.path, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return result.stdout.decode()

    def inspect(self, *arguments, config="c.toml"):
        """The line on the data, and its identity: a hash of all symbols and their number."""
        out = self.run_ok("inspect", "data", config, *arguments)
        found = dict(re.findall(r"^(data|identity)\s+(.*)$", out, re.MULTILINE))
        return found["data"], found["identity"]

    def identity_of(self, pixels):
        """That of the same symbols as bytes."""
        whole = self.put("whole/raw", np.ascontiguousarray(pixels).tobytes())
        self.config('paths = ["whole"]\nsplit = "1 / 0"', "whole.toml")
        identity = self.inspect("--model.context=4", config="whole.toml")[1]
        whole.unlink()
        return identity

    def holds(self, pixels, *arguments):
        """The data has these pixels, all of them and no others; returns the line on it."""
        line, identity = self.inspect(*arguments)
        self.assertEqual(identity, self.identity_of(pixels))
        return line

    def symbols(self, part, count, *arguments):
        """The first pictures of a part, as a model reads them."""
        if not (self.path / "run").exists():
            self.run_ok("train", "c.toml")
        self.run_ok("eval", "run", "--split", part, "--train.batch", count, "--logits", "logits", *arguments)
        header, data = read_safetensors(self.path / "logits")
        return np.array(numbers(header, data, "tokens", "i")).reshape(header["tokens"]["shape"])

    def has_part(self, part, pictures, *arguments):
        read = self.symbols(part, len(pictures), *arguments)
        self.assertTrue(np.array_equal(read, pictures.reshape(len(pictures), -1)))

    def refused(self, *fragments, command=("inspect", "data", "c.toml"), arguments=()):
        """Exit code 2 and one line with all of these, and nothing is changed or half-written."""
        before = snapshot(self.path)
        result = lacuna(self.path, *command, *arguments)
        error = result.stderr.decode()
        self.assertEqual(result.returncode, 2, error)
        self.assertEqual(error.count("\n"), 1, error)
        self.assertEqual(result.stdout, b"")
        for fragment in fragments:
            self.assertIn(fragment, error)
        self.assertEqual(before, snapshot(self.path))
