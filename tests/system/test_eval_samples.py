#!/usr/bin/env python3
"""`lacuna eval` sample by sample: rows that add up, subsets, and probabilities that add up to 1. Needs
LACUNA_BINARY."""
import csv
import json
import math
import random
import unittest

import numpy

from trained_run import TrainedRun, lacuna, read_metrics, read_safetensors, text_bytes


def read_logits(path):
    """Tokens [batch, context], logits [batch, context, vocabulary] and bits [batch, context]."""
    header, data = read_safetensors(path)
    types = {"I32": "<i4", "F32": "<f4", "F64": "<f8"}

    def array(name):
        begin, end = header[name]["data_offsets"]
        return numpy.frombuffer(data[begin:end], types[header[name]["dtype"]]).reshape(header[name]["shape"])

    tokens, bits = array("tokens"), array("bits")
    return tokens, array("logits").reshape(*tokens.shape, -1).astype(float), bits


def probabilities(logits):
    """Softmax over the last axis."""
    powers = numpy.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def bits_of_tokens(tokens, logits):
    return -numpy.log2(numpy.take_along_axis(probabilities(logits), tokens[..., None], -1)[..., 0])


class Rows(TrainedRun):
    def evaluated(self, *arguments):
        """The rows of a CSV file, which JSON lines repeat, and the report."""
        report = json.loads(self.ok("eval", "run", "--json", "-", "--per-sample", "s.csv", *arguments).stdout)
        self.ok("eval", "run", "--per-sample", "s.jsonl", *arguments)
        with (self.path / "s.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        lines = [json.loads(line) for line in (self.path / "s.jsonl").read_text().splitlines()]
        self.assertEqual(rows, [{name: str(value) for name, value in line.items()} for line in lines])
        return lines, report

    def adds_up(self, rows, report):
        self.assertEqual(sum(row["positions"] for row in rows), report["positions"])
        for weights, found in report["weights"].items():
            total = found["nats"] / math.log(2)
            self.assertLessEqual(abs(math.fsum(row[weights + "_bits"] for row in rows) - total), 1e-9 * total)
            for row in rows:
                self.assertAlmostEqual(row[weights + "_bits_per_unit"],
                                       row[weights + "_bits"] / row["positions"], delta=1e-12)

    def test_a_row_is_a_window_of_text(self):
        rows, report = self.evaluated()
        self.assertEqual(list(rows[0]), "part number source first positions raw_bits raw_bits_per_unit "
                                        "average_bits average_bits_per_unit".split())
        self.assertEqual([(row["part"], row["number"], row["source"], row["first"], row["positions"])
                          for row in rows],
                         [("valid", i, "text", 32 * i, min(32, 750 - 32 * i)) for i in range(24)])
        self.adds_up(rows, report)
        self.ok("eval", "run", "--logits", "l.safetensors")
        *_, bits = read_logits(self.path / "l.safetensors")
        for row, window in zip(rows, bits):
            self.assertAlmostEqual(row["average_bits"], window.sum(), delta=1e-4)

    def test_rows_with_a_minimum_context_are_what_a_window_scores(self):
        rows, report = self.evaluated("--min-context", 8)
        self.assertEqual([row["first"] for row in rows], [0, *range(32, 750, 24)])
        self.assertEqual([row["number"] for row in rows], list(range(len(rows))))
        self.adds_up(rows, report)

    def test_rows_name_the_file_that_they_begin_in(self):
        many = self.path / "many"
        many.mkdir()
        (many / 'a,"1".txt').write_bytes(text_bytes()[:100])
        (many / "b").write_bytes(text_bytes()[100:260])
        rows, report = self.evaluated("--split", "train", "--data.paths", "many", "--data.split", "1 / 0")
        self.assertEqual([row["source"].rpartition("/")[2] for row in rows],
                         ['a,"1".txt'] * 4 + ["b"] * 5)
        self.adds_up(rows, report)

    def test_rows_go_to_the_standard_output_as_well(self):
        self.ok("eval", "run", "--raw", "--per-sample", "s.csv")
        rows = (self.path / "s.csv").read_bytes()
        self.assertTrue(rows.startswith(b"part,number,source,first,positions,raw_bits,raw_bits_per_unit\n"))
        output = self.ok("eval", "run", "--raw", "--per-sample", "/dev/stdout").stdout
        self.assertEqual(output, self.ok("eval", "run", "--raw").stdout + rows)
        self.assertEqual(self.ok("eval", "run", "--raw", "--per-sample", "-").stdout, rows)
        self.assertFalse((self.path / "-").exists())

    def test_an_output_that_cannot_be_written_is_an_error_before_any_work(self):
        (self.path / "folder").mkdir()
        outputs = ("json", "per-sample", "picture", "logits")
        for output in outputs:
            others = [word for other in outputs[:2] if other != output and output in outputs[:2]
                      for word in (f"--{other}", "made")]
            self.refused(["eval", "run", f"--{output}", "missing/s", *others], "missing/s: there is no folder 'missing'")
            self.refused(["eval", "run", f"--{output}", "folder", *others], "folder: is a folder, not a file")

    def test_two_outputs_do_not_go_to_one_place(self):
        self.refused(["eval", "run", "--json", "-", "--per-sample", "-"], "--per-sample: goes to -, as --json")
        self.refused(["eval", "run", "--json", "a", "--per-sample", "./a"], "--per-sample: goes to ./a, as --json")
        for output in ("--picture", "--logits"):
            self.refused(["eval", "run", output, "-"], output + ": is no text and is not printed")

    def test_a_limit_is_a_spread_subset_and_is_called_one(self):
        whole, _ = self.evaluated()
        rows, report = self.evaluated("--limit", 5)
        self.assertEqual((report["windows"], report["windows_in_part"], report["subset"]), (5, 24, True))
        self.adds_up(rows, report)
        numbers = [row["number"] for row in rows]
        self.assertTrue(all(24 * i // 5 <= number < 24 * (i + 1) // 5 for i, number in enumerate(numbers)), numbers)
        for row in rows:
            same = whole[row["number"]]
            self.assertEqual(row["first"], same["first"])
            self.assertAlmostEqual(row["raw_bits"], same["raw_bits"], delta=1e-4)
        self.assertIn(f"{report['positions']} positions, each once, in 5 windows of 32, a subset of 24 drawn by "
                      "train.seed = 1, minimum context 0",
                      self.ok("eval", "run", "--limit", 5).stdout.decode())
        others, _ = self.evaluated("--limit", 5, "--train.seed", 7)
        self.assertNotEqual([row["number"] for row in others], numbers)
        report = self.evaluated("--limit", 24)[1]
        self.assertEqual((report["windows"], report["subset"]), (24, False))
        self.refused(["eval", "run", "--limit", "-1"], "--limit")
        self.refused(["eval", "run", "--limit", "some"], "--limit")

    def test_a_limit_chooses_the_windows_that_training_looks_at(self):
        run = self.train("limited", "--train.evaluate_limit", 5, "--checkpoint.every", "20 steps",
                         "--checkpoint.keep_every", "20 steps")
        on_the_way = [line for line in read_metrics(run) if line["kind"] == "evaluation" and line["step"] == 20]
        report = json.loads(self.ok("eval", "limited/checkpoints/step-20", "--limit", 5, "--json", "-").stdout)
        for line in on_the_way:
            self.assertEqual((line["windows"], line["windows_in_part"], line["positions"]),
                             (5, 24, report["positions"]))
            self.assertAlmostEqual(line["bits"], report["weights"][line["weights"]]["bits"], delta=1e-5)
        self.assertEqual(len(on_the_way), 2)

    def test_what_does_not_fit_is_refused(self):
        self.refused(["eval", "run", "--picture", "p.png"], "--picture", "has none", "per byte", "--per-sample")
        for least in (32, 33):
            self.refused(["eval", "run", "--min-context", least], "--min-context: ", f"context of {least}",
                         "0 to 31")
        for flag in (["--json", "-"], ["--json", "0"], ["--per-sample", "s"], ["--picture", "p.png"], ["--limit", "1"],
                     ["--min-context", "1"]):
            self.refused(["eval", "run", "--logits", "l", *flag], flag[0] + ": ", "contradicts --logits")


class Probabilities(TrainedRun):
    def test_those_of_all_symbols_add_up_to_one(self):
        """Windows that differ at one position alone, where each has another symbol."""
        context = text_bytes()[:32]
        for precision, tolerance in (("f32", 1e-5), ("f64", 1e-12)):
            for place in [0, 31, *random.Random(3).sample(range(1, 31), 3)]:
                (self.path / "probe").write_bytes(b"".join(
                    context[:place] + bytes([symbol]) + context[place + 1:] for symbol in range(256)))
                self.ok("eval", "run", "--logits", "l.safetensors", "--train.batch", 256, "--split", "train",
                        "--data.paths", "probe", "--data.split", "8192 / 0 / 0", "--train.precision", precision)
                tokens, logits, bits = read_logits(self.path / "l.safetensors")
                self.assertEqual(list(tokens[:, place]), list(range(256)))
                self.assertAlmostEqual((2 ** -bits[:, place]).sum(), 1, delta=tolerance)
                self.assertLess(abs(bits - bits_of_tokens(tokens, logits)).max(), tolerance)
                self.assertLess(abs(2 ** -bits[:, place] - probabilities(logits)[0, place]).max(), tolerance)


if __name__ == "__main__":
    unittest.main()
