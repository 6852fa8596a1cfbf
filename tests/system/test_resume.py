#!/usr/bin/env python3
"""Checkpoints and resume, driven through the binary: a run that is stopped in any way and resumed ends
with the bytes of the run that was never stopped. Needs LACUNA_BINARY."""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

BINARY = os.environ["LACUNA_BINARY"]
CONFIG = """
[data]
paths = ["text"]
split = "0.8 / 0.2"
[model]
layers = 2
width = 32
context = 40
attention = ["local(8)", "fixed(8, 2, 2)"]
dropout = 0.2
[optim]
warmup = "5 steps"
[train]
run = "run"
length = "20 steps"
batch = 2
accumulation = 2
evaluate_every = "5 steps"
threads = 1
[checkpoint]
every = "5 steps"
keep_every = "5 steps"
"""
ECHO = ["--data.format=echo", "--data.echo_block=10", "--data.echo_size=20000"]
TIMES = ("seconds", "time", "tokens_per_second")
# Of log.txt, what a step says: its bits, an evaluation, a checkpoint, the end.
LOGGED = re.compile(r"info (step \d+/\d+  \S+ bits|step \d+  .*|done after \d+ steps)")


class Resume(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)
        (self.path / "c.toml").write_text(CONFIG)
        words = random.Random(2).choices(["step ", "go ", "on ", "again\n"], k=3000)
        (self.path / "text").write_text("".join(words))

    def lacuna(self, *arguments):
        return subprocess.run([BINARY, *arguments], cwd=self.path, capture_output=True, text=True,
                              errors="replace", check=False)

    def train(self, *arguments):
        run = self.lacuna("train", "c.toml", *arguments)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stderr

    def refused(self, fragment, *arguments):
        before = self.snapshot()
        run = self.lacuna(*arguments)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertIn(fragment, run.stderr)
        self.assertEqual(before, self.snapshot())

    def snapshot(self):
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest()
                for file in self.path.rglob("*") if file.is_file()}

    def results(self, run):
        """Everything that must not depend on how often a run was stopped."""
        files = {}
        for file in (self.path / run).rglob("*.safetensors"):
            files[str(file.relative_to(self.path / run))] = file.read_bytes()
        lines = []
        for line in (self.path / run / "metrics.jsonl").read_text().splitlines():
            entry = json.loads(line)
            lines.append({key: value for key, value in entry.items() if key not in TIMES})
        return files, lines

    def log(self, run):
        return LOGGED.findall((self.path / run / "log.txt").read_text())

    def same_results(self, first, second):
        files, lines = self.results(first)
        other_files, other_lines = self.results(second)
        self.assertEqual(lines, other_lines)
        self.assertEqual(self.log(first), self.log(second))
        self.assertEqual(files.keys(), other_files.keys())
        for name, content in files.items():
            self.assertTrue(content == other_files[name], name)

    def test_ten_steps_and_resume_equal_twenty_for_every_data_set(self):
        for options in ([], ECHO):
            with self.subTest(options=options):
                self.train("--overwrite", *options)
                shutil.rmtree(self.path / "again", ignore_errors=True)
                shutil.copytree(self.path / "run", self.path / "again")
                for step in (15, 20):  # as if the run had been killed after step 10
                    shutil.rmtree(self.path / f"again/checkpoints/step-{step}")
                text = self.train("--train.run=again", "--resume=auto", *options)
                self.assertIn("resumed from again/checkpoints/step-10", text)
                self.same_results("run", "again")

    def test_the_log_is_cut_back_to_the_restored_step_and_says_where_it_goes_on(self):
        self.train()
        log = self.path / "run/log.txt"
        before = log.read_text()
        mark = "step 10  checkpoint\n"
        self.train("--resume=run/checkpoints/step-10", "--train.length=12 steps")
        kept = before[:before.index(mark) + len(mark)]
        self.assertTrue(log.read_text().startswith(kept))
        self.assertRegex(log.read_text()[len(kept):].splitlines()[0],
                         "info resumed from run/checkpoints/step-10$")
        self.assertEqual(self.log("run")[-1], "done after 12 steps")
        log.write_text("somebody else's\n")
        self.train("--resume=run/checkpoints/step-10", "--train.length=12 steps")
        self.assertTrue(log.read_text().startswith("somebody else's\n"))

    def test_a_run_out_of_patience_ends_and_a_resumed_one_ends_at_the_same_step(self):
        # Nothing is learned, so that the first evaluation stays the best.
        options = ["--optim.learning_rate=0", "--optim.average=0", "--train.length=60 steps",
                   "--train.patience=3"]
        text = self.train(*options)
        self.assertIn("step 20  ends early: 3 evaluations", text)
        self.assertIn("done after 20 steps", text)
        lines = self.results("run")[1]
        self.assertEqual(lines[-1], {"kind": "early_stop", "step": 20, "evaluations": 3,
                                     "best_bits": lines[-2]["bits"]})
        self.assertEqual((self.path / "run/checkpoints/best").read_text(), "5")
        for step in (5, 10, 15):  # after none, one and two evaluations without a best
            with self.subTest(step=step):
                shutil.rmtree(self.path / "again", ignore_errors=True)
                shutil.copytree(self.path / "run", self.path / "again")
                self.train("--train.run=again", f"--resume=again/checkpoints/step-{step}", *options)
                self.same_results("run", "again")
        self.assertIn("has ended early", self.train("--resume=auto", *options))
        self.assertEqual(self.results("run")[1], lines)
        self.train("--resume=auto", *options, "--train.patience=5")
        self.assertEqual([(line["step"], line["evaluations"])
                          for line in self.results("run")[1] if line["kind"] == "early_stop"],
                         [(20, 3), (30, 5)])
        self.assertIn("done after 60", self.train("--resume=auto", *options, "--train.patience=0"))

    def test_patience_without_evaluations_on_the_way_is_refused(self):
        for option in ("--train.evaluate_every=0 steps", "--data.split=1 / 0"):
            self.refused("train.patience", "train", "c.toml", "--train.patience=1", option)

    def test_a_named_checkpoint_can_be_resumed_into_another_folder(self):
        self.train()
        self.train("--train.run=other", "--resume=run/checkpoints/step-15")
        for name in ("weights.safetensors", "average.safetensors"):
            self.assertTrue((self.path / "run" / name).read_bytes() ==
                            (self.path / "other" / name).read_bytes())

    def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(self):
        # A last evaluation of its own, so that the process is also killed between the two.
        options = ["--train.evaluate_every=7 steps"]
        self.train("--train.run=whole", *options)
        moments = random.Random(time.time_ns())
        for attempt in range(30):
            with subprocess.Popen([BINARY, "train", "c.toml", "--resume=auto", *options],
                                  cwd=self.path, stderr=subprocess.DEVNULL) as process:
                try:
                    process.wait(moments.uniform(0.01, 0.25) if attempt < 8 else 60)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
            if process.returncode == 0:
                break
            self.all_complete()
        self.assertEqual(process.returncode, 0)
        self.same_results("whole", "run")

    def test_a_signal_saves_a_checkpoint_and_the_run_goes_on(self):
        # Evaluation takes most of the time here, so that signals also arrive in it.
        options = ["--train.length=60 steps", "--train.evaluate_every=2 steps",
                   "--checkpoint.every=0 steps"]
        self.train("--train.run=whole", *options)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            with subprocess.Popen([BINARY, "train", "c.toml", "--resume=auto", *options],
                                  cwd=self.path, stderr=subprocess.PIPE, text=True) as process:
                process.stderr.readline()  # the handlers are in place
                while '"train"' not in self.metrics():
                    time.sleep(0.001)
                time.sleep(random.uniform(0, 0.05))
                process.send_signal(number)
                text = process.stderr.read()
            self.assertEqual(process.returncode, 0, text)
            self.assertIn("stopped after", text)
        self.train("--resume=auto", *options)
        self.assertEqual(self.results("run")[1], self.results("whole")[1])
        for name in ("weights.safetensors", "average.safetensors"):
            self.assertTrue((self.path / "run" / name).read_bytes() ==
                            (self.path / "whole" / name).read_bytes())

    def metrics(self):
        file = self.path / "run/metrics.jsonl"
        return file.read_text() if file.exists() else ""

    def all_complete(self):
        """Whatever has the name of a checkpoint evaluates, which verifies it first."""
        for checkpoint in (self.path / "run/checkpoints").glob("step-*"):
            if checkpoint.suffix not in (".making", ".removing"):
                run = self.lacuna("eval", str(checkpoint))
                self.assertEqual(run.returncode, 0, run.stderr)

    def test_a_run_without_a_complete_checkpoint_is_not_replaced_unasked(self):
        self.train()
        for file in (self.path / "run/checkpoints").rglob("manifest.json"):
            file.unlink()
        self.refused("--overwrite", "train", "c.toml", "--resume=auto")
        shutil.rmtree(self.path / "run/checkpoints")
        self.refused("--overwrite", "train", "c.toml", "--resume=auto")

    def test_resuming_into_the_folder_of_another_run_is_refused(self):
        self.train()
        self.train("--train.run=other", "--train.seed=7")
        self.refused("--overwrite", "train", "c.toml", "--train.run=other",
                     "--resume=run/checkpoints/step-10/")
        self.train("--resume=run/checkpoints/step-10/")

    def test_going_back_discards_the_checkpoints_of_the_abandoned_way(self):
        self.train()
        (self.path / "run/checkpoints/step-7.making").mkdir()
        with (self.path / "c.toml").open("a") as config:
            config.write("keep_last = 1\n")
        self.train("--resume=run/checkpoints/step-5", "--train.length=9 steps",
                   "--checkpoint.keep_every=0 steps", "--train.evaluate_every=0 steps")
        names = {file.name for file in (self.path / "run/checkpoints").iterdir()}
        self.assertEqual(names - {"step-5"}, {"step-9", "best"})  # step-5 may be the best

    def test_damage_is_noticed_by_eval_and_sample_too(self):
        self.train()
        file = self.path / "run/checkpoints/step-20/average.safetensors"
        whole = file.read_bytes()
        file.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        self.refused("average.safetensors", "eval", "run/checkpoints/step-20")
        self.refused("average.safetensors", "sample", "run/checkpoints/step-20")
        self.refused("average.safetensors", "train", "c.toml", "--train.run=new",
                     "--init-from=run/checkpoints/step-20")

    def test_a_minimum_context_must_fit_the_blocks_of_echo(self):
        self.train(*ECHO)
        self.assertEqual(self.lacuna("eval", "run", "--min-context=20").returncode, 0)
        self.refused("minimum context", "eval", "run", "--min-context=10")
        self.refused("min-context", "eval", "run", "--min-context=x")

    def test_old_checkpoints_go_but_the_last_the_best_and_the_multiples_stay(self):
        self.train("--checkpoint.every=2 steps", "--checkpoint.keep_every=8 steps",
                   "--checkpoint.keep_last=2", "--train.evaluate_every=0 steps",
                   "--optim.average=0")
        names = {file.name for file in (self.path / "run/checkpoints").iterdir()}
        self.assertEqual(names, {"step-8", "step-16", "step-18", "step-20", "best"})
        self.assertEqual((self.path / "run/checkpoints/best").read_text(), "20")

    def test_a_checkpoint_evaluates_and_samples_like_a_run(self):
        self.train()
        checkpoint = "run/checkpoints/step-20"
        self.assertEqual(self.lacuna("eval", checkpoint).stdout.replace(checkpoint, "run"),
                         self.lacuna("eval", "run").stdout)
        self.assertEqual(self.lacuna("sample", checkpoint, "--length=9").stdout,
                         self.lacuna("sample", "run", "--length=9").stdout)

    def test_initial_weights_can_come_from_another_run(self):
        self.train()
        text = self.train("--train.run=new", "--init-from=run", "--train.length=1 steps",
                          "--optim.learning_rate=0", "--optim.average=0")
        self.assertIn("step 1/1", text)
        self.assertTrue((self.path / "run/average.safetensors").read_bytes().endswith(
            (self.path / "new/weights.safetensors").read_bytes()[-1000:]))
        self.refused("embedding.position", "train", "c.toml", "--train.run=third",
                     "--init-from=run", "--model.context=80")

    def test_every_damage_of_a_checkpoint_is_noticed(self):
        self.train()
        checkpoint = self.path / "run/checkpoints/step-20"
        place = random.Random(time.time_ns())
        resume = ("train", "c.toml", "--train.run=other", "--resume=run/checkpoints/step-20")
        for name in ("weights.safetensors", "average.safetensors", "optimizer.safetensors",
                     "state.json", "config.toml", "manifest.json"):
            file = checkpoint / name
            whole = file.read_bytes()
            for _ in range(4):
                at, bit = place.randrange(len(whole)), 1 << place.randrange(8)
                with self.subTest(file=name, byte=at, bit=bit):
                    file.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1:])
                    self.refused(name, *resume)
            with self.subTest(file=name, damage="truncated"):
                file.write_bytes(whole[:-1])
                self.refused(name, *resume)
            with self.subTest(file=name, damage="missing"):
                file.unlink()
                self.refused(name, *resume)
            file.write_bytes(whole)
        self.train(*resume[2:])

    def test_a_damaged_checkpoint_is_passed_over_for_an_older_one(self):
        self.train()
        (self.path / "run/checkpoints/step-20/weights.safetensors").write_bytes(b"no")
        text = self.train("--resume=auto")
        self.assertIn("passed over", text)
        self.assertIn("resumed from run/checkpoints/step-15", text)

    def test_another_data_set_model_or_seed_is_refused_by_name(self):
        self.train()
        for option, value in (("model.layers", "3"), ("train.seed", "2"), ("data.split", "0.7 / 0.3"),
                              ("optim.beta1", "0.8"), ("data.format", "echo"),
                              ("model.context", "80")):
            with self.subTest(option=option):
                fits = ["--data.echo_block=10"] if value == "echo" else []
                self.refused(option if not fits else "data.", "train", "c.toml", "--resume=auto",
                             f"--{option}={value}", *fits)
        with (self.path / "text").open("a") as text:
            text.write("!")
        self.refused("other data", "train", "c.toml", "--resume=auto")

    def test_resume_contradicts_overwrite_and_needs_a_checkpoint(self):
        self.train()
        self.refused("contradicts", "train", "c.toml", "--resume=auto", "--overwrite")
        self.refused("nowhere", "train", "c.toml", "--resume=nowhere")

    def test_a_checkpoint_of_a_newer_version_is_refused(self):
        self.train()
        file = self.path / "run/checkpoints/step-20/manifest.json"
        file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
        self.refused("version", "train", "c.toml", "--train.run=other",
                     "--resume=run/checkpoints/step-20")

    def test_two_runs_in_one_folder_are_refused(self):
        with subprocess.Popen([BINARY, "train", "c.toml", "--train.length=100000 steps"],
                              cwd=self.path, stderr=subprocess.DEVNULL) as process:
            while not (self.path / "run/metrics.jsonl").exists():
                time.sleep(0.05)
            run = self.lacuna("train", "c.toml", "--resume=auto")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(30), 0)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertIn("another lacuna", run.stderr)

    def test_a_checkpoint_that_cannot_be_written_is_a_warning_until_the_end(self):
        self.train("--train.length=1 steps")
        shutil.rmtree(self.path / "run/checkpoints")
        (self.path / "run/config.toml").unlink()
        for file in list((self.path / "run").iterdir()):
            file.unlink()
        # A file where the folder of the first checkpoint should be made, put there while it trains.
        with subprocess.Popen([BINARY, "train", "c.toml", "--train.length=2000 steps",
                               "--checkpoint.every=0 steps", "--train.evaluate_every=0 steps"],
                              cwd=self.path, stderr=subprocess.PIPE, text=True) as process:
            while not (self.path / "run/metrics.jsonl").exists():
                time.sleep(0.02)
            (self.path / "run/checkpoints").write_text("in the way")
            process.send_signal(signal.SIGINT)
            text = process.stderr.read()
        self.assertEqual(process.returncode, 1, text)
        self.assertIn("no checkpoint was written", text)
        self.assertIn("could not be written", text)
        self.assertTrue((self.path / "run/weights.safetensors").exists())


if __name__ == "__main__":
    unittest.main()
