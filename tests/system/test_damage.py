#!/usr/bin/env python3
"""Damaged and foreign files, given to the binary: every one is refused with a message and exit code 2,
nothing is changed, and the last good checkpoint still serves. Needs LACUNA_BINARY."""
import json
import random
import shutil
import struct
import time
import unittest
from pathlib import Path

from small_run import SmallRun

FILES = ["weights.safetensors", "average.safetensors", "optimizer.safetensors", "state.json",
         "config.toml", "manifest.json"]
POSITIONS = 24  # at which each file is damaged, spread over all of it
RESUME = ("train", "c.toml", "--train.run=other", "--resume=run/checkpoints/step-20")


class Checkpoint(SmallRun):
    def setUp(self):
        super().setUp()
        self.train()
        self.checkpoint = self.path / "run/checkpoints/step-20"
        self.place = random.Random(time.time_ns())

    def each_file(self):
        """Every file of the checkpoint with its bytes; it is whole again before the next one."""
        for name in FILES:
            file = self.checkpoint / name
            whole = file.read_bytes()
            yield file, whole
            file.write_bytes(whole)

    def test_a_flipped_bit_anywhere_in_any_file_is_noticed(self):
        for file, whole in self.each_file():
            # The first byte, the last one and one out of each of the equal parts between them.
            part = len(whole) / POSITIONS
            inside = [int(part * (i + self.place.random())) for i in range(POSITIONS)]
            for at in [0, *inside, len(whole) - 1]:
                bit = 1 << self.place.randrange(8)
                with self.subTest(file=file.name, byte=at, bit=bit):
                    file.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1:])
                    self.refused(file.name, *RESUME)
        self.train(*RESUME[2:])

    def test_a_file_of_another_length_is_noticed(self):
        for file, whole in self.each_file():
            for length in (0, self.place.randrange(1, len(whole) - 1), len(whole) - 1):
                with self.subTest(file=file.name, length=length):
                    file.write_bytes(whole[:length])
                    self.refused(file.name, *RESUME)
            with self.subTest(file=file.name, longer=True):
                file.write_bytes(whole + whole[-1:])
                self.refused(file.name, *RESUME)

    def test_a_missing_file_is_noticed(self):
        for file, _ in self.each_file():
            with self.subTest(file=file.name):
                file.unlink()
                self.refused(file.name, *RESUME)

    def test_a_manifest_that_leaves_a_file_out_is_refused(self):
        manifest = self.checkpoint / "manifest.json"
        content = json.loads(manifest.read_text())
        for i, entry in enumerate(content["files"]):
            with self.subTest(file=entry["name"]):
                fewer = {**content, "files": content["files"][:i] + content["files"][i + 1:]}
                manifest.write_text(json.dumps(fewer, indent=1) + "\n")
                self.refused("manifest.json", *RESUME)

    def test_damage_is_noticed_by_eval_and_sample_and_init_from_too(self):
        file = self.checkpoint / "average.safetensors"
        whole = file.read_bytes()
        file.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        self.refused("average.safetensors", "eval", str(self.checkpoint))
        self.refused("average.safetensors", "sample", str(self.checkpoint))
        self.refused("average.safetensors", "train", "c.toml", "--train.run=new",
                     f"--init-from={self.checkpoint}")

    def test_a_damaged_checkpoint_is_passed_over_for_an_older_one(self):
        for damage in ("weights.safetensors", "manifest.json"):
            with self.subTest(damage=damage):
                (self.checkpoint / damage).write_bytes(b"no")
                text = self.train("--resume=auto")
                self.assertIn("passed over", text)
                self.assertIn("resumed from run/checkpoints/step-15", text)

    def test_a_run_without_a_complete_checkpoint_is_not_replaced_unasked(self):
        for file in (self.path / "run/checkpoints").rglob("manifest.json"):
            file.unlink()
        self.refused("--overwrite", "train", "c.toml", "--resume=auto")
        shutil.rmtree(self.path / "run/checkpoints")
        self.refused("--overwrite", "train", "c.toml", "--resume=auto")

    def test_a_checkpoint_of_a_newer_version_is_refused_and_stays(self):
        file = self.checkpoint / "manifest.json"
        file.write_text(file.read_text().replace('"version": 2', '"version": 3'))
        self.refused("is of version 3", *RESUME)
        self.refused("is of version 3", "eval", str(self.checkpoint))
        # Going on from an older one would discard it.
        self.refused("is of version 3", "train", "c.toml", "--resume=auto")

    def test_a_checkpoint_of_version_1_is_read_and_goes_on(self):
        shutil.copytree(Path(__file__).parent / "checkpoint_v1", self.path / "old")
        text = self.train_of("old/config.toml", "--resume=old", "--train.run=new")
        self.assertIn("resumed from old", text)
        self.assertIn("done after 4 steps", text)
        self.assertEqual(json.loads((self.path / "old/manifest.json").read_text())["version"], 1)
        manifest = json.loads((self.path / "new/checkpoints/step-4/manifest.json").read_text())
        self.assertEqual(manifest["version"], 2)
        self.assertNotIn("moments ", self.inspected("old"))
        weights = self.path / "old/optimizer.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
        self.refused("optimizer.safetensors", "train", "old/config.toml", "--resume=old",
                     "--train.run=other")

    def test_the_manifest_says_what_is_there_and_where_the_run_is(self):
        manifest = json.loads((self.checkpoint / "manifest.json").read_text())
        files = sorted(file.name for file in self.checkpoint.iterdir() if file.name != "manifest.json")
        self.assertEqual(sorted(entry["name"] for entry in manifest["files"]), files)
        self.assertEqual(sorted(manifest["required"]), files)
        self.assertEqual(manifest["moments"], "f32")
        self.assertEqual(manifest["place"], {"stage": 0, "index": 20 * 4, "tokens": 20 * 4 * 40})
        (whole,) = manifest["ranges"]
        self.assertEqual((whole["file"], whole["begin"]), ("optimizer.safetensors", 0))
        tensors = (self.checkpoint / "weights.safetensors").stat().st_size // 4
        self.assertAlmostEqual(whole["end"], tensors, delta=tensors / 10)  # with padding, no header
        text = self.inspected("run/checkpoints/step-20")
        self.assertIn("place       stage 0, sample 80, after 3,200 tokens\nmoments     f32\n", text)

    def inspected(self, folder):
        run = self.lacuna("inspect", "checkpoint", folder)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def train_of(self, config, *arguments):
        run = self.lacuna("train", config, *arguments)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stderr

    def test_files_of_another_model_are_refused(self):
        self.train("--train.run=wide", "--model.width=48")
        wide = self.path / "wide/checkpoints/step-20"
        self.refused("model.width", "train", "c.toml", f"--resume={wide}", "--train.run=other")
        self.refused("embedding", "train", "c.toml", "--init-from=wide", "--train.run=other")
        self.refused("embedding", "eval", "run", "--model.width=48")
        for file, _ in self.each_file():
            with self.subTest(file=file.name):
                shutil.copy(wide / file.name, file)
                self.refused("step-20", *RESUME)


class Safetensors(SmallRun):
    """Weights whose header lies; a run's own folder has no manifest that would tell."""

    def setUp(self):
        super().setUp()
        self.train("--train.length=1 steps", "--optim.average=0", "--checkpoint.every=0 steps")
        self.file = self.path / "run/weights.safetensors"
        raw = self.file.read_bytes()
        size = struct.unpack("<Q", raw[:8])[0]
        self.header, self.data = json.loads(raw[8:8 + size]), raw[8 + size:]

    def write(self, header):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        self.file.write_bytes(struct.pack("<Q", len(text)) + text + self.data)

    def refused_by_all(self, fragment):
        self.refused(fragment, "eval", "run")
        self.refused(fragment, "sample", "run")
        self.refused(fragment, "train", "c.toml", "--train.run=new", "--init-from=run")

    def test_the_file_as_it_was_is_read(self):
        self.write(self.header)
        self.assertEqual(self.lacuna("eval", "run").returncode, 0)

    def test_offsets_that_lie_are_refused(self):
        begin, end = self.header["head.weight"]["data_offsets"]
        for offsets, fragment in (
                ([begin - 4, end - 4], "head.weight' "),  # overlaps, or leaves a gap, as it lies
                ([begin + 4, end + 4], "head.weight' "),
                ([len(self.data), len(self.data) + end - begin], "the file holds"),
                ([0, end], "dtype and shape ask for"),
                ([end, begin], "dtype and shape ask for"),
                ([-4, end - begin - 4], "the begin of 'data_offsets' is -4"),
                ([begin, -end], "the end of 'data_offsets' is -"),
                ([begin, 2**63], "the end of 'data_offsets' is 9223372036854775808"),
                ([2**64 - 4, end - begin - 4], "18446744073709551612"),
                ([begin + 0.5, end + 0.5], "expected a whole number"),
                ([begin], "expected [begin, end]")):
            with self.subTest(offsets=offsets):
                self.write({**self.header, "head.weight": {**self.header["head.weight"],
                                                           "data_offsets": offsets}})
                self.refused_by_all(fragment)

    def test_two_records_over_the_same_bytes_are_refused(self):
        self.write({**self.header, "once.more": self.header["head.weight"]})
        self.refused_by_all("overlaps the one before it")

    def test_shapes_that_lie_are_refused(self):
        for shape, fragment in (([2**62, 2**62], "overflows"), ([-1, 32], "a dimension of 'shape'"),
                                ([256, 33], "dtype and shape ask for")):
            with self.subTest(shape=shape):
                self.write({**self.header, "head.weight": {**self.header["head.weight"],
                                                           "shape": shape}})
                self.refused_by_all(fragment)

    def test_a_header_that_is_none_is_refused(self):
        for header in (b"{", b"[" * 100000, b'{"a": ' * 100000, b"\xff\xfe", b"[]"):
            with self.subTest(header=header[:8]):
                self.write(header)
                self.refused_by_all("header")
        self.file.write_bytes(struct.pack("<Q", 2**63) + b"{}")
        self.refused_by_all("header")


if __name__ == "__main__":
    unittest.main()
