#!/usr/bin/env python3
"""Checkpoints and resume, driven through the binary: a run that is stopped in any way and resumed ends
with the bytes of the run that was never stopped. Needs LACUNA_BINARY."""
import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
import unittest
from pathlib import Path

import small_run
import soak
from small_run import ECHO, SmallRun


class Resume(SmallRun):
    def test_ten_steps_and_resume_equal_twenty_for_every_data_set(self):
        for options in ([], ECHO, ["--optim.moments=bf16"],
                        ["--optim.name=lion", "--optim.moments=bf16"]):
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
        self.train("--resume=run/checkpoints/step-10", "--train.length=12 steps", "--overwrite")
        kept = before[:before.index(mark) + len(mark)]
        self.assertTrue(log.read_text().startswith(kept))
        self.assertRegex(log.read_text()[len(kept):].splitlines()[0],
                         "info resumed from run/checkpoints/step-10$")
        self.assertEqual(small_run.log(self.path / "run")[-1], "done after 12 steps")
        log.write_text("somebody else's\n")
        self.train("--resume=run/checkpoints/step-10", "--train.length=12 steps", "--overwrite")
        self.assertTrue(log.read_text().startswith("somebody else's\n"))

    def test_a_run_out_of_patience_ends_and_a_resumed_one_ends_at_the_same_step(self):
        # Nothing is learned, so that the first evaluation stays the best.
        patient = ["--optim.learning_rate=0", "--optim.average=0", "--train.length=60 steps"]
        options = [*patient, "--train.patience=3"]
        text = self.train(*options)
        self.assertIn("step 20  ends early: 3 evaluations", text)
        self.assertIn("done after 20 steps", text)
        lines = small_run.metrics(self.path / "run")
        self.assertEqual(lines[-1], {"kind": "early_stop", "step": 20, "evaluations": 3,
                                     "best_bits": lines[-2]["bits"]})
        self.assertEqual((self.path / "run/checkpoints/best").read_text(), "5")
        for step in (5, 10, 15):  # after none, one and two evaluations without a best
            with self.subTest(step=step):
                shutil.rmtree(self.path / "again", ignore_errors=True)
                shutil.copytree(self.path / "run", self.path / "again")
                self.train("--train.run=again", f"--resume=again/checkpoints/step-{step}",
                           "--overwrite", *options)
                self.same_results("run", "again")
        self.assertIn("has ended early", self.train("--resume=auto", *options))
        self.assertEqual(small_run.metrics(self.path / "run"), lines)
        self.train("--resume=auto", *patient, "--train.patience=5")
        self.assertEqual([(line["step"], line["evaluations"])
                          for line in small_run.metrics(self.path / "run") if line["kind"] == "early_stop"],
                         [(20, 3), (30, 5)])
        self.assertIn("done after 60", self.train("--resume=auto", *patient, "--train.patience=0"))

    def test_patience_without_evaluations_on_the_way_is_refused(self):
        for option in ("--train.evaluate_every=0 steps", "--data.split=1 / 0"):
            self.refused("train.patience", "train", "c.toml", "--train.patience=1", option)

    def test_a_named_checkpoint_can_be_resumed_into_another_folder(self):
        self.train()
        self.train("--train.run=other", "--resume=run/checkpoints/step-15")
        for name in ("weights.safetensors", "average.safetensors"):
            self.assertTrue((self.path / "run" / name).read_bytes() ==
                            (self.path / "other" / name).read_bytes())

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
        self.train("--resume=run/checkpoints/step-10/", "--overwrite")

    def test_going_back_discards_the_checkpoints_of_the_abandoned_way(self):
        self.train()
        (self.path / "run/checkpoints/step-7.making").mkdir()
        with (self.path / "c.toml").open("a") as config:
            config.write("keep_last = 1\n")
        self.train("--resume=run/checkpoints/step-5", "--train.length=9 steps", "--overwrite",
                   "--checkpoint.keep_every=0 steps", "--train.evaluate_every=0 steps")
        names = {file.name for file in (self.path / "run/checkpoints").iterdir()}
        self.assertEqual(names - {"step-5"}, {"step-9", "best"})  # step-5 may be the best

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

    def test_resuming_removes_old_checkpoints_that_a_killed_run_has_left(self):
        self.train()  # keeps all four
        kept = {20, int((self.path / "run/checkpoints/best").read_text())}
        self.train("--resume=auto", "--checkpoint.keep_every=0 steps", "--checkpoint.keep_last=1")
        self.assertEqual(set(small_run.steps(self.path / "run")), kept)

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

    def test_another_data_set_model_or_seed_is_refused_by_name(self):
        self.train()
        for option, value in (("model.layers", "3"), ("train.seed", "2"), ("data.split", "0.7 / 0.3"),
                              ("optim.beta1", "0.8"), ("data.format", "echo"),
                              ("model.context", "80")):
            with self.subTest(option=option):
                fits = ["--data.block=10"] if value == "echo" else []
                self.refused(option if not fits else "data.", "train", "c.toml", "--resume=auto",
                             f"--{option}={value}", *fits)
        with (self.path / "text").open("a") as text:
            text.write("!")
        self.refused("other data", "train", "c.toml", "--resume=auto")

    def test_the_optimizer_of_a_run_and_its_own_defaults_stay(self):
        self.train("--optim.name=lion")
        recorded = tomllib.loads((self.path / "run/config.toml").read_text())["optim"]
        self.assertEqual([recorded[key] for key in ("name", "learning_rate", "beta2", "weight_decay")],
                         ["lion", 0.0001, 0.99, 0.1])
        self.refused("optim.name", "train", "c.toml", "--resume=auto")
        self.refused("optim.learning_rate", "train", "c.toml", "--resume=auto", "--optim.name=lion",
                     "--optim.learning_rate=0.001")
        self.assertIn("  optim.name = 'lion'\n", self.inspected("run/checkpoints/step-20"))
        self.assertNotIn("optim.beta2", self.inspected("run/checkpoints/step-20"))

    def test_moments_in_bf16_are_stored_so_and_stay_so(self):
        sizes = {}
        for moments in ("f32", "bf16"):
            self.train(f"--train.run={moments}", f"--optim.moments={moments}")
            raw = (self.path / moments / "checkpoints/step-20/optimizer.safetensors").read_bytes()
            header = int.from_bytes(raw[:8], "little")
            tensors = json.loads(raw[8:8 + header])
            del tensors["__metadata__"]
            self.assertEqual({tensor["dtype"] for tensor in tensors.values()}, {moments.upper()})
            sizes[moments] = len(raw) - 8 - header
        self.assertEqual(sizes["f32"], 2 * sizes["bf16"])
        self.refused("optim.moments", "train", "c.toml", "--train.run=bf16", "--resume=auto")
        # What the moments are changes how a run goes on, but not much.
        bits = [[line["bits"] for line in small_run.metrics(self.path / run) if line["kind"] == "train"]
                for run in sizes]
        self.assertEqual(bits[0][:2], bits[1][:2])
        self.assertNotEqual(bits[0], bits[1])
        self.assertLess(abs(bits[0][-1] - bits[1][-1]), 0.02)

    def inspected(self, folder):
        run = self.lacuna("inspect", "checkpoint", folder)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def test_resume_contradicts_overwrite_and_needs_a_checkpoint(self):
        self.train()
        self.refused("contradicts", "train", "c.toml", "--resume=auto", "--overwrite")
        self.refused("contradicts", "train", "c.toml", "--resume=run/checkpoints/step-5",
                     "--init-from=run")
        self.refused("nowhere", "train", "c.toml", "--resume=nowhere")

    def test_going_back_in_place_is_asked_for(self):
        self.train()
        earlier = ("train", "c.toml", "--resume=run/checkpoints/step-10")
        self.refused("step-15, step-20, the final weights", *earlier)
        for step in (15, 20):
            shutil.rmtree(self.path / f"run/checkpoints/step-{step}")
        self.refused("after it: the final weights", *earlier)
        shutil.copytree(self.path / "run", self.path / "whole")
        self.train("--resume=run/checkpoints/step-10", "--train.run=other")
        self.train("--resume=run/checkpoints/step-10", "--overwrite")
        self.same_weights("run", "other")
        self.train("--resume=run/checkpoints/step-20", "--train.length=22 steps")  # nothing goes
        self.refused("step-22", "train", "c.toml", "--resume=run/checkpoints/step-20")

    def test_a_run_can_be_replaced_by_one_that_goes_on_from_anothers_checkpoint(self):
        self.train()
        self.train("--train.run=other", "--train.seed=7")
        self.train("--train.run=other", "--resume=run/checkpoints/step-15", "--overwrite")
        self.same_weights("run", "other")
        self.assertEqual(small_run.steps(self.path / "other"), [20])

    def test_a_longer_way_announces_the_jump_of_the_rate(self):
        self.train()
        text = self.train("--resume=auto", "--train.length=40 steps")
        rates = {line["step"]: line["learning_rate"] for line in small_run.metrics(self.path / "run")
                 if line["kind"] == "train"}
        self.assertEqual(rates[20], 0)
        self.assertIn(f"warning: train.length is 40 steps now, it was 20 steps: the learning rate jumps "
                      f"from 0 to {rates[21]:.6g}, {rates[21] / 0.001:.2f} of its peak", text)
        self.assertIn("the learning rate jumps", (self.path / "run/log.txt").read_text())
        self.assertNotIn("jumps", self.train("--resume=auto", "--train.length=40 steps"))

    def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(self):
        seed = time.time_ns()
        with self.subTest(seed=seed):
            soak.soak(self.path, 8, seed, steps=20)

    def test_the_lines_of_python_in_the_docs_read_the_weights(self):
        text = (Path(__file__).parents[2] / "docs/checkpoints.md").read_text()
        lines = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
        self.assertLessEqual(len(lines.splitlines()), 5)
        self.train("--train.run=runs/quickstart")
        script = lines + "print(weight.dtype, weight.shape, weight.tobytes().hex())\n"
        run = subprocess.run([sys.executable, "-c", script], cwd=self.path, capture_output=True,
                             text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        raw = (self.path / "runs/quickstart/weights.safetensors").read_bytes()
        begin, end = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])["head.weight"]["data_offsets"]
        data = raw[8 + int.from_bytes(raw[:8], "little"):]
        self.assertEqual(run.stdout.split(), ["float32", "(256,", "32)", data[begin:end].hex()])


if __name__ == "__main__":
    unittest.main()
