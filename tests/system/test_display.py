#!/usr/bin/env python3
"""What a person sees of a run: the live line and its width, colours, progress within long work, the time left,
the last line and warnings. Needs LACUNA_BINARY."""
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

from test_interrupts import wait_until
from trained_run import BINARY, ENVIRONMENT, TrainedRun, read_metrics

BARE = {name: value for name, value in ENVIRONMENT.items()
        if name not in ("TERM", "COLORTERM", "COLUMNS", "NO_COLOR")}
COLOUR = b"\033[33m"
# An echo of so many symbols that an evaluation takes far longer than a test.
LONG_EVALUATION = ["--data.format=echo", "--data.block=16", "--data.size=80000000",
                   "--data.split=0.1 / 0.9", "--train.length=1 steps", "--optim.warmup=1 steps"]
# A line of training while something is under way.
AT_WORK = re.compile(r"^step \d+/\d+  (\d+% done|evaluation|sample|checkpoint|saving)")


def long_step(micro_batches):
    return [f"--train.accumulation={micro_batches}", "--train.length=2 steps", "--optim.warmup=1 steps"]


class Session:
    """A process on a pseudo-terminal, and all that it has written there."""

    def __init__(self, test, arguments, columns=200, **environment):
        try:
            self.master, slave = pty.openpty()
        except OSError as failure:  # a bare chroot has none
            test.skipTest(f"no pseudo-terminal: {failure}")
        self.resize(columns)
        self.output = b""
        self.process = subprocess.Popen([BINARY, *map(str, arguments)], cwd=test.path, stdin=slave, stdout=slave,
                                        stderr=slave, env={**BARE, "TERM": "xterm-256color", **environment})
        os.close(slave)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        test.addCleanup(self.close)

    def read(self):
        try:
            while chunk := os.read(self.master, 1 << 16):
                self.output += chunk
        except OSError:  # how Linux says that the other end is closed
            pass

    def resize(self, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def lines(self, since=0):
        """The live lines, in the order in which they were painted."""
        return [line.decode() for line in re.findall(rb"\r\033\[K([^\r\n\033]+)", self.output[since:])]

    def wait_for_some(self, count, pattern, seconds=60):
        """The groups of the first matches in live lines that were painted whole."""
        limit = time.monotonic() + seconds
        while True:
            found = [match.groups() for line in self.lines()[:-1] if (match := re.search(pattern, line))]
            if len(found) >= count:
                return found[:count]
            if time.monotonic() > limit:
                raise AssertionError(f"'{pattern}' was not seen {count} times in {self.output[-2000:]}")
            time.sleep(0.02)

    def wait_for(self, pattern, seconds=60):
        self.wait_for_some(1, pattern, seconds)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        code = self.process.wait(60)
        self.reader.join(10)
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        os.close(self.master)


class Display(TrainedRun):
    def on_terminal(self, *arguments, **kind):
        return Session(self, ["train", "c.toml", "--train.run", "live", *arguments], **kind)

    def start(self, *arguments, run="plain"):
        process = subprocess.Popen([BINARY, "train", "c.toml", "--train.run", run, *arguments], cwd=self.path,
                                   stderr=subprocess.PIPE, env=ENVIRONMENT, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def metrics_text(self, run):
        file = self.path / run / "metrics.jsonl"
        return file.read_text() if file.exists() else ""


class Line(Display):
    def test_it_fits_the_terminal_and_keeps_what_matters_most(self):
        for columns in (30, 60, 90):
            session = self.on_terminal("--overwrite", columns=columns)
            self.assertEqual(session.wait(), 0, session.output)
            lines = session.lines()
            self.assertLess(max(map(len, lines)), columns)
            ends = [line for line in lines if line.startswith("step ") and not AT_WORK.match(line)]
            self.assertEqual(len(ends), 25, lines)
            for line in ends:
                self.assertIn("ETA", line)
                self.assertEqual(columns > 30, "loss" in line, line)
                self.assertEqual(columns > 60, "planned" in line, line)

    def test_without_a_size_it_fits_the_variable_columns(self):
        for columns, least, most in (("40", 20, 39), ("", 41, 79)):
            session = self.on_terminal("--overwrite", columns=0, COLUMNS=columns)
            self.assertEqual(session.wait(), 0, session.output)
            widest = max(map(len, session.lines()))
            self.assertTrue(least <= widest <= most, (columns, widest))

    def test_it_follows_the_terminal_when_that_is_resized(self):
        session = self.on_terminal("--train.length=1M steps", "--train.evaluate_every=0 steps", columns=100)
        session.wait_for(r"step \d+/1000000  loss .* planned")
        session.resize(40)
        time.sleep(0.3)
        before = len(session.output)
        time.sleep(0.5)
        self.assertEqual(session.stop(), 0)
        lines = [line for line in session.lines(before) if "ETA" in line]
        self.assertGreater(len(lines), 5)
        self.assertLess(max(map(len, lines)), 40)

    def test_its_loss_is_the_smoothed_one_and_has_its_unit(self):
        text = (self.run_folder / "log.txt").read_text()
        shown = re.findall(r"step (\d+)/25  loss (\d+\.\d{4}) bits per \w+  [\d,]+ tokens/s  ETA \S+  \S+ \S+ planned\n", text)
        mean, expected = 0, {}
        for line in read_metrics(self.run_folder):
            if line["kind"] == "train":
                mean = 0.95 * mean + 0.05 * line["bits"]
                expected[line["step"]] = mean / (1 - 0.95 ** line["step"])
        self.assertEqual(shown, [(str(step), f"{expected[step]:.4f}") for step in (1, 10, 20, 25)])

    def test_a_resumed_run_smooths_on(self):
        self.train("parts", "--train.length=12 steps", "--checkpoint.every=12 steps")
        self.train("parts", "--train.length=25 steps", "--resume=auto")
        whole, parts = (re.findall(r"step (\d+)/25  loss (\S+) bits", (self.path / run / "log.txt").read_text())
                        for run in ("again", "parts")
                        if run == "parts" or self.train("again", "--train.log_every=10"))
        self.assertEqual([step for step, _ in parts], ["20", "25"])
        # The schedule was another for the first 12 steps: the mean is that of its own metrics.
        mean, weight = 0, 0
        for line in read_metrics(self.path / "parts"):
            if line["kind"] == "train":
                mean, weight = 0.95 * mean + 0.05 * line["bits"], 0.95 * weight + 0.05
        self.assertEqual(parts[-1][1], f"{mean / weight:.4f}")
        self.assertEqual(len(whole), 4)


class Colours(Display):
    WARNING = ["--optim.warmup=1000 steps"]

    def test_a_warning_has_colour_on_a_terminal(self):
        session = self.on_terminal(*self.WARNING)
        self.assertEqual(session.wait(), 0)
        self.assertIn(COLOUR, session.output)

    def test_no_color_takes_the_colours_away_and_nothing_else(self):
        for no_color, colours in (("1", False), ("", True)):
            session = self.on_terminal(*self.WARNING, "--overwrite", NO_COLOR=no_color)
            self.assertEqual(session.wait(), 0)
            self.assertEqual(COLOUR in session.output, colours)
            self.assertIn(b"\r\033[Kstep 12/25", session.output)
            if not colours:
                self.assertNotRegex(session.output, rb"\033\[[0-9;]*m")

    def test_a_dumb_terminal_gets_plain_lines(self):
        session = self.on_terminal(*self.WARNING, TERM="dumb", COLORTERM="truecolor")
        self.assertEqual(session.wait(), 0)
        text = session.output.replace(b"\r\n", b"\n")
        self.assertNotRegex(text, rb"[\r\033]")
        self.assertEqual(re.findall(rb"\nstep (\d+)/25 ", text), [b"1", b"10", b"20", b"25"])


class LongWork(Display):
    def test_a_long_step_shows_how_far_it_is(self):
        session = self.on_terminal(*long_step(65536))
        places = [tuple(map(int, place)) for place in session.wait_for_some(
            3, r"^step 1/2  (\d+)% done  micro-batch (\d+)/65536, (?:forward|backward), layer 1/1  "
               r"ETA \S+  .* planned$")]
        self.assertEqual(places, sorted(places))
        self.assertGreater(places[-1][1], places[0][1])
        for share, micro_batch in places:
            self.assertAlmostEqual(share, 100 * micro_batch / 65536, delta=1)

    def test_a_long_evaluation_shows_its_windows_and_the_time_left(self):
        session = self.on_terminal(*LONG_EVALUATION)
        shown = session.wait_for_some(
            3, r"^step 1/1  evaluation (\d+)/(\d+)  loss \S+ bits .* ETA (\S+)  .* planned$")
        windows = [int(done) for done, _, _ in shown]
        self.assertEqual(windows, sorted(set(windows)))
        for _, all_windows, left in shown:
            self.assertEqual(int(all_windows), 2 * 72_000_000 // 32)  # raw and averaged weights
            self.assertNotEqual(left, "0:00")

    def test_lacuna_eval_shows_its_windows_and_the_time_left(self):
        session = Session(self, ["eval", "run", "--data.format=echo", "--data.block=16",
                                 "--data.size=100000000", "--data.symbols=256",
                                 "--data.split=0 / 1"])
        session.wait_for(r"^evaluation \d+/6250000  ETA \d+:\d\d:?\d*$", 120)
        self.assertEqual(session.stop(), 0, session.output)
        self.assertRegex(session.output, rb"\r\033\[K(\033\[[0-9;]*m)?stopped after [\d,]+ of 100,000,000 positions")

    def test_without_a_terminal_long_work_says_so_now_and_then(self):
        began = time.monotonic()
        process = self.start(*LONG_EVALUATION)
        line = self.read_line(process, r"^step 1/1  evaluation \d+/4500000  loss \S+ bits per \w+  .* ETA \S+  .* planned\n")
        self.assertGreater(time.monotonic() - began, 14)
        log = self.path / "plain/log.txt"
        wait_until(lambda: line in log.read_text())  # which comes after the terminal

    def test_a_long_first_step_says_so_too_and_the_log_has_it_once_there_is_one(self):
        process = self.start(*long_step(10_000))
        self.read_line(process, "^memory  ")
        time.sleep(0.2)
        process.send_signal(signal.SIGSTOP)  # the step takes seconds; so it takes longer anywhere
        time.sleep(15)
        process.send_signal(signal.SIGCONT)
        line = self.read_line(process, r"^step 1/2  \d+% done  micro-batch \d+/10000, .*ETA \S+  .* planned\n")
        log = self.path / "plain/log.txt"
        wait_until(lambda: log.exists() and line in log.read_text(), 300)

    def read_line(self, process, pattern):
        for line in process.stderr:
            if re.search(pattern, line):
                return line
        self.fail(f"it ended without saying '{pattern}'")

    def test_evaluations_count_in_the_time_left(self):
        # An evaluation takes seconds, far longer than the steps; how much data that is depends on the machine.
        size = 250_000
        for _ in range(6):
            process = self.start("--data.format=echo", "--data.block=16", f"--data.size={size}",
                                 "--data.split=0.5 / 0.5", "--train.length=40 steps", "--train.log_every=1",
                                 "--checkpoint.every=0 steps", "--train.evaluate_every=10 steps")
            wait_until(lambda: len(self.evaluations()) > 0, 120)
            took = self.evaluations()[10]
            if took >= 2:
                break
            size = int(size * max(2, 3 / max(took, 0.01)))
            process.kill()
            process.wait()
            shutil.rmtree(self.path / "plain")
        _, text = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, text)
        evaluations = self.evaluations()
        shown = {int(step): (int(tokens.replace(",", "")), 60 * int(minutes) + int(seconds))
                 for step, tokens, minutes, seconds in re.findall(
                     r"^step (\d+)/40  loss \S+ bits per \w+  ([\d,]+) tokens/s  ETA (\d+):(\d\d) ", text, re.MULTILINE)}
        for step in (11, 15, 20, 21, 29, 30, 31, 39, 40):
            last = (step - 1) // 10 * 10  # the newest evaluation, which the others are expected to be like
            tokens_per_second, left = shown[step]
            steps_left = (40 - step) * 32 * 4 / tokens_per_second
            evaluations_left = (40 - last) // 10 * evaluations[last]
            self.assertAlmostEqual(left, steps_left + evaluations_left, delta=0.2 * evaluations_left + 1,
                                   msg=f"step {step}: {evaluations}\n{text}")

    def evaluations(self):
        """How long they took, by their steps."""
        began, took = {}, {}
        for line in self.metrics_text("plain").splitlines(keepends=True):
            if not line.endswith("\n"):
                break
            facts = json.loads(line)
            if facts["kind"] == "train":
                began[facts["step"]] = facts["seconds"]
            elif facts["weights"] == "average":
                took[facts["step"]] = facts["seconds"] - began[facts["step"]]
        return took


class LastLine(Display):
    def test_an_interrupted_last_evaluation_is_not_done(self):
        process = self.start(*LONG_EVALUATION)
        wait_until(lambda: '"train"' in self.metrics_text("plain"), 60)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        _, text = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, text)
        last = text.splitlines()[-1]
        self.assertRegex(last, r"^stopped after 1 steps .*; weights in plain; the last evaluation was not finished: "
                               r"`lacuna eval plain` or `lacuna train plain/config.toml --resume auto` makes it$")
        self.assertNotIn("done after", text)

    def test_a_stopped_run_says_how_to_go_on_and_the_command_can_be_pasted(self):
        process = subprocess.Popen(
            [BINARY, "train", "c.toml", "--train.run", "it's mine", "--train.length=1M steps"],
            cwd=self.path, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True)
        wait_until(lambda: self.metrics_text("it's mine").count('"train"') >= 5, 60)
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, text)
        command = re.search(r"stopped after \d+ steps .*; `(lacuna train .* --resume auto)` goes on$",
                            text.splitlines()[-1])
        self.assertIsNotNone(command, text)
        path = os.path.dirname(BINARY) + ":" + os.environ["PATH"]
        with subprocess.Popen(["sh", "-c", "exec " + command[1]], cwd=self.path, stderr=subprocess.PIPE, text=True,
                              env={**ENVIRONMENT, "PATH": path}) as again:
            self.assertIn("resumed from it's mine/checkpoints/step-", again.stderr.readline())
            again.kill()

    def test_a_run_that_is_done_says_nothing_of_going_on(self):
        self.assertNotIn("--resume", TrainedRun.training.stderr.decode())


class Warnings(Display):
    def test_a_pattern_that_reaches_beyond_the_context_is_warned_of_and_adds_no_rows(self):
        output = self.ok("train", "c.toml", "--train.run", "far", "--train.length=2 steps",
                         "--model.attention", '["local(100000)", "dense()", "local(100000)"]').stderr.decode()
        self.assertEqual(len(re.findall(r"^warning: model.attention: local\(100000\) reaches beyond model.context = 32",
                                        output, re.MULTILINE)), 1, output)
        self.assertIn("position_tables = [1, 32]\n", (self.path / "far/config.toml").read_text())
        self.assertIn("warning", (self.path / "far/log.txt").read_text())

    def test_a_warm_up_that_outlasts_the_run_is_warned_of(self):
        for steps, warned in (("26 steps", True), ("25 steps", False)):
            output = self.ok("train", "c.toml", "--train.run", "slow", "--overwrite",
                             "--optim.warmup", steps).stderr.decode()
            self.assertEqual("warning: optim.warmup takes 26 steps and the run 25" in output, warned, output)

    def test_a_sensible_run_has_no_warnings(self):
        self.assertNotIn("warning", TrainedRun.training.stderr.decode())


class Mistakes(Display):
    def test_a_mistake_in_the_configuration_comes_before_a_taken_folder(self):
        for option, value, *fragments in (
                ("model.attention", "fxied(8, 2)", "fxied", "fixed"),
                ("model.width", "17", "model.width", "heads"),
                ("model.position_tables", "[2, 2]", "model.position_tables"),
                ("optim.name", "adamv", "adamw"),
                ("optim.warmup", "5 stepz", "optim.warmup", "5 stepz"),
                ("train.length", "soon", "train.length"),
                ("train.evaluate_every", "often", "train.evaluate_every"),
                ("checkpoint.every", "never", "checkpoint.every"),
                ("checkpoint.keep_every", "all", "checkpoint.keep_every"),
                ("train.precision", "bf16", "train.precision"),
                ("data.format", "byte", "bytes"),
                ("data.split", "0.9 / 0.9", "data.split")):
            self.refused(["train", "c.toml", "--train.run", "run", "--train.device=cpu", "--" + option, value],
                         *fragments)
        self.refused(["train", "c.toml", "--train.run", "run", "--train.patience=3",
                      "--train.evaluate_every=0 steps"], "train.patience")
        self.refused(["train", "c.toml", "--train.run", "run"], "holds a run already")


if __name__ == "__main__":
    unittest.main()
