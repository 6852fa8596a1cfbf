#!/usr/bin/env python3
"""The TensorBoard event file of a run, read twice: by a reader written here from the format alone
(test_events.py OwnReader), and by TensorBoard itself (test_events.py TensorBoard; exit code 77 where
it is not installed). Needs LACUNA_BINARY; LACUNA_TENSORBOARD may name a Python that has TensorBoard.
"""
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BINARY = os.environ["LACUNA_BINARY"]
TENSORBOARD = os.environ.get("LACUNA_TENSORBOARD", "")
SKIPPED = 77
CONFIG = """
[data]
paths = ["text"]
split = "0.8 / 0.2"
[model]
layers = 1
heads = 1
width = 8
context = 32
attention = ["fixed(8, 2)"]
[train]
run = "run"
length = "20 steps"
evaluate_every = "5 steps"
threads = 1
[checkpoint]
every = "5 steps"
keep_every = "5 steps"
"""


def crc32c(data):
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF


def check(data, masked):
    rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
    assert crc32c(data) == (rotated << 15 | rotated >> 17) & 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def fields(data):
    """A protocol-buffer message as {field number: [values]}."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(key & 7)
            if size is None:
                size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def read_events(path):
    raw, at = path.read_bytes(), 0
    while at < len(raw):
        size, masked = struct.unpack_from("<QI", raw, at)
        check(raw[at:at + 8], masked)
        payload = raw[at + 12:at + 12 + size]
        check(payload, *struct.unpack_from("<I", raw, at + 12 + size))
        at += 16 + size
        yield fields(payload)


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def expected(line):
    """What a line of metrics.jsonl shows, as {tag: value}."""
    if line["kind"] == "evaluation":
        subset = "_of_subset" if line["windows"] < line["windows_in_part"] else ""
        tags = {f"{line['split']}/bits_{line['weights']}{subset}": line["bits"]}
    else:
        tags = {"train/" + key: line[key]
                for key in ("bits", "gradient_norm", "learning_rate", "tokens_per_second")}
    return {tag: value for tag, value in tags.items() if value is not None}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lacuna-events-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        (self.path / "c.toml").write_text(CONFIG)
        (self.path / "text").write_text("lo gap sparse a stride " * 40)

    def train(self, *arguments, codes=(0,), **options):
        run = subprocess.run([BINARY, "train", "c.toml", *arguments], cwd=self.path, text=True,
                             capture_output=True, check=False, **options)
        self.assertIn(run.returncode, codes, run.stderr)
        return run.stderr

    def event_file(self, run="run"):
        """The one that is not empty: resuming empties the one before."""
        files = [file for file in (self.path / run).glob("*.lacuna") if file.stat().st_size > 0]
        self.assertEqual(len(files), 1)
        self.assertRegex(files[0].name, r"^events\.out\.tfevents\.\d{10}\.\d{6}\.lacuna$")
        return files[0]

    def metrics(self, run="run"):
        text = (self.path / run / "metrics.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def points(self, run="run"):
        """{tag: [(step, time, value)]} of metrics.jsonl."""
        found = {}
        for line in self.metrics(run):
            for tag, value in expected(line).items():
                found.setdefault(tag, []).append((line["step"], line["time"], single(value)))
        return found


class OwnReader(Case):
    def test_the_checksum_is_the_published_one(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)

    def events(self, run="run"):
        scalars, texts = {}, {}
        version, start, *rest = read_events(self.event_file(run))
        self.assertEqual(version[3], [b"brain.Event:2"])
        self.assertEqual(fields(start[7][0]), {1: [1]})
        for event in rest:
            time, = struct.unpack("<d", event[1][0])
            for value in map(fields, fields(event[5][0])[1]):
                tag = value[1][0].decode()
                if 2 in value:
                    point = (event[2][0], time, *struct.unpack("<f", value[2][0]))
                    scalars.setdefault(tag, []).append(point)
                else:
                    self.assertEqual(fields(fields(value[9][0])[1][0]), {1: [b"text"]})
                    texts[tag] = fields(value[8][0])[8][0].decode()
        return scalars, texts

    def test_the_file_shows_the_lines_of_metrics_and_the_configuration(self):
        self.train()
        scalars, texts = self.events()
        self.assertEqual(scalars, self.points())
        self.assertEqual(len(scalars["train/bits"]), 20)
        self.assertEqual([step for step, _, _ in scalars["valid/bits_average"]], [5, 10, 15, 20])
        config = (self.path / "run/config.toml").read_text()
        self.assertEqual(texts, {"config": f"```\n{config}```\n"})

    def test_a_resumed_run_shows_no_step_of_the_abandoned_way(self):
        self.train()
        others = self.path / "run/events.out.tfevents.1.other"
        others.write_text("of another program")
        for last in (12, 11, 13):
            self.train("--resume=run/checkpoints/step-10", "--overwrite",
                       f"--train.length={last} steps")
            scalars, _ = self.events()
            self.assertEqual(scalars, self.points())
            steps = [step for step, _, _ in scalars["train/bits"]]
            self.assertEqual(steps, list(range(1, last + 1)))
            self.assertEqual(len(list((self.path / "run").glob("*.lacuna"))), 2)
        self.train("--overwrite", "--train.length=2 steps")
        self.assertEqual(len(self.events()[0]["train/bits"]), 2)
        self.assertEqual(len(list((self.path / "run").glob("*.lacuna"))), 1)
        self.assertEqual(others.read_text(), "of another program")

    def test_an_early_stop_is_a_text(self):
        self.train("--train.patience=1", "--optim.learning_rate=0", "--optim.average=0")
        line = self.metrics()[-1]
        self.assertEqual(line["kind"], "early_stop")
        self.assertEqual(json.loads(self.events()[1]["early_stop"]), line)

    def test_values_that_are_not_finite_are_no_points(self):
        plain = ["--optim.average=0", "--train.evaluate_every=0 steps"]
        self.train("--train.length=1 steps", *plain)
        weights = self.path / "run/weights.safetensors"
        raw = weights.read_bytes()
        begin = 8 + struct.unpack("<Q", raw[:8])[0]
        weights.write_bytes(raw[:begin] + b"\xff" * (len(raw) - begin))
        text = self.train("--train.run=nan", "--init-from=run", "--train.length=30 steps", *plain,
                          codes=(1,))
        self.assertIn("diverged", text)
        self.assertEqual([(line["bits"], line["skipped"]) for line in self.metrics("nan")],
                         [(None, True)] * 20)
        scalars, _ = self.events("nan")
        self.assertEqual(scalars, self.points("nan"))
        self.assertNotIn("train/bits", scalars)

    def test_metrics_that_cannot_be_written_do_not_end_the_run(self):
        def small_files():  # what goes beyond fails as on a full disk
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, 80_000))

        text = self.train("--train.length=400 steps", "--train.evaluate_every=0 steps",
                          "--checkpoint.every=0 steps", "--train.log_every=400", codes=(1,),
                          preexec_fn=small_files, restore_signals=False)
        self.assertEqual(text.count("metrics are lost"), 1)
        self.assertIn("done after 400 steps", text)
        self.assertIn("lines were lost", text.splitlines()[-1])
        self.assertTrue((self.path / "run/weights.safetensors").exists())
        self.assertTrue((self.path / "run/checkpoints/step-400/manifest.json").exists())


class TensorBoard(Case):
    def shown(self, accumulator):
        return {tag: [(event.step, event.wall_time, event.value)
                      for event in accumulator.Scalars(tag)]
                for tag in accumulator.Tags()["scalars"]}

    def test_it_shows_a_run_and_follows_it_through_a_resume(self):
        from tensorboard.backend.event_processing import event_accumulator
        self.train()
        accumulator = event_accumulator.EventAccumulator(
            str(self.path / "run"), size_guidance={"scalars": 0, "tensors": 0})
        accumulator.Reload()
        self.assertEqual(self.shown(accumulator), self.points())
        self.assertEqual(sorted(accumulator.Tags()["scalars"]), [
            "train/bits", "train/gradient_norm", "train/learning_rate", "train/tokens_per_second",
            "valid/bits_average", "valid/bits_raw"])
        config, = accumulator.Tensors("config")
        self.assertEqual(config.tensor_proto.string_val[0].decode(),
                         f"```\n{(self.path / 'run/config.toml').read_text()}```\n")
        self.assertEqual(accumulator.SummaryMetadata("config").plugin_data.plugin_name, "text")
        before = self.shown(accumulator)
        self.train("--resume=run/checkpoints/step-10", "--overwrite")
        accumulator.Reload()
        self.assertEqual(self.shown(accumulator), self.points())
        self.assertNotEqual(self.shown(accumulator), before)  # the times are others


def need_tensorboard():
    """Goes on under a Python that has TensorBoard, or ends."""
    try:
        import tensorboard  # noqa: F401
        return
    except ImportError:
        pass
    if os.path.exists(TENSORBOARD) and "LACUNA_TENSORBOARD_TRIED" not in os.environ:
        os.environ["LACUNA_TENSORBOARD_TRIED"] = "1"
        os.execv(TENSORBOARD, [TENSORBOARD, *sys.argv])
    print("skipped: TensorBoard is not installed; tools/python.sh installs it for the tests.")
    sys.exit(SKIPPED)


if __name__ == "__main__":
    if "TensorBoard" in sys.argv[1:]:
        need_tensorboard()
    unittest.main()
