#!/usr/bin/env python3
"""The format imagenet64 in both versions: every pixel against NumPy, the parts, and what is no such file.
Needs LACUNA_BINARY; with LACUNA_DATA, a folder of real data, its pictures are read too."""
import io
import lzma
import shutil
import unittest
from pathlib import Path

import numpy as np
import picture_files
from picture_files import npy, npz, planes, png, unfiltered_png
from pictures_run import REAL, Pictures, needs_real_data, random_pictures

EXAMPLES = Path(__file__).resolve().parents[1] / "tables/examples"


class ImageNet64(Pictures):
    def setUp(self):
        super().setUp()
        self.config('format = "imagenet64"\npaths = ["in"]')
        self.pictures = random_pictures(7)

    def put_pngs(self, folder, pictures):
        for number, picture in enumerate(pictures):
            self.put(f"{folder}/{number:07}.png", png(picture))

    def test_folders_of_png_have_the_parts_of_their_names(self):
        self.put_pngs("in/train_64x64", self.pictures[:5])
        self.put_pngs("in/valid_64x64", self.pictures[5:])
        line = self.holds(self.pictures)
        self.assertIn("imagenet64: 7 files, 7 pictures of 64 x 64 x 3: train 5, valid 2, test 0", line)
        self.assertIn("a slice", line)
        self.assertIn("van den Oord et al. has 1,281,149 / 49,999", line)
        self.assertIn("Chrabaszcz et al. has 1,281,167 / 50,000", line)
        self.has_part("train", self.pictures[:2])
        self.has_part("valid", self.pictures[5:])
        first = (self.path / "in/train_64x64/0000000.png").read_bytes()
        self.assertTrue(np.array_equal(picture_files.png_pixels(first), self.pictures[0]))

    def test_arrays_have_the_parts_of_their_names(self):
        self.put("in/train_64x64.npy", npy(self.pictures[:4]))
        self.put("in/val_64x64.npy", npy(self.pictures[4:]))
        self.assertIn("train 4, valid 3, test 0", self.holds(self.pictures))
        self.has_part("valid", self.pictures[4:6])
        self.assertIn("train 2, valid 2, test 3", self.inspect("--data.split=2 / 2 / 3")[0])

    def test_batches_are_three_planes_stored_or_deflated_with_labels_from_0_or_1(self):
        self.put("in/train_data_batch_1.npz", npz(self.pictures[:2]))
        self.put("in/train_data_batch_2.npz", npz(self.pictures[2:4], [0, 999], np.savez_compressed))
        self.put("in/val_data.npz", npz(self.pictures[4:], np.array([1000, 1, 7], ">i2"),
                                        np.savez_compressed))
        self.assertIn("3 files, 7 pictures of 64 x 64 x 3: train 4, valid 3, test 0", self.holds(self.pictures))
        self.has_part("train", self.pictures[:2])
        self.has_part("valid", self.pictures[4:6])

    def test_without_such_names_the_usual_split_applies_and_one_name_is_that_part(self):
        for name, counts in (("pictures.npy", "train 5, valid 1, test 1"),
                             ("valentine.npy", "train 5, valid 1, test 1"),
                             ("val/a/pictures.npy", "train 0, valid 7, test 0"),
                             ("Validation.npy", "train 0, valid 7, test 0"),
                             ("training.npy", "train 7, valid 0, test 0")):
            with self.subTest(name):
                file = self.put(f"in/{name}", npy(self.pictures))
                if "train 0" in counts:  # there is nothing to train on, but something to evaluate
                    self.config('format = "imagenet64"\npaths = ["' + str(EXAMPLES / "imagenet64") + '"]',
                                "model.toml")
                    if not (self.path / "run").exists():
                        self.run_ok("train", "model.toml", "--data.split=2 / 2")
                    self.has_part("valid", self.pictures[:2], "--data.paths=['in']", "--data.split=")
                else:
                    self.assertIn(counts, self.holds(self.pictures))
                file.unlink()

    def test_a_file_that_tells_no_part_among_those_that_do_is_refused(self):
        self.put("in/train.npy", npy(self.pictures[:4]))
        self.put("in/more.npy", npy(self.pictures[4:]))
        self.refused("in/more.npy", "train or valid", "data.split")
        self.assertIn("train 4, valid 3", self.inspect("--data.split=4 / 3")[0])

    def test_grey_and_transparent_pictures_become_red_green_and_blue(self):
        grey = self.pictures[0][:, :, :1]
        alpha = np.concatenate([self.pictures[1], np.full((64, 64, 1), 255, np.uint8)], axis=2)
        self.put("in/a.png", unfiltered_png(grey, 8, picture_files.GREY))
        self.put("in/b.png", unfiltered_png(alpha, 8, picture_files.RGBA))
        self.holds(np.stack([np.repeat(grey, 3, axis=2), self.pictures[1]]), "--data.split=1 / 0")

    def test_the_two_versions_are_not_mixed_in_one_part(self):
        self.put("in/train_1.npy", npy(self.pictures[:3]))
        self.put("in/train_2.npz", npz(self.pictures[3:]))
        self.refused("in/train_1.npy", "in/train_2.npz", "version")
        (self.path / "in/train_1.npy").unlink()
        self.put("in/train_1.png", png(self.pictures[0]))
        self.refused("in/train_1.png", "in/train_2.npz", "version")
        self.holds(self.pictures[3:], "--data.suffixes=.npz")
        # Of two parts each may be of one version, which is at one's own risk.
        self.put("other/a.npy", npy(self.pictures[:3]))
        (self.path / "in/train_1.png").unlink()
        self.has_part("train", self.pictures[3:5], "--data.valid_paths=['other']")
        self.has_part("valid", self.pictures[:2], "--data.valid_paths=['other']")

    def test_arrays_of_another_kind_are_refused_with_what_came(self):
        good = self.pictures
        for content, *fragments in (
                (npy(good.astype(np.int64)), "'<i8' of shape (7, 64, 64, 3)", "astype('uint8')"),
                (npy(good.astype(">u2")), "'>u2' of shape (7, 64, 64, 3)", "bytes ('|u1')"),
                (npy(good.astype(np.float32) / 255), "'<f4'", "bytes"),
                (npy(np.asfortranarray(good)), "Fortran order"),
                (npy(good.transpose(0, 3, 1, 2)), "shape (7, 3, 64, 64)", "(N, 64, 64, 3)", "transpose(0, 2, 3, 1)"),
                (npy(good[:, :32, :32]), "shape (7, 32, 32, 3), expected (N, 64, 64, 3)"),
                (npy(good[0]), "shape (64, 64, 3)", "(N, 64, 64, 3)"),
                (npy(good.reshape(7, -1)), "shape (7, 12288)"),
                (npy(np.uint8(7)), "shape ()"),
                (npy(good[:0]), "shape (0, 64, 64, 3)"),
                (npy(good)[:-1], "cut short"),
                (npy(good)[:90], "in.npy"),
                (npy(good) + b"x", "asks for"),
                (npy(np.array([good, None], object)), "pickled"),
                (png(good[0]), "in.npy"),
                (b"", "in.npy")):
            with self.subTest(fragments[0]):
                self.put("in/in.npy", content)
                self.refused("in/in.npy", *fragments)

    def test_batches_of_another_kind_are_refused_with_what_came(self):
        good = self.pictures
        packed = bytearray(npz(good, save=np.savez_compressed))
        damaged = packed[:4000] + bytes([packed[4000] ^ 255]) + packed[4001:]
        small = io.BytesIO()
        np.savez(small, data=planes(good))
        for content, *fragments in (
                (npz(good, np.arange(6)), "7 pictures, but 6 labels"),
                (npz(good, np.array([1, 2, 3, 4, 5, 6, 1001])), "labels from 1 to 1001", "1 to 1000"),
                (npz(good, np.array([0, 2, 3, 4, 5, 6, 1000])), "labels from 0 to 1000", "0 to 999"),
                (npz(good, np.arange(7) - 1), "labels from -1 to 5"),
                (npz(good, np.arange(7) / 2), "labels", "integers"),
                (npz(planes(good).astype(np.int16)), "'<i2' of shape (7, 12288)", "data"),
                (npz(np.asfortranarray(planes(good))), "Fortran order"),
                (npz(planes(good)[:, :3072]), "shape (7, 3072), expected (N, 12288)"),
                (npz(good.reshape(-1)), "shape (86016,), expected (N, 12288)"),
                (npz(planes(good)[:0]), "shape (0, 12288)"),
                (small.getvalue(), "no member 'labels'"),
                (npz(good, arr_0=good)[:-20], "in.npz"),
                (npz(good)[:5000], "in.npz"),
                (bytes(damaged), "in.npz", "data"),
                (b"PK", "in.npz")):
            with self.subTest(fragments[0]):
                self.put("in/in.npz", content)
                self.refused("in/in.npz", *fragments)

    def test_bad_files_among_many_are_named_or_left_out_and_counted(self):
        self.put_pngs("in/train_64x64", self.pictures)
        self.put("in/train_64x64/0000003.png", png(random_pictures(1, 32, 32)[0]))
        self.refused("in/train_64x64/0000003.png", "32 x 32, expected 64 x 64")
        line = self.holds(np.delete(self.pictures, 3, 0), "--data.bad_files=skip")
        self.assertIn("1 bad file left out, the first: in/train_64x64/0000003.png", line)
        self.put("in/val_1.npz", npz(self.pictures)[:30000])
        for file in (self.path / "in/train_64x64").iterdir():
            file.unlink()
        self.put("in/train_1.npz", npz(self.pictures))
        self.refused("in/val_1.npz")
        line = self.holds(self.pictures, "--data.bad_files=skip")
        self.assertIn("1 bad file left out, the first: in/val_1.npz", line)

    @needs_real_data
    def test_real_pictures_are_the_same_as_array_batches_and_png(self):
        raw = lzma.open(Path(REAL) / "images64.npy.xz").read()
        pictures = np.load(io.BytesIO(raw))
        self.put("in/pictures.npy", raw)
        self.assertIn("384 pictures of 64 x 64 x 3: train 345, valid 19, test 20", self.holds(pictures))
        (self.path / "in/pictures.npy").unlink()
        self.put("in/train_1.npz", npz(pictures[:300], np.arange(300)))
        self.put("in/val_1.npz", npz(pictures[300:], None, np.savez_compressed))
        self.assertIn("train 300, valid 84, test 0", self.holds(pictures))
        shutil.rmtree(self.path / "in")
        self.put_pngs("in/train_64x64", pictures[:20])
        self.put_pngs("in/valid_64x64", pictures[20:30])
        self.holds(pictures[:30])


if __name__ == "__main__":
    unittest.main()
