#!/usr/bin/env python3
"""`lacuna sample --output`: files, folders and arrays of samples, that any way to ask for a picture gives the
same one, what is kept when sampling is stopped, completions, and how a report shows samples. Needs
LACUNA_BINARY; pictures are CIFAR-10 records that the test makes."""
import base64
import os
import pty
import random
import re
import signal
import struct
import subprocess
import time
import unittest
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy

from test_interrupts import watches
from trained_run import ANSWER, BINARY, ENVIRONMENT, lacuna, snapshot, text_bytes

SIDE, SIZE = 32, 3072
PICTURES = """[data]
format = "cifar10"
paths = ["pictures.bin"]
split = "0.8 / 0.2"
[model]
layers = 1
heads = 2
width = 16
attention = ["local(8)"]
[train]
run = "run"
length = "2 steps"
batch = 2
threads = 1
sample_every = "1 steps"
sample_count = 4
"""
TEXT = """[data]
paths = ["text"]
split = "0.8 / 0.2"
[model]
layers = 1
width = 16
context = 24
attention = ["local(8)"]
[train]
run = "text-run"
length = "2 steps"
threads = 1
"""


def chunks_of_png(raw):
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(raw):
        (length,) = struct.unpack(">I", raw[at:at + 4])
        kind, data = raw[at + 4:at + 8], raw[at + 8:at + 8 + length]
        assert struct.unpack(">I", raw[at + 8 + length:at + 12 + length])[0] == zlib.crc32(kind + data)
        chunks.append((kind, data))
        at += 12 + length
    return chunks


def pixels_of_png(raw):
    """An 8-bit RGB picture as an array, by the standard."""
    chunks = chunks_of_png(raw)
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    assert (depth, color, interlaced) == (8, 2, 0)
    data = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    above, rows = [0] * (3 * width), []
    for y in range(height):
        kind, row = data[y * (3 * width + 1)], list(data[y * (3 * width + 1) + 1:(y + 1) * (3 * width + 1)])
        for i in range(3 * width):
            left, corner = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
            guess = left + above[i] - corner
            nearest = min((left, above[i], corner), key=lambda near: abs(near - guess))
            row[i] = (row[i] + (0, left, above[i], (left + above[i]) // 2, nearest)[kind]) % 256
        rows.append(row)
        above = row
    return numpy.array(rows, dtype=numpy.uint8).reshape(height, width, 3)


def png_of(pixels):
    height, width, _ = pixels.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def in_grid(grid, index, columns):
    """Picture number `index` of a grid with gaps of two white pixels."""
    row, column = divmod(index, columns)
    return grid[row * (SIDE + 2):row * (SIDE + 2) + SIDE, column * (SIDE + 2):column * (SIDE + 2) + SIDE]


def files_of(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = TemporaryDirectory(prefix="lacuna-files-")
        cls.addClassCleanup(folder.cleanup)
        cls.trained = Path(folder.name)
        numbers = random.Random(5)
        records = b"".join(bytes([i % 10]) + bytes(numbers.choices(range(60 + i), k=SIZE)) for i in range(20))
        (cls.trained / "pictures.bin").write_bytes(records)
        (cls.trained / "text").write_bytes(text_bytes())
        for config in (PICTURES, TEXT):
            (cls.trained / "c.toml").write_text(config)
            trained = lacuna(cls.trained, "train", "c.toml")
            assert trained.returncode == 0, trained.stderr

    def setUp(self):
        folder = TemporaryDirectory(prefix="lacuna-files-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        for name in ("run", "text-run", "text"):
            (self.path / name).symlink_to(self.trained / name)

    def command(self, *arguments, run="run"):
        return [BINARY, "sample", str(run), *map(str, arguments)]

    def sample(self, *arguments, run="run"):
        result = subprocess.run(self.command(*arguments, run=run), cwd=self.path, capture_output=True,
                                env=ENVIRONMENT, timeout=120, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return result.stdout.decode()

    def refused(self, arguments, *fragments, run="run"):
        with self.subTest(" ".join(map(str, arguments))):
            before = snapshot(self.path)
            result = subprocess.run(self.command(*arguments, run=run), cwd=self.path, capture_output=True,
                                    env=ENVIRONMENT, timeout=120, check=False)
            error = result.stderr.decode()
            self.assertEqual((result.returncode, result.stdout), (2, b""), error)
            self.assertRegex(error, r"\Alacuna: .*[.?]\n\Z")
            for fragment in fragments:
                self.assertIn(fragment, error)
            self.assertEqual(before, snapshot(self.path))

    def array(self, name):
        with numpy.load(self.path / name) as archive:
            self.assertEqual(archive.files, ["arr_0"])
            return archive["arr_0"]

    def begin(self, *arguments):
        """A process that samples until it is ended."""
        process = subprocess.Popen(self.command(*arguments), cwd=self.path, env=ENVIRONMENT,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        return process

    def wait_for(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)


class Pictures(Case):
    def test_one_picture_a_grid_a_folder_and_an_array_have_the_same_pixels(self):
        self.assertEqual(self.sample("--output", "all.npz", "--count", 5), "wrote 5 samples in all.npz\n")
        array = self.array("all.npz")
        self.assertEqual((array.shape, array.dtype), ((5, SIDE, SIDE, 3), numpy.uint8))
        self.assertGreater(len({picture.tobytes() for picture in array}), 4)
        self.sample("--output", "one.png")
        self.assertTrue((pixels_of_png((self.path / "one.png").read_bytes()) == array[0]).all())
        self.sample("--output", "grid.png", "--count", 5, "--batch", 2)
        grid = pixels_of_png((self.path / "grid.png").read_bytes())
        self.assertEqual(grid.shape, (2 * SIDE + 2, 3 * SIDE + 4, 3))
        for i, picture in enumerate(array):
            self.assertTrue((in_grid(grid, i, 3) == picture).all(), i)
        self.assertTrue((in_grid(grid, 5, 3) == 255).all())
        self.assertEqual(self.sample("--output", "folder/", "--count", 5), "wrote 5 samples in folder/\n")
        files = files_of(self.path / "folder")
        self.assertEqual(sorted(files), [f"00000{i}.png" for i in range(1, 6)] + ["samples.json"])
        for i, picture in enumerate(array):
            self.assertTrue((pixels_of_png(files[f"00000{i + 1}.png"]) == picture).all(), i)

    def test_a_picture_depends_on_seed_and_number_alone(self):
        self.sample("--output", "all.npz", "--count", 6, "--batch", 4, "--seed", 3)
        array = self.array("all.npz")
        for first, count, batch in ((1, 1, 1), (1, 6, 1), (3, 4, 3), (6, 1, 8), (2, 3, 64)):
            name = f"{first}-{count}-{batch}.npz"
            self.sample("--output", name, "--first", first, "--count", count, "--batch", batch, "--seed", 3)
            self.assertTrue((self.array(name) == array[first - 1:first - 1 + count]).all(), name)
        self.sample("--output", "other.npz", "--count", 6, "--seed", 4)
        self.assertFalse((self.array("other.npz") == array).all())

    def test_a_folder_is_one_by_its_slash_by_being_there_or_for_want_of_a_suffix(self):
        (self.path / "there.png").mkdir()
        for name in ("a/b/", "there.png", "plain"):
            self.sample("--output", name, "--first", 9)
            self.assertEqual(sorted(files_of(self.path / name)), ["000009.png", "samples.json"])

    def test_a_file_that_is_there_is_kept_and_others_are_added(self):
        self.sample("--output", "whole/", "--count", 6)
        self.sample("--output", "parts/", "--first", 2, "--count", 2)
        kept = (self.path / "parts/000002.png").stat().st_mtime_ns
        self.assertEqual(self.sample("--output", "parts/", "--count", 3, "--batch", 2),
                         "wrote 3 samples in parts/\n")
        (self.path / "parts/notes.txt").write_text("mine")
        self.sample("--output", "parts/", "--first", 5, "--count", 2)
        self.sample("--output", "parts/", "--count", 6)
        self.assertEqual((self.path / "parts/000002.png").stat().st_mtime_ns, kept)
        self.assertEqual(self.sample("--output", "parts/", "--count", 6), "found 6 samples in parts/\n")
        (self.path / "parts/notes.txt").unlink()
        self.assertEqual(files_of(self.path / "parts"), files_of(self.path / "whole"))

    def test_samples_of_other_settings_are_not_mixed(self):
        self.sample("--output", "kept/", "--count", 2)
        (self.path / "kept/mine.txt").write_text("mine")
        others = ((["--seed", 2], "'seed'", "1 there and 2 here"), (["--temperature", 0.5], "'temperature'"),
                  (["--top-k", 7], "'top_k'"), (["--top-p", 0.5], "'top_p'"),
                  (["--no-cache"], "'cached'"), (["--raw"], "'weights'"),
                  (["--train.precision", "f64"], "'precision'"),
                  (["--model.attention", "dense()"], "'model.attention'"))
        for arguments, *fragments in others:
            self.refused(["--output", "kept/", "--count", 2, *arguments], "kept", "--overwrite", *fragments)
        self.sample("--output", "kept/", "--seed", 2, "--overwrite")
        self.sample("--output", "fresh/", "--seed", 2)
        self.assertEqual((self.path / "kept/mine.txt").read_text(), "mine")
        (self.path / "kept/mine.txt").unlink()
        self.assertEqual(files_of(self.path / "kept"), files_of(self.path / "fresh"))
        (self.path / "fresh/samples.json").write_text("{")
        self.refused(["--output", "fresh/"], "samples.json")
        (self.path / "fresh/samples.json").unlink()
        for overwrite in ([], ["--overwrite"]):  # they may be somebody else's
            self.refused(["--output", "fresh/", *overwrite], "fresh/000001.png", "nothing says how it was drawn")
        (self.path / "fresh/samples.json").write_text('{"mine": 1}')
        self.refused(["--output", "fresh/", "--overwrite"], "samples.json")

    def test_a_finished_array_is_replaced_on_demand_only(self):
        self.sample("--output", "a.npz")
        self.refused(["--output", "a.npz"], "a.npz", "is there already", "--overwrite")
        self.sample("--output", "a.npz", "--seed", 2, "--overwrite")
        self.sample("--output", "b.npz", "--seed", 2)
        self.assertEqual((self.path / "a.npz").read_bytes(), (self.path / "b.npz").read_bytes())

    def test_what_does_not_fit_is_refused_before_anything_is_drawn(self):
        (self.path / "file").write_text("")
        many = ["--count", 10**9]  # would take years
        for arguments, *fragments in (
                ([], "--output", "lacuna sample run --output sample.png"),
                (["--output", "a.wav"], "a.wav", "cannot be written as .wav", ".png", ".npz"),
                (["--output", "a.txt"], "a.txt", "cannot be written as .txt"),
                (["--output", "a.jpg", *many], "a.jpg", "cannot be written as .jpg"),
                (["--output", "none/a.png", *many], "there is no folder 'none'"),
                (["--output", "file", *many], "file", "is no folder"),
                (["--output", ".png", *many], ".png", "no suffix", "sample.png"),
                (["--output", "./.npz", *many], ".npz", "no suffix", "sample.png"),
                (["--output", "a.png", "--length", 9], "--length", "whole"),
                (["--output", "a.png", "--seconds", 1], "--seconds"),
                (["--output", "a.png", "--prompt", "x"], "--prompt", "--complete"),
                (["--output", "a.png", "--prompt-file", "text"], "--prompt-file", "--complete"),
                (["--output", "a.png", "--first", 0], "--first", "at least 1"),
                (["--output", "a.png", "--keep", 0.5], "--keep", "--complete"),
                (["--overwrite"], "--overwrite", "--output"),
                (["--output"], "--output", "missing")):
            self.refused(arguments, *fragments)

    def test_text_and_symbols_are_not_written_as_pictures(self):
        for name in ("a.png", "a.npz", "a.wav"):
            self.refused(["--output", name], name, ".txt", run="text-run")
        self.refused(["--complete", "text"], "--complete", "--prompt-file", run="text-run")
        self.refused(["--seconds", 2], "--seconds", run="text-run")


class Stopped(Case):
    ENDLESS = ["--count", 200_000, "--batch", 2]

    def test_a_folder_goes_on_after_a_kill(self):
        process = self.begin("--output", "cut/", *self.ENDLESS)
        self.wait_for(lambda: len(list((self.path / "cut").glob("0*.png"))) >= 3)
        process.kill()
        process.wait()
        there = {name: raw for name, raw in files_of(self.path / "cut").items() if name.endswith(".png")}
        count = len(there) + 3
        self.sample("--output", "cut/", "--count", count)
        self.sample("--output", "whole/", "--count", count)
        for folder in ("cut", "whole"):  # a file that was being written may be left under another name
            for left in (self.path / folder).glob("*.tmp-*"):
                left.unlink()
        self.assertEqual(files_of(self.path / "cut"), files_of(self.path / "whole"))
        self.assertEqual(there.items() - files_of(self.path / "whole").items(), set())

    def test_an_array_goes_on_after_a_kill_even_within_a_picture(self):
        process = self.begin("--output", "cut.npz", *self.ENDLESS)
        part = self.path / "cut.npz.part"
        self.wait_for(lambda: part.exists() and part.stat().st_size > 4 * SIZE)
        process.kill()
        process.wait()
        self.assertFalse((self.path / "cut.npz").exists())
        raw = part.read_bytes()
        begin = raw.index(b"\n") + 1
        there = (len(raw) - begin) // SIZE
        self.assertGreaterEqual(there, 2)
        part.write_bytes(raw[:begin + there * SIZE] + b"half a picture")
        self.refused(["--output", "cut.npz", "--seed", 2], "cut.npz.part", "'seed'")
        self.refused(["--output", "cut.npz", "--first", 2], "cut.npz.part", "'first'")
        self.sample("--output", "cut.npz", "--count", there + 3)
        self.sample("--output", "whole.npz", "--count", there + 3)
        self.assertEqual((self.path / "cut.npz").read_bytes(), (self.path / "whole.npz").read_bytes())
        self.assertFalse(part.exists())
        self.assertEqual(numpy.frombuffer(raw, numpy.uint8, there * SIZE, begin).tobytes(),
                         self.array("cut.npz")[:there].tobytes())

    def stop(self, process):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)

    def test_two_processes_do_not_write_one_array(self):
        process = self.begin("--output", "cut.npz", *self.ENDLESS)
        part = self.path / "cut.npz.part"
        self.wait_for(lambda: part.exists() and part.stat().st_size > 2 * SIZE)
        process.send_signal(signal.SIGSTOP)  # it still is at work on it
        for arguments in ([], ["--overwrite"], ["--seed", 2, "--overwrite"]):
            self.refused(["--output", "cut.npz", *self.ENDLESS, *arguments], "cut.npz.part",
                         "another lacuna is at work on it")
        process.send_signal(signal.SIGCONT)
        self.stop(process)
        raw = part.read_bytes()
        count = (len(raw) - raw.index(b"\n") - 1) // SIZE
        self.sample("--output", "cut.npz", "--count", count)
        self.sample("--output", "whole.npz", "--count", count)
        self.assertEqual((self.path / "cut.npz").read_bytes(), (self.path / "whole.npz").read_bytes())

    def test_samples_that_another_process_adds_to_are_not_replaced(self):
        process = self.begin("--output", "cut/", *self.ENDLESS)
        self.wait_for((self.path / "cut/000002.png").exists)
        process.send_signal(signal.SIGSTOP)
        self.refused(["--output", "cut/", "--seed", 2, "--overwrite"], "cut", "another lacuna is at work on it")
        self.sample("--output", "cut/", "--first", 10**6)  # beside it is welcome
        process.send_signal(signal.SIGCONT)
        self.stop(process)
        self.sample("--output", "cut/", "--seed", 2, "--overwrite")
        self.assertEqual(sorted(files_of(self.path / "cut")), ["000001.png", "samples.json"])

    def test_what_was_drawn_with_overwrite_stays_when_the_same_command_goes_on(self):
        self.sample("--output", "cut/", "--seed", 2)
        self.sample("--output", "cut.npz", "--seed", 2)
        for output in ("cut/", "cut.npz"):
            process = self.begin("--output", output, *self.ENDLESS, "--overwrite")
            part = self.path / "cut.npz.part"
            self.wait_for((self.path / "cut/000004.png").exists if output == "cut/" else
                          lambda: part.exists() and part.stat().st_size > 4 * SIZE)
            self.stop(process)
            if output == "cut/":
                kept = {file: file.stat().st_mtime_ns for file in (self.path / "cut").glob("0*.png")}
                self.sample("--output", "cut/", "--count", len(kept) + 1, "--overwrite")
                self.assertEqual(kept, {file: file.stat().st_mtime_ns for file in kept})
                continue
            raw = bytearray(part.read_bytes())
            begin = raw.index(b"\n") + 1
            count = (len(raw) - begin) // SIZE
            raw[begin] ^= 255  # what goes on has this byte, what begins anew has another
            part.write_bytes(raw)
            self.sample("--output", "cut.npz", "--count", count + 1, "--overwrite")
            self.assertEqual(self.array("cut.npz").tobytes()[:count * SIZE], bytes(raw[begin:begin + count * SIZE]))

    def test_a_smaller_count_does_not_throw_away_what_was_drawn(self):
        process = self.begin("--output", "cut.npz", *self.ENDLESS)
        part = self.path / "cut.npz.part"
        self.wait_for(lambda: part.exists() and part.stat().st_size > 4 * SIZE)
        self.stop(process)
        raw = part.read_bytes()
        count = (len(raw) - raw.index(b"\n") - 1) // SIZE
        for overwrite in ([], ["--overwrite"]):
            self.refused(["--output", "cut.npz", "--count", count - 1, *overwrite], "cut.npz.part",
                         f"has {count} samples", "--count")
        self.assertEqual(self.sample("--output", "cut.npz", "--count", count),
                         f"found {count} samples in cut.npz\n")

    def test_other_partial_arrays_are_refused_or_replaced(self):
        (self.path / "a.npz.part").write_bytes(b"something else")
        self.refused(["--output", "a.npz"], "a.npz.part", "--overwrite")
        self.sample("--output", "a.npz", "--overwrite")
        self.assertEqual(self.array("a.npz").shape, (1, SIDE, SIDE, 3))

    def test_a_signal_says_how_to_go_on(self):
        for output, there, words in (("cut/", "cut/000002.png", "the same command goes on with the rest"),
                                     ("cut.npz", "cut.npz.part", "the same command goes on with the rest"),
                                     ("cut.png", None, "nothing was written to cut.png")):
            process = self.begin("--output", output, *self.ENDLESS)
            if there:
                self.wait_for((self.path / there).exists)
            else:
                self.wait_for(lambda: watches(process))
                time.sleep(1)  # into the drawing
            process.send_signal(signal.SIGINT)
            written, error = process.communicate(timeout=60)
            self.assertEqual((process.returncode, written), (0, b""))
            if words.startswith("nothing") and error.endswith(b"stopped before the end\n"):
                continue  # it had not begun to draw
            self.assertIn(words, error.decode().replace(ANSWER, ""))
        self.assertFalse((self.path / "cut.png").exists())

    def test_a_terminal_shows_a_bar_with_the_time_left_on_stderr_alone(self):
        try:
            main, side = pty.openpty()
        except OSError as failure:  # a bare chroot has none
            self.skipTest(f"no pseudo-terminal: {failure}")
        environment = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "120"}
        with subprocess.Popen(self.command("--output", "a/", *self.ENDLESS), cwd=self.path, env=environment,
                              stdout=subprocess.PIPE, stderr=side) as process:
            os.close(side)
            shown = b""
            deadline = time.monotonic() + 60
            while not re.search(rb"sample \d+/200000  \[[#-]{20}\] \d+%.*ETA \d", shown):
                self.assertLess(time.monotonic(), deadline, shown)
                shown += os.read(main, 4096)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.communicate(timeout=60)[0], b"")
        os.close(main)


class Completions(Case):
    def setUp(self):
        super().setUp()
        numbers = numpy.random.default_rng(3)
        self.given = numbers.integers(0, 256, (SIDE, SIDE, 3), dtype=numpy.uint8)
        (self.path / "given.png").write_bytes(png_of(self.given))

    def test_the_given_part_stays_as_it_is_and_each_rest_is_another(self):
        for keep, rows in (([], 16), (["--keep", 0.25], 8), (["--keep", 0.001], 1), (["--keep", 0.999], 31)):
            name = f"{rows}.npz"
            self.sample("--complete", "given.png", "--output", name, "--count", 3, *keep)
            array = self.array(name)
            self.assertTrue((array[:, :rows] == self.given[:rows]).all())
            self.assertEqual(len({picture.tobytes() for picture in array}), 3)
            self.assertFalse((array[0, rows:] == self.given[rows:]).all())
        self.sample("--complete", "given.png", "--output", "one.png")
        self.assertTrue((pixels_of_png((self.path / "one.png").read_bytes()) == self.array("16.npz")[0]).all())

    def test_a_share_that_comes_out_as_whole_rows_keeps_all_of_them(self):
        given = numpy.random.default_rng(4).integers(0, 256, (50, 2, 3), dtype=numpy.uint8)
        for number in range(2):
            (self.path / f"in{number}.png").write_bytes(png_of(given))
        (self.path / "c.toml").write_text(PICTURES.replace('"cifar10"', '"images"\nwidth = 2\nheight = 50')
                                          .replace('"pictures.bin"', '"in0.png", "in1.png"')
                                          .replace('"0.8 / 0.2"', '"1 / 0"').replace('"run"', '"tall"'))
        trained = lacuna(self.path, "train", "c.toml")
        self.assertEqual(trained.returncode, 0, trained.stderr)
        for keep, rows in ((0.58, 29), (0.579, 28), (0.14, 7), (0.9999999999999, 49)):
            self.sample("--complete", "in0.png", "--keep", keep, "--output", f"{rows}.npz", run="tall")
            (picture,) = self.array(f"{rows}.npz")
            self.assertTrue((picture[:rows] == given[:rows]).all(), keep)
            self.assertFalse((picture[rows] == given[rows]).all(), keep)

    def test_a_larger_picture_is_fitted_as_in_training(self):
        large = self.given.repeat(3, axis=0).repeat(3, axis=1)
        (self.path / "large.png").write_bytes(png_of(large))
        for name in ("given", "large"):
            self.sample("--complete", f"{name}.png", "--output", f"{name}.npz")
        self.assertTrue((self.array("given.npz") == self.array("large.npz")).all())

    def test_completions_of_another_picture_are_other_samples(self):
        self.sample("--complete", "given.png", "--output", "kept/")
        self.refused(["--output", "kept/"], "'length'", "1536 there and 3072 here")
        (self.path / "given.png").write_bytes(png_of(255 - self.given))
        self.refused(["--complete", "given.png", "--output", "kept/"], "'prompt'")

    def test_what_cannot_be_completed_is_refused(self):
        (self.path / "broken.png").write_bytes((self.path / "given.png").read_bytes()[:500])
        output = ["--output", "a.png"]
        for arguments, *fragments in (
                (["--complete", "none.png"], "none.png"), (["--complete", "broken.png"], "broken.png"),
                (["--complete", "text"], "text: "),
                (["--complete", "given.png", "--keep", 1], "--keep", "between 0 and 1"),
                (["--complete", "given.png", "--keep", 0], "--keep", "between 0 and 1"),
                (["--complete", "given.png", "--keep", "half"], "--keep", "number"),
                (["--complete", "given.png", "--prompt", "x"], "--prompt", "--complete")):
            self.refused([*arguments, *output], *fragments)


class Texts(Case):
    def test_a_file_of_texts_is_what_is_printed(self):
        for arguments in ([], ["--count", 3, "--prompt", "gap "], ["--first", 2, "--count", 2]):
            self.sample(*arguments, "--output", "a.txt", run="text-run")
            self.assertEqual((self.path / "a.txt").read_bytes(), self.bytes_of(*arguments))

    def test_a_text_of_any_number_is_that_of_many(self):
        many = self.bytes_of("--count", 4, "--length", 50)
        for number in (1, 3, 4):
            self.assertIn(b"--- sample %d of 4, seed 1\n" % number + self.bytes_of("--first", number, "--length", 50),
                          many)

    def bytes_of(self, *arguments):
        return subprocess.run(self.command(*arguments, run="text-run"), cwd=self.path, capture_output=True,
                              env=ENVIRONMENT, timeout=60, check=True).stdout

    def test_a_folder_has_a_file_for_each_text(self):
        self.sample("--output", "texts/", "--count", 2, "--prompt", "lo ", "--length", 40, run="text-run")
        printed = self.bytes_of("--count", 2, "--prompt", "lo ", "--length", 40)
        for number in (1, 2):
            text = (self.path / f"texts/00000{number}.txt").read_bytes()
            self.assertEqual(len(text), 43)
            self.assertIn(b"seed 1\n" + text + b"\n", printed)


class Shown(Case):
    def setUp(self):
        super().setUp()
        (self.path / "run").unlink()
        subprocess.run(["cp", "-r", str(self.trained / "run"), str(self.path / "run")], check=True)

    def report(self):
        result = lacuna(self.path, "report", "run")
        self.assertEqual(result.returncode, 0, result.stderr)
        return (self.path / "report.html").read_text()

    def test_a_run_draws_a_grid_which_its_report_shows(self):
        names = sorted(os.listdir(self.path / "run/samples"))
        self.assertEqual(names, ["step-1.png", "step-2.png"])
        grid = pixels_of_png((self.path / "run/samples/step-2.png").read_bytes())
        self.assertEqual(grid.shape, (2 * SIDE + 2, 2 * SIDE + 2, 3))
        self.sample("--output", "now.png", "--count", 4)
        self.assertEqual((self.path / "now.png").read_bytes(),
                         (self.path / "run/samples/step-2.png").read_bytes())
        shown = re.findall(r'<img class="sample" width="(\d+)" height="(\d+)" alt="([^"]+)" '
                           r'src="data:image/png;base64,([^"]+)">', self.report())
        self.assertEqual([picture[:3] for picture in shown],
                         [("264", "264", "step-2.png"), ("264", "264", "step-1.png")])
        for _, _, name, code in shown:
            self.assertEqual(base64.b64decode(code, validate=True), (self.path / "run/samples" / name).read_bytes())

    def test_a_sound_has_a_player_and_a_waveform(self):
        waves = []
        for count in (4001, 4002, 4003):  # files of any length modulo 3, as base64 has it
            samples = (8000 * numpy.sin(numpy.arange(count) / 9)).astype("<i2").tobytes()
            waves.append(b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " +
                         struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data" +
                         struct.pack("<I", len(samples)) + samples)
            (self.path / f"run/samples/step-{count}.wav").write_bytes(waves[-1])
        page = self.report()
        codes = re.findall(r'<audio controls [^>]*src="data:audio/wav;base64,([^"]+)"></audio>', page)
        self.assertEqual([base64.b64decode(code, validate=True) for code in codes], waves[::-1])
        after = page[page.index("</audio>"):]
        self.assertLess(after.index("<svg"), 200)
        self.assertIn("0.500 s", after)
        ids = re.findall(r' id="([^"]+)"', page)
        self.assertEqual(len(ids), len(set(ids)))

    def test_what_lies_beside_samples_is_none(self):
        self.sample("--output", "run/samples/", "--count", 2)
        for name in ("zz.npz.part", "zz.png.tmp-7-0"):
            (self.path / "run/samples" / name).write_text("x")
        page = self.report()
        for name in ("samples.json", "zz."):
            self.assertNotIn(name, page)
        self.assertEqual(page.count("<img "), 4)

    def test_the_hint_has_the_suffix_of_a_run_without_samples(self):
        result = lacuna(self.path, "report", "run", "text-run")
        self.assertEqual(result.returncode, 0, result.stderr)
        page = (self.path / "report.html").read_text()
        self.assertIn("RUN/samples/NAME.txt", page)
        self.assertNotIn("RUN/samples/NAME.png", page)

    def test_what_is_damaged_or_too_large_is_said_so(self):
        whole = (self.path / "run/samples/step-2.png").read_bytes()
        (self.path / "run/samples/step-3.png").write_bytes(whole[:-40])
        (self.path / "run/samples/step-4.wav").write_bytes(b"RIFF")
        (self.path / "run/samples/step-5.png").write_bytes(whole + bytes(5 << 20))
        page = self.report()
        self.assertEqual(page.count("<img "), 2)
        self.assertNotIn("<audio", page)
        for words in ("step-3.png: ", "step-4.wav: ", "5.0 MiB is too large to be shown"):
            self.assertIn(words, page)

    def test_all_samples_of_a_page_together_are_bounded(self):
        for step in range(10, 20):
            whole = (self.path / "run/samples/step-2.png").read_bytes()
            end = whole[-12:]
            filler = bytes(3 << 20)
            text = (struct.pack(">I", len(filler)) + b"prIv" + filler +
                    struct.pack(">I", zlib.crc32(b"prIv" + filler)))
            (self.path / f"run/samples/step-{step}.png").write_bytes(whole[:-12] + text + end)
        page = self.report()
        self.assertLess(len(page), 24 << 20)
        names = re.findall(r'<img [^>]*alt="([^"]+)"', page)
        self.assertEqual(names[:5], [f"step-{step}.png" for step in range(19, 14, -1)])
        self.assertEqual(page.count("is too large to be shown"), 5)


if __name__ == "__main__":
    unittest.main()
