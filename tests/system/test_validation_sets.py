#!/usr/bin/env python3
"""Several validation sets, subsets of them and an evaluation before the first step, in all that a run leaves:
metrics, TensorBoard, `lacuna eval`, `lacuna report`. Needs LACUNA_BINARY."""
import csv
import json
import re
import signal
import subprocess
import unittest

from test_events import expected, fields, read_events, single
from test_interrupts import processor_seconds, wait_until, watches
from test_see import Page
from trained_run import BINARY, ENVIRONMENT, TrainedRun, lacuna, read_metrics, text_bytes

SETS = ["valid/b-side", "valid/a"]  # the first one judges, whatever its name
OPTIONS = ["--data.split", "", "--data.valid_paths", '["b-side=vb", "a=va"]', "--train.length", "20 steps",
           "--train.evaluate_every", "5 steps"]


class ValidationSets(TrainedRun):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if hasattr(ValidationSets, "outputs"):
            return
        with open(cls.trained + "/vb", "wb") as file:
            file.write(text_bytes()[:400])
        with open(cls.trained + "/va", "wb") as file:
            file.write(text_bytes()[400:1000][::-1])
        ValidationSets.outputs = {}
        for name, more in (("plain", []), ("limited", ["--train.evaluate_limit", 3, "--train.evaluate_first", "yes"])):
            result = lacuna(cls.trained, "train", "c.toml", "--train.run", name, *OPTIONS, *more)
            assert result.returncode == 0, result.stderr.decode()
            ValidationSets.outputs[name] = result.stderr.decode()

    def evaluations(self, run):
        return [line for line in read_metrics(self.path / run) if line["kind"] == "evaluation"]

    def page(self, *runs):
        self.ok("report", *runs)
        text = (self.path / "report.html").read_text()
        page = Page(text)
        self.assertEqual(page.faults, [])
        linear = text[text.index('class="plot linear"'):text.index('class="plot logarithmic"')]
        dots = [(float(radius), note) for radius, note in
                re.findall(r'<circle[^>]* r="([0-9.]+)"[^>]*>\s*<title>(.*?)</title>', linear)]
        return page, {row[0]: row[1:] for row in page.table("Results")[1:]}, dots

    def test_metrics_name_sets_units_and_subsets(self):
        lines = self.evaluations("limited")
        self.assertEqual([(line["step"], line["split"], line["weights"]) for line in lines],
                         [(step, name, weights) for step in (0, 5, 10, 15, 20, 20) for name in SETS
                          for weights in ("raw", "average")])
        windows = dict(zip(SETS, (13, 19)))
        for number, line in enumerate(lines):
            self.assertEqual(line["unit"], "byte")
            self.assertEqual((line["windows"], line["windows_in_part"]),
                             (3 if number < 20 else windows[line["split"]], windows[line["split"]]))
        said = self.outputs["limited"]
        self.assertRegex(said, r"step 0  valid/b-side 8\.0000 bits per byte \(raw weights, 96 positions, a fixed subset: "
                               r"3 of 13 windows")

    def test_tensorboard_keeps_sets_and_subsets_apart(self):
        file, = (self.path / "limited").glob("events.out.tfevents.*")
        tags = {}
        for event in read_events(file):
            for summary in event.get(5, []):
                for value in fields(summary).get(1, []):
                    found = fields(value)
                    if 2 in found:
                        tags.setdefault(found[1][0].decode(), []).append(found[2][0])
        for name in SETS:
            for weights in ("raw", "average"):
                lines = [line for line in self.evaluations("limited")
                         if (line["split"], line["weights"]) == (name, weights)]
                for tag, wanted in ((f"{name}/bits_{weights}_of_subset", lines[:-1]),
                                    (f"{name}/bits_{weights}", lines[-1:])):
                    self.assertEqual(len(tags[tag]), len(wanted), tag)
                    self.assertEqual({tag: single(wanted[-1]["bits"])},
                                     {tag: single(expected(wanted[-1])[tag])})

    def test_eval_reports_each_set_by_its_name(self):
        report = json.loads(self.ok("eval", "plain", "--json", "-", "--per-sample", "s.csv").stdout)
        self.assertEqual(report["split"], "valid")
        self.assertNotIn("weights", report)
        self.assertEqual([part["split"] for part in report["parts"]], SETS)
        last = {(line["split"], line["weights"]): line["bits"] for line in self.evaluations("plain")[-4:]}
        common = {name: value for name, value in report.items() if name != "parts"}
        for part in report["parts"]:
            alone = json.loads(self.ok("eval", "plain", "--split", part["split"], "--json", "-").stdout)
            self.assertEqual(alone, {**common, **part})
            for weights, found in part["weights"].items():
                self.assertAlmostEqual(found["bits"], last[part["split"], weights], delta=1e-5)
        with (self.path / "s.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for part in report["parts"]:
            self.assertEqual(sum(int(row["positions"]) for row in rows if row["part"] == part["split"]),
                             part["positions"])
        self.assertEqual(list(dict.fromkeys(row["part"] for row in rows)), SETS)

    def test_an_empty_part_is_blamed_on_the_option_that_says_what_is_in_it(self):
        self.refused(["eval", "plain", "--split", "test"], "data.test_paths: the part 'test' is empty")
        self.refused(["eval", "run", "--data.valid_paths", "[]", "--data.split", "", "--data.test_paths", "va"],
                     "data.valid_paths: the part 'valid' is empty")
        self.refused(["eval", "run", "--split", "test", "--data.split", "0.8 / 0.2"], "data.split: the part 'test' is")

    def test_a_stopped_evaluation_reports_the_sets_that_are_whole(self):
        (self.path / "endless").write_bytes(text_bytes() * 2000)
        arguments = ["eval", "plain", "--data.valid_paths", '["a=va", "b=endless"]', "--json", "-",
                     "--per-sample", "s.csv"]
        with subprocess.Popen([BINARY, *arguments], cwd=self.path, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            wait_until(lambda: watches(process) and processor_seconds(process) > 0.8, 120)
            process.send_signal(signal.SIGINT)
            output, error = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0, error)
        self.assertRegex(error.decode(), r"stopped after [0-9,]+ of 10,006,000 positions of valid/b \(raw weights\)")
        part, = json.loads(output)["parts"]
        self.assertEqual((part["split"], part["positions"], list(part["weights"])),
                         ("valid/a", 600, ["raw", "average"]))
        with (self.path / "s.csv").open(newline="") as file:
            self.assertEqual({row["part"] for row in csv.DictReader(file)}, {"valid/a"})

    def test_eval_prints_a_table_for_each_set(self):
        text = self.ok("eval", "plain").stdout.decode()
        self.assertEqual(re.findall(r"^part +(\S+)", text, re.M), SETS)
        self.assertEqual(re.findall(r"([0-9]+) positions, each once, in ([0-9]+) windows", text),
                         [("400", "13"), ("600", "19")])
        self.assertEqual(text.count("weights  bits per byte"), 2)
        self.assertEqual(text.count("identity"), 1)
        self.refused(["eval", "plain", "--split", "valid/c"], "no part 'valid/c'", "mean 'valid/a'")
        self.refused(["eval", "plain", "--split", "other"], "no part 'other'", *SETS)
        self.refused(["eval", "plain", "--split", "test"], "'test' is empty")

    def test_a_report_shows_the_set_that_judges_and_tables_the_others(self):
        page, results, dots = self.page("plain")
        self.assertEqual(results["validation set"], [SETS[0]])
        last = {(line["split"], line["weights"]): line["bits"] for line in self.evaluations("plain")[-4:]}
        for weights, words in (("raw", "raw"), ("average", "averaged")):
            self.assertEqual(results[f"validation bits, {words} weights"], [f"{last[SETS[0], weights]:.4f}"])
            self.assertEqual(results[f"{SETS[1]}: bits, {words} weights"], [f"{last[SETS[1], weights]:.4f}"])
        best = min((line for line in self.evaluations("plain") if (line["split"], line["weights"]) == (SETS[0], "average")),
                   key=lambda line: line["bits"])
        self.assertEqual(results["best validation bits"], [f"{best['bits']:.4f} at step {best['step']}"])
        self.assertEqual(len(dots), 8)  # of one set, at four steps, by two kinds of weights
        self.assertEqual({radius for radius, _ in dots}, {3.5})
        for _, note in dots:
            self.assertIn("bits per byte on valid/b-side, ", note)
            self.assertNotIn("subset", note)
        self.assertIn("bits per byte on valid/b-side (averaged weights, step 20)", page.text())
        self.assertNotIn("validation bits before the first step", results)

    def test_a_report_tells_subsets_from_whole_sets(self):
        _, results, dots = self.page("limited")
        lines = [line for line in self.evaluations("limited") if line["split"] == SETS[0]]
        self.assertEqual(results["validation bits before the first step"],
                         [f"{lines[0]['bits']:.4f}, a subset of 3 of 13 windows"])
        self.assertEqual(results["validation bits, raw weights"], [f"{lines[-2]['bits']:.4f}"])
        best = min((line for line in lines if line["weights"] == "average" and line["windows"] == 3),
                   key=lambda line: line["bits"])
        self.assertEqual(results["best validation bits"],
                         [f"{best['bits']:.4f} at step {best['step']}, a subset of 3 of 13 windows"])
        self.assertEqual(sorted(radius for radius, _ in dots), [3.5] * 8 + [7] * 2)
        for radius, note in dots:
            self.assertEqual("subset of 3 of 13 windows" in note, radius < 7)
        *_, dots = self.page("limited", "plain")
        self.assertEqual(len(dots), 18)
        for radius, note in dots:
            self.assertEqual((radius < 7), "subset of 3 of 13 windows" in note, note)

    def test_a_report_of_runs_with_other_sets_says_which(self):
        _, results, dots = self.page("plain", "run")
        self.assertEqual(results["validation set"], [SETS[0], "\N{EN DASH}"])
        self.assertEqual(results[f"{SETS[1]}: bits, raw weights"][1], "\N{EN DASH}")
        self.assertEqual({re.search("on (the validation part|valid/[a-z-]+), ", note).group(1) for _, note in dots},
                         {"the validation part", SETS[0]})

    def test_a_report_of_runs_with_other_units_and_formats_names_both(self):
        self.train("made-up", "--data.format", "echo", "--data.size", "20000", "--data.block", "16", "--data.paths", "[]")
        page, results, _ = self.page("plain", "made-up")
        self.assertEqual(results["unit"], ["bits per byte", "bits per symbol"])
        self.assertNotIn("unit", self.page("plain", "limited")[1])
        names = [row[0] for row in page.table("Configuration", 1)[1:]]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn("data.block", names)
        self.assertIn("data.split_at", names)
        sections = [name.split(".")[0] for name in names]
        self.assertEqual(sections, sorted(sections, key=list(dict.fromkeys(sections)).index))

    def test_metrics_of_an_older_lacuna_are_of_whole_sets(self):
        file = self.path / "plain" / "metrics.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for line in lines:
            line.pop("windows_in_part", None)
            line.pop("unit", None)
        _, with_all, _ = self.page("plain")
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.assertEqual(self.page("plain")[1], with_all)

    def test_a_checkpoint_says_its_best_bits_by_their_unit(self):
        self.assertRegex(self.ok("inspect", "checkpoint", "plain/checkpoints/step-20").stdout.decode(),
                         r"best +[0-9.]+ bits per byte on the first validation set so far, ")


if __name__ == "__main__":
    unittest.main()
