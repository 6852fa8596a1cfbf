#!/usr/bin/env python3
"""Parts of data that have files of their own, files that data.split may not cut, and evaluations of a part of
a part. Needs LACUNA_BINARY."""
import json
import math
import signal
import time
import unittest

import small_run
from small_run import ECHO
from test_interrupts import Interrupts, processor_seconds, wait_until
from trained_run import TrainedRun, read_metrics, text_bytes


def evaluations(run):
    return [line for line in read_metrics(run) if line["kind"] == "evaluation"]


class OwnPaths(TrainedRun):
    NAMED = ["--data.split", "", "--data.valid_paths", "['easy=one.txt', 'hard=two', 'easy=three.txt', 'four.txt']"]

    def setUp(self):
        super().setUp()
        for name, content in (("one.txt", b"a stride\n" * 30), ("two/x.txt", bytes(range(256))),
                              ("two/y.txt", bytes(range(255, -1, -1))), ("three.txt", b"sparse gap " * 11),
                              ("four.txt", text_bytes()[:77]), ("test.txt", text_bytes()[99:260])):
            path = self.path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def test_sets_are_evaluated_and_logged_by_name_and_the_first_judges(self):
        run = self.train("named", *self.NAMED, "--data.test_paths", "['test.txt']")
        log = (run / "log.txt").read_text()
        self.assertIn("bytes: 7 files, 6,144 bytes: train 5,003, valid/easy 391, valid/hard 512, valid 77, test 161",
                      log)
        lines = evaluations(run)
        self.assertEqual([(line["step"], line["split"], line["weights"], line["positions"]) for line in lines],
                         [(step, name, weights, size) for step in (10, 20, 25)
                          for name, size in (("valid/easy", 391), ("valid/hard", 512), ("valid", 77))
                          for weights in ("raw", "average")])
        for line in lines:
            self.assertIn(f"step {line['step']}  {line['split']} {line['bits']:.4f} bits per byte ({line['weights']} "
                          f"weights, {line['positions']} positions, minimum context 0)", log)
        (checkpoint,) = (run / "checkpoints").glob("step-*25")
        judged = min(line["bits"] for line in lines if line["split"] == "valid/easy" and line["weights"] == "average")
        self.assertEqual(json.loads((checkpoint / "state.json").read_text())["best_bits"], judged)
        for name, size in (("valid/easy", 391), ("valid/hard", 512), ("valid", 77), ("test", 161)):
            self.ok("eval", "named", "--split", name, "--json", "e.json")
            report = json.loads((self.path / "e.json").read_text())
            if name == "valid":  # which means all validation sets
                self.assertEqual([part["split"] for part in report["parts"]], ["valid/easy", "valid/hard", "valid"])
                report = report["parts"][-1]
            self.assertEqual((report["split"], report["positions"]), (name, size))
            for line in lines[-6:]:
                if line["split"] == name:
                    self.assertAlmostEqual(report["weights"][line["weights"]]["bits"], line["bits"], places=6)
        self.refused(["eval", "named", "--split", "valid/eazy"], "no part 'valid/eazy'", "valid/easy")

    def test_parts_with_paths_leave_the_others_to_training(self):
        run = self.train("tested", "--data.split", "", "--data.test_paths", "['test.txt', 'four.txt']")
        self.assertIn("train 5,003, valid 0, test 238", (run / "log.txt").read_text())
        self.assertEqual(evaluations(run), [])
        self.assertEqual([line["step"] for line in read_metrics(run)], list(range(1, 26)))

    def test_a_split_beside_paths_of_parts_is_a_contradiction(self):
        for option in ("valid_paths", "test_paths"):
            self.refused(["train", "c.toml", "--train.run", "new", f"--data.{option}", "['one.txt']"], "data.split",
                         "contradicts")

    def test_a_file_is_of_one_part_only(self):
        (self.path / "link").symlink_to("text")
        for paths in (["--data.valid_paths", "['text']"], ["--data.valid_paths", "['same=text']"],
                      ["--data.test_paths", "['link']"], ["--data.valid_paths", "['a=two', 'b=two/x.txt']"],
                      ["--data.valid_paths", "['one.txt']", "--data.test_paths", "['./one.txt']"]):
            self.refused(["train", "c.toml", "--train.run", "new", "--data.split", "", *paths], "data.paths")
        self.refused(["train", "c.toml", "--train.run", "new", "--data.split", "", "--data.valid_paths", "['none']"],
                     "none", "expected a file or a folder")

    def test_a_name_that_holds_a_sign_of_equality_is_a_path(self):
        (self.path / "a=b").write_bytes(b"odd name\n" * 5)
        run = self.train("odd", "--data.split", "", "--data.valid_paths", "['a=b']")
        self.assertIn("valid 45,", (run / "log.txt").read_text())

    def test_a_resumed_run_knows_its_sets(self):
        run = self.train("shorter", *self.NAMED, "--train.length", "15 steps")
        self.ok("train", "shorter/config.toml", "--resume", "auto", "--train.length", "25 steps")
        self.assertEqual([(line["step"], line["split"]) for line in evaluations(run)[::2]],
                         [(step, name) for step in (10, 15, 20, 25) for name in ("valid/easy", "valid/hard", "valid")])


class WholeFiles(TrainedRun):
    def said(self, *options):
        lines = self.ok("inspect", "data", "c.toml", "--data.split_at", "files", *options).stdout.decode().splitlines()
        return dict(line.split(maxsplit=1) for line in lines[:3])["data"]

    def test_text_is_cut_between_files_where_that_is_asked_for(self):
        for name, size in (("a", 500), ("b", 400), ("c", 60), ("d", 40)):
            (self.path / "files").mkdir(exist_ok=True)
            (self.path / "files" / name).write_bytes(text_bytes()[:size])
        files = ["--data.paths", "['files']"]
        self.assertIn("train 900, valid 60, test 40", self.said(*files, "--data.split", ""))
        self.assertIn("train 500, valid 400, test 100", self.said(*files, "--data.split", "0.5 / 0.4 / 0.1"))
        self.assertIn("train 500, valid 460, test 40", self.said(*files, "--data.split", "1 / 2 / 1"))
        self.refused(["inspect", "data", "c.toml", *files, "--data.split_at", "files", "--data.split", "3 / 2"],
                     "data.split", "has 4 files")
        self.assertTrue(self.said("--data.paths", "['files/a', 'files/b']", "--data.split", "0.5 / 0.3 / 0.2")
                        .endswith("train 450, valid 270, test 180; data.split cuts through files/a and files/b"))

    def test_a_file_that_is_cut_through_is_named(self):
        (self.path / "more").write_bytes(b"x" * 1000)
        both = ["--data.paths", "['text', 'more']", "--data.split_at", "bytes"]
        lines = self.ok("inspect", "data", "c.toml", *both, "--data.split", "0.5 / 0.5").stdout.decode()
        self.assertIn("test 0; data.split cuts through text\n", lines)
        lines = self.ok("inspect", "data", "c.toml", *both, "--data.split", "5003 / 1000").stdout.decode()
        self.assertNotIn("cuts through", lines)
        self.assertNotIn("cuts through", self.ok("inspect", "data", "c.toml").stdout.decode())  # of a lone text


class Limited(TrainedRun):
    LIMITED = ["--train.evaluate_limit", "3"]
    STILL = ["--optim.learning_rate", "0", "--optim.average", "0"]  # weights that stay as they are

    def test_evaluations_on_the_way_look_at_a_fixed_subset_and_the_last_at_all(self):
        run = self.train("few", *self.LIMITED, *self.STILL)
        lines = evaluations(run)
        windows = math.ceil(750 / 32)
        self.assertEqual([(line["step"], line["windows"], line["windows_in_part"], line["positions"])
                          for line in lines], [(10, 3, windows, 96), (20, 3, windows, 96), (25, 3, windows, 96),
                                       (25, windows, windows, 750)])
        self.assertEqual(lines[0]["bits"], lines[1]["bits"])
        self.assertEqual(lines[0]["bits"], lines[2]["bits"])
        self.assertNotEqual(lines[0]["bits"], lines[3]["bits"])
        log = (run / "log.txt").read_text()
        self.assertEqual(log.count("96 positions, a fixed subset: 3 of 24 windows, minimum context 0)"), 3)
        self.assertIn("(raw weights, 750 positions, minimum context 0)", log)
        batched = self.train("batched", *self.LIMITED, *self.STILL, "--train.batch", "1")
        self.assertAlmostEqual(evaluations(batched)[0]["bits"], lines[0]["bits"], places=5)

    def test_a_limit_beyond_the_part_is_none(self):
        run = self.train("many", "--train.evaluate_limit", "24")
        self.assertEqual([(line["step"], line["weights"], line["windows"]) for line in evaluations(run)],
                         [(step, weights, 24) for step in (10, 20, 25) for weights in ("raw", "average")])
        self.assertNotIn("subset", (run / "log.txt").read_text())

    def test_patience_is_judged_by_the_subset_and_the_last_evaluation_is_whole(self):
        run = self.train("patient", *self.LIMITED, *self.STILL, "--train.evaluate_every", "2 steps",
                         "--train.patience", "3")
        lines = evaluations(run)
        self.assertEqual([(line["step"], line["windows"]) for line in lines], [(2, 3), (4, 3), (6, 3), (8, 3), (8, 24)])
        (stop,) = [line for line in read_metrics(run) if line["kind"] == "early_stop"]
        self.assertEqual((stop["step"], stop["evaluations"], stop["best_bits"]), (8, 3, lines[0]["bits"]))

    def test_what_judges_the_last_step_is_recorded_and_a_resumed_run_keeps_the_size(self):
        run = self.train("judged", *self.LIMITED)
        best = json.loads((run / "checkpoints/step-25/state.json").read_text())["best_bits"]
        subsets = [line for line in evaluations(run) if line["windows"] == 3 and line["weights"] == "average"]
        self.assertEqual([line["step"] for line in subsets], [10, 20, 25])
        self.assertEqual(best, min(line["bits"] for line in subsets))
        self.refused(["train", "c.toml", "--train.run", "judged", "--resume", "auto", "--train.length", "30 steps"],
                     "train.evaluate_limit: is 0 now, but the run was started with 3")

    def test_an_evaluation_before_the_first_step(self):
        run = self.train("first", *self.LIMITED, "--train.evaluate_first", "yes")
        lines = evaluations(run)
        self.assertEqual([line["step"] for line in lines], [0, 0, 10, 10, 20, 20, 25, 25, 25, 25])
        self.assertEqual(lines[0]["bits"], lines[1]["bits"])  # the average begins as the weights
        self.assertLess(abs(lines[0]["bits"] - 8), 1)
        log = (run / "log.txt").read_text()
        self.assertRegex(log, r"step 0  valid \d\.\d+ bits per byte \(raw weights, 96 positions, a fixed subset: 3 of")
        plain = self.train("plain", *self.LIMITED)
        for name in ("weights.safetensors", "average.safetensors"):
            self.assertEqual((run / name).read_bytes(), (plain / name).read_bytes())
        self.assertEqual([line["bits"] for line in evaluations(plain)], [line["bits"] for line in lines[2:]])


class Interrupted(Interrupts):
    LONG = [*ECHO[:-1], "--data.paths=[]", "--data.split=0.1 / 0.9", "--train.length=1 steps"]

    def test_a_whole_last_evaluation_that_was_interrupted_is_made_up_for(self):
        options = [*self.LONG, "--data.size=600000", "--train.evaluate_limit=2"]
        process = self.start("train", "c.toml", *options)
        wait_until(lambda: '"train"' in self.metrics_text())
        time.sleep(0.2)  # into the evaluation, which takes seconds
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("the last evaluation was not finished", text)
        self.assertNotIn("evaluation", self.metrics_text())
        self.assertIn('"evaluation_due": true', (self.path / "run/checkpoints/step-1/state.json").read_text())
        self.train("--resume=auto", *options)
        self.train("--train.run=whole", *options)
        self.assertEqual(small_run.metrics(self.path / "run"), small_run.metrics(self.path / "whole"))
        lines = evaluations(self.path / "run")
        whole = lines[0]["windows_in_part"]
        self.assertEqual([line["windows"] for line in lines], [2, 2, whole, whole])

    def test_nothing_is_written_by_a_run_that_is_stopped_before_its_first_step(self):
        before = self.snapshot()
        process = self.start("train", "c.toml", *self.LONG, "--data.size=50000000", "--train.evaluate_first=yes")
        self.read_until(process, "memory ")
        begun = processor_seconds(process)
        wait_until(lambda: processor_seconds(process) > begun + 1.5, 120)
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("stopped before the first step was done; no run was begun in run", text)
        self.assertFalse((self.path / "run").exists())
        self.assertEqual(before, self.snapshot())

    def test_a_run_that_is_there_stays_when_the_next_is_stopped_before_its_first_step(self):
        self.train(*self.LONG, "--data.size=2000")
        before = {name: content for name, content in self.snapshot().items() if not name.endswith("/lock")}
        process = self.start("train", "c.toml", "--overwrite", *self.LONG, "--data.size=50000000",
                             "--train.evaluate_first=yes")
        self.read_until(process, "memory ")
        begun = processor_seconds(process)
        wait_until(lambda: processor_seconds(process) > begun + 1.5, 120)
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=60)[1]
        self.assertIn("stopped before the first step was done; the run is as it was in run", text)
        after = {name: content for name, content in self.snapshot().items() if not name.endswith("/lock")}
        self.assertEqual(before, after)


if __name__ == "__main__":
    unittest.main()
