#!/usr/bin/env python3
"""What `lacuna inspect data` counts and draws, of text, pictures and sound, beside what NumPy counts. Needs
LACUNA_BINARY."""
import re
import struct
import unittest
import zlib

import numpy as np

from test_audio import Sounds, noise, wav
from trained_run import TrainedRun, lacuna, text_bytes

CIFAR = """[data]
format = "cifar10"
paths = ["batch.bin"]
split = "{} / 2"
[model]
layers = 1
heads = 1
width = 8
attention = ["local(8)"]
"""


def entropies(pieces, places=1):
    """Bits of order 0, 1 and 2, of symbols in pieces, by place in a unit; from counts in dictionaries."""
    found = []
    for order in range(3):
        bits = 0
        for place in range(places):
            whole, before = {}, {}
            for piece in pieces:
                piece = [int(symbol) for symbol in piece]
                for i in range(order, len(piece)):
                    if i % places == place:
                        key = tuple(piece[i - order:i + 1])
                        whole[key] = whole.get(key, 0) + 1
                        before[key[:-1]] = before.get(key[:-1], 0) + 1
            all_of_it = sum(whole.values())
            bits += sum(count * np.log2(before[key[:-1]] / count) for key, count in whole.items()) / all_of_it
        found.append(bits)
    return found


def printed(text):
    return [float(re.search(rf"^order {order}, .* (\d+\.\d+)$", text, re.MULTILINE)[1]) for order in range(3)]


def png_pixels(path):
    """The pixels of an 8-bit RGB PNG that is not interlaced."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    packed, at = b"", 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack(">IIBB", data[at + 8:at + 18])
            assert (depth, color) == (8, 2)
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    raw, stride = zlib.decompress(packed), 3 * width
    rows = np.zeros((height + 1, stride + 3), dtype=int)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)]
        for x, value in enumerate(line):
            left, up, corner = rows[y + 1, x], rows[y, x + 3], rows[y, x]
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda near: abs(guess - near))
            rows[y + 1, x + 3] = (value + (0, left, up, (left + up) // 2, paeth)[kind]) % 256
    return rows[1:, 3:].reshape(height, width, 3)


class Text(TrainedRun):
    def test_entropies_are_those_of_counted_symbols(self):
        text = self.ok("inspect", "data", "c.toml").stdout.decode()
        np.testing.assert_allclose(printed(text), entropies([text_bytes()[:4002]]), atol=6e-5)
        self.assertIn("train, 4,002 of 4,002 symbols counted: entropy in bits per byte", text)
        contexts = {text_bytes()[i:i + 2] for i in range(4000)}
        self.assertIn(f"and {4000 / len(contexts):.1f} times at order 2", text)
        share = sum(97 <= byte < 112 for byte in text_bytes()[:4002]) + text_bytes()[:4002].count(96)
        self.assertRegex(text, rf"(?m)^96 to 111 +{100 * share / 4002:.2f} %  #+$")

    def test_text_has_no_picture(self):
        self.refused(["inspect", "data", "c.toml", "--picture", "t.png"], "--picture", "only of pictures and sound")

    def test_symbols_without_a_meaning_are_counted_too(self):
        echo = ["--data.format", "echo", "--data.paths", "[]", "--data.symbols", "5", "--data.block", "8", "--data.size", "40000"]
        text = self.ok("inspect", "data", "c.toml", *echo).stdout.decode()
        for bits in printed(text):
            self.assertLess(abs(bits - np.log2(5)), 0.01)
        self.assertRegex(text, r"(?m)^4 +\d+\.\d\d %  #+$")
        self.refused(["inspect", "data", "c.toml", *echo, "--picture", "t.png"], "--picture")


class Pictures(TrainedRun):
    def setUp(self):
        super().setUp()
        rows = np.random.default_rng(3).integers(0, 40, (72, 3, 32, 32))
        rows += 3 * np.arange(72)[:, None, None, None]  # so that each picture is told from the others
        self.pictures = rows.transpose(0, 2, 3, 1)
        (self.path / "batch.bin").write_bytes(
            b"".join(b"\0" + row.astype("u1").tobytes() for row in rows))
        (self.path / "c.toml").write_text(CIFAR.format(70))

    def test_entropies_are_counted_within_pictures(self):
        text = self.ok("inspect", "data", "c.toml").stdout.decode()
        np.testing.assert_allclose(printed(text), entropies(self.pictures[:70].reshape(70, -1)), atol=6e-5)
        self.assertIn("bits per dim", text)
        self.assertIn("of batch.bin#", text)
        self.assertNotIn("    0   0", text)  # no row of numbers
        self.assertRegex(text, r"(?m)^valid +6,144 +2 ")

    def test_a_sheet_shows_64_pictures_of_training(self):
        self.ok("inspect", "data", "c.toml", "--picture", "sheet.png")
        sheet = png_pixels(self.path / "sheet.png")
        self.assertEqual(sheet.shape, (8 * 34 - 2, 8 * 34 - 2, 3))
        known = {picture.astype("u1").tobytes(): number for number, picture in enumerate(self.pictures[:70])}
        shown = [known[sheet[34 * y:34 * y + 32, 34 * x:34 * x + 32].astype("u1").tobytes()]
                 for y in range(8) for x in range(8)]
        self.assertEqual(len(set(shown)), 64)
        self.assertEqual(shown, sorted(shown))
        first = (self.path / "sheet.png").read_bytes()
        self.ok("inspect", "data", "c.toml", "--picture", "sheet.png")
        self.assertEqual((self.path / "sheet.png").read_bytes(), first)
        self.ok("inspect", "data", "c.toml", "--picture", "sheet.png", "--train.seed", "7")
        self.assertNotEqual((self.path / "sheet.png").read_bytes(), first)

    def test_few_pictures_are_all_shown(self):
        self.assertIn("draws 64 pictures\n", self.ok("inspect", "data", "c.toml").stdout.decode())
        (self.path / "c.toml").write_text(CIFAR.format(4))
        self.assertIn("draws 4 pictures\n", self.ok("inspect", "data", "c.toml").stdout.decode())
        self.ok("inspect", "data", "c.toml", "--picture", "sheet.png")
        self.assertEqual(png_pixels(self.path / "sheet.png").shape, (66, 66, 3))

    def test_a_picture_that_cannot_be_written_is_an_error(self):
        self.refused(["inspect", "data", "c.toml", "--picture", "none/sheet.png"], "none/sheet.png: there is no folder")


class Sound(Sounds):
    def test_entropies_are_counted_within_files_and_by_byte_of_a_sample(self):
        pieces = [noise(900, 1, 3000), noise(700, 2, 3000)]
        for number, piece in enumerate(pieces):
            self.put(f"{number}.wav", wav(piece))
        text = self.ok("inspect", "data", "c.toml", "--data.code", "16-bit").stdout.decode()
        codes = [np.stack([(piece + 32768) // 256, (piece + 32768) % 256], 1).ravel() for piece in pieces]
        np.testing.assert_allclose(printed(text), entropies(codes, 2), atol=6e-5)
        self.assertIn("bits per sample", text)
        self.assertIn("how often symbols occur as the first of a sample", text)
        self.assertRegex(text, r"(?m)^128 to 143 +\d+\.\d\d %  #+$")
        self.assertRegex(text, r"(?m)^0 to 15 +0\.00 %$")

    def test_shares_of_silence_and_clipping(self):
        quiet, loud = [0, 1, -1, 2, -2], [32767, -32768]  # 3 is nearer to the next level of mu-law
        for code in ("mu-law", "16-bit"):
            self.put("a.wav", wav(quiet * 60 + loud * 50 + [1000, -2000] * 300))
            text = self.ok("inspect", "data", "c.toml", "--data.code", code).stdout.decode()
            self.assertIn("30.00 % of the samples are silent", text)
            self.assertIn("10.00 % at full scale", text)
            self.assertIn("train, 0.08 s of sound in 1 file", text)
            self.assertIn("--picture FILE.png draws it", text)

    def test_the_picture_of_a_sound_is_its_waveform_above_its_spectrogram(self):
        time = np.arange(12000 * 3) / 12000
        self.put("a.wav", wav((20000 * np.sin(2 * np.pi * 3000 * time)).round()))
        for code in ("mu-law", "16-bit"):
            self.ok("inspect", "data", "c.toml", "--data.code", code, "--picture", "a.png")
            picture = png_pixels(self.path / "a.png")
            self.assertEqual(picture.shape, (2 * 448, 2 * 672, 3))
            # 3 kHz is half of what 12 kHz can hold: the middle of the spectrogram is bright, the rest dark.
            column = picture[2 * 224 + 60:2 * 224 + 380, 700].sum(axis=1)
            self.assertLess(abs(int(column.argmax()) - 160), 6)
            self.assertLess(column[:120].max(), column.max() / 2)
            # The waveform reaches from -0.61 to 0.61 of its height.
            blue = np.nonzero((picture[60:380, 700] == (31, 97, 168)).all(axis=1))[0]
            self.assertLess(abs(blue.min() - 160 * (1 - 20000 / 32768)), 4)
            self.assertLess(abs(blue.max() - 160 * (1 + 20000 / 32768)), 4)


if __name__ == "__main__":
    unittest.main()
