#!/usr/bin/env python3
"""The folder of a run: whose files are removed and whose stay, and when. Needs LACUNA_BINARY
and LACUNA_NO_FLOCK."""
import errno
import os
import shutil
import signal
import subprocess
import unittest

import small_run
from small_run import BINARY, SmallRun
from test_interrupts import Interrupts, wait_until, watches
from test_signals import LONG

AGAIN = (["--overwrite"], ["--resume=auto"])


class FoldersOfOthers(SmallRun):
    """Folders that hold a run's names but no run."""

    def put(self, name, text="precious\n"):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def refused_here(self, name, *options):
        for flags in ([], *AGAIN):
            with self.subTest(name=name, flags=flags):
                self.refused(name, "train", "c.toml", *flags, *options)

    def test_a_project_with_files_of_a_runs_names_is_left_alone(self):
        self.put("config.toml", "title = 'of another program'\n")
        self.put("samples/one.txt")
        self.put("log.txt")
        self.refused_here("./config.toml", "--train.run=.")
        # A configuration that a run has resolved may be a copy of it.
        self.train("--train.length=1 steps")
        shutil.copy(self.path / "run/config.toml", self.path / "config.toml")
        self.refused_here("./config.toml", "--train.run=.")
        shutil.rmtree(self.path / "samples")
        (self.path / "log.txt").unlink()
        self.refused_here("./config.toml", "--train.run=.")

    def test_each_name_alone_is_left_alone(self):
        for name in ("config.toml", "weights.safetensors", "metrics.jsonl", "starts.jsonl", "log.txt",
                     "samples/step-5.txt", "checkpoints/step-5/weights.safetensors",
                     "checkpoints/step-5/manifest.json", "events.out.tfevents.1.2.lacuna"):
            self.put(f"own/{name}")
            self.refused_here("own/" + name.split("/")[0], "--train.run=own")
            shutil.rmtree(self.path / "own")

    def test_a_configuration_by_hand_in_the_folder_of_checkpoints_stays(self):
        self.train()
        shutil.copy(self.path / "c.toml", self.path / "run/config.toml")
        self.refused_here("run/config.toml")

    def test_other_files_beside_a_run_stay(self):
        self.train("--train.sample_every=5 steps", "--train.sample_length=4")
        mine = ["notes", "samples/mine.txt", "samples/step-5.txt.old", "samples/step-007.txt",
                "checkpoints/notes", "checkpoints/step-old/notes", "checkpoints/mine.making/notes"]
        for name in mine:
            self.put(f"run/{name}")
        (self.path / "run/checkpoints/step-7.making").mkdir()
        for flags in (["--resume=auto"], ["--overwrite", "--train.length=5 steps"]):
            self.train(*flags)
            for name in mine:
                self.assertEqual((self.path / "run" / name).read_text(), "precious\n")
            self.assertFalse((self.path / "run/checkpoints/step-7.making").exists())
        self.assertEqual(small_run.steps(self.path / "run"), [5])
        self.assertFalse((self.path / "run/samples/step-20.txt").exists())

    def test_data_where_the_run_removes_files_is_refused(self):
        self.train()
        text = (self.path / "text").read_text()
        (self.path / "link").symlink_to("run")
        for name in ("samples/step-3.txt", "log.txt", "checkpoints/step-5/text"):
            place = self.path / "run" / name
            before = place.read_bytes() if place.exists() else None
            self.put(f"run/{name}", text)
            # A run and a checkpoint are no data as a whole.
            whole = place.name if name.startswith("samples") else "is the folder of a run"
            for data, said in ((f"run/{name}", place.name), (f"link/{name}", place.name), (place.parent, whole)):
                for flags in AGAIN:
                    with self.subTest(data=data, flags=flags):
                        self.refused(said, "train", "c.toml", f"--data.paths={data}",
                                     f"--data.suffixes={place.name}", *flags)
            place.unlink() if before is None else place.write_bytes(before)

    def test_data_beside_the_files_of_a_run_is_no_matter(self):
        self.put("run/text", (self.path / "text").read_text())
        for flags in ([], ["--resume=auto"], ["--overwrite"]):
            self.train("--data.paths=run/text", "--train.length=1 steps", *flags)
        self.train("--data.paths=.", "--data.suffixes=ext", "--train.length=1 steps", "--overwrite")


class Recognised(SmallRun):
    """Runs that were killed early, or written by older builds."""

    def setUp(self):
        super().setUp()
        self.train("--train.sample_every=5 steps", "--train.sample_length=4")

    def goes_on(self, *names):
        """A folder with these files of the run alone is one that both flags may take."""
        for flags in AGAIN:
            with self.subTest(names=names, flags=flags):
                shutil.rmtree(self.path / "copy", ignore_errors=True)
                (self.path / "copy").mkdir()
                for name in names:
                    from_, to = self.path / "run" / name, self.path / "copy" / name
                    (shutil.copytree if from_.is_dir() else shutil.copy)(from_, to)
                self.train("--train.run=copy", *flags)
                self.same_weights("run", "copy")

    def test_a_run_killed_while_it_was_begun(self):
        self.goes_on("config.toml", "lock")
        starts = self.path / "run/starts.jsonl"
        line = starts.read_text()
        for text in ("", line[:30], line):
            starts.write_text(text)
            self.goes_on("config.toml", "starts.jsonl")
            self.goes_on("config.toml", "starts.jsonl", "log.txt", "metrics.jsonl", "samples")
        starts.write_text("")  # while an older run was removed
        self.goes_on("config.toml", "starts.jsonl", "checkpoints", "samples")

    def test_a_run_of_an_older_build(self):
        self.goes_on("config.toml", "metrics.jsonl", "log.txt", "checkpoints", "samples")
        self.goes_on("config.toml", "metrics.jsonl", "log.txt")
        self.goes_on("config.toml", "log.txt", "lock")
        config = self.path / "run/config.toml"
        lines = config.read_text().splitlines()
        config.write_text("\n".join(line for line in lines if not line.startswith(
            ("patience", "sample_", "device", "launches", "keep_"))) + "\n")
        self.goes_on("config.toml", "metrics.jsonl", "checkpoints", "log.txt")

    def test_checkpoints_that_were_copied_alone(self):
        self.goes_on("checkpoints")
        shutil.rmtree(self.path / "copy")
        shutil.copytree(self.path / "run/checkpoints", self.path / "copy/checkpoints")
        for command in ("eval", "sample"):
            self.refused("the newest is copy/checkpoints/step-20", command, "copy")
        self.refused("The newest is copy/checkpoints/step-20", "train", "c.toml", "--resume=copy")
        for arguments in (["eval", "copy/checkpoints/step-20"], ["inspect", "checkpoint", "copy"],
                          ["train", "c.toml", "--train.run=copy", "--resume=auto"]):
            result = self.lacuna(*arguments)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.same_weights("run", "copy")

    def test_a_killed_run_names_its_newest_checkpoint(self):
        (self.path / "run/weights.safetensors").unlink()
        (self.path / "run/average.safetensors").unlink()
        (self.path / "run/checkpoints/step-20/manifest.json").write_text("{}")
        place = "run/checkpoints/step-15"
        for arguments in (["eval", "run"], ["sample", "run"], ["train", "c.toml", "--resume=run"],
                          ["train", "c.toml", "--train.run=new", "--init-from=run"]):
            self.refused("newest is " + place, *arguments)
        self.train("--train.run=new", f"--init-from={place}")


class Replaced(Interrupts):
    """A start that fails leaves the run that it would have replaced."""

    def setUp(self):
        super().setUp()
        self.train()
        self.before = self.snapshot()

    def unchanged(self):
        self.assertEqual(self.before, self.snapshot())
        result = self.lacuna("eval", "run")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_first_step_whose_data_is_cut_short(self):
        data = self.path / "long"  # too long to be copied when it is opened
        whole = (self.path / "text").read_bytes() * 10
        data.write_bytes(whole)
        self.before = self.snapshot()
        process = self.start("train", "c.toml", "--overwrite", "--data.paths=long", *LONG)
        self.read_until(process, "memory  ")  # the start itself was fine
        os.truncate(data, 1)  # every micro-batch of the minutes to come reads its own
        text = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 1, text)
        self.assertIn("long: was cut short", text)
        data.write_bytes(whole)
        self.unchanged()

    def test_a_signal_before_the_first_step(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            # A step that lasts longer than it takes to send a signal.
            process = self.start("train", "c.toml", "--overwrite", "--train.accumulation=1000")
            wait_until(lambda: watches(process))
            process.send_signal(number)
            text = process.communicate(timeout=120)[1]
            self.assertEqual(process.returncode, 0, text)
            self.assertIn("stopped before the first step was done; the run is as it was in run", text)
            self.unchanged()

    def test_weights_that_do_not_fit_and_data_that_is_missing(self):
        self.train("--train.run=wide", "--model.width=48")
        self.before = self.snapshot()
        self.refused("embedding", "train", "c.toml", "--overwrite", "--init-from=wide")
        self.refused("missing", "train", "c.toml", "--overwrite", "--data.paths=missing")
        self.unchanged()


class Locks(SmallRun):
    """A file system without locks, as a library makes one of any: LACUNA_NO_FLOCK."""

    def without_locks(self, error, *arguments):
        environment = {**os.environ, "LD_PRELOAD": os.environ["LACUNA_NO_FLOCK"],
                       "LACUNA_FLOCK_ERROR": str(int(error)), "ASAN_OPTIONS": "verify_asan_link_order=0"}
        return subprocess.run([BINARY, "train", "c.toml", *arguments], cwd=self.path, text=True,
                              capture_output=True, check=False, env=environment)

    def test_without_locks_training_warns_and_goes_on(self):
        for error in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            for flags in ([], ["--resume=auto"], ["--overwrite"]):
                result = self.without_locks(error, "--train.run=unlocked", *flags)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn("warning: unlocked/lock: cannot lock the file: " + os.strerror(error),
                              result.stderr)
            shutil.rmtree(self.path / "unlocked")

    def test_a_lock_that_another_holds_refuses(self):
        self.train()
        result = self.without_locks(errno.EWOULDBLOCK, "--overwrite")
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("another lacuna", result.stderr)


class Renamed(SmallRun):
    def setUp(self):
        super().setUp()
        self.train()
        (self.path / "run").rename(self.path / "renamed")

    def test_the_configuration_in_a_renamed_run_means_that_run(self):
        shutil.rmtree(self.path / "renamed/checkpoints/step-20")
        for config in ("renamed/config.toml", "renamed/checkpoints/step-5/config.toml"):
            result = self.lacuna("train", config, "--resume=auto")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("resumed from renamed/checkpoints/", result.stderr)
        inside = small_run.lacuna(self.path / "renamed", "train", "config.toml", "--resume=auto",
                                  "--data.paths=../text")
        self.assertIn("resumed from ./checkpoints/step-20", inside.stderr)
        self.refused("renamed: the folder holds a run already", "train", "renamed/config.toml")
        self.assertFalse((self.path / "run").exists())

    def test_a_folder_that_is_named_or_a_copied_configuration_means_what_it_says(self):
        result = self.lacuna("train", "renamed/config.toml", "--train.run=new", "--train.length=1 steps")
        self.assertEqual(result.returncode, 0, result.stderr)
        (self.path / "elsewhere").mkdir()
        shutil.copy(self.path / "renamed/config.toml", self.path / "elsewhere")
        shutil.copytree(self.path / "elsewhere", self.path / "renamed/deeper/elsewhere")
        for config in ("elsewhere/config.toml", "renamed/deeper/elsewhere/config.toml"):
            result = self.lacuna("train", config, "--train.length=1 steps", "--overwrite")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(small_run.steps(self.path / "run"), [1])
            shutil.rmtree(self.path / "run")

    def test_nothing_to_resume_is_said(self):
        said = "nothing to resume in run: a new run begins"
        self.assertIn(said, self.train("--resume=auto"))
        self.assertIn(said, (self.path / "run/log.txt").read_text())
        self.assertNotIn("nothing to resume", self.train("--resume=auto"))


if __name__ == "__main__":
    unittest.main()
