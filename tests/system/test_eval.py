#!/usr/bin/env python3
"""`lacuna eval`: what it measures, on which data, and the runs that it refuses. Needs LACUNA_BINARY."""
import json
import math
import random
import os
import re
import shutil
import signal
import struct
import subprocess
import unittest

from test_interrupts import processor_seconds, wait_until, watches
from trained_run import ANSWER, BINARY, ENVIRONMENT, TrainedRun, lacuna, numbers, read_metrics, read_safetensors, text_bytes, write_safetensors


class Evaluation(TrainedRun):
    def report(self, *arguments):
        return json.loads(self.ok("eval", "run", "--json", "-", *arguments).stdout)

    def bits(self, *arguments):
        return {name: found["bits"] for name, found in self.report(*arguments)["weights"].items()}

    def test_eval_agrees_with_the_last_line_of_training_for_any_batch(self):
        raw, average = (line["bits"] for line in read_metrics(self.run_folder)[-2:])
        self.assertGreater(abs(raw - average), 1e-3)
        for arguments in (["--train.batch", batch] for batch in (1, 3, 4, 7, 100)):
            self.agrees(self.bits(*arguments), raw=raw, average=average)
        self.agrees(self.bits("--train.precision", "f64"), raw=raw, average=average)
        self.assertEqual(self.report("--train.precision", "auto")["precision"], "f32")
        self.agrees(self.bits("--raw"), raw=raw)
        self.agrees(self.bits("--average"), average=average)

    def agrees(self, found, **expected):
        self.assertEqual(list(found), list(expected))
        for name, value in expected.items():
            self.assertAlmostEqual(found[name], value, delta=1e-5)

    def test_the_json_of_eval_says_what_was_measured_and_on_which_data(self):
        report = self.report("--min-context", 8)
        weights = report.pop("weights")
        data = report.pop("data")
        version = re.match(r"lacuna (\S+)", self.ok("--version").stdout.decode()).group(1)
        self.assertEqual(report, {
            "lacuna": version, "run": "run", "split": "valid", "unit": "byte", "symbols_per_unit": 1, "min_context": 8, "context": 32,
            "positions": 750, "windows": 1 + math.ceil((750 - 32) / 24), "floor_bits": None,
            "windows_in_part": 1 + math.ceil((750 - 32) / 24), "subset": False, "unit": "byte",
            "symbols_per_unit": 1, "precision": "f32"})
        self.assertEqual(data["identity"], data["hash"] + ":5003")
        self.assertEqual(data.pop("trained_on"), data.pop("identity"))
        self.assertRegex(data.pop("hash"), "^[0-9a-f]{16}$")
        self.assertEqual(data, {"format": "bytes", "size": 5003})
        for name, file in (("raw", "weights"), ("average", "average")):
            found = weights.pop(name)
            self.assertAlmostEqual(found.pop("nats"), found.pop("bits") * 750 * math.log(2),
                                   delta=1e-6)
            self.assertEqual(found, {"step": 25, "file": f"run/{file}.safetensors"})
        self.assertEqual(weights, {})

    def test_eval_prints_a_table_and_writes_the_same_to_a_file(self):
        output = self.ok("eval", "run", "--json", "r.json").stdout.decode()
        report = json.loads((self.path / "r.json").read_text())
        self.assertEqual(report, self.report())
        part, identity, scored, empty, *table = output.splitlines()
        self.assertRegex(part, "^part +valid of .*train 4,002, valid 750, test 251$")
        self.assertEqual(identity.split(), ["identity", report["data"]["identity"]])
        self.assertRegex(scored, "750 positions, each once, in 24 windows of 32, minimum context 0")
        self.assertEqual(empty, "")
        self.assertEqual(table[0].split(), "weights bits per byte nats in all step file".split())
        self.assertEqual([row.split() for row in table[1:]], [
            [name, f"{found['bits']:.6f}", f"{found['nats']:.3f}", "25", found["file"]]
            for name, found in report["weights"].items()])
        self.assertEqual(len({row.index("run/") for row in table[1:]} | {table[0].index("file")}), 1)

    def test_a_report_goes_where_links_and_descriptors_lead(self):
        expected = self.ok("eval", "run", "--json", "-").stdout
        target, link = self.path / "target", self.path / "link"
        target.write_text("old")
        target.chmod(0o604)
        link.symlink_to("target")
        self.ok("eval", "run", "--json", "link")
        self.assertTrue(link.is_symlink())
        self.assertEqual((target.read_bytes(), target.stat().st_mode & 0o777), (expected, 0o604))
        self.assertIn(expected, self.ok("eval", "run", "--json", "/dev/stdout").stdout)
        with (self.path / "out").open("w") as out:
            subprocess.run([BINARY, "eval", "run", "--json", "/dev/stdout"], cwd=self.path, stdout=out,
                           check=True, env=ENVIRONMENT)
        self.assertEqual((self.path / "out").read_bytes(),
                         self.ok("eval", "run", "--json", "/dev/stdout").stdout)
        os.mkfifo(self.path / "pipe")
        with subprocess.Popen(["cat", "pipe"], cwd=self.path, stdout=subprocess.PIPE) as reader:
            self.addCleanup(reader.kill)
            self.ok("eval", "run", "--json", "pipe")
            self.assertTrue((self.path / "pipe").is_fifo())
            self.assertEqual(reader.communicate(timeout=30)[0], expected)

    def test_weights_that_are_not_finite_are_an_error(self):
        for name in ("weights", "average"):
            header, data = read_safetensors(self.run_folder / f"{name}.safetensors")
            begin, end = header["head.weight"]["data_offsets"]
            nothing = struct.pack("<f", math.nan) * ((end - begin) // 4)
            write_safetensors(self.run_folder / f"{name}.safetensors", header,
                              data[:begin] + nothing + data[end:])
        for arguments in (["eval", "run", "--json", "-"], ["sample", "run", "--length", "5"],
                          ["sample", "run", "--length", "5", "--temperature", "0"],
                          ["sample", "run", "--length", "5", "--no-cache", "--count", "2"]):
            result = lacuna(self.path, *arguments)
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn(b"not finite", result.stderr)
            self.assertIn(b"lacuna inspect checkpoint", result.stderr)
        self.assertIsNone(json.loads(lacuna(self.path, "eval", "run", "--json", "-").stdout)
                          ["weights"]["raw"]["bits"])

    def test_eval_of_other_parts_and_of_a_run_without_an_average(self):
        self.assertEqual(self.report("--split", "test")["positions"], 251)
        self.assertNotEqual(self.bits("--split", "train"), self.bits())
        self.refused(["eval", "run", "--raw", "--average"], "--raw", "contradicts --average")
        (self.run_folder / "average.safetensors").unlink()
        self.assertEqual(list(self.bits()), ["raw"])
        self.refused(["eval", "run", "--average"], "--average", "no averaged weights")

    def test_eval_names_the_floor_of_a_source_that_has_one(self):
        self.train("echo", "--data.format=echo", "--data.paths=[]", "--data.block=16", "--data.size=9600",
                   "--train.length=1 steps")
        report = json.loads(self.ok("eval", "echo", "--json", "-").stdout)
        self.assertEqual(report["data"]["hash"] + ":9600", report["data"]["identity"])
        # Half the symbols are free (4 bits); a copy keeps its symbol with 0.9 + 0.1 / 16.
        kept, other = 0.9 + 0.1 / 16, 0.1 / 16
        floor = (4 - kept * math.log2(kept) - 15 * other * math.log2(other)) / 2
        self.assertAlmostEqual(report["floor_bits"], floor, delta=1e-9)
        self.assertRegex(self.ok("eval", "echo").stdout.decode(), rf"source itself +{floor:.6f}\n")

    def test_eval_writes_logits_that_give_the_bits(self):
        self.ok("eval", "run", "--logits", "l.safetensors", "--data.split", "4002 / 96 / 0")
        header, data = read_safetensors(self.path / "l.safetensors")
        tokens = numbers(header, data, "tokens", "i")
        self.assertEqual(bytes(tokens), text_bytes()[4002:4002 + 96])
        logits, bits = numbers(header, data, "logits", "f"), numbers(header, data, "bits", "d")
        for t, token in enumerate(tokens):
            row = logits[256 * t:256 * (t + 1)]
            expected = math.log2(sum(map(math.exp, row))) - row[token] / math.log(2)
            self.assertAlmostEqual(bits[t], expected, delta=1e-5)
        self.assertAlmostEqual(sum(bits) / 96,
                               self.bits("--data.split", "4002/96/0")["average"], delta=1e-5)

    def interrupted(self, number, *arguments):
        with subprocess.Popen([BINARY, *arguments], cwd=self.path, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            wait_until(lambda: watches(process) and processor_seconds(process) > 0.2, 120)
            self.assertIsNone(process.poll(), "it ended before it could be interrupted")
            process.send_signal(number)
            output, error = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0, error)
        return output.decode(errors="replace"), error.decode().replace(ANSWER, "")

    def test_a_signal_ends_an_evaluation_and_a_sample(self):
        (self.path / "text").write_bytes(text_bytes() * 200)  # one piece to the reader of its identity
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            output, error = self.interrupted(number, "eval", "run", "--split", "train",
                                             "--data.paths", "text", "--train.batch", "1", "--json", "r.json")
            self.assertEqual(output, "")
            at, = re.findall(r"^stopped after ([0-9,]+) of 800,480 positions \(raw weights\)\n$",
                             error)
            self.assertIn(int(at.replace(",", "")), range(0, 800480, 32))
            self.assertFalse((self.path / "r.json").exists())
        self.interrupted(signal.SIGINT, "sample", "run", "--length", "100M")


class Refusals(TrainedRun):
    def test_a_folder_without_a_run_is_refused(self):
        (self.path / "empty").mkdir()
        (self.path / "unfinished").mkdir()
        shutil.copy(self.run_folder / "config.toml", self.path / "unfinished")
        for command in ("eval", "sample"):
            self.refused([command, "missing"], "missing/config.toml: ", "No such file")
            self.refused([command, "empty"], "empty/config.toml: ", "No such file")
            self.refused([command, "text"], "text/config.toml: ", "Not a directory")
            self.refused([command, "unfinished"], "unfinished/weights.safetensors: ")

    def test_weights_of_another_model_are_refused(self):
        place = "run/average.safetensors: "
        for flag in ("--average", "--raw"):
            file = place if flag == "--average" else "run/weights.safetensors: "
            self.refused(["eval", "run", flag, "--model.width", "32"], file, "[256, 16]",
                         "[256, 32]")
            self.refused(["eval", "run", flag, "--model.layers", "2"], file, "blocks.1")
        self.refused(["sample", "run", "--model.position_tables", "[32]"], place)

    def test_damaged_weights_are_refused(self):
        path = self.run_folder / "average.safetensors"
        good = path.read_bytes()
        header, data = read_safetensors(path)
        for what, damaged in (("empty", b""), ("seven bytes", good[:7]),
                              ("cut in the header", good[:100]), ("cut", good[:-1]),
                              ("longer", good + b"\0"), ("another length", b"\xff" + good[1:]),
                              ("no JSON", good[:8] + b"z" + good[9:]),
                              ("another name", good.replace(b"norm.gain", b"norm.gaim", 1)),
                              ("another type", good.replace(b'"F32"', b'"I32"', 1)),
                              ("garbage", random.Random(2).randbytes(500))):
            path.write_bytes(damaged)
            with self.subTest(what):
                self.refused(["eval", "run"], "run/average.safetensors: ")
        for shape in ([], [4096], [1, 1, 1, 256, 16], [256, 16, 0]):
            token = header["embedding.token"]["data_offsets"]
            count = 4 * math.prod(shape)
            bad = {"embedding.token": {"dtype": "F32", "shape": shape, "data_offsets": [0, count]}}
            write_safetensors(path, bad, data[token[0]:token[0] + count])
            self.refused(["sample", "run"], "run/average.safetensors: ", "embedding.token")
        path.unlink()
        path.mkdir()
        self.refused(["eval", "run"], "run/average.safetensors: ", "expected a file")


if __name__ == "__main__":
    unittest.main()
