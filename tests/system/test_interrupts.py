#!/usr/bin/env python3
"""A system that gets in the way of a run: signals at any time, a full disk, a read-only folder, a second
process in the folder. Training goes on where it can and says so, and the last good checkpoint serves.
Needs LACUNA_BINARY."""
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time
import unittest

import small_run
from small_run import BINARY, ECHO, SmallRun

ENDLESS = ["--train.length=1000000 steps", "--train.evaluate_every=0 steps"]
NOBODY = 65534


def wait_until(holds, seconds=30):
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            raise AssertionError("waited in vain")
        time.sleep(0.005)


def mounted(folder, size):
    """Whether a small file system of its own could be mounted there."""
    folder.mkdir()
    return shutil.which("mount") is not None and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "lacuna-test", folder],
        capture_output=True, check=False).returncode == 0


def fill(file):
    """Takes all the space that is left on a file system."""
    with file.open("wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)):
                pass
        except OSError:
            pass


def watches(process):
    """Whether SIGINT no longer does what it does by default."""
    with open(f"/proc/{process.pid}/status", encoding="ascii", errors="replace") as status:
        masks = [int(line.split()[1], 16) for line in status if line.startswith(("SigBlk:", "SigCgt:"))]
    return any(mask >> (signal.SIGINT - 1) & 1 for mask in masks)


def processor_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[11]) / os.sysconf("SC_CLK_TCK")


class Interrupts(SmallRun):
    def start(self, *arguments, **popen):
        process = subprocess.Popen([BINARY, *arguments], cwd=self.path, stderr=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, **popen)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def metrics_text(self):
        try:
            return (self.path / "run/metrics.jsonl").read_text()
        except FileNotFoundError:  # not yet, or it is being replaced
            return ""

    def read_until(self, process, fragment):
        for line in process.stderr:
            if fragment in line:
                return line
        raise AssertionError(f"the run ended without saying '{fragment}'")


class Signals(Interrupts):
    def test_a_signal_saves_a_checkpoint_and_the_run_goes_on(self):
        # Evaluation takes most of the time here, so that signals also arrive in it.
        options = ["--train.length=60 steps", "--train.evaluate_every=2 steps",
                   "--checkpoint.every=0 steps"]
        self.train("--train.run=whole", *options)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            process = self.start("train", "c.toml", "--resume=auto", *options)
            process.stderr.readline()  # signals are watched by now
            wait_until(lambda: '"train"' in self.metrics_text())
            time.sleep(random.uniform(0, 0.05))
            process.send_signal(number)
            text = process.communicate()[1]
            self.assertEqual(process.returncode, 0, text)
            self.assertIn("stopped after", text)
        self.train("--resume=auto", *options)
        self.assertEqual(small_run.metrics(self.path / "run"),
                         small_run.metrics(self.path / "whole"))
        self.same_weights("run", "whole")

    def test_a_signal_during_an_evaluation_in_training_ends_it_and_saves(self):
        for number in (signal.SIGTERM, signal.SIGUSR1):
            with self.subTest(number=number):
                shutil.rmtree(self.path / "run", ignore_errors=True)  # whose metrics would be taken for new
                # One step, then an evaluation of millions of positions.
                process = self.start("train", "c.toml", "--overwrite", *ECHO[:-1],
                                     "--data.size=20000000", "--data.split=0.1 / 0.9",
                                     "--train.evaluate_every=1 steps")
                wait_until(lambda: '"train"' in self.metrics_text())
                time.sleep(0.3)
                process.send_signal(number)
                text = process.communicate(timeout=30)[1]
                self.assertEqual(process.returncode, 0, text)
                self.assertIn("stopped after 1 steps", text)
                self.assertNotIn("evaluation", self.metrics_text())
                state = (self.path / "run/checkpoints/step-1/state.json").read_text()
                self.assertIn('"evaluation_due": true', state)
                self.assertEqual(small_run.steps(self.path / "run"), [1])

    def test_a_signal_during_eval_ends_it(self):
        self.train(*ECHO, "--train.length=1 steps")
        for number in (signal.SIGTERM, signal.SIGUSR1):
            with self.subTest(number=number):
                process = self.start("eval", "run", "--data.size=100000000",
                                     "--data.split=0 / 1")
                # Far beyond what starting takes; the evaluation takes minutes.
                wait_until(lambda: processor_seconds(process) > 2, 120)
                process.send_signal(number)
                text = process.communicate(timeout=30)[1]
                self.assertEqual(process.returncode, 0, text)
                self.assertRegex(text, r"stopped after [1-9][0-9,]* of [0-9,]* positions")


    def test_a_time_limit_saves_and_the_run_goes_on(self):
        text = self.train("--train.time_limit=0.0001", *ENDLESS)  # 0.36 seconds
        self.assertRegex(text, r"stopped after \d+ steps")
        done = small_run.steps(self.path / "run")[-1]
        self.assertLess(done, 1_000_000)
        text = self.train("--resume=auto", "--train.time_limit=0", f"--train.length={done + 2} steps")
        self.assertIn(f"done after {done + 2} steps", text)


class Writes(Interrupts):
    def goes_on(self, process):
        """It says that no checkpoint was written, and goes on to make steps."""
        line = self.read_until(process, "no checkpoint was written")
        first, again = (int(re.search(r"step (\d+)/", self.read_until(process, "step "))[1])
                        for _ in range(2))
        self.assertGreater(again, first)
        return line

    def keep_newest(self):
        """Its step; a copy of the newest checkpoint is put aside."""
        good = small_run.steps(self.path / "run")[-1]
        shutil.copytree(self.path / f"run/checkpoints/step-{good}", self.path / "good")
        return good

    def still_resumes(self, good):
        """The checkpoint put aside is in its place, untouched, and the run goes on from there."""
        place = f"run/checkpoints/step-{good}"
        self.assertEqual(good, small_run.steps(self.path / "run")[-1])
        self.assertEqual({file.name: file.read_bytes() for file in (self.path / place).iterdir()},
                         {file.name: file.read_bytes() for file in (self.path / "good").iterdir()})
        length = f"--train.length={good + 7} steps"
        self.assertIn(f"resumed from {place}", self.train("--resume=auto", length))
        self.train("--train.run=again", "--resume=good", length)
        self.same_weights("run", "again")
        self.assertEqual([line["step"] for line in small_run.metrics(self.path / "run")
                          if line["kind"] == "train"], list(range(1, good + 8)))

    def test_a_full_disk_is_a_warning_until_the_end(self):
        disk = self.path / "disk"
        if not mounted(disk, "3m"):
            self.skipTest("no file system may be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        (disk / "run").mkdir()
        (self.path / "run").symlink_to("disk/run")
        process = self.start("train", "c.toml", *ENDLESS, "--train.log_every=1",
                             "--checkpoint.keep_every=0 steps", "--checkpoint.every=200 steps")
        wait_until(lambda: small_run.steps(self.path / "run"))
        fill(disk / "ballast")
        self.assertIn("No space left", self.goes_on(process))
        good = self.keep_newest()
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 1, text)
        self.assertIn("No space left", text.splitlines()[-1])
        (disk / "ballast").unlink()
        self.still_resumes(good)

    def test_a_limit_on_file_sizes_is_a_warning_until_the_end(self):
        self.train("--train.length=5 steps")
        sizes = {file.stem: file.stat().st_size
                 for file in (self.path / "run/checkpoints/step-5").iterdir()}
        good = self.keep_newest()
        limit = (sizes["weights"] + sizes["optimizer"]) // 2  # the optimizer's file is larger

        # Python ignores SIGXFSZ and its children would too; lacuna must do so itself.
        process = self.start("train", "c.toml", "--resume=auto", *ENDLESS, "--train.log_every=1",
                             restore_signals=True, preexec_fn=lambda: resource.setrlimit(
                                 resource.RLIMIT_FSIZE, (limit, limit)))
        self.goes_on(process)
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 1, text)
        self.assertIn("the last checkpoint could not be written", text)
        self.assertTrue((self.path / "run/weights.safetensors").exists())
        self.still_resumes(good)

    def test_a_folder_that_becomes_read_only_is_a_warning_until_the_end(self):
        # Root may write everywhere: then the run belongs to nobody, who may not.
        as_whom = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
        binary = shutil.copy(BINARY, self.path / "lacuna")
        for place in (self.path, *self.path.iterdir()):
            place.chmod(0o755)
            if as_whom:
                os.chown(place, NOBODY, NOBODY)
        process = subprocess.Popen(
            [binary, "train", "c.toml", *ENDLESS, "--train.log_every=1",
             "--checkpoint.keep_every=0 steps"], cwd=self.path, stderr=subprocess.PIPE, text=True,
            **as_whom)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        checkpoints = self.path / "run/checkpoints"
        wait_until(lambda: small_run.steps(self.path / "run"))
        checkpoints.chmod(0o555)
        self.assertIn("Permission denied", self.goes_on(process))
        good = self.keep_newest()
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 1, text)
        self.assertIn("the last checkpoint could not be written", text)
        self.assertTrue((self.path / "run/weights.safetensors").exists())
        checkpoints.chmod(0o755)
        self.still_resumes(good)

    def test_a_failure_that_has_passed_by_the_end_is_none(self):
        process = self.start("train", "c.toml", *ENDLESS, "--train.log_every=1")
        wait_until(lambda: small_run.steps(self.path / "run"))
        (self.path / "run/checkpoints").rename(self.path / "aside")
        (self.path / "run/checkpoints").write_text("in the way")
        self.goes_on(process)
        (self.path / "run/checkpoints").unlink()
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 0, text)
        last = small_run.steps(self.path / "run")[-1]
        self.assertIn(f"stopped after {last} steps", text)
        self.assertEqual(self.lacuna("eval", f"run/checkpoints/step-{last}").returncode, 0)


class TwoRuns(Interrupts):
    def test_two_runs_in_one_folder_are_refused(self):
        process = self.start("train", "c.toml", *ENDLESS)
        wait_until(lambda: self.metrics_text())
        for arguments in (["--resume=auto"], ["--overwrite"], []):
            run = self.lacuna("train", "c.toml", *arguments)
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertIn("another lacuna", run.stderr)
        process.send_signal(signal.SIGINT)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 0, text)
        lines = small_run.metrics(self.path / "run")  # the first one lost nothing
        self.assertEqual([line["step"] for line in lines if line["kind"] == "train"],
                         list(range(1, lines[-1]["step"] + 1)))


if __name__ == "__main__":
    unittest.main()
