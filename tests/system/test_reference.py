#!/usr/bin/env python3
"""The outside check in CI: tools/reference.py must reproduce the logits and bits of saved runs, for
every pattern and combination, in both precisions. Needs LACUNA_BINARY."""
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BINARY = os.environ["LACUNA_BINARY"]
REFERENCE = Path(__file__).resolve().parents[2] / "tools" / "reference.py"
COMBINATIONS = [
    '["dense()"]',
    '["local(8)"]',
    '["local(8, window=paper)"]',
    '["column(8)"]',
    '["block(8)"]',
    '["summary(8, 3)"]',
    '["summary(8, 2, 4)"]',
    '["strided(8)"]',
    '["strided(9, window=paper)"]',
    '["fixed(8, 2)"]',
    '["fixed(8, 2, 4)"]',
    '["local(5) + summary(8, 2)"]',
    '["local(7) + column(3)"]',
    '["local(8) | column(8)"]',
    '["fixed(8, 2, 2) | strided(8)"]',
    '["local(8)", "local(8)", "local(8)", "column(8)"]',
    '["fixed(8, 2)", "dense()", "local(4) | block(16)"]',
]


class Reference(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)
        words = random.Random(1).choices(["lo ", "gap ", "sparse ", "a ", "stride\n"], k=2000)
        (self.path / "text").write_text("".join(words))
        (self.path / "c.toml").write_text('[data]\npaths = ["text"]\n')

    def run_in(self, *command):
        return subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=False)

    def agree(self, *options):
        run = self.run_in(BINARY, "train", "c.toml", "--overwrite", "--train.run=run",
                          "--train.length=8 steps", "--train.batch=2", "--model.width=32",
                          "--model.context=50", "--model.embedding_std=0.5", "--optim.average=0",
                          "--optim.warmup=0 steps", "--optim.learning_rate=0.01",
                          "--train.evaluate_every=0 steps", *options)
        self.assertEqual(run.returncode, 0, run.stderr)
        run = self.run_in(BINARY, "eval", "run", "--logits", "logits.safetensors")
        self.assertEqual(run.returncode, 0, run.stderr)
        run = self.run_in(sys.executable, str(REFERENCE), "run", "logits.safetensors")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_every_pattern_and_combination_agrees(self):
        for attention in COMBINATIONS:
            for precision in ("f32", "f64"):
                with self.subTest(attention=attention, precision=precision):
                    self.agree("--model.attention=" + attention, "--train.precision=" + precision)

    def test_every_shape_of_the_model_agrees(self):
        for options in (["--model.qk_width=16", "--model.feedforward_width=48"],
                        ["--model.position_tables=[4, 5, 3]"], ["--model.position_tables=[50]"],
                        ["--model.heads=1", "--model.layers=7"], ["--model.init=paper"]):
            with self.subTest(options=options):
                self.agree(*options)

    def test_another_pattern_than_the_trained_one_is_noticed(self):
        self.agree("--model.attention=local(8)")
        config = (self.path / "run/config.toml").read_text()
        (self.path / "run/config.toml").write_text(config.replace("local(8)", "local(9)"))
        run = self.run_in(sys.executable, str(REFERENCE), "run", "logits.safetensors")
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)


if __name__ == "__main__":
    unittest.main()
