#!/usr/bin/env python3
"""Signals: the first one is answered, stops every command and never harms a computation, the second one
quits, a hang-up saves, and none of this needs a thread that cannot be made. Needs LACUNA_BINARY."""
import fcntl
import os
import pty
import random
import resource
import select
import shutil
import signal
import subprocess
import termios
import time
import unittest
from multiprocessing.pool import ThreadPool

import small_run
import trained_run
from small_run import BINARY, ECHO
from test_interrupts import ENDLESS, NOBODY, Interrupts, processor_seconds, wait_until, watches

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
ANSWER = trained_run.ANSWER.rstrip()
# Two threads, and products that fill most of the time.
LARGE = ["--model.width=128", "--model.context=240", "--train.threads=2", "--train.batch=4"]
# A step of minutes.
LONG = ["--train.accumulation=65536", *ENDLESS]


def interrupted_already():
    """Before a process begins: it finds the signal as soon as it looks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.kill(os.getpid(), signal.SIGINT)


def read_terminal(master, end=None, seconds=60):
    """What is written on a terminal until that has the fragment `end`, or until its other side is closed."""
    output, limit = b"", time.monotonic() + seconds
    while end is None or end not in output:
        left = limit - time.monotonic()
        if left <= 0 or not select.select([master], [], [], left)[0]:
            raise AssertionError(f"waited in vain for {end or 'the end'} in {output[-2000:]}")
        try:
            output += os.read(master, 4096)
        except OSError:  # how Linux says that the other side is closed
            if end is None:
                break
            raise AssertionError(f"it ended without {end} in {output[-2000:]}") from None
    return output


def send_at_once(process, *numbers):
    """The process finds all of them when it looks for one."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    for number in (*numbers, signal.SIGCONT):
        process.send_signal(number)


class Storm(Interrupts):
    def interrupted(self, arguments, begun, delay, number):
        with subprocess.Popen([BINARY, *arguments], cwd=self.path, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as process:
            try:
                wait_until(lambda: begun(process))
                time.sleep(delay)
                process.send_signal(number)
                error = process.communicate(timeout=60)[1]
            finally:
                process.kill()
        return process.returncode, error

    def test_no_signal_harms_a_computation(self):
        self.train("--train.run=trained", "--train.length=1 steps", "--train.evaluate_every=0 steps",
                   *ECHO, *LARGE)
        random_source = random.Random(1)

        def job(k):
            kinds = [["train", "c.toml", f"--train.run=run-{k}", *ENDLESS, *LARGE],
                     ["eval", "trained", "--data.size=10000000", "--data.split=0 / 1"],
                     ["sample", "trained", "--length=1000000", "--no-cache"]]
            # Every other run has made its first step, whatever that takes here: it leaves something.
            begun = (lambda _: (self.path / f"run-{k}/config.toml").exists()) if k % 8 == 0 else watches
            return kinds[min(k % 4, 2)], begun, random_source.uniform(0, 0.15), random_source.choice(ASKING)

        jobs = [job(k) for k in range(240)]
        with ThreadPool(2) as pool:
            for job, (code, error) in zip(jobs, pool.starmap(self.interrupted, jobs)):
                self.assertEqual(code, 0, f"{job[0]}: {error}")
        for config in random_source.sample(sorted(self.path.glob("run-*/config.toml")), 8):
            self.assertEqual(self.lacuna("inspect", "checkpoint", config.parent.name).returncode, 0)


class Insisting(Interrupts):
    def training(self, *arguments):
        """A new run."""
        shutil.rmtree(self.path / "run", ignore_errors=True)
        return self.start("train", "c.toml", *arguments)

    def test_the_first_is_answered_and_the_second_quits_at_once(self):
        for first, second in ((signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGUSR1),
                              (signal.SIGUSR1, signal.SIGTERM)):
            with self.subTest(first=first, second=second):
                process = self.training(*LONG)
                self.read_until(process, "memory  ")  # the step comes next
                before = processor_seconds(process)
                wait_until(lambda: processor_seconds(process) > before + 0.4)
                process.send_signal(first)
                self.read_until(process, ANSWER)
                process.send_signal(second)
                self.assertEqual(process.wait(10), -second)

    def test_one_request_may_come_twice(self):
        # As `timeout` sends it: to the process, then to its group.
        judged = 0
        for _ in range(20):
            process = self.training(*ENDLESS)
            wait_until(lambda: self.metrics_text())
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            at_once = time.monotonic() - began < 0.04
            text = process.communicate(timeout=30)[1]
            if not at_once:  # on a busy machine these may be two requests
                continue
            self.assertEqual(process.returncode, 0, text)
            self.assertIn("stopped after", text)
            judged += 1
            if judged == 5:
                return
        self.skipTest("this machine is too busy to send two signals at once")

    def test_all_that_come_at_once_are_one_request(self):
        process = self.training(*ENDLESS)
        wait_until(lambda: self.metrics_text())
        send_at_once(process, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("stopped after", text)

    def test_the_answer_has_a_line_of_its_own_below_the_live_line(self):
        try:
            master, slave = pty.openpty()
        except OSError as failure:
            self.skipTest(f"no pseudo-terminal: {failure}")
        self.addCleanup(os.close, master)
        process = subprocess.Popen(
            [BINARY, "train", "c.toml", *ENDLESS, *LARGE, "--train.accumulation=50"], cwd=self.path,
            stderr=slave, env={**os.environ, "TERM": "xterm"})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(slave)
        output = read_terminal(master, b"step 1/")
        process.send_signal(signal.SIGINT)
        output += read_terminal(master)
        self.assertEqual(process.wait(30), 0)
        self.assertRegex(output, rb"\n" + ANSWER.encode() + rb"[^\r\n]*\r\n")


class HangUps(Interrupts):
    def test_a_terminal_that_goes_away_stops_the_run_and_all_is_saved(self):
        try:
            master, slave = pty.openpty()
        except OSError as failure:  # a bare chroot has none
            self.skipTest(f"no pseudo-terminal: {failure}")
        # The leader of a session whose terminal this is, as a shell's last command over ssh is.
        process = subprocess.Popen(
            [BINARY, "train", "c.toml", *ENDLESS], cwd=self.path, stdin=slave, stdout=slave,
            stderr=slave, start_new_session=True, env={**os.environ, "TERM": "xterm"},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(slave)
        read_terminal(master, b"step 9/")
        os.close(master)
        self.assertEqual(process.wait(30), 0)
        last = small_run.steps(self.path / "run")[-1]
        self.assertIn(f"stopped after {last} steps", (self.path / "run/log.txt").read_text())
        self.assertEqual(self.lacuna("eval", f"run/checkpoints/step-{last}").returncode, 0)

    def test_a_hang_up_that_comes_twice_does_not_cut_the_saving_short(self):
        process = self.start("train", "c.toml", *ENDLESS, *LARGE, "--train.accumulation=60")
        wait_until(lambda: self.metrics_text())
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("stopped after", text)

    def test_nohup_goes_on(self):
        process = self.start("train", "c.toml", *ENDLESS,
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        wait_until(lambda: self.metrics_text())
        process.send_signal(signal.SIGHUP)
        lines = self.metrics_text().count("\n")
        wait_until(lambda: self.metrics_text().count("\n") > lines + 20)
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 0, text)


class EveryCommand(Interrupts):
    def stops(self, *arguments, busy=0.8):
        """In the midst of its work, and says so."""
        with self.subTest(" ".join(arguments)):
            process = self.start(*arguments)
            wait_until(lambda: processor_seconds(process) > busy, 120)
            process.send_signal(signal.SIGINT)
            error = process.communicate(timeout=30)[1]
            self.assertEqual(process.returncode, 0, error)
            self.assertEqual(error.replace(trained_run.ANSWER, ""), "stopped before the end\n")

    def test_bench_stops(self):
        endless = "--repeats=1000000"
        self.stops("bench", "cpu", endless)
        self.stops("bench", "sampling", endless)
        self.stops("bench", "sampling", "--config=c.toml", endless, "--json=n.json")
        self.stops("bench", "step", "--config=c.toml", endless, "--json=n.json")
        self.assertFalse((self.path / "n.json").exists())

    def test_inspect_stops(self):
        self.stops("inspect", "pattern", "strided(1024)", "--context=1048576", "--png=p.png")
        self.stops("inspect", "data", "c.toml", *ECHO[:-1], "--data.size=500000000")
        self.assertFalse((self.path / "p.png").exists())

    def test_inspect_stops_between_the_pieces_of_a_checkpoint(self):
        self.train("--model.width=512", "--train.length=1 steps", "--train.evaluate_every=0 steps")

        for what in ("run", "run/checkpoints/step-1"):
            process = self.start("inspect", "checkpoint", what, preexec_fn=interrupted_already)
            output, error = process.communicate(timeout=30)
            self.assertEqual((process.returncode, error), (0, "stopped before the end\n"))
            self.assertNotIn("tensors", output)

    def test_every_command_stops_between_the_pieces_of_the_data(self):
        self.train("--train.length=1 steps", "--train.evaluate_every=0 steps")
        run = {file: file.read_bytes() for file in self.path.joinpath("run").rglob("*") if file.is_file()}
        os.truncate(self.path / "text", 1 << 28)
        stopped = "stopped before the end\n"
        for arguments, said in ((["inspect", "data", "c.toml"], stopped), (["eval", "run"], stopped),
                                (["train", "c.toml", "--train.run=new"],
                                 "stopped before the first step was done; no run was begun in new\n"),
                                (["train", "c.toml", "--resume=auto"],
                                 "stopped before the first step was done; the run is as it was in run\n")):
            with self.subTest(" ".join(arguments)):
                process = self.start(*arguments, preexec_fn=interrupted_already)
                output, error = process.communicate(timeout=30)
                self.assertEqual((process.returncode, output), (0, ""), error)
                self.assertEqual(error.replace(trained_run.ANSWER, ""), said)
        self.assertFalse((self.path / "new").exists())
        self.assertEqual(run, {file: file.read_bytes() for file in run})

    def test_a_checkpoint_that_is_read_back_can_be_interrupted(self):
        self.train("--model.width=512", "--train.length=1 steps", "--train.evaluate_every=0 steps")
        for command in ("eval", "sample"):
            process = self.start(command, "run/checkpoints/step-1", preexec_fn=interrupted_already)
            output, error = process.communicate(timeout=30)
            self.assertEqual((process.returncode, output), (0, ""), error)
            self.assertEqual(error.replace(trained_run.ANSWER, ""), "stopped before the end\n")

    def test_report_stops(self):
        self.train()
        metrics = self.path / "run/metrics.jsonl"
        step = next(line for line in metrics.read_text().splitlines() if '"train"' in line)
        metrics.write_text(f"{step}\n" * 400_000)
        self.stops("report", "run", busy=0.2)
        self.assertFalse((self.path / "report.html").exists())


class NoThreads(Interrupts):
    def start(self, *arguments, **popen):
        """As a user who may have this one thread; root may always have more."""
        binary = shutil.copy(BINARY, self.path / "lacuna")
        for place in (self.path, *self.path.iterdir()):
            place.chmod(0o755)
            if os.getuid() == 0:
                os.chown(place, NOBODY, NOBODY)
        process = subprocess.Popen(
            [binary, *arguments], cwd=self.path, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1, 1)), **popen,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},  # which would take a thread
            **({"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def threads(self, process):
        return len(os.listdir(f"/proc/{process.pid}/task"))

    def test_a_signal_stops_the_run(self):
        process = self.start("train", "c.toml", *ENDLESS)
        wait_until(lambda: self.metrics_text())
        self.assertEqual(self.threads(process), 1)
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("stopped after", text)
        self.assertIn(ANSWER, text)

    def test_all_that_come_at_once_are_one_request(self):
        process = self.start("train", "c.toml", *ENDLESS)
        wait_until(lambda: self.metrics_text())
        send_at_once(process, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("stopped after", text)

    def test_checkpoints_are_written_in_the_foreground(self):
        process = self.start("train", "c.toml")
        text = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertEqual(text.count("no thread could be made"), 1, text)
        self.assertEqual(small_run.steps(self.path / "run"), [5, 10, 15, 20])
        self.train("--train.run=usual")
        self.same_results("run", "usual")


if __name__ == "__main__":
    unittest.main()
