#!/usr/bin/env python3
"""The binary driven from the shell: what it writes, prints, answers and refuses.

Usage: test_cli.py [--binary FILE] [unittest arguments]; or LACUNA_BINARY in the environment.
"""
import json
import math
import os
import pty
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BINARY = os.environ.get("LACUNA_BINARY", "")
# Threads that wait without spinning: a busy machine would make two of them crawl.
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive"}
FILES = ["average.safetensors", "checkpoints", "config.toml", "events", "lock", "log.txt", "metrics.jsonl",
         "starts.jsonl", "weights.safetensors"]
CONFIG = """[data]
paths = ["text"]
split = "0.8 / 0.15 / 0.05"

[model]
layers = 1
heads = 2
width = 16
context = 32
attention = ["fixed(8, 2)"]
dropout = 0.1

[optim]
learning_rate = 0.02
warmup = "2 steps"

[train]
length = "25 steps"
batch = 4
evaluate_every = "10 steps"
threads = 1
"""


def text_bytes():
    words = ["lo ", "gap ", "sparse ", "a ", "stride\n"]
    return "".join(random.Random(1).choices(words, k=1500)).encode()[:5003]


def files_of(run):
    """What a run folder holds, but for the event file's name, which has the time in it."""
    return sorted("events" if "tfevents" in name else name for name in os.listdir(run))


def lacuna(folder, *arguments):
    return subprocess.run([BINARY, *map(str, arguments)], cwd=folder, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False, env=ENVIRONMENT)


def snapshot(folder):
    """Everything below a folder: names, kinds, times and contents."""
    tree = {}
    for path in sorted(Path(folder).rglob("*")):
        content = path.read_bytes() if path.is_file() else None
        tree[str(path)] = (path.lstat().st_mode, path.lstat().st_mtime_ns, content)
    return tree


def read_metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def read_safetensors(path):
    """Header and raw data, by the format's own rules."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8:8 + length]), raw[8 + length:]


def write_safetensors(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def numbers(header, data, name, code):
    begin, end = header[name]["data_offsets"]
    return [value for (value,) in struct.iter_unpack("<" + code, data[begin:end])]


class Case(unittest.TestCase):
    """A working folder with a text, a configuration and, as 'run', what was trained from it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lacuna-cli-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        shutil.copytree(Case.trained, self.path, dirs_exist_ok=True)
        self.run_folder = self.path / "run"

    @classmethod
    def setUpClass(cls):
        if hasattr(Case, "trained"):
            return
        folder = tempfile.TemporaryDirectory(prefix="lacuna-cli-")
        unittest.addModuleCleanup(folder.cleanup)
        Case.trained = folder.name
        (Path(folder.name) / "text").write_bytes(text_bytes())
        (Path(folder.name) / "c.toml").write_text(CONFIG)
        Case.training = lacuna(folder.name, "train", "c.toml", "--train.run", "run")

    def ok(self, *arguments):
        result = lacuna(self.path, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return result

    def train(self, run, *arguments):
        self.ok("train", "c.toml", "--train.run", run, *arguments)
        return self.path / run

    def refused(self, arguments, *fragments, codes=(2,)):
        """One line on stderr with these fragments, exit code 2, and nothing changed."""
        with self.subTest(" ".join(map(str, arguments))):
            before = snapshot(self.path)
            result = lacuna(self.path, *arguments)
            error = result.stderr.decode()
            self.assertIn(result.returncode, codes, error)
            self.assertTrue(error.startswith("lacuna: "), error)
            self.assertEqual(error.count("\n"), 1, error)
            self.assertTrue(error.endswith((".\n", "?\n")), error)
            self.assertNotIn("?.", error)
            self.assertNotIn("unexpected:", error)
            self.assertEqual(result.stdout, b"")
            for fragment in fragments:
                self.assertIn(fragment, error)
            self.assertEqual(before, snapshot(self.path))


class Training(Case):
    def test_a_run_folder_holds_its_files_and_nothing_else(self):
        self.assertEqual(Case.training.returncode, 0, Case.training.stderr.decode())
        self.assertEqual(Case.training.stdout, b"")
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
                "kind", "step", "split", "weights", "bits", "positions", "windows", "min_context",
                "data", "seconds", "time"]))
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
            self.refused(["train", "c.toml", "--train.run", folder], name, "--overwrite")

    def test_without_a_name_the_run_is_named_after_its_configuration(self):
        self.ok("train", "c.toml", "--train.length", "1 steps")
        self.assertEqual(files_of(self.path / "runs/c"), FILES)

    def test_options_may_stand_before_the_configuration(self):
        self.ok("train", "--train.length", "1 steps", "--train.run=early", "c.toml")
        self.assertEqual(len(read_metrics(self.path / "early")), 3)


class Terminal(Case):
    def test_without_a_terminal_the_output_is_plain_lines(self):
        output = Case.training.stderr.decode()
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
                              stderr=slave, env=ENVIRONMENT) as process:
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

    def interrupted(self, number, *arguments):
        with subprocess.Popen([BINARY, *arguments], cwd=self.path, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            time.sleep(0.3)
            self.assertIsNone(process.poll(), "it ended before it could be interrupted")
            process.send_signal(number)
            output, error = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0, error)
        return output.decode(errors="replace"), error.decode()

    def test_a_signal_ends_an_evaluation_and_a_sample(self):
        (self.path / "text").write_bytes(text_bytes() * 400)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            output, error = self.interrupted(number, "eval", "run", "--split", "train",
                                             "--train.batch", "1", "--json", "r.json")
            self.assertEqual(output, "")
            at, = re.findall(r"^stopped after ([0-9,]+) of 1,600,960 positions \(raw weights\)\n$",
                             error)
            self.assertIn(int(at.replace(",", "")), range(32, 1600960, 32))
            self.assertFalse((self.path / "r.json").exists())
        self.interrupted(signal.SIGINT, "sample", "run", "--length", "100M")


class SavedRuns(Case):
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
            "lacuna": version, "run": "run", "split": "valid", "min_context": 8, "context": 32,
            "positions": 750, "windows": 1 + math.ceil((750 - 32) / 24), "floor_bits": None,
            "precision": "f32"})
        self.assertEqual(data.pop("identity"), data["hash"] + ":5003")
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
        self.assertEqual(table[0].split(), "weights bits per symbol nats in all step file".split())
        self.assertEqual([row.split() for row in table[1:]], [
            [name, f"{found['bits']:.6f}", f"{found['nats']:.3f}", "25", found["file"]]
            for name, found in report["weights"].items()])
        self.assertEqual(len({row.index("run/") for row in table[1:]} | {table[0].index("file")}), 1)

    def test_eval_of_other_parts_and_of_a_run_without_an_average(self):
        self.assertEqual(self.report("--split", "test")["positions"], 251)
        self.assertNotEqual(self.bits("--split", "train"), self.bits())
        self.refused(["eval", "run", "--raw", "--average"], "--raw", "contradicts --average")
        (self.run_folder / "average.safetensors").unlink()
        self.assertEqual(list(self.bits()), ["raw"])
        self.refused(["eval", "run", "--average"], "--average", "no averaged weights")

    def test_eval_names_the_floor_of_a_source_that_has_one(self):
        self.train("echo", "--data.format=echo", "--data.echo_block=16", "--data.echo_size=9600",
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

    def sample(self, *arguments):
        return self.ok("sample", "run", *arguments).stdout

    def test_a_sample_starts_with_the_prompt_and_has_the_length_asked_for(self):
        for prompt, length in (("", 1), ("gap", 50), ("lo " * 30, 100), ("\u00fc\n", 7)):
            output = self.sample("--prompt", prompt, "--length", length)
            self.assertTrue(output.startswith(prompt.encode()))
            self.assertEqual(len(output), len(prompt.encode()) + length + 1)
            self.assertTrue(output.endswith(b"\n"))
        self.assertEqual(len(self.sample()), 257)

    def test_a_seed_fixes_the_sample(self):
        first = self.sample("--seed", 7, "--length", 60)
        self.assertEqual(first, self.sample("--seed", 7, "--length", 60))
        self.assertEqual(first, self.sample("--length", 60, "--seed", 7, "--train.threads", 2))
        self.assertEqual(first[:20], self.sample("--seed", 7, "--length", 20)[:-1])
        self.assertNotEqual(first, self.sample("--seed", 8, "--length", 60))
        self.assertNotEqual(first, self.sample("--seed", 7, "--length", 60, "--raw"))

    def test_at_temperature_0_the_seed_does_not_matter(self):
        cold = self.sample("--temperature", 0, "--seed", 1, "--length", 40)
        self.assertEqual(cold, self.sample("--temperature", 0, "--seed", 2, "--length", 40))
        self.assertNotEqual(cold, self.sample("--seed", 2, "--length", 40))
        self.assertTrue(set(cold) <= set(text_bytes()))


class Information(Case):
    def test_version_names_the_version_and_the_build(self):
        self.assertRegex(self.ok("--version").stdout, rb"^lacuna \d+\.\d+\.\d+\n.* build by .*\n")

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
        self.assertEqual(output.count("\n| `"), count)

    def test_every_command_has_help(self):
        for command, words in (("train", ["CONFIG", "--overwrite", "--section.key"]),
                               ("eval", ["RUN", "--split", "--raw", "--average", "--json", "--logits"]),
                               ("sample", ["RUN", "--prompt", "--top-p", "--count", "--seed"]),
                               ("bench", ["cpu", "attention", "--repeats", "--case"]),
                               ("list", ["patterns", "options"])):
            result = self.ok(command, "--help")
            self.assertEqual(result.stderr, b"")
            for word in words:
                self.assertIn(word, result.stdout.decode())
            self.assertIn(command, self.ok("--help").stdout.decode())


class Benchmarks(Case):
    def sampling(self, *arguments):
        """What is printed, and the numbers of --json."""
        output = self.ok("bench", "sampling", "--config", "c.toml", "--json", "numbers.json", "--repeats", 3,
                         *arguments).stdout.decode()
        return output, json.loads((self.path / "numbers.json").read_text())

    def test_sampling_of_a_configuration_says_what_a_token_costs(self):
        for batch, threads, precision in ((1, 1, "f32"), (3, 2, "f64")):
            output, numbers = self.sampling("--batch", batch, "--train.threads", threads,
                                            "--train.device", "cpu", "--train.precision", precision)
            self.assertEqual({key: numbers[key] for key in ("config", "device", "type", "batch", "context")},
                             {"config": "c.toml", "device": f"{threads} CPU threads", "type": precision,
                              "batch": batch, "context": 32})
            self.assertIn(f"c.toml on {threads} CPU threads", output)
            self.assertIn(f"{batch} sequences of 32 positions, {precision}, cache ", output)
            # fixed(8, 2): of 32 positions the keys and values of a block of 8 and of 2 summaries a
            # block are kept at most, for 16 elements of all heads each.
            slots, rest = divmod(numbers["cache_bytes"], batch * 2 * 16 * int(precision[1:]) // 8)
            self.assertEqual(rest, 0)
            self.assertTrue(8 <= slots <= 16, slots)
            self.assertEqual(numbers["stretch"], 4)  # an eighth of the positions
            whole = numbers["whole_pass_ms"]
            self.assertAlmostEqual(numbers["whole_pass_tokens_per_second"] * whole / (1e3 * batch), 1)
            self.assertEqual([place["place"] for place in numbers["places"]], [4, 16, 32])
            for place in numbers["places"]:
                self.assertGreater(place["ms"], 0)
                self.assertAlmostEqual(place["tokens_per_second"] * place["ms"] / (1e3 * batch), 1)
                self.assertAlmostEqual(place["times"] * place["ms"] / whole, 1)
                self.assertRegex(output, rf"(?m)^ +{place['place']} +{place['ms']:.3f} ")

    def test_sampling_takes_the_smallest_context_and_patterns_without_a_stride(self):
        _, numbers = self.sampling("--model.context", 1)
        self.assertEqual([place["place"] for place in numbers["places"]], [1, 1, 1])
        _, numbers = self.sampling("--model.attention", "dense()", "--model.context", 1024)
        self.assertEqual(numbers["stretch"], 64)
        self.assertEqual(numbers["cache_bytes"], 2 * 1024 * 16 * 4)

    def test_what_sampling_does_not_read_is_refused(self):
        bench = ["bench", "sampling"]
        self.refused(bench + ["--json", "x"], "bench sampling", "--json without --config")
        self.refused(bench + ["--model.layers", "3"], "bench sampling", "no options without --config")
        self.refused(bench + ["--batch", "2"], "bench sampling", "--batch without --config")
        self.refused(bench + ["--batch", "0"], "--batch", "at least 1")
        self.refused(["bench", "step", "--config", "c.toml", "--batch", "2"], "bench step", "no --batch",
                     "--train.batch")
        self.refused(["bench", "cpu", "--batch", "2"], "bench cpu", "no --batch")
        bench += ["--config", "c.toml"]
        self.refused(bench + ["--threads", "2"], "bench sampling", "--threads", "--train.threads")
        self.refused(bench + ["--batch", "0"], "--batch", "at least 1")
        self.refused(bench + ["--repeats", "0"], "--repeats", "at least 1")
        self.refused(bench + ["--model.layer", "3"], "--model.layer", "'model.layers'")
        self.refused(["bench", "sampling", "--config", "nothing.toml"], "nothing.toml: ", "No such file")


class Refusals(Case):
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

    def test_mistakes_on_the_command_line_are_refused(self):
        train = ["train", "c.toml"]
        self.refused([], "lacuna --help")
        self.refused(["trian", "c.toml"], "trian", "Did you mean 'train'?")
        self.refused(["train"], "CONFIG")
        self.refused(["eval"], "RUN")
        self.refused(["list"], "NAME")
        self.refused(["list", "pattern"], "'pattern'", "Did you mean 'patterns'?")
        self.refused(["list", "zzzzzzz"], "'zzzzzzz'", "Known: patterns, datasets, optimizers")
        self.refused(["bench", "gpu"], "'gpu'", "Did you mean 'cpu'")
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
        self.refused(train + ["--model.layers", "x"], "--model.layers", "whole number", "string")
        self.refused(train + ["--model.layers", "-3"], "--model.layers", "1", "1024", "-3")
        self.refused(train + ["--model.layers="], "--model.layers", "whole number")
        self.refused(train + ["--model.init", "cod"], "--model.init", "code, paper")
        self.refused(["list", "options", "--model.layers", "3"], "'--model.layers'")

    def test_flags_want_values_of_their_kind(self):
        for command, flag, value, *fragments in (
                ("sample", "--seed", "x", "whole number", "'x'"),
                ("sample", "--seed", "-1", "at least 0", "'-1'"),
                ("sample", "--seed", "1.5", "whole number", "'1.5'"),
                ("sample", "--length", "0", "at least 1", "'0'"),
                ("sample", "--length", "", "whole number"),
                ("sample", "--temperature", "hot", "a number", "'hot'"),
                ("sample", "--temperature", "-1", "at least 0", "'-1'"),
                ("sample", "--temperature", "nan", "a number", "'nan'"),
                ("eval", "--split", "training", "'training'", "Did you mean 'train'?"),
                ("eval", "--train.batch", "0", "1", "65536")):
            self.refused([command, "run", flag, value], flag, *fragments)
        for flag in ("--seed", "--length", "--temperature", "--prompt"):
            self.refused(["sample", "run", flag], flag, "missing")
        self.refused(["sample", "run", "--promt", "x"], "'--promt'", "Did you mean '--prompt'?")

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

    def test_options_that_mean_nothing_are_refused(self):
        for option, value, *fragments in (
                ("data.format", "byte", "data.format", "'byte'", "Did you mean 'bytes'?"),
                ("data.format", "spectrograms", "'spectrograms'", "yet. It has bytes ("),
                ("data.split", "0.9 / x", "data.split", "'x'"),
                ("data.split", "0.9", "data.split", "two or three"),
                ("data.split", "0.9 / 0.2", "data.split", "1.1"),
                ("data.split", "90M / 5M / 5M", "data.split", "100,000,000", "5,003"),
                ("data.split", "0.5 / 100", "data.split", "mixed"),
                ("model.attention", "fixd(8, 2)", '"fixd(8, 2)"', "Did you mean 'fixed'?"),
                ("model.attention", "spiral(8)", '"spiral(8)"', "strided"),
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
                ("optim.name", "adam", "optim.name", "Did you mean 'adamw'?"),
                ("optim.name", "quasinewton", "optim.name", "Known: adamw"),
                ("optim.warmup", "5", "optim.warmup: '5'", "300 steps"),
                ("train.length", "", "train.length: ''", "300 steps"),
                ("train.length", "3 parsecs", "train.length: '3 parsecs'", "300 steps"),
                ("train.length", "-1 steps", "train.length: '-1 steps'"),
                ("train.evaluate_every", "often", "train.evaluate_every: 'often'")):
            self.option_refused(option, value, *fragments)

    def test_a_run_folder_that_cannot_be_made_is_refused(self):
        self.option_refused("train.run", "text", "text: ", "a file", "--train.run")
        self.refused(["train", "c.toml", "--train.run", "text", "--overwrite"], "text: ", "a file")
        self.refused(["train", "c.toml", "--train.run", "text/run"], "text/run: ",
                     "Not a directory", codes=(1, 2))
        self.refused(["eval", "run", "--logits", "text/l"], "text/l: ", "Not a directory",
                     codes=(1, 2))

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


def main():
    global BINARY
    arguments = sys.argv[:]
    if "--binary" in arguments:
        at = arguments.index("--binary")
        BINARY = arguments[at + 1]
        del arguments[at:at + 2]
    if not BINARY:
        sys.exit("test_cli.py: name the binary with --binary or LACUNA_BINARY")
    BINARY = os.path.abspath(BINARY)
    unittest.main(argv=arguments)


if __name__ == "__main__":
    main()
