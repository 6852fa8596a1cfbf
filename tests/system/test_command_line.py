#!/usr/bin/env python3
"""The command line: version, help, tables, and words that mean nothing. Needs LACUNA_BINARY."""
import re
import unittest

from trained_run import TrainedRun, lacuna


class Information(TrainedRun):
    def test_version_names_the_version_and_the_build(self):
        self.assertRegex(self.ok("--version").stdout, rb"^lacuna \d+\.\d+\.\d+\n.* build by .*\n")

    def test_list_alone_lists_its_tables(self):
        names = [line.split()[0] for line in self.ok("list").stdout.decode().splitlines()]
        self.assertIn("patterns", names)
        for name in names:
            self.assertGreater(len(self.ok("list", name).stdout), 0, name)

    def test_every_table_is_listed(self):
        for table, names in (
                ("patterns", "dense local column block summary strided fixed"),
                ("datasets", "bytes"), ("optimizers", "adamw"),
                ("commands", "train eval sample bench list"),
                ("options", "data.paths model.attention optim.learning_rate train.length")):
            output = self.ok("list", table).stdout.decode()
            for name in names.split():
                self.assertRegex(output, rf"(?m)^(\| `)?{re.escape(name)}\b")
        # Every option of a resolved configuration is in the table.
        section, count = "", 0
        for line in (self.run_folder / "config.toml").read_text().splitlines():
            section = line[1:-1] if line.startswith("[") else section
            if " = " in line:
                self.assertIn(f"| `{section}.{line.split(' = ')[0]}` |", output)
                count += 1
        others = len(re.findall(r"\n\| `data\.\w+` .* format (?!bytes:)\w+: ", output))  # other formats' own
        self.assertEqual(output.count("\n| `"), count + others)

    def test_every_command_has_help(self):
        for command, words in (("train", ["CONFIG", "--overwrite", "--section.key"]),
                               ("eval", ["RUN", "--split", "--raw", "--average", "--json", "--logits"]),
                               ("sample", ["RUN", "--prompt", "--top-p", "--count", "--seed"]),
                               ("bench", ["cpu", "attention", "sampling"]),
                               ("bench attention", ["--repeats", "--case"]),
                               ("list", ["NAME", "without it their names"])):
            result = self.ok(*command.split(), "--help")
            self.assertEqual(result.stderr, b"")
            for word in words:
                self.assertIn(word, result.stdout.decode())
            self.assertIn(command.split()[0], self.ok("--help").stdout.decode())
        self.assertIn("long sequences of bytes, pixels and sound", " ".join(self.ok("--help").stdout.decode().split()))


class Refusals(TrainedRun):
    def test_mistakes_on_the_command_line_are_refused(self):
        train = ["train", "c.toml"]
        self.refused([], "lacuna --help")
        self.refused(["trian", "c.toml"], "trian", "Did you mean 'train'?")
        self.refused(["train"], "CONFIG")
        self.refused(["eval"], "RUN")
        self.refused(["list", "pattern"], "'pattern'", "Did you mean 'patterns'?")
        self.refused(["list", "zzzzzzz"], "'zzzzzzz'", "Known: patterns, datasets, optimizers")
        self.refused(["bench", "gpu"], "'gpu'", "Did you mean 'cpu'")
        self.refused(["bench"], "bench --help")
        self.refused(["bench", "cpu", "--json", "x"], "bench cpu", "--json")
        self.refused(["bench", "sampling", "--train.seed", "3"], "bench sampling", "no options")
        self.refused(["bench", "cpu", "--repeats", "0"], "--repeats", "at least 1")
        # What is wrong with the words is said before a GPU is looked for.
        with_cuda = b"CUDA toolkit" in self.ok("--version").stdout
        for words, message in ((["--case", "enwik"], "enwik"), (["--dtype", "f64"], "bf16, f16, f32"),
                               (["--rates", "790"], "790,4.3")):
            self.refused(["bench", "attention"] + words,
                         message if with_cuda else "built without CUDA")
        self.refused(train + ["--overwrit"], "'--overwrit'", "Did you mean '--overwrite'?")
        self.refused(train + ["--frobnicate"], "'--frobnicate'", "lacuna train --help")
        self.refused(train + ["d.toml"], "'d.toml'")
        self.refused(train + ["--model.layer", "3"], "--model.layer", "'model.layers'")
        self.refused(train + ["--modle.layers=3"], "--modle.layers", "'model.layers'")
        self.refused(train + ["--model.layers"], "--model.layers", "missing")
        self.refused(train + ["--train.run", "--overwrite"], "--train.run: a value is missing",
                     "'--overwrite' is a flag", "--train.run=--overwrite")
        self.refused(train + ["--resume", "--overwrite"], "--resume: a value is missing")
        self.refused(["sample", "run", "--prompt", "--raw"], "--prompt: a value is missing",
                     "--prompt=--raw")
        self.ok(*train, "--train.run=--dashed", "--train.length=1 steps")
        self.assertTrue((self.path / "--dashed/config.toml").exists())
        self.refused(train + ["--model.layers", "x"], "--model.layers", "whole number", "string")
        self.refused(train + ["--model.layers", "-3"], "--model.layers", "1", "1024", "-3")
        self.refused(train + ["--model.layers="], "--model.layers", "whole number")
        self.refused(train + ["--model.init", "cod"], "--model.init", "code, paper")
        self.refused(["list", "options", "--model.layers", "3"], "'--model.layers'")

    def test_flags_want_values_of_their_kind(self):
        for command, flag, value, *fragments in (
                ("sample", "--seed", "x", "whole number", "'x'"),
                ("sample", "--seed", "-1", "at least 0", "at most 9000000000000000", "'-1'"),
                ("sample", "--seed", "1.5", "whole number", "'1.5'"),
                ("sample", "--length", "0", "at least 1", "'0'"),
                ("sample", "--length", "", "whole number"),
                ("sample", "--seconds", "", "a number"),
                ("sample", "--first", "0", "at least 1", "'0'"),
                ("sample", "--temperature", "hot", "a number", "'hot'"),
                ("sample", "--temperature", "-1", "at least 0", "'-1'"),
                ("sample", "--temperature", "nan", "a number", "'nan'"),
                ("eval", "--split", "training", "'training'", "Did you mean 'train'?"),
                ("eval", "--train.batch", "0", "1", "65536")):
            self.refused([command, "run", flag, value], flag, *fragments)
        for flag in ("--seed", "--length", "--temperature", "--prompt"):
            self.refused(["sample", "run", flag], flag, "missing")
        self.refused(["sample", "run", "--promt", "x"], "'--promt'", "Did you mean '--prompt'?")


if __name__ == "__main__":
    unittest.main()
