#!/usr/bin/env python3
"""Data that are converted once: `data prepare` and `data check`, and runs on what they leave. Needs
LACUNA_BINARY."""
import hashlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time
import unittest

import small_run
from small_run import BINARY, SmallRun
from test_display import Session
from test_interrupts import NOBODY, mounted, wait_until, watches

RECORD = 3073
CONFIG = """
[data]
format = "cifar10"
paths = ["raw"]
[model]
layers = 1
width = 16
attention = ["local(64)"]
[optim]
warmup = "1 steps"
[train]
run = "run"
length = "2 steps"
batch = 1
evaluate_every = "2 steps"
evaluate_limit = 6144
threads = 1
"""


def records(count, seed):
    """CIFAR-10 of noise."""
    noise = random.Random(seed)
    return b"".join(bytes([noise.randrange(10)]) + noise.randbytes(RECORD - 1) for _ in range(count))


def symbols(batch):
    """What lacuna makes of it: the pixels one after the other."""
    picture = b""
    for begin in range(0, len(batch), RECORD):
        planes = [batch[begin + 1 + 1024 * c:begin + 1 + 1024 * (c + 1)] for c in range(3)]
        picture += bytes(value for pixel in zip(*planes) for value in pixel)
    return picture


class Prepare(SmallRun):
    def setUp(self):
        super().setUp()
        (self.path / "c.toml").write_text(CONFIG)
        for i in range(1, 4):
            self.put(f"raw/data_batch_{i}.bin", records(6, i))
        self.put("raw/test_batch.bin", records(2, 9))

    def put(self, name, content):
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)

    def done(self, *arguments):
        run = self.lacuna(*arguments)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def prepare(self, *arguments):
        return self.done("data", "prepare", "c.toml", "--output=out", *arguments)

    def inspect(self, *arguments):
        text = self.done("inspect", "data", "c.toml", *arguments)
        return re.search(r"^identity +(\S+)$", text, re.M).group(1), text

    def files(self, folder):
        return {str(file.relative_to(self.path / folder)): hashlib.sha256(file.read_bytes()).hexdigest()
                for file in (self.path / folder).rglob("*") if file.is_file()}


class Reading(Prepare):
    """What is trained on is the same."""

    def test_the_symbols_parts_identity_and_a_run_are_those_of_the_files(self):
        said = self.prepare()
        content = b"".join(symbols(file.read_bytes()) for file in sorted((self.path / "raw").iterdir()))
        self.assertEqual((self.path / "out/shard-00000.bin").read_bytes(), content)
        identity, direct = self.inspect()
        again, prepared = self.inspect('--data.paths=["out"]')
        self.assertEqual(identity, again)
        self.assertIn(f"identity {identity}\n", said)
        self.assertIn("; prepared in out", prepared)
        cut = direct.index("vocabulary")
        self.assertEqual(direct[cut:], prepared[prepared.index("vocabulary"):])
        split = "--data.split=0.6 / 0.2 / 0.2"
        self.train(split)
        self.train(split, '--data.paths=["out"]', "--train.run=other")
        self.same_results("run", "other")
        self.assertEqual(self.done("eval", "run", "--json=-"),
                         self.done("eval", "other", "--json=-").replace("other", "run"))
        # What the files were read for goes on with what was made of them.
        self.train(split, '--data.paths=["out"]', "--resume=auto", "--train.length=3 steps")

    def test_what_the_command_prints_is_a_configuration(self):
        said = self.prepare("--data.mirror=yes", "--data.split=0.5 / 0.5")
        section = said.partition("In a configuration:\n\n")[2]
        for line in ("[data]", "format = 'cifar10'", "paths = ['out']", "split = '0.5 / 0.5'", "mirror = 'yes'"):
            self.assertIn(line, section.splitlines())
        (self.path / "c.toml").write_text(section + CONFIG[CONFIG.index("[model]"):])
        self.assertIn("train 10, valid 10, test 0; prepared in out", self.inspect()[1])

    def test_parts_with_paths_of_their_own_have_folders_of_their_own(self):
        parts = ['--data.paths=["raw/data_batch_1.bin"]', "--data.test_paths=[\"raw/test_batch.bin\"]",
                 '--data.valid_paths=["raw/data_batch_2.bin", "odd=raw/data_batch_3.bin"]']
        said = self.prepare(*parts)
        self.assertEqual(sorted(os.listdir(self.path / "out")), ["test", "train", "valid", "valid-odd"])
        section = said.partition("In a configuration:\n\n")[2]
        self.assertIn("paths = ['out/train']\nvalid_paths = ['out/valid', 'odd=out/valid-odd']\n"
                      "test_paths = ['out/test']\n", section)
        identity, direct = self.inspect(*parts)
        (self.path / "c.toml").write_text(section + CONFIG[CONFIG.index("[model]"):])
        again, prepared = self.inspect()
        self.assertEqual(identity, again)
        self.assertEqual(direct[direct.index("vocabulary"):], prepared[prepared.index("vocabulary"):])
        self.assertEqual(self.done("data", "check", "out").count("xxh3"), 4)
        self.refused("is named twice", "inspect", "data", "c.toml", '--data.test_paths=["out/train"]')
        self.refused("prepared of all parts", "data", "prepare", "c.toml", "--output=out/train", *parts)

    def test_prepared_data_in_a_folder_of_files_are_passed_over(self):
        self.done("data", "prepare", "c.toml", "--output=raw/out")
        identity, text = self.inspect()
        self.assertIn("passed over the prepared data in raw/out", text)
        self.assertEqual(identity, self.inspect('--data.paths=["raw/out"]')[0])
        self.refused("stand beside it", "inspect", "data", "c.toml", '--data.paths=["raw/out", "raw"]')

    def test_nobody_needs_the_files_any_more_nor_the_right_to_write(self):
        identity = self.inspect()[0]
        self.prepare()
        shutil.rmtree(self.path / "raw")
        shutil.move(self.path / "out", self.path / "moved")
        for file in (self.path / "moved").iterdir():
            file.chmod(0o444)
        (self.path / "moved").chmod(0o555)
        self.addCleanup((self.path / "moved").chmod, 0o755)
        self.assertEqual(self.inspect('--data.paths=["moved"]')[0], identity)
        self.assertIn("all is as its manifest says", self.done("data", "check", "moved"))


class Refusing(Prepare):
    """What is not used, and why."""

    def read(self, fragment, *arguments):
        self.refused(fragment, "inspect", "data", "c.toml", '--data.paths=["out"]', *arguments)

    def test_sources_that_changed_make_it_stale(self):
        self.prepare()
        file = self.path / "raw/data_batch_2.bin"
        before = file.stat()
        for content, times in ((records(7, 2), (before.st_atime_ns, before.st_mtime_ns)),
                               (records(6, 5), None)):
            file.write_bytes(content)
            if times:
                os.utime(file, ns=times)
            self.read("out: is stale: raw/data_batch_2.bin has changed")
            self.refused("before they changed", "data", "prepare", "c.toml", "--output=out")
        self.assertIn("20 records", self.prepare("--overwrite"))
        self.assertEqual(self.inspect('--data.paths=["out"]')[0], self.inspect()[0])
        self.put("raw/data_batch_4.bin", records(1, 4))
        self.refused("from other files", "data", "prepare", "c.toml", "--output=out")

    def test_other_formats_and_layouts_damage_and_missing_shards(self):
        self.prepare()
        self.assertIn("it was there already", self.prepare())
        self.read("was prepared with data.format = cifar10, but data.format is bytes", "--data.format=bytes")
        manifest = self.path / "out/manifest.json"
        good = manifest.read_text()
        for text, fragment in ((good.replace('"version": 1', '"version": 7'), "is of layout 7"),
                               (good.replace("61440", "61441"), "is damaged"), (good[:200], "is damaged"),
                               ("", "is damaged")):
            manifest.write_text(text)
            self.read(fragment)
        manifest.unlink()
        self.read("whose preparation is not finished")
        manifest.write_text(good)
        shard = self.path / "out/shard-00000.bin"
        content = shard.read_bytes()
        shard.write_bytes(content[:-1])
        self.read("has 61,439 bytes, the manifest says 61,440")
        shard.unlink()
        self.read("out/shard-00000.bin: is missing")
        shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        early = shard.stat().st_mtime - 100
        os.utime(manifest, (early, early))
        self.read("the checksum of its shards is not the one in the manifest")
        self.refused("is not the one in the manifest", "data", "check", "out")
        shard.write_bytes(content)
        self.assertIn("every start reads them all", self.inspect('--data.paths=["out"]')[1])
        self.done("data", "check", "out")
        self.assertNotIn("every start reads them all", self.inspect('--data.paths=["out"]')[1])

    def test_formats_without_anything_to_prepare_and_wrong_command_lines(self):
        for arguments, fragment in (
                (["--data.format=bytes"], "there is nothing to prepare"),
                (["--data.format=echo", "--data.paths=[]", "--data.block=10"], "there is nothing to prepare"),
                (["--data.split=x"], "data.split"), (["--data.paths=[]"], "no file or folder is given"),
                (['--data.paths=["none"]'], "expected a file or a folder")):
            self.refused(fragment, "data", "prepare", "c.toml", "--output=out", *arguments)
            self.assertFalse((self.path / "out").exists())
        self.refused("no folder is given", "data", "prepare", "c.toml")
        self.refused("no folder of prepared data", "data", "check", "raw")
        self.prepare()
        self.refused("is prepared already", "data", "prepare", "c.toml", "--output=b", '--data.paths=["out"]')

    def test_nothing_is_written_among_other_files(self):
        self.put("out/notes", b"mine")
        for more in ([], ["--overwrite"]):
            self.refused("out/notes: is not of prepared data", "data", "prepare", "c.toml", "--output=out", *more)
        self.refused("raw/data_batch_1.bin: is not of prepared data", "data", "prepare", "c.toml", "--output=raw",
                     "--overwrite")

    def test_bad_files_end_it_or_are_left_out_and_counted(self):
        self.put("raw/data_batch_2.bin", records(5, 2) + b"\x0b" + bytes(RECORD - 1))
        self.put("raw/data_batch_5.bin", records(1, 5)[:-1])
        run = self.lacuna("data", "prepare", "c.toml", "--output=out")
        self.assertEqual(run.returncode, 2)
        self.assertIn("raw/data_batch_2.bin: record 5 has the label 11", run.stderr)
        self.assertIn("stays in out: the same command goes on there, and --skip-bad leaves out", run.stderr)
        self.refused("is not finished", "inspect", "data", "c.toml", '--data.paths=["out"]')
        said = self.prepare("--skip-bad")  # goes on after the first one
        self.assertIn("14 records", said)
        self.assertIn("left out: 2\n    raw/data_batch_2.bin: record 5", said)
        self.assertIn("raw/data_batch_5.bin: has 3,072 bytes", said)
        self.assertIn("; 2 bad files left out, the first: raw/data_batch_2.bin",
                      self.inspect('--data.paths=["out"]')[1])
        for name in (2, 5):
            (self.path / f"raw/data_batch_{name}.bin").unlink()
        self.assertEqual(self.inspect()[0], self.inspect('--data.paths=["out"]')[0])


class Interrupted(Prepare):
    """Many files, and a system in the way."""
    FILES, EACH = 60, 600

    def setUp(self):
        super().setUp()
        shutil.rmtree(self.path / "raw")
        content = records(self.EACH, 1)
        for i in range(self.FILES):
            self.put(f"raw/data_batch_{i:03}.bin", content[RECORD * (i % 7):])

    def start(self, *arguments):
        process = subprocess.Popen([BINARY, "data", "prepare", "c.toml", "--output=broken", *arguments],
                                   cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def stopped(self, number, wait):
        """Interrupts a preparation after a while; how it ended, and what it said."""
        process = self.start()
        if number != signal.SIGKILL:
            wait_until(lambda: watches(process) or process.poll() is not None)
        time.sleep(wait)
        process.send_signal(number)
        text = process.communicate(timeout=60)[1]
        return process.returncode, text

    def lines(self):
        """How many files are whole."""
        file = self.path / "broken/sources.tsv"
        return max(0, file.read_bytes().count(b"\n") - 1) if file.exists() else 0

    def has_begun(self):
        return (self.path / "broken/sources.tsv").exists()

    def same(self):
        self.prepare()
        self.done("data", "prepare", "c.toml", "--output=broken")
        self.assertEqual(self.files("out"), self.files("broken"))

    def test_a_kill_at_any_time_costs_little_and_changes_nothing(self):
        begin = time.monotonic()
        self.prepare()
        whole = time.monotonic() - begin
        shutil.rmtree(self.path / "out")
        marks, chance = set(), random.Random(4)
        for _ in range(40):
            self.stopped(signal.SIGKILL, chance.uniform(0, 0.9 * whole))
            marks.add(self.lines())
            if (self.path / "broken/manifest.json").exists():
                shutil.rmtree(self.path / "broken")
        self.assertTrue(marks - {0, self.FILES}, marks)
        self.same()

    def test_a_signal_stops_it_cleanly_and_it_goes_on(self):
        marks = set()
        for attempt in range(300):
            # Longer each time: what is there is read once more first.
            code, text = self.stopped(signal.SIGTERM if attempt % 2 else signal.SIGINT, 0.02 + 0.004 * attempt)
            if (self.path / "broken/manifest.json").exists():
                break
            self.assertEqual(code, 0, text)
            self.assertIn("the same command goes on there", text)
            self.assertIn("stopped before the end", text)
            marks.add(self.lines())
        self.assertGreater(len(marks), 2)
        self.same()

    def test_a_terminal_shows_a_bar_and_the_time_left(self):
        for columns in (120, 40):
            with self.subTest(columns=columns):
                session = Session(self, ["data", "prepare", "c.toml", f"--output=out{columns}"], columns=columns)
                wait_until(session.lines)
                # Held up so long that the rest can be told, and then until that is shown, if there is room for it.
                for held in (1.2, *[0.3] * 20)[:21 if columns == 120 else 1]:
                    session.process.send_signal(signal.SIGSTOP)
                    painted = len(session.lines())
                    time.sleep(held)
                    session.process.send_signal(signal.SIGCONT)
                    wait_until(lambda: len(session.lines()) > painted or session.process.poll() is not None)
                    if session.process.poll() is not None or "ETA" in session.lines()[-1]:
                        break
                self.assertEqual(session.process.wait(60), 0)
                session.reader.join(60)
                lines = [line for line in session.lines() if line.startswith(f"out{columns}  ")]
                self.assertGreater(len(lines), 1)
                self.assertLess(max(map(len, lines)), columns)
                self.assertRegex(lines[0], rf"^out{columns}  (\[\.+\]  )?0%  0 of {self.FILES} files  ")
                self.assertEqual("[" in lines[0], columns == 120)
                if columns == 120:
                    self.assertRegex(lines[-1], rf"\[#*\.*\]  \d+%  \d+ of {self.FILES} files  .* MB/s  ETA \d+:\d\d$")
                self.assertIn(b"\r\033[K" + f"out{columns}: ".encode(), session.output)  # the bar is gone

    def test_a_second_process_is_refused(self):
        process = self.start()
        wait_until(self.has_begun)  # with the lock
        process.send_signal(signal.SIGSTOP)
        run = self.lacuna("data", "prepare", "c.toml", "--output=broken")
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(60), 0)
        if "already" not in run.stdout:  # it had not ended before it was stopped
            self.assertEqual(run.returncode, 2)
            self.assertIn("another lacuna is at work in this folder", run.stderr)

    def test_sources_that_change_on_the_way_are_found(self):
        self.stop_in_the_middle()
        self.put("raw/data_batch_000.bin", records(1, 7))
        self.refused("raw/data_batch_000.bin: has changed", "data", "prepare", "c.toml", "--output=broken")
        self.done("data", "prepare", "c.toml", "--output=broken", "--overwrite")
        self.assertEqual(self.inspect()[0], self.inspect('--data.paths=["broken"]')[0])

    def stop_in_the_middle(self):
        """By a limit on the size of files, as a disk that is full."""
        limit = 50_000_000
        run = subprocess.run([BINARY, "data", "prepare", "c.toml", "--output=broken"], cwd=self.path,
                             capture_output=True, text=True, check=False,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("broken/shard-00000.bin: cannot write the file", run.stderr)
        self.assertGreater(self.lines(), 0)
        self.assertLess(self.lines(), self.FILES)

    def test_a_file_that_may_grow_no_more(self):
        self.stop_in_the_middle()
        self.same()

    def test_a_full_disk(self):
        if os.geteuid() != 0 or not mounted(self.path / "small", "40m"):
            self.skipTest("no small file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", self.path / "small"], check=False)
        command = ["data", "prepare", "c.toml", "--output=small/broken"]
        run = self.lacuna(*command)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("Free some space on this disk", run.stderr)
        self.assertFalse((self.path / "small/broken/manifest.json").exists())
        kept = (self.path / "small/broken/sources.tsv").read_bytes().count(b"\n")
        subprocess.run(["mount", "-o", "remount,size=200m", self.path / "small"], check=True)
        self.assertGreater(kept, 1)
        self.done(*command)
        self.prepare()
        self.assertEqual(self.files("out"), self.files("small/broken"))

    def test_a_folder_that_may_not_be_written_to(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become nobody")
        self.path.chmod(0o755)
        run = subprocess.run([BINARY, "data", "prepare", "c.toml", "--output=out/below"], cwd=self.path,
                             capture_output=True, text=True, check=False, preexec_fn=lambda: os.setuid(NOBODY))
        self.assertEqual(run.returncode, 1)
        self.assertIn("cannot make the folder: Permission denied", run.stderr)


if __name__ == "__main__":
    unittest.main()
