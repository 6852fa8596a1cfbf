#!/usr/bin/env python3
"""The format cifar10: every pixel against a second reader in NumPy, the parts, and what is no such file.
Needs LACUNA_BINARY; with LACUNA_DATA, a folder of real data, its files are read too."""
import lzma
import unittest
from pathlib import Path

import numpy as np
from picture_files import cifar_batch, cifar_pixels
from pictures_run import REAL, Pictures, needs_real_data, random_pictures
from trained_run import read_metrics


class Cifar10(Pictures):
    def setUp(self):
        super().setUp()
        self.config('format = "cifar10"\npaths = ["batches"]')
        self.pictures = random_pictures(60, 32, 32)

    def test_planes_become_interleaved_and_test_batch_is_the_test_part(self):
        self.put("batches/data_batch_1.bin", cifar_batch(self.pictures[:30]))
        self.put("batches/data_batch_2.bin", cifar_batch(self.pictures[30:50]))
        batch = self.put("batches/test_batch.bin", cifar_batch(self.pictures[50:]))
        self.put("batches/batches.meta.txt", b"airplane\n")  # which the archive has besides
        line = self.holds(self.pictures)
        self.assertIn("cifar10: 3 files, 60 pictures of 32 x 32 x 3: train 48, valid 2, test 10", line)
        self.assertTrue(np.array_equal(cifar_pixels(batch.read_bytes()), self.pictures[50:]))
        self.has_part("train", self.pictures[:4])
        self.has_part("valid", self.pictures[48:50])
        self.has_part("test", self.pictures[50:54])

    def test_a_slice_without_a_test_batch_is_split_as_other_data_is_in_whole_pictures(self):
        self.put("batches/data_batch_1.bin", cifar_batch(self.pictures))
        self.assertIn("train 54, valid 3, test 3", self.holds(self.pictures))
        self.assertIn("train 10, valid 20, test 30", self.holds(self.pictures, "--data.split=10 / 20 / 30"))
        self.assertIn("train 19, valid 21, test 20", self.inspect("--data.split=0.33 / 0.34 / 0.33")[0])
        self.has_part("valid", self.pictures[10:14], "--data.split=10 / 20 / 30")
        self.refused("data.split", "pictures", arguments=["--data.split=10 / 20 / 31"])

    def test_a_split_that_is_given_wins_over_the_parts_of_the_files(self):
        self.put("batches/data_batch_1.bin", cifar_batch(self.pictures[:50]))
        self.put("batches/test_batch.bin", cifar_batch(self.pictures[50:]))
        self.assertIn("train 30, valid 30, test 0", self.inspect("--data.split=0.5 / 0.5")[0])

    def test_paths_of_parts_are_those_parts(self):
        self.put("batches/a.bin", cifar_batch(self.pictures[:40]))
        self.put("other/b.bin", cifar_batch(self.pictures[40:50]))
        self.put("third/c.bin", cifar_batch(self.pictures[50:]))
        paths = ["--data.valid_paths=['other']", "--data.test_paths=['third']"]
        self.assertIn("train 40, valid 10, test 10", self.inspect(*paths)[0])
        self.has_part("train", self.pictures[:4], *paths)
        self.has_part("valid", self.pictures[40:44], *paths)
        self.has_part("test", self.pictures[50:54], *paths)

    def test_what_is_no_batch_is_refused_with_its_name(self):
        whole = cifar_batch(self.pictures)
        coarse = b"".join(b"\1" + whole[at:at + 3073] for at in range(0, len(whole), 3073))
        labels = np.arange(60) % 10
        labels[17] = 10
        for content, *fragments in (
                (whole[:-1], "184,379 bytes", "no whole number of records of 3,073"),
                (whole[:3000], "3,000 bytes", "no whole number of records"),
                (b"", "0 bytes"),
                (coarse, "CIFAR-100", "two labels"),
                (cifar_batch(self.pictures, labels), "record 17 has the label 10, expected 0 to 9")):
            with self.subTest(fragments[0]):
                self.put("batches/data_batch_1.bin", content)
                self.refused("batches/data_batch_1.bin", *fragments)
                self.refused("batches/data_batch_1.bin", *fragments, command=("train", "c.toml"))

    def losses(self, run, *arguments):
        self.run_ok("train", "c.toml", f"--train.run={run}", "--train.length=6 steps", "--data.split=1 / 0",
                    "--train.log_every=1", *arguments)
        return [line["bits"] for line in read_metrics(self.path / run) if "bits" in line]

    def test_mirror_images_are_off_unless_asked_for_and_follow_from_the_seed(self):
        self.put("batches/data_batch_1.bin", cifar_batch(self.pictures[:8]))
        off, no = self.losses("a"), self.losses("b", "--data.mirror=no")
        yes, again = self.losses("c", "--data.mirror=yes"), self.losses("d", "--data.mirror=yes")
        self.assertEqual(len(off), 6)
        self.assertEqual(off, no)
        self.assertEqual(yes, again)
        self.assertNotEqual(off, yes)
        # Where a picture is its own mirror image there is nothing to see.
        both = np.concatenate([self.pictures[:8, :, :16], self.pictures[:8, :, 15::-1]], axis=2)
        self.put("batches/data_batch_1.bin", cifar_batch(both))
        self.assertEqual(self.losses("e"), self.losses("f", "--data.mirror=yes"))
        self.refused("data.mirror", arguments=["--data.mirror=sometimes"])

    @needs_real_data
    def test_the_real_pictures_are_read_as_numpy_reads_them(self):
        train, test = (lzma.open(Path(REAL) / f"cifar10-{name}.bin.xz").read()
                       for name in ("train-5k", "test-1k"))
        self.put("batches/data_batch_1.bin", train)
        self.put("batches/test_batch.bin", test)
        line = self.holds(np.concatenate([cifar_pixels(train), cifar_pixels(test)]))
        self.assertIn("6,000 pictures of 32 x 32 x 3: train 4,800, valid 200, test 1,000", line)
        self.has_part("valid", cifar_pixels(train)[4800:4804])

    @needs_real_data
    def test_the_list_of_held_out_pictures_is_numpys(self):
        drawn = np.random.RandomState(11172018).permutation(50000)[:2000]
        listed = (Path(REAL) / "cifar10-valid-2000.txt").read_text().split()
        self.assertEqual([str(number) for number in sorted(drawn)], listed)


if __name__ == "__main__":
    unittest.main()
