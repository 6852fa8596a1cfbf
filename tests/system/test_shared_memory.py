#!/usr/bin/env python3
"""Steps, evaluations and samples of a run use the same memory in turns: they take no more than the largest
of them, and none changes another. Needs LACUNA_BINARY."""
import os
import re
import resource
import subprocess
import unittest

from small_run import BINARY, SmallRun, metrics

MIXED = ["--train.evaluate_every=1 steps", "--train.sample_every=1 steps", "--train.sample_length=60"]
PLAIN = ["--train.evaluate_every=0 steps"]


class SharedMemory(SmallRun):
    def test_evaluations_and_samples_between_all_steps_change_no_bit(self):
        for average in ("0.9", "0"):
            plain, mixed = f"plain-{average}", f"mixed-{average}"
            self.train(f"--train.run={plain}", f"--optim.average={average}", *PLAIN)
            self.train(f"--train.run={mixed}", f"--optim.average={average}", *MIXED)
            self.assertEqual(self.lines_of(plain, "train"), self.lines_of(mixed, "train"))
            last = [line for line in self.lines_of(mixed, "evaluation") if line["step"] == 20]
            self.assertEqual(self.lines_of(plain, "evaluation"), last)
            self.assertEqual((self.path / plain / "weights.safetensors").read_bytes(),
                             (self.path / mixed / "weights.safetensors").read_bytes())
            # Alone, a sample has memory of its own; it is longer than the context.
            for step in (5, 10, 20):
                drawn = self.lacuna("sample", f"{mixed}/checkpoints/step-{step}", "--length", "60",
                                    "--output", f"{step}.txt")
                self.assertEqual(drawn.returncode, 0, drawn.stderr)
                in_run = (self.path / mixed / f"samples/step-{step}.txt").read_bytes()
                self.assertIn((self.path / f"{step}.txt").read_bytes(), (in_run, in_run + b"\n"))

    def lines_of(self, run, kind):
        return [line for line in metrics(self.path / run) if line["kind"] == kind]

    def test_evaluations_and_samples_take_no_memory_beside_that_of_a_step(self):
        limit = 16 << 30  # the address sanitizer alone reserves terabytes, and keeps what was freed
        small = subprocess.run([BINARY, "--version"], capture_output=True, check=False,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        if small.returncode != 0:
            self.skipTest("lacuna does not start within 16 GiB of address space")
        size = ["--train.batch=1024", "--train.accumulation=1", "--train.length=2 steps"]
        step, said = self.peak("bench", "step", "--config", "c.toml", "--repeats", "1", *size)
        planned = re.search(r"([\d.]+) MiB planned", said).group(1)
        run, said = self.peak("train", "c.toml", *MIXED, *size)
        held = re.search(r"memory  ([\d.]+) MiB: ", said).group(1)
        self.assertGreater(float(planned), 200)
        self.assertAlmostEqual(float(held), float(planned), delta=0.2)  # the samples have tokens of their own
        self.assertLess(run, step + 0.1 * float(planned))

    def peak(self, *arguments):
        """The most memory that the process held, in MiB, and what it said."""
        with open(self.path / "said", "w+b") as said:
            process = subprocess.Popen([BINARY, *arguments], cwd=self.path, stdout=said, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read().decode()
        self.assertEqual(process.returncode, 0, text)
        return usage.ru_maxrss / 1024, text


if __name__ == "__main__":
    unittest.main()
