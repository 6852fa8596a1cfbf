#!/usr/bin/env python3
"""What the machine gives: fewer threads than were asked for, less memory than is needed. Needs
LACUNA_BINARY."""
import os
import re
import resource
import subprocess
import unittest

from small_run import BINARY, SmallRun

# Products large enough that oneDNN shares them out among threads.
WIDE = ["--model.width=128", "--model.context=128", "--model.attention=strided(16)", "--train.length=4 steps",
        "--train.evaluate_every=0 steps"]


class Threads(SmallRun):
    def run_with(self, variables, *arguments):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
        run = subprocess.run([BINARY, *arguments], cwd=self.path, capture_output=True, text=True, check=False,
                             env={**environment, "OMP_WAIT_POLICY": "passive", **variables})
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout, run.stderr

    def train_with(self, run, threads, **variables):
        _, said = self.run_with(variables, "train", "c.toml", f"--train.run={run}", f"--train.threads={threads}",
                                *WIDE)
        given, = re.findall(r"tokens on (\d+) CPU threads", said)
        self.assertEqual("OpenMP gives" in said, threads != 0 and int(given) < threads, said)
        evaluation, _ = self.run_with(variables, "eval", run)
        self.assertNotIn("nan", evaluation)
        return int(given)

    def test_a_run_has_the_bits_of_the_threads_that_openmp_gives(self):
        self.assertEqual(self.train_with("one", 1), 1)
        self.assertEqual(self.train_with("two", 2), 2)
        for number, (variables, same) in enumerate((
                ({"OMP_THREAD_LIMIT": "1"}, "one"),
                ({"OMP_MAX_ACTIVE_LEVELS": "0"}, "one"),
                ({"OMP_DYNAMIC": "true"}, "two"),
                ({"OMP_NUM_THREADS": "1"}, "two"))):
            with self.subTest(variables):
                run = f"run-{number}"
                self.assertEqual(self.train_with(run, 2, **variables), 1 if same == "one" else 2)
                self.same_weights(run, same)

    def test_a_run_with_more_threads_than_processors_ends_well_with_dynamic_threads(self):
        self.assertEqual(self.train_with("many", 2 * os.cpu_count(), OMP_DYNAMIC="true"), 2 * os.cpu_count())

    def test_the_number_of_threads_of_openmp_is_obeyed(self):
        self.assertEqual(self.train_with("all", 0, OMP_NUM_THREADS="3"), 3)
        version, _ = self.run_with({"OMP_NUM_THREADS": "3"}, "--version")
        self.assertIn("\n3 CPU threads\n", version)


class Memory(SmallRun):
    def run_within(self, gigabytes, *arguments):
        limit = gigabytes << 30
        return subprocess.run([BINARY, *arguments], cwd=self.path, capture_output=True, text=True, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))

    def refused_within(self, gigabytes, *arguments):
        # The address sanitizer alone reserves terabytes.
        if self.run_within(gigabytes, "--version").returncode != 0:
            self.skipTest(f"lacuna does not start within {gigabytes} GiB of address space")
        run = self.run_within(gigabytes, "train", "c.toml", *arguments)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertFalse((self.path / "run").exists())
        return run.stderr

    def test_weights_that_do_not_fit_are_told_from_a_batch_that_does_not(self):
        said = self.refused_within(2, "--model.width=1024", "--model.layers=64")
        self.assertRegex(said, r"memory: the weights alone need .* are free\. Lower model\.layers from 64 to at most ")
        said = self.refused_within(2, "--train.batch=65536", "--model.context=80")
        self.assertRegex(said, r"memory: a step needs .* although it keeps least.*Lower train\.batch from 65536 to \d+ ")


if __name__ == "__main__":
    unittest.main()
