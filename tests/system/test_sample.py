#!/usr/bin/env python3
"""`lacuna sample`, driven through the binary: what it prints, that neither cache nor batch change a
text, that signals end it, and what it refuses. Needs LACUNA_BINARY."""
import os
import pty
import random
import re
import select
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from test_interrupts import processor_seconds, wait_until
from trained_run import ANSWER, TrainedRun, text_bytes

BINARY = os.environ["LACUNA_BINARY"]
CONFIG = """
[data]
paths = ["text"]
split = "0.8 / 0.2"
[model]
layers = 2
heads = 2
width = 16
context = 24
attention = ["strided(4)", "fixed(6, 2)"]
embedding_std = 1.0
[optim]
learning_rate = 0.02
warmup = "2 steps"
[train]
run = "run"
length = "20 steps"
batch = 4
threads = 1
"""


def lacuna(folder, *arguments):
    return subprocess.run([BINARY, *map(str, arguments)], cwd=folder, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="lacuna-sample-")
        cls.addClassCleanup(folder.cleanup)
        cls.path = Path(folder.name)
        (cls.path / "c.toml").write_text(CONFIG)
        words = random.Random(3).choices(["lo ", "gap ", "sparse ", "a ", "stride\n"], k=1000)
        (cls.path / "text").write_text("".join(words))
        trained = lacuna(cls.path, "train", "c.toml")
        assert trained.returncode == 0, trained.stderr

    def sample(self, *arguments, run="run"):
        result = lacuna(self.path, "sample", run, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr, b"")
        return result.stdout

    def refused(self, arguments, *fragments, run="run"):
        with self.subTest(arguments):
            result = lacuna(self.path, "sample", run, *arguments)
            error = result.stderr.decode()
            self.assertEqual(result.returncode, 2, error)
            self.assertEqual(result.stdout, b"")
            self.assertRegex(error, r"\Alacuna: .*[.?]\n\Z")
            for fragment in fragments:
                self.assertIn(fragment, error)


def sheets(output):
    """The samples of an output of several: [(number, count, seed, text)]."""
    parts = re.split(rb"(?m)^--- sample (\d+) of (\d+), seed (\d+)\n", output)
    assert parts[0] == b"", parts[0]
    return [(int(parts[i]), int(parts[i + 1]), int(parts[i + 2]), parts[i + 3])
            for i in range(1, len(parts), 4)]


class Texts(Case):
    def test_the_cache_changes_no_text_within_the_context_and_far_beyond_it(self):
        # In double precision, where no draw is so close that rounding decides it.
        for prompt in ("", "gap lo ", "sparse a stride lo gap lo a a"):
            arguments = ["--prompt", prompt, "--length", 100, "--train.precision", "f64"]
            self.assertEqual(self.sample(*arguments), self.sample(*arguments, "--no-cache"))

    def test_a_seed_gives_the_same_texts_for_any_count_batch_and_number_of_threads(self):
        others = ["--length", 60, "--prompt", "gap "]
        arguments = ["--seed", 5, *others]
        alone = self.sample(*arguments)
        for batch in (1, 2, 3, 5, 100):
            for threads in (1, 2):
                five = self.sample(*arguments, "--count", 5, "--batch", batch,
                                   "--train.threads", threads)
                found = sheets(five)
                self.assertEqual([sheet[:3] for sheet in found], [(n, 5, 5) for n in range(1, 6)])
                self.assertEqual(found[0][3], alone)
                self.assertEqual(len({sheet[3] for sheet in found}), 5)
                if batch == 1 and threads == 1:
                    first = five
                self.assertEqual(five, first)
        self.assertTrue(first.startswith(self.sample(*arguments, "--count", 3)
                                         .replace(b" of 3,", b" of 5,")))
        self.assertNotEqual(first, self.sample(*others, "--count", 5, "--seed", 6))

    def test_a_text_has_the_prompt_and_the_length_asked_for(self):
        (self.path / "prompt").write_bytes(b"lo gap\r\n\xffa")
        for given, prompt in ((["--prompt", "lo "], b"lo "),
                              (["--prompt-file", "prompt"], b"lo gap\r\n\xffa"),
                              (["--prompt-file", "/dev/null"], b"")):
            output = self.sample(*given, "--length", 33)
            self.assertTrue(output.startswith(prompt))
            self.assertEqual(len(output), len(prompt) + 33 + 1)
            for sheet in sheets(self.sample(*given, "--length", 33, "--count", 2)):
                self.assertTrue(sheet[3].startswith(prompt))
                self.assertEqual(len(sheet[3]), len(prompt) + 33 + 1)

    def test_a_prompt_from_a_file_is_the_same_prompt(self):
        (self.path / "short").write_bytes(b"sparse gap")
        self.assertEqual(self.sample("--prompt-file", "short"),
                         self.sample("--prompt", "sparse gap"))

    def test_a_prompt_that_fills_the_context_is_read_from_its_newer_half(self):
        for length in (24, 25, 100):
            prompt = ("stride lo gap sparse a " * 10)[:length]
            long = self.sample("--prompt", prompt, "--length", 40)[length:]
            self.assertEqual(long, self.sample("--prompt", prompt[-12:], "--length", 40)[12:])

    def test_few_likely_bytes_are_drawn_under_top_k_and_top_p(self):
        coldest = self.sample("--temperature", 0, "--length", 80)
        self.assertEqual(coldest, self.sample("--top-k", 1, "--seed", 9, "--length", 80))
        self.assertEqual(coldest, self.sample("--top-p", "1e-9", "--seed", 9, "--length", 80))
        free = self.sample("--temperature", 3, "--length", 500)
        for narrow in (["--top-k", 3], ["--top-p", 0.05]):
            few = self.sample("--temperature", 3, "--length", 500, *narrow)
            self.assertLess(len(set(few)), len(set(free)) / 2)
            self.assertNotEqual(few, self.sample("--temperature", 3, "--length", 500, *narrow,
                                                 "--seed", 2))
        self.assertEqual(free, self.sample("--temperature", 3, "--length", 500, "--top-k", 256,
                                           "--top-p", 1))


class Streams(Case):
    def start(self, *arguments, run="run"):
        process = subprocess.Popen([BINARY, "sample", run, *map(str, arguments)], cwd=self.path,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        return process

    def read_some(self, process, count):
        """The first bytes of a process that goes on; fails if they do not come."""
        output = b""
        deadline = time.monotonic() + 30
        while len(output) < count:
            ready, _, _ = select.select([process.stdout], [], [], deadline - time.monotonic())
            self.assertTrue(ready, "nothing came")
            chunk = os.read(process.stdout.fileno(), 4096)
            self.assertNotEqual(chunk, b"", "it ended")
            output += chunk
        return output

    def test_bytes_come_as_they_are_drawn(self):
        process = self.start("--length", "1G", "--prompt", "gap")
        output = self.read_some(process, 100)
        self.assertIsNone(process.poll())
        self.assertTrue(output.startswith(b"gap"))

    def test_a_signal_ends_a_sample_after_the_byte_at_hand(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            for more in ([], ["--no-cache"]):
                with self.subTest(number.name, more=more):
                    process = self.start("--length", "1G", "--seed", 4, *more)
                    output = self.read_some(process, 40)
                    process.send_signal(number)
                    rest, error = process.communicate(timeout=20)
                    self.assertEqual((process.returncode, error.replace(ANSWER.encode(), b"")), (0, b""))
                    output += rest
                    self.assertTrue(output.endswith(b"\n"))
                    whole = self.sample("--length", len(output) - 1, "--seed", 4, *more)
                    self.assertEqual(output, whole)

    def test_a_signal_ends_several_samples_and_prints_what_there_is(self):
        process = self.start("--length", "1G", "--seed", 4, "--count", 3, "--batch", 2)
        wait_until(lambda: processor_seconds(process) > 1, 120)  # more than loading takes
        process.send_signal(signal.SIGTERM)
        output, error = process.communicate(timeout=20)
        self.assertEqual((process.returncode, error.replace(ANSWER.encode(), b"")), (0, b""))
        found = sheets(output)
        self.assertEqual([sheet[:3] for sheet in found], [(1, 3, 4), (2, 3, 4)])
        length = len(found[0][3]) - 1
        self.assertGreater(length, 10)
        self.assertEqual(len(found[1][3]) - 1, length)
        short = min(length, 200)
        whole = sheets(self.sample("--length", short, "--seed", 4, "--count", 2))
        for now, then in zip(found, whole):
            self.assertEqual(now[3][:short], then[3][:short])

    def test_a_signal_ends_the_reading_of_a_long_prompt(self):
        context = 30_000
        (self.path / "big").write_bytes((self.path / "text").read_bytes() * 12)
        (self.path / "long").write_bytes((self.path / "big").read_bytes()[:context - 1])
        trained = lacuna(self.path, "train", "c.toml", "--data.paths", "big", "--model.context",
                         context, "--model.attention", "local(8)", "--train.run", "big-run",
                         "--train.batch", 1, "--train.length", "1 steps")
        self.assertEqual(trained.returncode, 0, trained.stderr)
        process = self.start("--prompt-file", "long", "--length", 1, run="big-run")
        output = self.read_some(process, context - 1)  # then it is read by the model
        process.send_signal(signal.SIGTERM)
        rest, error = process.communicate(timeout=20)
        self.assertEqual((process.returncode, error.replace(ANSWER.encode(), b"")), (0, b""))
        self.assertEqual(output + rest, (self.path / "long").read_bytes() + b"\n")

    def test_a_reader_that_goes_away_ends_the_sample(self):
        process = self.start("--length", "1G")
        self.read_some(process, 10)
        process.stdout.close()
        self.assertNotEqual(process.wait(20), 0)


def shown(raw):
    """Any bytes as a terminal may have them, by the rules of docs/sampling.md."""
    text = raw.decode("utf-8", "surrogateescape")
    text = re.sub("[\udc80-\udcff\x80-\x9f]", "\ufffd", text)
    text = re.sub("[\0-\x08\x0b-\x1f]", lambda match: chr(0x2400 + ord(match[0])), text)
    return text.replace("\x7f", "\u2421")


class Terminal(Case):
    PROMPT = ("\x1b[31mred\x07\x1b]0;title\x07\r\ttab\n\0\x08\x7f\x9b31m \u2603\u00e9\U0001f600"
              .encode() + b"\xff\xc3(\xe2\x82")

    def on_terminal(self, *arguments):
        """What comes on a terminal, which makes each line feed a carriage return and a line feed."""
        try:
            main, side = pty.openpty()
        except OSError as failure:  # a bare chroot has none
            self.skipTest(f"no pseudo-terminal: {failure}")
        with subprocess.Popen([BINARY, "sample", "run", *map(str, arguments)], cwd=self.path,
                              stdin=subprocess.DEVNULL, stdout=side,
                              stderr=subprocess.PIPE) as process:
            os.close(side)
            output = b""
            try:
                while chunk := os.read(main, 4096):
                    output += chunk
            except OSError:
                pass  # so Linux says that the other side is closed
            os.close(main)
            self.assertEqual((process.stderr.read(), process.wait(20)), (b"", 0))
        return output.replace(b"\r\n", b"\n")

    def test_a_terminal_gets_nothing_that_it_would_obey(self):
        (self.path / "odd").write_bytes(self.PROMPT)
        for more in ([], ["--count", 3]):
            arguments = ["--prompt-file", "odd", "--length", 400, "--temperature", 50, *more]
            raw = self.sample(*arguments)
            self.assertEqual(raw.count(self.PROMPT), 3 if more else 1)
            self.assertGreater(len(set(raw)), 150)  # control bytes and bytes beyond ASCII too
            text = self.on_terminal(*arguments).decode("utf-8")
            self.assertEqual(re.findall("[\0-\x08\x0b-\x1f\x7f-\x9f]", text), [])
            self.assertEqual(text, shown(raw) if not more else "".join(
                f"--- sample {number} of 3, seed 1\n" + shown(sheet)
                for number, _, _, sheet in sheets(raw)))

    def test_text_is_the_same_on_a_terminal(self):
        arguments = ["--prompt", "lo \u2603 gap\n", "--length", 100, "--temperature", 0]
        self.assertEqual(self.on_terminal(*arguments), self.sample(*arguments))


class Refusals(Case):
    def test_rules_of_drawing_that_mean_nothing_are_refused(self):
        for flag, value, *fragments in (
                ("--top-k", "-1", "--top-k", "at least 0", "'-1'"),
                ("--top-k", "1.5", "--top-k", "whole number", "'1.5'"),
                ("--top-k", "few", "--top-k", "whole number", "'few'"),
                ("--top-p", "0", "--top-p", "above 0", "'0'"),
                ("--top-p", "-0.5", "--top-p", "'-0.5'"),
                ("--top-p", "1.01", "--top-p", "not above 1", "'1.01'"),
                ("--top-p", "nan", "--top-p", "number", "'nan'"),
                ("--top-p", "most", "--top-p", "number", "'most'"),
                ("--count", "0", "--count", "at least 1", "'0'"),
                ("--batch", "0", "--batch", "at least 1", "'0'"),
                ("--length", "0", "--length", "at least 1", "'0'"),
                ("--temperature", "-1", "--temperature", "at least 0", "'-1'")):
            self.refused([flag, value], *fragments)
        for flag in ("--top-k", "--top-p", "--count", "--batch", "--prompt-file"):
            self.refused([flag], flag, "missing")

    def test_prompts_that_cannot_be_read_are_refused(self):
        self.refused(["--prompt-file", "nowhere"], "nowhere: ", "No such file")
        self.refused(["--prompt-file", "."], ".: ")
        self.refused(["--prompt", "a", "--prompt-file", "text"], "--prompt", "--prompt-file")
        if os.geteuid() != 0:
            (self.path / "secret").write_bytes(b"lo")
            (self.path / "secret").chmod(0)
            self.refused(["--prompt-file", "secret"], "secret: ", "Permission denied")

    def test_symbols_that_the_model_does_not_know_are_refused(self):
        trained = lacuna(self.path, "train", "c.toml", "--data.format", "echo", "--data.paths",
                         "[]", "--data.block", 12, "--data.size", 3000, "--train.run", "echo", "--train.length",
                         "2 steps")
        self.assertEqual(trained.returncode, 0, trained.stderr)
        self.refused(["--prompt", "\x01\x0fa"], "--prompt", "byte 2 is 97", "0 to 15", run="echo")
        (self.path / "bytes").write_bytes(b"\x03\x10")
        self.refused(["--prompt-file", "bytes"], "bytes: ", "byte 1 is 16", "0 to 15", run="echo")
        output = self.sample("--prompt", "\x01\x0f", "--length", 50, run="echo")
        symbols = [int(word) for word in output.split(b" ")]
        self.assertEqual((symbols[:2], len(symbols)), ([1, 15], 52))
        self.assertLess(max(symbols), 16)
        self.assertEqual(sheets(self.sample("--prompt", "\x01\x0f", "--length", 50, "--count", 2,
                                            run="echo"))[0][3], output)


class Texts(TrainedRun):
    def sample(self, *arguments):
        return self.ok("sample", "run", *arguments).stdout

    def test_a_sample_starts_with_the_prompt_and_has_the_length_asked_for(self):
        for prompt, length in (("", 1), ("gap", 50), ("lo " * 30, 100), ("\u00fc\n", 7)):
            output = self.sample("--prompt", prompt, "--length", length)
            self.assertTrue(output.startswith(prompt.encode()))
            self.assertEqual(len(output), len(prompt.encode()) + length + 1)
            self.assertTrue(output.endswith(b"\n"))
        self.assertEqual(len(self.sample()), 257)

    def test_a_seed_fixes_the_sample(self):
        first = self.sample("--seed", 7, "--length", 60)
        self.assertEqual(first, self.sample("--seed", 7, "--length", 60))
        self.assertEqual(first, self.sample("--length", 60, "--seed", 7, "--train.threads", 2))
        self.assertEqual(first[:20], self.sample("--seed", 7, "--length", 20)[:-1])
        self.assertNotEqual(first, self.sample("--seed", 8, "--length", 60))
        self.assertNotEqual(first, self.sample("--seed", 7, "--length", 60, "--raw"))

    def test_at_temperature_0_the_seed_does_not_matter(self):
        cold = self.sample("--temperature", 0, "--seed", 1, "--length", 40)
        self.assertEqual(cold, self.sample("--temperature", 0, "--seed", 2, "--length", 40))
        self.assertNotEqual(cold, self.sample("--seed", 2, "--length", 40))
        self.assertTrue(set(cold) <= set(text_bytes()))


if __name__ == "__main__":
    unittest.main()
