#!/usr/bin/env python3
"""`lacuna eval` of a model of pictures: bits of channels, rows and pixels, one by one and as a picture. Needs
LACUNA_BINARY."""
import csv
import json
import math
import os
import random
import unittest

import numpy

from test_eval_samples import bits_of_tokens, probabilities, read_logits
from test_see import read_png
from trained_run import TrainedRun, lacuna

CONFIG = """[data]
format = "cifar10"
paths = ["d.bin"]
split = "8 / 4 / 2"

[model]
layers = 1
heads = 2
width = 16
attention = ["local(8)"]

[optim]
learning_rate = 0.02
warmup = "1 steps"

[train]
length = "6 steps"
batch = 2
threads = 1
"""
PIXELS = 32 * 32 * 3


def record(seed):
    """A picture that is dark on the left and above, with noise: label, then red, green and blue."""
    noise = random.Random(seed)
    planes = [[(4 * row + 3 * column + 9 * channel + noise.randrange(8 + 40 * channel)) % 256
               for row in range(32) for column in range(32)] for channel in range(3)]
    return bytes([seed % 10]) + b"".join(map(bytes, planes))


class Pictures(TrainedRun):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.trained
        if not os.path.exists(folder + "/pictures"):
            with open(folder + "/d.bin", "wb") as file:
                file.write(b"".join(map(record, range(14))))
            with open(folder + "/p.toml", "w") as file:
                file.write(CONFIG)
            result = lacuna(folder, "train", "p.toml", "--train.run", "pictures")
            assert result.returncode == 0, result.stderr.decode()

    def report(self, *arguments):
        return json.loads(self.ok("eval", "pictures", "--json", "-", *arguments).stdout)

    def bits_by_logits(self):
        """Of the two test pictures, by the averaged weights: [picture, row, column, channel]."""
        self.ok("eval", "pictures", "--split", "test", "--logits", "l.safetensors")
        return read_logits(self.path / "l.safetensors")[2].reshape(2, 32, 32, 3)

    def test_bits_by_channel_and_row_are_the_means_of_the_positions(self):
        report = self.report("--split", "test")
        self.assertEqual((report["unit"], report["symbols_per_unit"], report["windows"], report["positions"]),
                         ("dim", 1, 2, 2 * PIXELS))
        found = report["weights"]["average"]
        bits = self.bits_by_logits()
        self.assertAlmostEqual(found["bits"], bits.mean(), delta=1e-6)
        self.assertLess(abs(numpy.array(found["channel_bits"]) - bits.mean((0, 1, 2))).max(), 1e-6)
        self.assertLess(abs(numpy.array(found["row_bits"]) - bits.mean((0, 2, 3))).max(), 1e-6)
        self.assertGreater(numpy.ptp(found["channel_bits"]), 1e-3)
        self.assertGreater(numpy.ptp(found["row_bits"]), 1e-3)

    def test_the_text_has_a_table_of_channels_and_one_of_rows(self):
        weights = self.report()["weights"]
        text = self.ok("eval", "pictures").stdout.decode()
        self.assertIn("  bits per dim  ", text)
        _, _, channels, rows = text.split("\n\n")
        names = list(weights)
        self.assertEqual([line.split() for line in channels.splitlines()],
                         [["channel", *names]] +
                         [[name, *(f"{weights[kind]['channel_bits'][i]:.6f}" for kind in names)]
                          for i, name in enumerate(("red", "green", "blue"))])
        self.assertEqual([line.split() for line in rows.splitlines()],
                         [["row", *names]] +
                         [[str(row), *(f"{weights[kind]['row_bits'][row]:.6f}" for kind in names)]
                          for row in range(32)])

    def test_a_row_is_a_picture(self):
        report = self.report("--split", "test", "--per-sample", "s.csv")
        with (self.path / "s.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([(int(row["number"]), int(row["first"]), int(row["positions"])) for row in rows],
                         [(0, 0, PIXELS), (1, PIXELS, PIXELS)])
        for row, number in zip(rows, (12, 13)):
            self.assertIn("d.bin", row["source"])
            self.assertRegex(row["source"], rf"\b{number}\b")
        for row, bits in zip(rows, self.bits_by_logits().sum((1, 2, 3))):
            self.assertAlmostEqual(float(row["average_bits"]), bits, delta=1e-6 * bits)
        total = report["weights"]["raw"]["nats"] / math.log(2)
        self.assertLessEqual(abs(sum(float(row["raw_bits"]) for row in rows) - total), 1e-9 * total)

    def test_a_limit_is_of_pictures_and_tables_are_of_what_was_scored(self):
        report = self.report("--limit", 2, "--per-sample", "s.jsonl")
        self.assertEqual((report["windows"], report["windows_in_part"], report["subset"], report["positions"]),
                         (2, 4, True, 2 * PIXELS))
        lines = [json.loads(line) for line in (self.path / "s.jsonl").read_text().splitlines()]
        self.assertEqual([line["number"] // 2 for line in lines], [0, 1])
        found = report["weights"]["raw"]
        self.assertAlmostEqual(numpy.mean(found["row_bits"]), found["bits"], delta=1e-9)
        self.assertAlmostEqual(numpy.mean([line["raw_bits_per_unit"] for line in lines]), found["bits"],
                               delta=1e-9)

    def test_the_picture_is_dark_where_the_bits_are(self):
        self.ok("eval", "pictures", "--split", "test", "--picture", "p.png")
        width, height, rows = read_png(self.path / "p.png", 10000)
        self.assertEqual((width, height), (2 * (2 * 20 + 44 + 320 + 112 + 320), 2 * (44 + 320 + 56)))
        light = numpy.array(rows).astype(int).sum(-1)
        cells = light[2 * 44 + 10:][:32 * 20:20, 2 * 64 + 10:][:, :32 * 20:20]
        bits = self.bits_by_logits().mean((0, 3))
        self.assertEqual(cells.shape, bits.shape)
        by_bits = cells.ravel()[bits.ravel().argsort()]
        self.assertTrue((numpy.diff(by_bits) <= 3).all())  # the channels of a color are rounded
        self.assertGreater(by_bits[0] - by_bits[-1], 400)
        curves = numpy.array(rows)[2 * 44:2 * 364, 2 * (64 + 320 + 112):]
        for color in ((0xc6, 0x28, 0x28), (0x1b, 0x80, 0x3c), (0x1b, 0x62, 0xa5), (0x22, 0x28, 0x30)):
            self.assertGreater((abs(curves - color).max(-1) < 6).any(1).sum(), 300, color)

    def test_a_minimum_context_is_refused_with_the_reason(self):
        for least in (1, 8, PIXELS - 1, PIXELS, 2 * PIXELS):
            self.refused(["eval", "pictures", "--min-context", least], "--min-context: ",
                         f"context of {least}, expected 0", "one whole sample")

    def test_the_probabilities_of_all_symbols_add_up_to_one(self):
        """Pictures that differ in the blue of the last pixel alone."""
        first = record(3)
        (self.path / "probe.bin").write_bytes(
            b"".join(first[:-1] + bytes([symbol]) for symbol in range(256)))
        probe = ["eval", "pictures", "--average", "--data.paths", "probe.bin", "--data.split", "256 / 0 / 0", "--split",
                 "train", "--train.precision", "f64", "--train.batch"]
        self.ok(*probe, 4, "--per-sample", "s.jsonl")
        self.ok(*probe, 1, "--logits", "l.safetensors")
        tokens, logits, bits = read_logits(self.path / "l.safetensors")
        self.assertLess(abs(bits - bits_of_tokens(tokens, logits)).max(), 1e-10)
        before = bits[0, :-1].sum()
        totals = [json.loads(line)["average_bits"] for line in (self.path / "s.jsonl").read_text().splitlines()]
        last = 2.0 ** (before - numpy.array(totals))
        self.assertAlmostEqual(last.sum(), 1, delta=1e-8)
        self.assertLess(abs(last - probabilities(logits)[0, -1]).max(), 1e-8)


if __name__ == "__main__":
    unittest.main()
