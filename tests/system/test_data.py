#!/usr/bin/env python3
"""Data files: which ones a run reads, what it says of those it cannot use, and files that change while it
trains. Needs LACUNA_BINARY."""
import os
import random
import subprocess
import time
import unittest

import small_run
from small_run import BINARY, SmallRun

ENDLESS = ["--train.length=1000000 steps", "--train.evaluate_every=0 steps"]


class ChangingFiles(SmallRun):
    """Data that is cut or replaced under a run."""

    def setUp(self):
        super().setUp()
        words = random.Random(3).choices(["cut ", "short ", "and ", "mended\n"], k=20000)
        self.text = "".join(words).encode()  # long enough to be read when it is needed
        (self.path / "text").write_bytes(self.text)

    def train_and_cut(self, step, *arguments):
        """Ends a run by cutting its data once it has done some steps; what it said after them."""
        command = [BINARY, "train", "c.toml", "--train.run=cut", "--train.log_every=1", *arguments]
        with subprocess.Popen(command, cwd=self.path, stderr=subprocess.PIPE, text=True) as process:
            self.addCleanup(process.kill)
            for line in process.stderr:
                if line.startswith(f"step {step}/"):
                    break
            os.truncate(self.path / "text", 100)
            error = process.stderr.read()
        self.assertEqual(process.returncode, 1, error)
        return error

    def test_a_file_cut_short_ends_the_run_with_its_name_and_everything_saved(self):
        options = ["--train.length=100 steps", "--train.evaluate_every=0 steps"]
        error = self.train_and_cut(3, *options)
        self.assertIn(f"lacuna: text: was cut short: it had {len(self.text):,} bytes when it was opened "
                      "and has 100 now", error)
        self.assertRegex(error, r"stopped after \d+ steps")
        self.assertGreaterEqual(small_run.steps(self.path / "cut")[-1], 3)
        self.assertTrue((self.path / "cut/weights.safetensors").exists())
        self.refused("other data", "train", "c.toml", "--train.run=cut", "--resume=auto", *options)
        # Once the file is back the run goes on as if it had never ended.
        (self.path / "text").write_bytes(self.text)
        self.train("--train.run=cut", "--resume=auto", *options)
        self.train("--train.run=whole", *options)
        different = set(small_run.differences(self.path / "cut", self.path / "whole"))
        self.assertEqual(different - {"log.txt"}, set())  # which has one checkpoint more

    def test_an_evaluation_that_the_data_ended_is_made_up_for(self):
        # Long evaluations, one after each step: the cut mostly falls into one.
        options = ["--train.evaluate_every=1 steps", "--data.split=0.2 / 0.3", "--train.length=6 steps"]
        self.train_and_cut(2, *options)
        (self.path / "text").write_bytes(self.text)
        self.train("--train.run=cut", "--resume=auto", *options)
        self.train("--train.run=whole", *options)
        self.assertEqual(small_run.metrics(self.path / "cut"), small_run.metrics(self.path / "whole"))

    def test_a_file_that_is_renamed_removed_or_longer_is_read_to_the_end(self):
        process = subprocess.Popen([BINARY, "train", "c.toml", "--train.run=changed", *ENDLESS],
                                   cwd=self.path, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        while not process.stderr.readline().startswith("step 10/"):
            pass
        with (self.path / "text").open("ab") as file:
            file.write(b"more")
        time.sleep(0.05)
        (self.path / "text").unlink()
        while not process.stderr.readline().startswith("step 50/"):
            pass
        process.terminate()
        error = process.communicate()[1]
        self.assertEqual(process.returncode, 0, error)


class ManyFiles(SmallRun):
    def test_more_large_files_than_a_process_may_map_or_open(self):
        (self.path / "many").mkdir()
        content = random.Random(4).randbytes(65536)
        for first in (0, 33000):  # a file has some 65,000 names at most
            source = self.path / f"many/{first}"
            source.write_bytes(content)
            for name in range(first + 1, first + 33000):
                os.link(source, self.path / f"many/{name}")
        said = self.train("--data.paths=many", "--train.length=1 steps", "--train.evaluate_every=0 steps",
                          "--data.split=1 / 0")
        self.assertIn(f"66,000 files, {66000 * 65536:,} bytes", said)


if __name__ == "__main__":
    unittest.main()
