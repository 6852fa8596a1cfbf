#!/usr/bin/env python3
"""Data files: which ones a run reads, what it says of those it cannot use, and files that change while it
trains. Needs LACUNA_BINARY."""
import bz2
import gzip
import json
import lzma
import os
import random
import re
import shutil
import subprocess
import time
import unittest
import zipfile

import small_run
from small_run import BINARY, SmallRun
from trained_run import ENVIRONMENT, TrainedRun, lacuna

NOBODY = 65534
ENDLESS = ["--train.length=1000000 steps", "--train.evaluate_every=0 steps"]


class ChangingFiles(SmallRun):
    """Data that is cut or replaced under a run."""

    def setUp(self):
        super().setUp()
        words = random.Random(3).choices(["cut ", "short ", "and ", "mended\n"], k=20000)
        self.text = "".join(words).encode()  # long enough to be read when it is needed
        (self.path / "text").write_bytes(self.text)

    def read_to(self, process, beginning):
        for line in process.stderr:
            if line.startswith(beginning):
                return
        self.fail(f"the run ended without saying '{beginning}'")

    def train_and_cut(self, step, *arguments):
        """Ends a run by cutting its data once it has done some steps; what it said after them."""
        command = [BINARY, "train", "c.toml", "--train.run=cut", "--train.log_every=1", *arguments]
        with subprocess.Popen(command, cwd=self.path, stderr=subprocess.PIPE, text=True, pipesize=4096) as process:
            self.addCleanup(process.kill)
            self.read_to(process, f"step {step}/")
            os.truncate(self.path / "text", 100)
            error = process.stderr.read()
        self.assertEqual(process.returncode, 1, error)
        return error

    def test_a_file_cut_short_ends_the_run_with_its_name_and_everything_saved(self):
        # More steps than the pipe has room for what is said of them.
        options = ["--train.length=400 steps", "--train.evaluate_every=0 steps", "--checkpoint.every=50 steps",
                   "--checkpoint.keep_every=50 steps"]
        error = self.train_and_cut(3, *options)
        self.assertIn(f"lacuna: text: was cut short: it had {len(self.text):,} bytes when it was opened "
                      "and has 100 now", error)
        self.assertRegex(error, r"stopped after \d+ steps")
        self.assertGreaterEqual(small_run.steps(self.path / "cut")[-1], 3)
        self.assertTrue((self.path / "cut/weights.safetensors").exists())
        self.refused("other data", "train", "c.toml", "--train.run=cut", "--resume=auto", *options)
        # Once the file is back the run goes on as if it had never ended.
        (self.path / "text").write_bytes(self.text)
        self.train("--train.run=cut", "--resume=auto", *options)
        self.train("--train.run=whole", *options)
        different = set(small_run.differences(self.path / "cut", self.path / "whole"))
        self.assertEqual(different - {"log.txt"}, set())  # which has one checkpoint more

    def test_an_evaluation_that_the_data_ended_is_made_up_for(self):
        # Long evaluations, one after each step: the cut mostly falls into one.
        options = ["--train.evaluate_every=1 steps", "--data.split=0.2 / 0.3", "--train.length=8 steps"]
        self.train_and_cut(2, *options)
        (self.path / "text").write_bytes(self.text)
        self.train("--train.run=cut", "--resume=auto", *options)
        self.train("--train.run=whole", *options)
        self.assertEqual(small_run.metrics(self.path / "cut"), small_run.metrics(self.path / "whole"))

    def test_a_file_that_is_renamed_removed_or_longer_is_read_to_the_end(self):
        process = subprocess.Popen([BINARY, "train", "c.toml", "--train.run=changed", *ENDLESS],
                                   cwd=self.path, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        self.read_to(process, "step 10/")
        with (self.path / "text").open("ab") as file:
            file.write(b"more")
        time.sleep(0.05)
        (self.path / "text").unlink()
        self.read_to(process, "step 50/")
        process.terminate()
        error = process.communicate()[1]
        self.assertEqual(process.returncode, 0, error)


class ManyFiles(SmallRun):
    def test_more_large_files_than_a_process_may_map_or_open(self):
        (self.path / "many").mkdir()
        content = random.Random(4).randbytes(65536)
        for first in (0, 33000):  # a file has some 65,000 names at most
            source = self.path / f"many/{first}"
            source.write_bytes(content)
            for name in range(first + 1, first + 33000):
                os.link(source, self.path / f"many/{name}")
        said = self.train("--data.paths=many", "--train.length=1 steps", "--train.evaluate_every=0 steps",
                          "--data.split=1 / 0")
        self.assertIn(f"66,000 files, {66000 * 65536:,} bytes", said)


class DataOnDisk(TrainedRun):
    def put(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def inspect(self, *paths, suffixes=""):
        """What `inspect data` says: its line on the data and the identity."""
        listed = "[" + ", ".join(f"'{path}'" for path in paths) + "]"
        lines = self.ok("inspect", "data", "c.toml", "--data.paths", listed, "--data.suffixes", suffixes,
                        "--model.context", "1", "--model.attention", "dense", "--data.split", "1 / 0",
                        "--train.batch", "1").stdout.decode().splitlines()
        found = dict(line.split(maxsplit=1) for line in lines[:3])
        return found["data"], found["identity"]

    def reads(self, content, *paths, **options):
        """The files behind the paths are `content`, one after the other."""
        whole = self.put("whole-" + str(random.random()), content)
        self.assertEqual(self.inspect(*paths, **options)[1], self.inspect(whole.name)[1])
        whole.unlink()


class Runs(DataOnDisk):
    """A search leaves out the folders of runs, whatever they hold and whenever they began."""

    def setUp(self):
        super().setUp()
        shutil.rmtree(self.run_folder)
        self.put("data/a", "all work and no play " * 100)
        self.put("data/z/b", "makes jack a dull boy " * 100)

    def check_resumes(self, run, *arguments):
        options = ["--data.paths", ".", "--data.suffixes", "a b log.txt notes", "--train.run", run, *arguments]
        self.ok("train", "c.toml", *options, "--train.length", "4 steps")
        identity = json.loads((self.path / run / "starts.jsonl").read_text())["data"]
        self.assertEqual(identity.split(":")[1], "4300")
        said = self.ok("train", "c.toml", *options, "--train.length", "6 steps", "--resume", "auto")
        self.assertIn(f"passed over the files of runs in ./{run}", said.stderr.decode())
        evaluated = self.ok("eval", run)
        self.assertEqual(evaluated.stderr, b"")
        self.assertIn(identity, evaluated.stdout.decode())
        for line in evaluated.stdout.decode().splitlines():
            if line.startswith("part"):
                self.assertIn(f"test 215; passed over the files of runs in ./{run}; data.split cuts through "
                              "./data/z/b", line)

    def test_a_run_whose_folder_is_within_its_data_goes_on(self):
        self.check_resumes("data/run")

    def test_so_does_one_whose_folder_held_other_files_before(self):
        self.put("mine/notes", "not to be trained on " * 100)
        self.check_resumes("mine")

    def test_other_runs_are_left_out_at_any_stage_and_their_names_are_said(self):
        alone = self.inspect("data")[1]
        for number in range(3):
            self.put(f"data/r{number}/config.toml", "x")
            self.put(f"data/r{number}/deep/a", "x")
        self.put("data/r0/lock", "")                     # killed before it had begun
        self.put("data/r1/starts.jsonl", "")             # a copy without its lock
        self.put("data/r2/manifest.json", "")            # a checkpoint that was put aside
        self.put("data/r2/state.json", "")
        self.assertEqual(self.inspect("data"), (
            "bytes: 2 files, 4,300 bytes: train 4,300, valid 0, test 0; "
            "passed over the files of runs in data/r0, data/r1, data/r2", alone))
        self.put("data/z/r9/config.toml", "x")
        self.put("data/z/r9/lock", "x")
        self.assertIn("data/r2 and 1 more", self.inspect("data")[0])
        self.put("data/z/r8/config.toml", "x")
        self.put("data/z/r8/metrics.jsonl", "x")         # a copy of what can be plotted
        for name in ("config.toml", "manifest.json", "state.json"):
            self.put(f"data/z/r7/checkpoints/step-5/{name}", "x")
        self.put("data/z/r7/weights.safetensors", "x")   # a copy without what a run records
        self.assertIn("bytes: 2 files", self.inspect("data")[0])
        self.assertIn("data/r2 and 3 more", self.inspect("data")[0])
        self.put("data/z/web/config.toml", "of another program")
        self.put("data/z/web/manifest.json", "of another program, too")
        self.put("data/z/web/checkpoints/step-1/notes", "x")
        self.assertIn("bytes: 5 files", self.inspect("data")[0])
        self.assertIn("data/r2 and 3 more", self.inspect("data")[0])
        shutil.rmtree(self.path / "data/z/web")
        self.assertEqual(self.inspect("data")[1], alone)
        self.put("data/z/other/config.toml", "of another program")
        self.assertNotEqual(self.inspect("data")[1], alone)

    def test_names_of_runs_are_shown_and_not_obeyed(self):
        for name in ("config.toml", "lock"):
            self.put(f"data/\x1b[31mrun/{name}", "x")
        self.assertTrue(self.inspect("data")[0].endswith("the files of runs in data/\u241b[31mrun"))

    def test_a_run_named_as_data_is_refused_but_not_what_lies_in_it(self):
        self.refused(["train", "c.toml", "--data.paths", "data", "--train.run", "data"],
                     "data: is the folder of a run")
        self.ok("train", "c.toml", "--train.run", "run", "--train.length", "1 steps")
        self.refused(["inspect", "data", "c.toml", "--data.paths", "run"], "run: is the folder of a run")
        self.put("run/mine/a", "mine")
        self.reads("mine", "run/mine")
        (self.path / "only").mkdir()
        self.run_folder.rename(self.path / "only/run")
        self.refused(["inspect", "data", "c.toml", "--data.paths", "only"], "runs left out", "no files")


class Searches(DataOnDisk):
    def test_links_are_followed_and_every_file_is_read_once(self):
        self.put("tree/b/1", "[b1]")
        self.put("out/far/2", "[2]")
        self.put("out/3", "[3]")
        for link, target in (("tree/a", "b"), ("tree/z", "../out"), ("tree/c", "../out"),
                             ("tree/far", "../out/far"), ("tree/b/up", ".."), ("tree/self", "self"),
                             ("tree/nothing", "nowhere"), ("tree/again", "b/1"), ("out/back", "../tree")):
            os.symlink(target, self.path / link)
        # b/1 where it is; then c, which is out, as the first by name; far lies in it.
        self.assertEqual(self.inspect("tree")[0][:16], "bytes: 3 files, ")
        self.reads("[b1][3][2]", "tree")
        self.reads("[b1][3][2]", "tree/b/up")

    def test_a_file_that_two_paths_lead_to_is_refused(self):
        self.put("tree/deep/a.txt", "a")
        os.symlink("tree/deep", self.path / "link")
        for first, second, *said in (("text", "text", "'text' is named twice"),
                                     ("tree", "tree/deep", "'tree' and 'tree/deep'", "a.txt"),
                                     ("link/a.txt", "tree", "'link/a.txt' and 'tree'", "a.txt"),
                                     ("text", "./text", "'text' and './text'")):
            self.refused(["train", "c.toml", "--data.paths", f"['{first}', '{second}']", "--train.run", "new"],
                         "data.paths", *said)
        self.reads("a", "tree/deep")

    def test_an_unreadable_folder_is_called_by_its_own_name(self):
        self.put("tree/fine", "a")
        (self.path / "tree/deep/closed").mkdir(parents=True)
        (self.path / "tree/deep/closed").chmod(0)
        self.addCleanup((self.path / "tree/deep/closed").chmod, 0o700)
        binary = shutil.copy(BINARY, self.path / "lacuna")  # which may lie where others may not look
        self.path.chmod(0o755)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        for path in ("tree", "way"):
            result = subprocess.run([binary, "inspect", "data", "c.toml", "--data.paths", path], cwd=self.path,
                                    capture_output=True, text=True, check=False, env=ENVIRONMENT, **user)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(f"lacuna: {path}/deep", result.stderr)
            self.assertIn("closed: cannot ", result.stderr)
            self.assertIn("Permission denied", result.stderr)
            (self.path / "way/deep").mkdir(parents=True, exist_ok=True)
            if path == "tree":
                os.symlink("../../tree/deep/closed/in", self.path / "way/deep/closed")

    def test_words_that_a_shell_made_of_a_pattern_get_a_hint(self):
        self.put("a.txt", "a")
        self.put("b.txt", "b")
        for words in (["c.toml", "--data.paths", "a.txt", "b.txt"], ["--data.paths", "a.txt", "b.txt", "c.toml"]):
            self.refused(["train", *words, "--train.run", "new"], "cannot make anything of '", '["a", "b"]',
                         "--data.suffixes")
        for pattern in ("*.txt", "a.tx?"):
            self.refused(["train", "c.toml", "--data.paths", pattern, "--train.run", "new"], pattern,
                         "No such file", "expands no wildcards", "data.suffixes")
        self.put("a*b", "a name like any other")
        self.reads("a name like any other", "a*b")

    def test_an_option_given_twice_is_refused(self):
        for name, value, hint in (("data.paths", "text", "'[\"a\", \"b\"]'"),
                                  ("model.position_tables", "[8, 4]", "'[1, 2]'"), ("train.seed", "2", "once")):
            self.refused(["train", "c.toml", f"--{name}={value}", f"--{name}", value, "--train.run", "new"],
                         f"--{name}: is given twice", hint)


class OtherData(DataOnDisk):
    """eval of a run whose data has changed."""

    def warned(self, *arguments):
        return self.ok("eval", *arguments).stderr.decode()

    def test_eval_warns_of_data_that_changed_unless_other_data_is_asked_for(self):
        (checkpoint,) = (self.run_folder / "checkpoints").glob("step-*25")
        for folder in ("run", checkpoint):
            self.assertEqual(self.warned(folder), "")
        identity = self.inspect("text")[1]
        changed = bytearray((self.path / "text").read_bytes())
        changed[17] ^= 1
        (self.path / "text").write_bytes(changed)
        for arguments in (["run"], [checkpoint], ["run", "--data.split", "0.5 / 0.5"],
                          ["run", "--logits", "l.safetensors"]):
            self.assertIn("warning: the data has changed since training: its identity is "
                          f"{self.inspect('text')[1]}, not {identity}", self.warned(*arguments))
        self.assertEqual(self.warned("run", "--data.paths", "text"), "")
        (self.run_folder / "starts.jsonl").write_text("no JSON\n")
        self.assertEqual(self.warned("run"), "")
        (self.run_folder / "starts.jsonl").unlink()
        self.assertEqual(self.warned("run"), "")


class Compressed(DataOnDisk):
    def test_a_compressed_file_is_refused_with_what_unpacks_it(self):
        text = bytes(self.path.joinpath("text").read_bytes())
        with zipfile.ZipFile(self.path / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("text", text)
        self.put("t.gz", gzip.compress(text))
        self.put("t.xz", lzma.compress(text))
        for level in (1, 9):
            self.put(f"t{level}.bz2", bz2.compress(text, level))
        self.put("t.zst", b"\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00" + text)
        for name, command in (("t.zip", "unzip t.zip"), ("t.gz", "gzip -dc < t.gz > t.gz.txt"),
                              ("t.xz", "xz -dc < t.xz > t.xz.txt"), ("t1.bz2", "bzip2 -dc < t1.bz2 > t1.bz2.txt"),
                              ("t9.bz2", "bzip2 -dc < t9.bz2 > t9.bz2.txt"),
                              ("t.zst", "zstd -dc < t.zst > t.zst.txt")):
            self.refused(["train", "c.toml", "--data.paths", name, "--train.run", "new"], f"{name}: is compressed",
                         f"`{command}`", "data.suffixes")
        self.put("tree/text", text)
        (self.path / "t.gz").rename(self.path / "tree/hidden-in-a-tree")
        self.refused(["train", "c.toml", "--data.paths", "tree", "--train.run", "new"], "tree/hidden-in-a-tree: is")
        self.reads(text, "tree", suffixes="text")

    def test_what_a_message_says_unpacks_a_file_of_any_name(self):
        text = bytes(self.path.joinpath("text").read_bytes())
        for name, packed in (("-a file; $(of) two", gzip.compress(text)), ("no-suffix", lzma.compress(text))):
            self.put(name, packed)
            said = lacuna(self.path, "inspect", "data", "c.toml", "--data.paths", name).stderr.decode()
            subprocess.run(re.search("`(.*)`", said)[1], shell=True, cwd=self.path, check=True)
            self.reads(text, name + ".txt")

    def test_a_name_in_a_message_is_shown_and_not_obeyed(self):
        self.put("tree/\x1b[31ma", gzip.compress(b"a"))
        said = lacuna(self.path, "inspect", "data", "c.toml", "--data.paths", "tree").stderr.decode()
        self.assertIn("lacuna: tree/\u241b[31ma: is compressed", said)
        self.assertNotIn("\x1b", said)

    def test_text_that_begins_alike_is_read(self):
        for text in ("BZh91AY&S is a magic number", "PK\n\x03", "PK", "\x1f\x8b", "7zXZ", "(\xb5/"):
            self.put("alike", text)
            self.reads(text, "alike")


if __name__ == "__main__":
    unittest.main()
