#!/usr/bin/env python3
"""Options in files and on the command line: mistakes are named, with what was meant. Needs LACUNA_BINARY."""
import os
import subprocess
import tomllib
import unittest

from trained_run import BINARY, ENVIRONMENT, TrainedRun, lacuna


class Options(TrainedRun):
    def file_refused(self, text, *fragments):
        (self.path / "bad.toml").write_text(text)
        self.refused(["train", "bad.toml"], *fragments)

    def option_refused(self, option, value, *fragments):
        self.refused(["train", "c.toml", "--" + option, value], *fragments)

    def test_mistakes_in_a_file_are_named_with_line_and_nearest_name(self):
        data = '[data]\npaths = ["text"]\n\n'
        near = "Did you mean 'model.layers'?"
        for text, *fragments in (
                (data + "[model]\nlayer = 3\n", "bad.toml:5: ", "'model.layer'", near),
                (data + "[modle]\nlayers = 3\n", "bad.toml:5: ", "'modle.layers'", near),
                (data + "[xyz]\nxyzxyzxyz = 3\n", "bad.toml:5: ", "`lacuna list options`"),
                (data + "[model]\nlayers = '3'\n", "bad.toml:5: model.layers", "number", "string"),
                (data + "[model]\nlayers = 3.5\n", "bad.toml:5: model.layers", "whole number"),
                (data + "[model]\ndropout = true\n", "bad.toml:5: model.dropout", "a number"),
                (data + "[model]\ninit = 3\n", "bad.toml:5: model.init", "a string", "integer"),
                (data + "[model]\nattention = [1]\n", "bad.toml:5: model.attention", "strings"),
                (data + "[model]\nlayers = 0\n", "bad.toml:5: model.layers", "1", "1024", "not 0"),
                (data + "[model]\ndropout = nan\n", "bad.toml:5: model.dropout", "0.95", "nan"),
                (data + "[optim]\neps = -1e-3\n", "bad.toml:5: optim.eps", "0 and 1"),
                (data + "[model]\ninit = 'cod'\n", "bad.toml:5: model.init", "code, paper"),
                (data + "[train]\nprecision = 'f8'\n", "bad.toml:5: train.precision", "f32, f64"),
                (data + "[model\nlayers = 3\n", "bad.toml:4: "),
                (data + "[model]\nlayers =\n", "bad.toml:5: "),
                (data + "[model]\nlayers = 1\nlayers = 2\n", "bad.toml:6: ", "layers"),
                (data + "[model]\nlayers.x = 1\n", "bad.toml:5: model.layers"),
                ("layers = 3\n" + data, "bad.toml:1: 'layers'", "section", "[model]"),
                ("", "data.paths")):
            self.file_refused(text, *fragments)
        (self.path / "bad.toml").write_bytes(b"\xff\xfe[model]\n")
        self.refused(["train", "bad.toml"], "bad.toml:1: ")

    def test_a_configuration_that_cannot_be_read_is_refused(self):
        (self.path / "folder").mkdir()
        self.refused(["train", "nothing.toml"], "nothing.toml: ", "No such file")
        self.refused(["train", "folder"], "folder: ", "expected a file")
        self.refused(["train", "c.toml/c.toml"], "c.toml/c.toml: ", "Not a directory")

    def test_a_run_records_every_string_as_it_is(self):
        odd = "\x01 tab\t line\nquote \" ' back\\slash \x7f\x1b \u00e9 \u2028 \U0001f600 " + 3 * "'"
        for name in (odd, "\n", "\nbehind a line break\n"):
            with self.subTest(name=name):
                (self.path / name).write_bytes((self.path / "text").read_bytes())
                self.train("odd", "--data.paths=" + name, "--train.length=1 steps", "--overwrite")
                with (self.path / "odd/config.toml").open("rb") as recorded:
                    self.assertEqual(tomllib.load(recorded)["data"]["paths"], [name])
                self.ok("train", "odd/config.toml", "--resume", "auto")
                self.ok("eval", "odd")

    def test_strings_that_toml_cannot_hold_are_refused_before_training(self):
        latin = b"caf\xe9"
        os.link(self.path / "text", os.fsencode(self.path) + b"/" + latin)
        os.link(self.path / "c.toml", os.fsencode(self.path) + b"/" + latin + b".toml")
        for name, arguments in (("data.paths", [b"c.toml", b"--data.paths", latin]),
                                ("data.paths", [b"c.toml", b"--data.paths=" + latin]),
                                ("data.suffixes", [b"c.toml", b"--data.suffixes=" + latin]),
                                ("train.run", [b"c.toml", b"--train.run=run-" + latin]),
                                ("train.run", [latin + b".toml"])):
            before = sorted(os.listdir(self.path))
            result = subprocess.run([BINARY, b"train", *arguments], cwd=self.path, check=False,
                                    capture_output=True, env=ENVIRONMENT)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(f"lacuna: {name}: holds bytes that are not UTF-8".encode(), result.stderr)
            self.assertEqual(sorted(os.listdir(self.path)), before)
        evaluated = subprocess.run([BINARY, b"eval", b"run", b"--data.paths", latin], cwd=self.path,
                                   check=False, capture_output=True, env=ENVIRONMENT)
        self.assertEqual(evaluated.returncode, 0, evaluated.stderr)  # eval records nothing

    def test_options_that_mean_nothing_are_refused(self):
        for option, value, *fragments in (
                ("data.format", "byte", "data.format", "'byte'", "Did you mean 'bytes'?"),
                ("data.format", "zzzzzzzzzzzz", "'zzzzzzzzzzzz'", "Known: audio, bytes, "),
                ("data.split", "0.9 / x", "data.split", "'x'"),
                ("data.split", "0.9", "data.split", "two or three"),
                ("data.split", "0.9 / 0.2", "data.split", "1.1"),
                ("data.split", "90M / 5M / 5M", "data.split", "100,000,000", "5,003"),
                ("data.split", "0.5 / 100", "data.split", "mixed"),
                ("model.attention", "fixd(8, 2)", '"fixd(8, 2)"', "Did you mean 'fixed'?"),
                ("model.attention", "zzzzzzzzzzzz(8)", '"zzzzzzzzzzzz(8)"', "strided"),
                ("model.attention", "fixed(8)", '"fixed(8)"', "fixed(l, c[, n])"),
                ("model.attention", "fixed(8, 9)", "c <= l"),
                ("model.attention", "fixed(8, 2", "parenthes"),
                ("model.attention", "column(8) + summary(8, 2)", "column(8), summary(8, 2)", "|"),
                ("model.attention", '["dense()", "strided"]', '"strided"', "strided(l"),
                ("model.attention", "[]", "model.attention", "no pattern"),
                ("model.width", "15", "model.width", "15", "model.heads = 2"),
                ("model.qk_width", "15", "model.qk_width", "model.heads = 2"),
                ("model.position_tables", "[2, 2, 2, 4]", "model.position_tables", "at most 3"),
                ("model.position_tables", "[3, 5]", "model.position_tables", "15", "32"),
                ("model.position_tables", "[0]", "model.position_tables", "0"),
                ("model.context", "4003", "training data", "4,003", "4,002"),
                ("optim.name", "adamww", "optim.name", "Did you mean 'adamw'?"),
                ("optim.name", "zzzzzzzzzzzz", "optim.name", "Known: ", "adamw"),
                ("optim.moments", "f16", "optim.moments", "f32, bf16"),
                ("optim.warmup", "5", "optim.warmup: '5'", "300 steps"),
                ("train.seed", "-1", "between 0 and 9007199254740992", "-1"),
                ("train.seed", "99999999999999999999", "between 0 and 9007199254740992"),
                ("train.length", "", "train.length: ''", "300 steps"),
                ("train.length", "3 parsecs", "train.length: '3 parsecs'", "300 steps"),
                ("train.length", "-1 steps", "train.length: '-1 steps'"),
                ("train.evaluate_every", "often", "train.evaluate_every: 'often'")):
            self.option_refused(option, value, *fragments)


if __name__ == "__main__":
    unittest.main()
