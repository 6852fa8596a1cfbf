#!/usr/bin/env python3
"""A run within memory.budget: the same bits in less memory, and budgets that cannot be kept are refused with
what would do. Needs LACUNA_BINARY."""
import re
import unittest

from small_run import SmallRun, differences

DEEP = ["--model.layers=6", "--train.batch=8", "--train.length=10 steps"]
MINIMUM = re.compile(r"^minimum: (\d+) bytes \([\d.]+ GiB\)$", re.MULTILINE)


def planned(said):
    """MiB of the line that says what a run holds."""
    return float(re.search(r"memory  ([\d.]+) MiB: ", said).group(1))


class MemoryBudget(SmallRun):
    def run_with(self, run, budget, *options):
        return self.lacuna("train", "c.toml", f"--train.run={run}", f"--memory.budget={budget}", *DEEP, *options)

    def least(self, *options):
        refused = self.run_with("refused", "1kB", *options)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        return int(MINIMUM.search(refused.stderr).group(1))

    def test_any_budget_gives_the_same_bits_in_the_memory_that_it_grants(self):
        whole = self.run_with("whole", "auto")
        self.assertEqual(whole.returncode, 0, whole.stderr)
        self.assertNotIn("kept    ", whole.stderr + whole.stdout)
        everything, least = planned(whole.stderr + whole.stdout), self.least() / 2**20
        self.assertLess(least, 0.6 * everything)
        before = 0
        for share in (0, 0.2, 0.5, 0.8):
            budget = least + share * (everything - least) + 0.001
            run = self.run_with(f"run-{share}", f"{budget}MiB")
            self.assertEqual(run.returncode, 0, run.stderr)
            said = run.stderr + run.stdout
            self.assertRegex(said, r"kept    of blocks 1.* entry")
            self.assertLessEqual(planned(said), round(budget, 1) + 0.05)
            self.assertGreaterEqual(planned(said), before)
            before = planned(said)
            self.assertEqual(differences(self.path / "whole", self.path / f"run-{share}"), [])

    def test_the_minimum_that_is_named_is_enough_and_one_byte_less_is_not(self):
        least = self.least()
        enough = self.run_with("enough", f"{least}B")
        self.assertEqual(enough.returncode, 0, enough.stderr)
        less = self.run_with("less", f"{least - 1}B")
        self.assertEqual(less.returncode, 2)
        self.assertEqual(int(MINIMUM.search(less.stderr).group(1)), least)
        self.assertFalse((self.path / "less").exists())

    def test_what_to_lower_is_enough(self):
        least = self.least()
        refused = self.run_with("refused", f"{int(0.9 * least)}B")
        batch = re.search(r"Lower train.batch from 8 to (\d)", refused.stderr)
        self.assertIsNotNone(batch, refused.stderr)
        smaller = self.lacuna("train", "c.toml", f"--memory.budget={int(0.9 * least)}B", *DEEP[:1], *DEEP[2:],
                              f"--train.batch={batch.group(1)}")
        self.assertEqual(smaller.returncode, 0, smaller.stderr)

    def test_what_processes_should_lower_is_enough_for_each(self):
        least = self.least("--processes=2", "--train.accumulation=1")
        self.assertLess(least, self.least())  # each has half of a batch
        budget, two = f"--memory.budget={least - 1}B", [*DEEP[:1], *DEEP[2:], "--processes=2"]
        refused = self.lacuna("train", "c.toml", "--train.run=refused", budget, *two, "--train.batch=8",
                              "--train.accumulation=1")
        batch = re.search(r"Lower train.batch from 8 to (\d) \(and raise train.accumulation to a multiple of 2\)",
                          refused.stderr)
        self.assertIsNotNone(batch, refused.stderr)
        lower = int(batch.group(1))
        for number, code in ((lower, 0), (lower + 1, 2)):
            run = self.lacuna("train", "c.toml", f"--train.run=run-{number}", budget, *two,
                              f"--train.batch={number}", "--train.accumulation=2")
            self.assertEqual(run.returncode, code, run.stderr)

    def test_a_budget_can_change_when_a_run_goes_on(self):
        whole = self.run_with("whole", "auto")
        self.assertEqual(whole.returncode, 0, whole.stderr)
        changed = self.run_with("changed", f"{self.least()}B")
        self.assertEqual(changed.returncode, 0, changed.stderr)
        for run, budget in (("whole", f"{self.least()}B"), ("changed", "auto")):
            more = self.lacuna("train", f"{run}/config.toml", "--resume=auto", f"--memory.budget={budget}",
                               "--train.length=15 steps")
            self.assertEqual(more.returncode, 0, more.stderr)
            self.assertEqual("kept    of blocks" in more.stderr, budget != "auto")
        self.same_weights("whole", "changed")

    def check_saved(self, command, *options, lowered):
        """What the command needs is enough and a byte less is not; then what it says to lower is."""
        def run(budget, batch=8):
            option = lowered if lowered.startswith("--") else f"--{lowered}"
            return self.lacuna(*command, f"--memory.budget={budget}", f"{option}={batch}", *options)
        refused = run("1kB")
        self.assertEqual((refused.returncode, refused.stdout), (2, ""), refused.stderr)
        self.assertNotIn("Lower", refused.stderr)
        least = int(MINIMUM.search(refused.stderr).group(1))
        enough, free = run(f"{least}B"), run("auto")
        self.assertEqual(enough.returncode, 0, enough.stderr)
        self.assertEqual(enough.stdout, free.stdout)
        less = run(f"{least - 1}B")
        self.assertEqual(less.returncode, 2)
        self.assertEqual(int(MINIMUM.search(less.stderr).group(1)), least)
        self.assertIn("memory.budget: ", less.stderr)
        number = int(re.search(rf"Lower {lowered} from 8 to (\d)\.", less.stderr).group(1))
        self.assertEqual(run(f"{least - 1}B", number).returncode, 0)
        self.assertEqual(run(f"{least - 1}B", number + 1).returncode, 2)
        return least

    def test_an_evaluation_and_a_sample_keep_to_their_budget(self):
        self.train("--optim.average=0.9")
        evaluation = ("eval", "run")
        both = self.check_saved(evaluation, lowered="train.batch")
        one = self.check_saved(evaluation, "--raw", lowered="train.batch")
        weights = (self.path / "run/weights.safetensors").stat().st_size
        self.assertLess(abs(both - one - weights), 0.1 * weights)
        sample = ("sample", "run", "--length=8", "--count=9")
        cached = self.check_saved(sample, lowered="--batch")
        self.assertGreater(self.check_saved(sample, "--no-cache", lowered="--batch"), cached)
        # One set of weights where two have no room.
        refused = self.lacuna("eval", "run", "--train.batch=1", f"--memory.budget={int(2.1 * weights)}B")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("by --raw or --average", refused.stderr)
        self.assertEqual(self.lacuna("eval", "run", "--train.batch=1", "--raw",
                                     f"--memory.budget={int(2.1 * weights)}B").returncode, 0)

    def test_nonsense_is_refused(self):
        for budget in ("many", "16 furlongs", "-1GiB", "0", "0%", "101%", "nan GiB", "1e400GiB", "", "GiB"):
            run = self.run_with("none", budget)
            self.assertEqual(run.returncode, 2, budget)
            self.assertIn("memory.budget", run.stderr)
            self.assertNotIn("minimum", run.stderr)


if __name__ == "__main__":
    unittest.main()
