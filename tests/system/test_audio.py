#!/usr/bin/env python3
"""Sound as data: files that the test makes byte by byte, read by a second mu-law and counted again. Needs
LACUNA_BINARY; with LACUNA_DATA, a folder that holds music-*.flac, those too."""
import json
import math
import os
import re
import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np

from trained_run import lacuna, read_metrics, read_safetensors, snapshot

DATA = os.environ.get("LACUNA_DATA")
CONFIG = """[data]
format = "audio"
paths = ["sounds"]
split = "1 / 0"

[model]
layers = 1
heads = 1
width = 8
context = 16
attention = ["local(8)"]

[train]
length = "1 steps"
batch = 2
threads = 1
precision = "f32"
"""


def wav(samples, rate=12000, width=2, tag=1):
    """A WAV file of whole numbers (of 8 bits unsigned) or floats; two dimensions: frames x channels."""
    samples = np.asarray(samples)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    if tag == 3:
        data = samples.astype("<f4").tobytes()
    elif width == 3:
        data = b"".join(struct.pack("<i", value)[:3] for value in samples.ravel().tolist())
    else:
        data = samples.astype({1: "u1", 2: "<i2", 4: "<i4"}[width]).tobytes()
    frame = channels * width
    head = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, 8 * width)
    body = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    body += b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def checked(data, polynomial, bits):
    """The data and its cyclic redundancy check, as FLAC has them."""
    value, top, mask = 0, 1 << (bits - 1), (1 << bits) - 1
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = ((value << 1) ^ polynomial if value & top else value << 1) & mask
    return data + value.to_bytes(bits // 8, "big")


def flac(samples, rate=12000, block=4096):
    """A FLAC file of 16-bit samples as they are: frames of one verbatim subframe."""
    samples = np.asarray(samples)
    info = struct.pack(">HH", block, block) + bytes(6)
    info += ((rate << 44) | (0 << 41) | (15 << 36) | len(samples)).to_bytes(8, "big") + bytes(16)
    file = b"fLaC" + bytes([0x80]) + len(info).to_bytes(3, "big") + info
    for number, begin in enumerate(range(0, len(samples), block)):
        piece = samples[begin:begin + block]
        head = bytes([0xFF, 0xF8, 0x70, 0x08, number]) + struct.pack(">H", len(piece) - 1)
        frame = checked(head, 0x07, 8) + bytes([0x02]) + piece.astype(">i2").tobytes()
        file += checked(frame, 0x8005, 16)
    return file


def mu_law(samples):
    """Levels of floats, written from the formula alone, in double precision."""
    x = np.clip(np.asarray(samples, dtype=np.float64), -1, 1)
    y = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)
    return (128 + np.floor(np.where(y < 0, 128 * y, 127 * y) + 0.5)).astype(int)


def from_mu_law(levels):
    y = (np.asarray(levels) - 128) / np.where(np.asarray(levels) <= 128, 128.0, 127.0)
    return np.sign(y) * (256 ** np.abs(y) - 1) / 255


def noise(count, seed=1, loud=30000):
    return np.random.default_rng(seed).integers(-loud, loud + 1, count)


class Sounds(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lacuna-audio-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        (self.path / "c.toml").write_text(CONFIG)
        (self.path / "sounds").mkdir()

    def put(self, name, content):
        (self.path / "sounds" / name).write_bytes(content)

    def ok(self, *arguments):
        result = lacuna(self.path, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return result

    def train(self, run, *options):
        return self.ok("train", "c.toml", "--train.run", run, *options).stderr.decode()

    def said(self, *options):
        """What `inspect data` says: the line on the data and the identity."""
        lines = self.ok("inspect", "data", "c.toml", *options).stdout.decode().splitlines()
        found = dict(line.split(maxsplit=1) for line in lines[:3])
        return found["data"], found["identity"]

    def symbols(self, count, *options):
        """The first symbols of the training part, as a model gets them."""
        self.train("for-symbols", "--overwrite", *options)
        self.ok("eval", "for-symbols", "--split", "train", "--train.batch", count // 16, "--logits",
                "l.safetensors")
        header, data = read_safetensors(self.path / "l.safetensors")
        begin, end = header["tokens"]["data_offsets"]
        return np.frombuffer(data[begin:end], dtype="<i4")[:count]

    def eval_json(self, run, *options):
        self.ok("eval", run, "--json", "e.json", "--raw", *options)
        return json.loads((self.path / "e.json").read_text())

    def refused(self, arguments, *fragments):
        """Exit code 2, one line with these fragments, and nothing changed."""
        before = snapshot(self.path)
        result = lacuna(self.path, *arguments)
        error = result.stderr.decode()
        self.assertEqual(result.returncode, 2, error)
        self.assertEqual(error.count("\n"), 1, error)
        self.assertNotIn("unexpected:", error)
        for fragment in fragments:
            self.assertIn(fragment, error)
        self.assertEqual(before, snapshot(self.path))

    def data_refused(self, *fragments, options=()):
        self.refused(["train", "c.toml", "--train.run", "new", *options], *fragments)
        self.refused(["inspect", "data", "c.toml", *options], *fragments)


class Samples(Sounds):
    def test_every_16_bit_sample_has_the_level_of_a_second_mu_law(self):
        values = np.arange(-32768, 32768)
        np.random.default_rng(1).shuffle(values)
        self.put("all.wav", wav(values))
        np.testing.assert_array_equal(self.symbols(65536), mu_law(values / 32768))

    def test_channels_are_mixed_to_their_mean(self):
        frames = noise(3 * 960).reshape(960, 3)
        self.put("three.wav", wav(frames))
        np.testing.assert_array_equal(self.symbols(960), mu_law(frames.mean(axis=1) / 32768))

    def test_16_bits_are_two_bytes_the_more_significant_first(self):
        values = np.concatenate([noise(1000), [-32768, 32767, 0, -1, 1, 255, 256, -256]])
        self.put("a.wav", wav(values))
        symbols = self.symbols(2016, "--data.code", "16-bit")
        np.testing.assert_array_equal(symbols[0::2] * 256 + symbols[1::2] - 32768, values)

    def test_other_kinds_of_wav_give_the_samples_that_they_hold(self):
        values = noise(320)
        for content, samples in ((wav((values >> 8) + 128, width=1), (values >> 8) / 128),
                                 (wav(values * 256 + 77, width=3), (values * 256 + 77) / 2**23),
                                 (wav(values * 65536 + 77, width=4), (values * 65536 + 77) / 2**31),
                                 (wav(values / 32768, width=4, tag=3), values / 32768)):
            self.put("a.wav", content)
            np.testing.assert_array_equal(self.symbols(320), mu_law(samples))

    def test_flac_is_what_the_wav_is(self):
        values = noise(9000)
        self.put("a.wav", wav(values))
        of_wav = self.said()
        (self.path / "sounds/a.wav").unlink()
        self.put("a.flac", flac(values))
        self.assertEqual(self.said(), of_wav)
        np.testing.assert_array_equal(self.symbols(8992), mu_law(values[:8992] / 32768))

    def test_resampling_keeps_the_count_and_the_sound(self):
        for rate, frames, count in ((8000, 1001, 1502), (44100, 4410, 1200), (48000, 4801, 1201), (12000, 77, 77)):
            self.put("a.wav", wav(noise(frames), rate))
            self.assertIn(f"1 file, {count:,} mu-law samples at 12,000 Hz: train {count:,},", self.said()[0])
        for rate in (8000, 44100):
            time = np.arange(rate) / rate
            self.put("a.wav", wav((20000 * np.sin(2 * np.pi * 440 * time)).round(), rate))
            found = from_mu_law(self.symbols(12000))[1000:11000]
            wanted = 20000 / 32768 * np.sin(2 * np.pi * 440 * np.arange(1000, 11000) / 12000)
            self.assertLess(np.abs(found - wanted).max(), 0.02)  # half a level at this loudness is 0.013
        self.assertIn("at 24,000 Hz: train 24,000", self.said("--data.rate", "24000")[0])

    def test_a_folder_gives_the_sounds_in_it(self):
        for name in ("b.WAV", "a.wav", "c.FLAC"):
            self.put(name, flac(noise(40)) if "FLAC" in name else wav(noise(30)))
        self.put("notes.txt", b"no sound")
        self.assertIn("3 files, 100 mu-law", self.said()[0])
        self.assertIn("1 file, 40 mu-law", self.said("--data.suffixes", ".FLAC")[0])

    def test_what_is_odd_about_a_file_that_can_be_used_is_said(self):
        self.put("loud.wav", wav([0.5, 1.5, -2.0] + [0.25] * 61, width=4, tag=3))
        self.put("open.wav", wav(noise(64)).replace(b"data" + struct.pack("<I", 128), b"data\xff\xff\xff\xff"))
        error = self.train("run")
        self.assertIn("sounds/loud.wav: 2 of its 64 samples are beyond full scale and clipped to it", error)
        self.assertIn("sounds/open.wav: the size of its data was never written", error)
        self.assertIn("loud.wav: 2 of its", (self.path / "run/log.txt").read_text())
        for number in range(30):
            self.put(f"{number}.wav", wav([2.0] * 20, width=4, tag=3))
        error = self.train("many")
        self.assertEqual(error.count("warning: sounds/"), 20)
        self.assertEqual(error.count("warning: further sound files have such faults, too"), 1)


class Windows(Sounds):
    LENGTHS = {"a": 20, "b": 40, "c": 7, "d": 9, "e": 5}

    def setUp(self):
        super().setUp()
        for seed, (name, length) in enumerate(self.LENGTHS.items()):
            self.put(f"{name}.wav", wav(noise(length, seed)))

    def test_each_file_is_scored_by_itself_and_padding_is_not(self):
        self.train("run")
        whole = self.eval_json("run", "--split", "train")
        self.assertEqual((whole["positions"], whole["windows"]), (81, 2 + 3 + 1 + 1 + 1))
        alone = [self.eval_json("run", "--split", "valid", "--data.split", "0 / 1", "--data.paths",
                                f"['sounds/{name}.wav']") for name in self.LENGTHS]
        self.assertEqual([part["positions"] for part in alone], list(self.LENGTHS.values()))
        self.assertAlmostEqual(whole["weights"]["raw"]["nats"],
                               sum(part["weights"]["raw"]["nats"] for part in alone), places=4)
        earlier = self.eval_json("run", "--split", "train", "--min-context", "8")
        self.assertEqual((earlier["positions"], earlier["windows"]), (81, 2 + 4 + 1 + 1 + 1))

    def test_logits_are_of_whole_windows_each_of_one_file(self):
        self.train("run")
        self.ok("eval", "run", "--split", "train", "--train.batch", "4", "--logits", "l.safetensors")
        header, data = read_safetensors(self.path / "l.safetensors")
        self.assertEqual(header["tokens"]["shape"], [3, 16])
        begin, end = header["tokens"]["data_offsets"]
        a, b = (mu_law(noise(self.LENGTHS[name], seed) / 32768) for seed, name in enumerate("ab"))
        np.testing.assert_array_equal(np.frombuffer(data[begin:end], dtype="<i4"), [*a[:16], *b[:32]])
        self.refused(["eval", "run", "--split", "train", "--logits", "l", "--data.paths", "['sounds/c.wav']",
                      "--data.split", "1 / 0"], "has no whole window of 16 symbols")

    def test_windows_to_train_on_stay_within_a_file_or_the_short_ones_that_were_joined(self):
        # Stretches: a, b, and c with d, to which e is added.
        begins = set()
        for seed in range(60):
            text = self.ok("inspect", "data", "c.toml", "--train.seed", seed).stdout.decode()
            begins.add(int(re.search(r"the first window of training \(from symbol (\d+) on", text)[1]))
        self.assertIn("epoch       3 windows of 16 symbols", text)
        allowed = {*range(0, 5), *range(20, 45), *range(60, 66)}
        self.assertLessEqual(begins, allowed)
        for stretch in (range(0, 5), range(20, 45), range(60, 66)):
            self.assertTrue(begins & set(stretch))

    def test_a_resumed_run_reads_the_same_windows(self):
        options = ["--data.code", "16-bit", "--train.length", "6 steps", "--checkpoint.every", "3 steps"]
        self.train("whole", *options)
        self.train("resumed", *options, "--resume", "whole/checkpoints/step-3")
        for name in ("weights.safetensors", "average.safetensors"):
            self.assertEqual((self.path / "whole" / name).read_bytes(), (self.path / "resumed" / name).read_bytes())
        self.refused(["train", "c.toml", "--train.run", "other", *options, "--resume", "whole/checkpoints/step-3",
                      "--data.rate", "24000"], "data.rate")

    def test_short_files_are_said_to_be_joined(self):
        said = ("files shorter than the context of 16: 3 of 5 of train; they are joined with their neighbours to train "
                "on, and each is scored by itself")
        self.assertIn(said, self.train("run"))
        self.assertIn(said, (self.path / "run/log.txt").read_text())
        self.assertIn(said, self.ok("inspect", "data", "c.toml").stdout.decode())
        self.assertNotIn("shorter", self.train("short", "--model.context", "4", "--model.attention", "dense"))

    def test_all_files_together_that_are_too_short_are_refused(self):
        self.data_refused("one sample needs 128 symbols, but the part has only 81", options=["--model.context", "128"])


class Parts(Sounds):
    def test_several_files_are_split_as_wholes_and_one_is_cut_with_a_note(self):
        for name, length in (("a", 500), ("b", 400), ("c", 60), ("d", 40)):
            self.put(f"{name}.wav", wav(noise(length)))
        data = self.said("--data.split", "")[0]
        self.assertIn("train 900, valid 60, test 40", data)
        self.assertNotIn("cuts through", data)
        self.assertIn("train 500, valid 460, test 40", self.said("--data.split", "1 / 2 / 1")[0])
        data = self.said("--data.split", "", "--data.paths", "['sounds/a.wav']")[0]
        self.assertTrue(data.endswith("train 450, valid 25, test 25; data.split cuts through sounds/a.wav"), data)
        self.refused(["inspect", "data", "c.toml", "--data.split", "3 / 1 / 1"], "data.split", "has 4 files")

    def test_parts_with_files_of_their_own(self):
        for name, length in (("a", 500), ("b", 400), ("c", 60)):
            self.put(f"{name}.wav", wav(noise(length)))
        options = ["--data.split", "", "--data.paths", "['sounds/a.wav']", "--data.valid_paths",
                   "['soft=sounds/b.wav', 'loud=sounds/c.wav']"]
        self.assertIn("train 500, valid/soft 400, valid/loud 60, test 0", self.said(*options)[0])
        self.train("run", *options)
        lines = [line for line in read_metrics(self.path / "run") if line["kind"] == "evaluation"]
        self.assertEqual({(line["split"], line["positions"]) for line in lines},
                         {("valid/soft", 400), ("valid/loud", 60)})


class Units(Sounds):
    def test_bits_are_per_sample_whatever_a_sample_is_made_of(self):
        self.put("a.wav", wav(noise(600)))
        for code, per_sample, most in (("mu-law", 1, 8.5), ("16-bit", 2, 17)):
            error = self.train(code, "--data.code", code, "--data.split", "0.5 / 0.5", "--train.length", "3 steps")
            self.assertIn(" bits per sample", error)
            self.assertNotRegex(error, "bits per (byte|symbol)")
            loss = float(re.search(r"step 1/3  loss (\S+) bits per sample", error)[1])
            self.assertAlmostEqual(loss, read_metrics(self.path / code)[0]["bits"], places=3)
            self.assertLess(abs(loss - 8 * per_sample), most - 8 * per_sample)
            start = json.loads((self.path / code / "starts.jsonl").read_text().splitlines()[0])
            self.assertEqual((start["unit"], start["symbols_per_unit"]), ("sample", per_sample))
            report = self.eval_json(code)
            raw = report["weights"]["raw"]
            self.assertEqual((report["unit"], report["positions"]), ("sample", 300 * per_sample))
            self.assertAlmostEqual(raw["bits"], raw["nats"] / math.log(2) / 300, places=9)
            logged = [line for line in read_metrics(self.path / code) if line["kind"] == "evaluation"]
            self.assertAlmostEqual(logged[0]["bits"], raw["bits"], places=5)
            self.assertIn("bits per sample", self.ok("eval", code).stdout.decode())
            self.ok("report", code, "--output", "report.html")
            self.assertIn("bits per sample", (self.path / "report.html").read_text())
            self.assertNotRegex((self.path / "report.html").read_text(), "bits per (byte|symbol)")

    def test_bits_of_the_two_bytes_add_up_to_those_of_the_sample(self):
        self.put("a.wav", wav(noise(8)))
        self.train("run", "--data.code", "16-bit")
        self.ok("eval", "run", "--split", "train", "--raw", "--logits", "l.safetensors")
        header, data = read_safetensors(self.path / "l.safetensors")
        begin, end = header["bits"]["data_offsets"]
        bits = np.frombuffer(data[begin:end], dtype="<f8")
        self.assertEqual(bits.size, 16)
        samples = bits.reshape(8, 2).sum(axis=1)
        self.assertAlmostEqual(self.eval_json("run", "--split", "train")["weights"]["raw"]["bits"], samples.mean(),
                               places=6)

    def test_windows_of_16_bits_begin_and_end_between_samples(self):
        self.put("a.wav", wav(noise(100)))
        self.data_refused("model.context", "15 is not a multiple of 2",
                          options=["--data.code", "16-bit", "--model.context", "15"])
        for seed in range(20):
            text = self.ok("inspect", "data", "c.toml", "--data.code", "16-bit", "--train.seed",
                           seed).stdout.decode()
            self.assertEqual(int(re.search(r"training \(from symbol (\d+) on", text)[1]) % 2, 0)
        self.train("run", "--data.code", "16-bit")
        self.refused(["eval", "run", "--split", "train", "--min-context", "3"], "of 3, expected a multiple of 2")


class Bad(Sounds):
    GOOD = wav(noise(64))

    def test_a_file_that_is_no_whole_sound_is_named(self):
        sine = wav(noise(5000))
        broken = bytearray(flac(noise(9000)))
        broken[12000] ^= 0x55
        hz = wav(noise(720_000), rate=1)
        infinite = wav([0.5] * 10 + [math.inf] + [0.5] * 40, width=4, tag=3)
        nothing = wav([0.5] * 7 + [math.nan], width=4, tag=3)
        late = self.GOOD[:12] + self.GOOD[36:] + self.GOOD[12:36]
        for name, content, fragment in (
                ("cut.wav", sine[:-100], "are said to have"), ("head.wav", sine[:30], "only 10 follow"),
                ("bare.wav", sine[:36], "ends before its samples"),
                ("text.wav", b"This is a text and no sound at all.\n" * 5, ""), ("none.wav", b"", ""),
                ("empty.wav", wav([]), "no samples"), ("rate0.wav", wav(noise(64), rate=0), "its rate is 0 Hz"),
                ("one-hertz.wav", hz, "its rate is 1 Hz, expected 1000 to"), ("inf.wav", infinite, "sample 10 of channel 0"),
                ("nan.wav", nothing, "sample 7 of channel 0 (both from 0) is not a number"), ("broken.flac", bytes(broken), ""),
                ("cut.flac", flac(noise(9000))[:-3000], ""), ("order.wav", late, "before any format chunk"),
                ("adpcm.wav", wav(noise(64), tag=2), "Microsoft ADPCM")):
            with self.subTest(name):
                self.put(name, content)
                self.data_refused(f"lacuna: sounds/{name}: ", fragment)
                self.put("good.wav", self.GOOD)  # beside which it is converted in another thread
                self.data_refused(f"lacuna: sounds/{name}: ", fragment)
                (self.path / "sounds/good.wav").unlink()
                (self.path / "sounds" / name).unlink()

    def test_one_bad_file_among_many_is_named_or_left_out_and_counted(self):
        for number in range(100):
            self.put(f"{number:03}.wav", self.GOOD)
        good = self.said()
        self.put("050-bad.wav", self.GOOD[:-10])
        self.put("051-bad.wav", b"RIFF")
        self.data_refused("lacuna: sounds/050-bad.wav: ")
        data, identity = self.said("--data.bad_files", "skip")
        self.assertEqual(identity, good[1])
        self.assertTrue(data.startswith(good[0] + "; 2 bad files left out, the first: sounds/050-bad.wav: "), data)
        self.assertIn("2 bad files left out", self.train("run", "--data.bad_files", "skip"))

    def test_nothing_but_bad_files_is_refused(self):
        self.put("bad.wav", b"RIFF")
        self.data_refused("sounds", "is empty", "bad.wav", options=["--data.bad_files", "skip"])

    def test_options_that_mean_no_sound_are_refused(self):
        self.put("a.wav", self.GOOD)
        for option, value, fragment in (("rate", "0", "1000"), ("rate", "999", "1000"), ("code", "8-bit", "mu-law"),
                                        ("bad_files", "ignore", "skip"), ("rate", "1e9", "")):
            self.data_refused(f"data.{option}", fragment, options=[f"--data.{option}", value])
        self.data_refused("sounds/a.wav", "too far from the 384000 Hz", options=["--data.rate", "384000"])
        self.refused(["inspect", "data", "c.toml", "--data.format", "bytes", "--data.rate", "12000"], "data.rate")


@unittest.skipUnless(DATA, "LACUNA_DATA names no folder with real sounds")
class RealMusic(Sounds):
    def test_real_recordings_are_read_as_music_toml_asks(self):
        music = Path(DATA)
        config = Path(__file__).resolve().parents[2] / "configs/music.toml"
        paths = str(sorted(str(file) for file in music.glob("music-*.flac")))
        text = self.ok("inspect", "data", config, "--data.paths", paths, "--data.rate", "12000").stdout.decode()
        # Of 1,100,278 and 2,877,022 samples at 24,000 Hz.
        self.assertIn("audio: 2 files, 1,988,650 mu-law samples at 12,000 Hz", text)
        self.assertIn("cuts through", text)


if __name__ == "__main__":
    unittest.main()
