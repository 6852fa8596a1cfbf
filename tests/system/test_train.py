#!/usr/bin/env python3
"""`lacuna train`: what it writes, prints and refuses, on a terminal and without one. Needs LACUNA_BINARY."""
import math
import os
import pty
import re
import signal
import subprocess
import time
import unittest

from trained_run import BINARY, ENVIRONMENT, FILES, TrainedRun, files_of, lacuna, numbers, read_metrics, read_safetensors, snapshot, text_bytes


class Training(TrainedRun):
    def test_a_run_folder_holds_its_files_and_nothing_else(self):
        self.assertEqual(TrainedRun.training.returncode, 0, TrainedRun.training.stderr.decode())
        self.assertEqual(TrainedRun.training.stdout, b"")
        self.assertEqual(files_of(self.run_folder), FILES)
        run = self.train("plain", "--optim.average", "0", "--train.length", "2 steps")
        self.assertEqual(files_of(run), FILES[1:])

    def test_metrics_are_json_lines_and_the_loss_goes_down(self):
        lines = read_metrics(self.run_folder)
        steps = [line for line in lines if line["kind"] == "train"]
        checks = [line for line in lines if line["kind"] == "evaluation"]
        self.assertEqual(len(lines), len(steps) + len(checks))
        self.assertEqual([line["step"] for line in steps], list(range(1, 26)))
        for line in steps:
            self.assertEqual(sorted(line), sorted([
                "kind", "step", "tokens", "bits", "gradient_norm", "learning_rate", "skipped",
                "seconds", "time", "tokens_per_second"]))
            self.assertEqual(line["tokens"], line["step"] * 4 * 32)
            self.assertIs(line["skipped"], False)
        self.assertAlmostEqual(steps[0]["bits"], 8, delta=1e-5)
        self.assertLess(steps[-1]["bits"], 5)
        self.assertAlmostEqual(steps[0]["learning_rate"], 0.01, delta=1e-12)
        self.assertAlmostEqual(steps[1]["learning_rate"], 0.02, delta=1e-12)
        self.assertAlmostEqual(steps[-1]["learning_rate"], 0, delta=1e-12)
        self.assertEqual([(line["step"], line["weights"]) for line in checks],
                         [(step, kind) for step in (10, 20, 25) for kind in ("raw", "average")])
        for line in checks:
            self.assertEqual(sorted(line), sorted([
                "kind", "step", "split", "weights", "bits", "unit", "positions", "windows",
                "windows_in_part", "min_context", "data", "seconds", "time"]))
            self.assertEqual((line["unit"], line["windows_in_part"]), ("byte", line["windows"]))
            self.assertRegex(line["data"], "^[0-9a-f]{16}:5003$")
            self.assertEqual((line["split"], line["positions"], line["windows"]),
                             ("valid", 4752 - 4002, math.ceil(750 / 32)))
        self.assertLess(checks[-2]["bits"], checks[0]["bits"])
        times = [line["seconds"] for line in lines]
        self.assertEqual(times, sorted(times))
        for line in lines:  # one clock starts with the run, the other in 1970
            self.assertAlmostEqual(line["time"] - line["seconds"],
                                   lines[0]["time"] - lines[0]["seconds"], delta=0.1)

    def test_tokens_per_second_tell_how_long_a_step_took(self):
        run = self.train("timed", "--model.width", "64", "--train.evaluate_every", "0 steps")
        steps = [line for line in read_metrics(run) if line["kind"] == "train"]
        spent = sum(4 * 32 / line["tokens_per_second"] for line in steps)
        self.assertLess(spent, 1.01 * steps[-1]["seconds"])
        self.assertGreater(spent, 0.3 * steps[-1]["seconds"])

    def test_the_resolved_configuration_trains_the_same_weights_again(self):
        resolved = (self.run_folder / "config.toml").read_text()
        for line in ("qk_width = 16", "feedforward_width = 64", "position_tables = [4, 8]",
                     "learning_rate = 0.02", "seed = 1"):
            self.assertIn(line + "\n", resolved)
        self.ok("train", "run/config.toml", "--train.run", "again")
        self.same_weights("again", "run")
        self.assertEqual((self.path / "again/config.toml").read_text(),
                         resolved.replace("'run'", "'again'"))

    def same_weights(self, a, b, same=True):
        for name in ("weights.safetensors", "average.safetensors"):
            self.assertEqual((self.path / a / name).read_bytes() ==
                             (self.path / b / name).read_bytes(), same, name)

    def test_one_seed_gives_the_same_bytes_twice_and_another_does_not(self):
        for threads in (1, 2):
            short = ["--train.threads", threads, "--train.length", "8 steps"]
            self.train("one", *short, "--overwrite")
            self.train("twin", *short, "--overwrite")
            self.train("other", *short, "--overwrite", "--train.seed", "2")
            self.same_weights("one", "twin")
            self.same_weights("one", "other", same=False)

    def test_weights_are_safetensors_with_documented_names(self):
        header, data = read_safetensors(self.run_folder / "weights.safetensors")
        self.assertEqual(header.pop("__metadata__")["step"], "25")
        self.assertEqual(header["embedding.token"]["shape"], [256, 16])
        self.assertEqual(header["blocks.0.attention.qkv.weight"]["shape"], [48, 16])
        self.assertEqual({entry["dtype"] for entry in header.values()}, {"F32"})
        self.assertEqual(max(entry["data_offsets"][1] for entry in header.values()), len(data))
        for name in header:
            self.assertTrue(all(map(math.isfinite, numbers(header, data, name, "f"))), name)

    def test_overwrite_replaces_the_run_and_leaves_other_files_alone(self):
        (self.run_folder / "notes").write_text("mine")
        before = snapshot(self.run_folder)
        self.refused(["train", "c.toml", "--train.run", "run"], "run", "--overwrite", "--train.run")
        self.train("run", "--overwrite", "--optim.average", "0", "--train.length", "3 steps")
        self.assertEqual(files_of(self.run_folder), sorted(FILES[1:] + ["notes"]))
        self.assertEqual(len(read_metrics(self.run_folder)), 4)
        self.assertIn("length = '3 steps'", (self.run_folder / "config.toml").read_text())
        for name in set(FILES[1:]) - {"checkpoints", "events", "lock"}:
            path = self.run_folder / name
            self.assertNotEqual(path.read_bytes(), before[str(path)][2], name)
        self.assertEqual((self.run_folder / "notes").read_text(), "mine")
        self.assertIn("25 steps", before[str(self.run_folder / "log.txt")][2].decode())
        self.assertNotIn("25 steps", (self.run_folder / "log.txt").read_text())

    def test_files_that_are_no_run_are_not_replaced_unasked(self):
        for name in ("weights.safetensors", "average.safetensors", "metrics.jsonl", "log.txt",
                     "starts.jsonl", "samples", "events.out.tfevents.1.2.lacuna"):
            folder = self.path / ("own-" + name)
            folder.mkdir()
            (folder / name).write_text("precious")
            self.refused(["train", "c.toml", "--train.run", folder], name, "--train.run")

    def test_without_a_name_the_run_is_named_after_its_configuration(self):
        self.ok("train", "c.toml", "--train.length", "1 steps")
        self.assertEqual(files_of(self.path / "runs/c"), FILES)

    def test_options_may_stand_before_the_configuration(self):
        self.ok("train", "--train.length", "1 steps", "--train.run=early", "c.toml")
        self.assertEqual(len(read_metrics(self.path / "early")), 3)


class Terminal(TrainedRun):
    def test_without_a_terminal_the_output_is_plain_lines(self):
        output = TrainedRun.training.stderr.decode()
        self.assertNotIn("\r", output)
        self.assertNotIn("\033", output)
        shown = re.findall(r"^step (\d+)/25 .* bits .* tokens/s  ETA ", output, re.MULTILINE)
        self.assertEqual(shown, ["1", "10", "20", "25"])
        self.assertEqual(len(re.findall(r"^step \d+  valid ", output, re.MULTILINE)), 6)
        self.assertRegex(output, r"done after 25 steps .*run\n$")
        for line in output.splitlines():
            self.assertIn(line, (self.run_folder / "log.txt").read_text())

    def test_on_a_terminal_one_line_is_rewritten_and_the_log_stays_plain(self):
        try:
            master, slave = pty.openpty()
        except OSError as failure:  # a bare chroot has none
            self.skipTest(f"no pseudo-terminal: {failure}")
        arguments = [BINARY, "train", "c.toml", "--train.run", "live"]
        with subprocess.Popen(arguments, cwd=self.path, stdin=slave, stdout=slave,
                              stderr=slave, env={**ENVIRONMENT, "TERM": "xterm"}) as process:
            os.close(slave)
            output = b""
            try:
                while chunk := os.read(master, 1 << 16):
                    output += chunk
            except OSError:  # how Linux says that the other end is closed
                pass
            os.close(master)
            self.assertEqual(process.wait(30), 0)
        for step in range(1, 26):
            self.assertRegex(output, rb"\r\033\[Kstep %d/25 " % step)
        self.assertNotRegex(output, rb"step \d+/25 [^\r\n]*\n")  # a live line has no end
        self.assertRegex(output, rb"\r\033\[K(\033\[\d*m)?step 10  valid ")
        self.assertRegex(output, rb"done after 25 steps [^\r]*\r\n$")
        log = (self.path / "live/log.txt").read_bytes()
        self.assertNotRegex(log, rb"[\r\033]")
        self.assertEqual(len(re.findall(rb"step \d+/25 ", log)), 4)

    def test_a_signal_ends_training_after_the_step_at_hand_and_saves(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                run = self.path / number.name
                arguments = [BINARY, "train", "c.toml", "--train.run", run.name, "--train.length",
                             "1M steps", "--train.evaluate_every", "3 steps"]
                with subprocess.Popen(arguments, cwd=self.path, stderr=subprocess.PIPE,
                                      env=ENVIRONMENT) as process:
                    self.wait_for_lines(run / "metrics.jsonl", 9)
                    process.send_signal(number)
                    _, error = process.communicate(timeout=20)
                self.assertEqual(process.returncode, 0, error.decode())
                self.assertEqual(files_of(run), FILES)
                last = max(line["step"] for line in read_metrics(run))
                self.assertIn(f"stopped after {last} steps", error.decode())
                header, _ = read_safetensors(run / "weights.safetensors")
                self.assertEqual(header["__metadata__"]["step"], str(last))
                self.ok("eval", run.name)

    def wait_for_lines(self, path, count):
        deadline = time.monotonic() + 30
        while not path.exists() or path.read_bytes().count(b"\n") < count:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)


class Refusals(TrainedRun):
    def option_refused(self, option, value, *fragments):
        self.refused(["train", "c.toml", "--" + option, value], *fragments)

    def test_data_that_is_missing_empty_or_too_short_is_refused(self):
        for folder in ("empty", "unmatched", "hidden"):
            (self.path / folder).mkdir()
        (self.path / "nothing").write_bytes(b"")
        (self.path / "unmatched/a.txt").write_bytes(b"text")
        (self.path / "hidden/.a").write_bytes(b"text")
        (self.path / "short").write_bytes(b"only a few bytes")
        for value, *fragments in (
                ("missing", "missing: ", "No such file"),
                ('["text", "missing"]', "missing: ", "No such file"),
                ("text/text", "text/text: ", "Not a directory"),
                ("nothing", "nothing: ", "empty"),
                ("empty", "empty: ", "no files"),
                ("hidden", "hidden: ", "no files"),
                ("short", "32 symbols", "only 12"),
                ("/dev/zero", "/dev/zero: ", "regular file"),
                ("[]", "data.paths", "no file")):
            self.option_refused("data.paths", value, *fragments)
        self.refused(["train", "c.toml", "--data.paths", "unmatched", "--data.suffixes", ".cpp .h"],
                     "unmatched: ", ".cpp .h", "data.suffixes")
        self.refused(["eval", "run", "--data.paths", "missing"], "missing: ", "No such file")
        self.refused(["eval", "run", "--data.split", "1 / 0"], "'valid' is empty", "--split")

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_data_that_may_not_be_read_is_refused(self):
        (self.path / "secret").write_bytes(text_bytes())
        (self.path / "secret").chmod(0)
        self.option_refused("data.paths", "secret", "secret: ", "Permission denied")

    def test_a_run_folder_that_cannot_be_made_is_refused(self):
        self.option_refused("train.run", "text", "text: ", "a file", "--train.run")
        self.refused(["train", "c.toml", "--train.run", "text", "--overwrite"], "text: ", "a file")
        self.refused(["train", "c.toml", "--train.run", "text/run"], "text/run: ",
                     "Not a directory", codes=(1, 2))
        self.refused(["eval", "run", "--logits", "text/l"], "text/l: ", "there is no folder 'text'")


if __name__ == "__main__":
    unittest.main()
