#!/usr/bin/env python3
"""The format images: every pixel against a second writer and NumPy, the options, and what is no picture; and
the configurations of the house for pictures. Needs LACUNA_BINARY."""
import io
import subprocess
import tarfile
import unittest
import zipfile
from pathlib import Path

import numpy as np
import picture_files
from picture_files import cifar_batch, jpeg, npz, png, unfiltered_png
from pictures_run import Pictures, random_pictures
from test_see import Page
from trained_run import ENVIRONMENT

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TOOLS = CONFIGS.parent / "tools"


def halved(pixels):
    """Mean of 2 x 2 pixels: first of columns, then of rows, each to the nearest whole number."""
    wide = pixels.astype(int)
    wide = (wide[:, 0::2] + wide[:, 1::2] + 1) // 2
    return ((wide[0::2] + wide[1::2] + 1) // 2).astype(np.uint8)


class Images(Pictures):
    def setUp(self):
        super().setUp()
        self.config('format = "images"\npaths = ["in"]\nwidth = 8\nheight = 6\nsplit = "1 / 0"')
        self.pictures = random_pictures(9, 6, 8)

    def put_all(self, pictures):
        for number, picture in enumerate(pictures):
            self.put(f"in/{number:04}.png", png(picture))

    def test_pictures_of_the_size_keep_their_pixels_whatever_the_case_of_their_names(self):
        for number, name in enumerate(("a.png", "b.PNG", "c.Png", "d/e.png")):
            self.put(f"in/{name}", png(self.pictures[number]))
        self.put("in/notes.txt", b"no picture")
        line = self.holds(self.pictures[:4])
        self.assertIn("images: 4 files, 4 pictures of 8 x 6 x 3: train 4, valid 0, test 0", line)
        self.has_part("train", self.pictures[:3])
        self.put("in/named.picture", png(self.pictures[4]))
        self.holds(self.pictures[4:5], "--data.paths=['in/named.picture']")

    def test_other_shapes_are_cropped_in_the_middle_or_squeezed_by_the_mean_of_areas(self):
        wide = random_pictures(1, 12, 24)[0]   # 16 x 12 of it has the shape of 8 x 6
        tall = random_pictures(1, 20, 16, seed=2)[0]
        self.put_all([wide, tall])
        self.holds(np.stack([halved(wide[:, 4:20]), halved(tall[4:16])]))
        self.put_all([random_pictures(1, 12, 32, seed=3)[0]])
        (self.path / "in/0001.png").unlink()
        squeezed = random_pictures(1, 12, 16, seed=4)[0]
        self.put_all([np.repeat(squeezed, 2, axis=1)])  # four columns of a pixel, two of them the same
        self.holds(halved(squeezed)[None], "--data.fit=squash")
        self.assertNotEqual(self.inspect()[1], self.inspect("--data.fit=squash")[1])

    def test_one_channel_is_grey_by_rec_601(self):
        self.put_all(self.pictures)
        weights = np.array([19595, 38470, 7471])
        grey = ((self.pictures.astype(int) @ weights + 0x8000) >> 16).astype(np.uint8)
        line = self.holds(grey, "--data.channels=1")
        self.assertIn("9 pictures of 8 x 6 x 1", line)
        self.config('format = "images"\npaths = ["in"]\nwidth = 8\nheight = 6\nsplit = "1 / 0"\nchannels = 1')
        self.has_part("train", grey[:4])

    def test_transparency_is_laid_over_the_background(self):
        clear = np.concatenate([self.pictures[0], np.zeros((6, 8, 1), np.uint8)], axis=2)
        clear[2, 3, 3] = 255
        self.put("in/a.png", unfiltered_png(clear, 8, picture_files.RGBA))
        for text, color in (("#ffffff", (255, 255, 255)), ("#0a10Fe", (10, 16, 254)), ("1, 20,255", (1, 20, 255)),
                            ("0,0,0", (0, 0, 0))):
            with self.subTest(text):
                expected = np.tile(np.array(color, np.uint8), (6, 8, 1))
                expected[2, 3] = self.pictures[0][2, 3]
                self.holds(expected, f"--data.background={text}")
        expected[:] = 255
        expected[2, 3] = self.pictures[0][2, 3]
        self.holds(expected)

    def test_every_kind_of_png_is_read_as_people_see_it(self):
        grey = self.pictures[0][:, :, 0].astype(int)
        palette = random_pictures(1, 1, 16)[0]
        entries = picture_files.png_chunk(b"PLTE", palette.tobytes())
        expected = []
        for bits, most in ((1, 1), (2, 3), (4, 15), (8, 255)):
            few = grey % (most + 1)
            self.put(f"in/grey-{bits}.png", unfiltered_png(few, bits, picture_files.GREY))
            expected.append((f"grey-{bits}.png", np.repeat((few * 255 // most)[:, :, None], 3, axis=2)))
            index = grey % min(most + 1, 16)
            self.put(f"in/palette-{bits}.png", unfiltered_png(index, bits, picture_files.PALETTE, entries))
            expected.append((f"palette-{bits}.png", palette[0][index]))
        deep = np.random.default_rng(5).integers(0, 65536, (6, 8, 3))
        self.put("in/rgb-16.png", unfiltered_png(deep, 16, picture_files.RGB))
        expected.append(("rgb-16.png", (deep * 255 + 32767) // 65535))
        expected.sort(key=lambda one: one[0])
        self.holds(np.stack([pixels for _, pixels in expected]).astype(np.uint8))

    def test_jpegs_are_read_grey_or_coloured_and_turned_as_exif_says(self):
        blocks = np.array([[0, 50, 100, 150], [200, 255, 7, 77], [128, 90, 33, 222]])
        greys = np.repeat(blocks[:, :, None], 3, axis=2).astype(np.uint8)
        self.put("in/a.jpg", jpeg(blocks))
        self.put("in/b.JPEG", jpeg(blocks, colors=3))
        self.put("in/c.jpeg", jpeg(blocks, orientation=3))
        self.put("in/d.JPG", jpeg(blocks, orientation=6))  # lies on its left side
        sizes = ["--data.width=4", "--data.height=3", "--data.fit=squash"]
        self.holds(np.stack([greys, greys, greys[::-1, ::-1]]),
                   "--data.paths=['in/a.jpg', 'in/b.JPEG', 'in/c.jpeg']", *sizes)
        self.holds(np.rot90(greys, -1)[None], "--data.paths=['in/d.JPG']", "--data.width=3", "--data.height=4")

    def test_options_that_make_no_picture_are_refused(self):
        self.put_all(self.pictures)
        for option, *fragments in (
                ("channels=2", "data.channels", "1 (grey) or 3"),
                ("channels=4", "data.channels"),
                ("width=0", "data.width"),
                ("height=-5", "data.height"),
                ("fit=stretch", "data.fit", "crop", "squash"),
                ("bad_files=ignore", "data.bad_files"),
                ("background=white", "data.background", "'white'", "#ffffff"),
                ("background=#fff", "data.background"),
                ("background=#ggffff", "data.background"),
                ("background=#-1ffff", "data.background"),
                ("background=1,2", "data.background"),
                ("background=1,2,3,4", "data.background"),
                ("background=1,2,256", "data.background"),
                ("background=1,,3", "data.background"),
                ("background=", "data.background"),
                ("mirror=1", "data.mirror")):
            with self.subTest(option):
                self.refused(*fragments, arguments=[f"--data.{option}"])
        self.refused("data.width", "pictures of 8192 x 8192 x 3", "16,777,216",
                     arguments=["--data.width=8192", "--data.height=8192"])
        self.refused("model.context", "144", arguments=["--model.context=100"])

    def test_a_bad_file_among_many_is_named_with_its_reason(self):
        good = random_pictures(500, 6, 8, seed=6)
        self.put_all(good)
        whole = png(good[137])
        huge = picture_files.png_header(2**31 - 1, 2**31 - 1, 8, picture_files.RGB)
        cases = {
            "cut short": whole[:-30],
            "a chunk is damaged": whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
            "claims 4e18 pixels": picture_files.SIGNATURE + huge + whole[33:],
            "a JPEG that is cut short": jpeg(np.arange(40).reshape(5, 8) * 6)[:-20],
            "a text": b"<html>no picture</html>",
            "empty": b""}
        for name, content in cases.items():
            with self.subTest(name):
                self.put("in/0137.png", content)
                self.refused("in/0137.png")
                self.refused("in/0137.png", command=("train", "c.toml"))
                line = self.holds(np.delete(good, 137, 0), "--data.bad_files=skip")
                self.assertIn("499 files, 499 pictures", line)
                self.assertIn("1 bad file left out, the first: in/0137.png", line)
        self.put("in/0030.png", b"another")
        line = self.holds(np.delete(good, [30, 137], 0), "--data.bad_files=skip")
        self.assertIn("2 bad files left out, the first: in/0030.png", line)
        self.refused("in/0030.png")  # the first of both

    def test_a_folder_of_bad_files_alone_is_refused_when_they_are_skipped(self):
        self.put("in/a.png", b"no picture")
        self.refused("empty", arguments=["--data.bad_files=skip"])

    def test_a_run_trains_on_mirror_images_evaluates_and_reads_its_options_back(self):
        self.put_all(self.pictures)
        self.config('format = "images"\npaths = ["in"]\nwidth = 4\nheight = 3\nmirror = "yes"\n'
                    'fit = "squash"\nsplit = "6 / 3"')
        self.run_ok("train", "c.toml", "--train.length=3 steps")
        told = self.run_ok("eval", "run")
        self.assertIn("bits per dim", told)
        self.has_part("valid", np.stack([halved(picture) for picture in self.pictures[6:]]))

    def test_a_report_has_an_option_of_two_formats_in_one_row(self):
        self.put_all(self.pictures)
        self.config('format = "images"\npaths = ["in"]\nwidth = 4\nheight = 3\nmirror = "yes"\nsplit = "6 / 3"')
        self.run_ok("train", "c.toml")
        self.put("b.bin", cifar_batch(random_pictures(4, 32, 32)))
        self.config('format = "cifar10"\npaths = ["b.bin"]\nsplit = "2 / 2"', "cifar.toml")
        self.run_ok("train", "cifar.toml", "--train.run=cifar")
        self.run_ok("report", "cifar", "run")
        page = Page((self.path / "report.html").read_text())
        names = [row[0] for row in page.table("Configuration", 1)[1:]]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual([row[1:] for row in page.table("Configuration", 1) if row[0] == "data.mirror"],
                         [["'no'", "'yes'"]])
        self.assertLess(names.index("data.fit"), names.index("model.layers"))


class Configs(Pictures):
    """The configurations of the house read their data where it is; a model of their size is too large here."""

    SMALL = ["--model.layers=1", "--model.heads=1", "--model.width=8", "--model.qk_width=0",
             "--model.feedforward_width=16", "--train.batch=1", "--train.accumulation=1", "--train.threads=1",
             "--model.attention=['local(4)']", "--train.length=2 steps", "--train.evaluate_every=2 steps",
             "--checkpoint.every=2 steps", "--optim.warmup=1 steps", "--train.run=run"]

    def runs(self, name, *fragments):
        config = CONFIGS / f"{name}.toml"
        out = self.run_ok("inspect", "data", config)
        for fragment in fragments:
            self.assertIn(fragment, out)
        self.run_ok("train", config, *self.SMALL)
        self.assertIn("bits per dim", self.run_ok("eval", "run", "--raw"))

    def fetch(self, name, archives):
        """Runs tools/fetch_data.sh with archives of the names in its table, each a list of files."""
        lines = [line.split() for line in (TOOLS / "fetch_data.txt").read_text().splitlines()]
        table, mirror = "", self.path / "mirror"
        mirror.mkdir()
        for known, result, url, *_ in (line for line in lines if line and line[0] == name):
            archive = mirror / Path(url).name
            files = archives.pop(archive.name)
            if archive.suffix == ".zip":
                with zipfile.ZipFile(archive, "w") as packed:
                    for path, content in files.items():
                        packed.writestr(path, content)
            else:
                with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as packed:
                    for path, content in files.items():
                        entry = tarfile.TarInfo(path)
                        entry.size = len(content)
                        packed.addfile(entry, io.BytesIO(content))
            table += f"{known} {result} {url} {archive.stat().st_size} -\n"
        self.assertEqual(archives, {})
        self.put("table", table.encode())
        subprocess.run([TOOLS / "fetch_data.sh", name], cwd=self.path, check=True, capture_output=True,
                       env={**ENVIRONMENT, "LACUNA_MIRROR": str(mirror), "LACUNA_FETCH_TABLE": "table"})

    def test_cifar10_reads_what_is_fetched(self):
        batches = {f"data_batch_{number}.bin": 10 for number in range(1, 6)} | {"test_batch.bin": 3}
        self.fetch("cifar10", {"cifar-10-binary.tar.gz": {
            "cifar-10-batches-bin/batches.meta.txt": b"airplane\n",
            "cifar-10-batches-bin/readme.html": b"<html>",
            **{f"cifar-10-batches-bin/{name}": cifar_batch(random_pictures(count, 32, 32))
               for name, count in batches.items()}}})
        self.runs("cifar10", "train 48, valid 2, test 3")

    def test_imagenet64_reads_what_is_fetched(self):
        files = [png(picture) for picture in random_pictures(4)]
        self.fetch("imagenet64", {
            "train_64x64.tar": {f"train_64x64/{number}.png": files[number] for number in range(3)},
            "valid_64x64.tar": {"valid_64x64/1.png": files[3]}})
        self.runs("imagenet64", "train 3, valid 1, test 0")

    def test_imagenet64_reads_the_batches_that_are_fetched_where_its_path_says_so(self):
        pictures = random_pictures(5)
        self.fetch("imagenet64-npz", {
            "Imagenet64_train_part1_npz.zip": {"train_data_batch_1.npz": npz(pictures[:2])},
            "Imagenet64_train_part2_npz.zip": {"train_data_batch_6.npz": npz(pictures[2:4])},
            "Imagenet64_val_npz.zip": {"val_data.npz": npz(pictures[4:])}})
        out = self.run_ok("inspect", "data", CONFIGS / "imagenet64.toml", "--data.paths=['imagenet64-npz']")
        self.assertIn("train 4, valid 1, test 0", out)

    def test_images_reads_a_folder_of_ones_own(self):
        for number, picture in enumerate(random_pictures(20, 48, 40)):
            self.put(f"pictures/{number}.png", png(picture))
        self.runs("images", "20 pictures of 32 x 32 x 3: train 18, valid 1, test 1")


if __name__ == "__main__":
    unittest.main()
