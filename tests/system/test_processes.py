#!/usr/bin/env python3
"""Training with several processes on the CPUs: the same run as one process makes, whoever launched
them, and what happens when one of them is stopped, killed or started differently. Needs
LACUNA_BINARY."""
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import time
import unittest

import small_run
import soak
from small_run import BINARY, ECHO, SmallRun
from soak import children_of, is_running

WORLD = {name for name in os.environ
         if name.startswith(("SLURM_", "OMPI_", "PMI")) or name in
         ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")}
ALONE = {name: value for name, value in os.environ.items() if name not in WORLD}
ENDLESS = ["--train.length=1000000 steps", "--train.evaluate_every=0 steps"]


def wait_until(holds, seconds=30):
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            raise AssertionError("waited in vain")
        time.sleep(0.01)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def floats(file):
    """All numbers of a safetensors file of f32, in the order of the file."""
    data = file.read_bytes()
    begin = 8 + struct.unpack_from("<Q", data)[0]
    return struct.unpack(f"<{(len(data) - begin) // 4}f", data[begin:])


def rank_of(child):
    """Nothing while it has not begun to run the program."""
    with open(f"/proc/{child}/environ", encoding="utf-8") as file:
        rank = re.search(r"(?:^|\0)RANK=(\d+)", file.read())
    return int(rank[1]) if rank else None


def ranks_of(process, count):
    """The process numbers of all that it has launched, by rank."""
    ranks = {}
    wait_until(lambda: len(children_of(process)) == count)

    def all_are_known():
        ranks.update({rank_of(child): child for child in children_of(process)})
        ranks.pop(None, None)
        return len(ranks) == count
    wait_until(all_are_known)
    return ranks


class Processes(SmallRun):
    def start(self, *arguments, environment=None):
        process = subprocess.Popen([BINARY, *arguments], cwd=self.path, stderr=subprocess.PIPE, text=True,
                                   env={**ALONE, **(environment or {})})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        return process

    def ranks(self, process, count):
        """Process numbers by rank, once all are there and have made a step."""
        ranks = ranks_of(process, count)
        wait_until(lambda: '"train"' in self.metrics_text())
        return ranks

    def metrics_text(self):
        try:
            return (self.path / "run/metrics.jsonl").read_text()
        except FileNotFoundError:  # not yet, or it is being replaced
            return ""

    def bits(self, run):
        """What the run measured, by kind, step, set and weights."""
        return {(line["kind"], line["step"], line.get("split"), line.get("weights")): line["bits"]
                for line in small_run.metrics(self.path / run) if "bits" in line}

    def close(self, first, second, places=4):
        """Two runs that differ by rounding alone."""
        one, other = self.bits(first), self.bits(second)
        self.assertEqual(one.keys(), other.keys())
        self.assertTrue(one)
        for key, bits in one.items():
            self.assertAlmostEqual(bits, other[key], places=places, msg=str(key))
        for name in ("weights.safetensors", "average.safetensors"):
            pairs = zip(floats(self.path / first / name), floats(self.path / second / name), strict=True)
            self.assertLess(max(abs(a - b) for a, b in pairs), 2e-3, name)


class SameRun(Processes):
    def test_one_two_and_four_processes_make_the_same_run(self):
        self.train("--train.run=one")
        for count in ("2", "4"):
            text = self.train(f"--train.run={count}", "--processes", count)
            self.assertRegex(text, rf"ranks +{count} processes \(lacuna\), Gloo")
            self.close("one", count)

    def test_the_same_processes_make_the_same_bits(self):
        self.train("--train.run=first", "--processes=2")
        self.train("--train.run=second", "--processes=2")
        self.same_results("first", "second")

    def test_a_group_of_one_makes_the_bits_of_a_process_alone(self):
        self.train("--train.run=alone")
        self.train("--train.run=group", "--processes=1")
        self.same_results("alone", "group")

    def test_every_position_is_evaluated_once_however_few_windows_there_are(self):
        # 5 windows, the last one short, on 4 ranks; then 2 windows.
        for size, positions in (("187", 187), ("79", 79)):
            with self.subTest(size=size):
                options = ["--data.split", f"10000 / {size}", "--overwrite", "--train.length=2 steps"]
                self.train("--train.run=one", *options)
                self.train("--train.run=four", "--processes=4", *options)
                self.close("one", "four", places=5)
                lines = [line for line in small_run.metrics(self.path / "four")
                         if line["kind"] == "evaluation"]
                self.assertEqual({line["positions"] for line in lines}, {positions})

    def test_samples_are_those_of_one_process(self):
        options = ["--train.sample_every=10 steps", "--train.length=10 steps", "--optim.learning_rate=0"]
        self.train("--train.run=one", *options)
        self.train("--train.run=two", "--processes=2", *options)
        name = "samples/step-10.txt"
        self.assertEqual((self.path / "one" / name).read_bytes(),
                         (self.path / "two" / name).read_bytes())

    def test_a_run_goes_on_with_another_number_of_processes(self):
        self.train("--train.run=whole")
        self.train("--processes=2", "--train.length=20 steps", "--train.evaluate_every=5 steps")
        for count in ("4", "1"):
            run = f"went-on-{count}"
            text = self.train(f"--train.run={run}", "--resume=run/checkpoints/step-10",
                              f"--processes={count}")
            self.assertIn("resumed from run/checkpoints/step-10", text)
            self.assertLess(max(abs(a - b) for a, b in zip(
                floats(self.path / "whole/weights.safetensors"),
                floats(self.path / run / "weights.safetensors"), strict=True)), 2e-3)

    def test_weights_to_start_from_reach_all_processes(self):
        self.train("--train.run=before")
        options = ["--init-from=before", "--train.length=3 steps"]
        self.train("--train.run=one", *options)
        self.train("--train.run=two", "--processes=2", *options)
        self.close("one", "two")

    def test_processes_that_somebody_else_has_started_find_each_other(self):
        port = str(free_port())
        started = [self.start("train", "c.toml", environment={
            "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}) for rank in (1, 0)]
        texts = [process.communicate(timeout=60)[1] for process in started]
        self.assertEqual([process.returncode for process in started], [0, 0], texts)
        self.assertIn("(torchrun)", texts[1])
        self.assertEqual(texts[0], "")  # one speaks for both
        self.train("--train.run=one")
        self.close("one", "run")


class Sharded(Processes):
    """The optimizer's state in parts, one for each process."""
    SHARD = "--dist.shard=optimizer"

    def test_it_is_the_same_run(self):
        self.train("--train.run=one")
        for count in ("2", "4"):
            text = self.train(f"--train.run={count}", f"--processes={count}", self.SHARD)
            self.close("one", count)
            state = re.search(r"optimizer ([\d.]+) KiB", text)
            # Two moments of 42,304 weights in f32, and 16 bytes for every 100 of them besides.
            self.assertAlmostEqual(float(state[1]), 2 * 4 * 42304 / int(count) / 1024, delta=6)

    def test_checkpoints_fit_any_number_of_parts(self):
        self.train("--train.run=whole", "--processes=4", self.SHARD)
        for name, flags in (("same", ["--processes=4", self.SHARD]), ("fewer", ["--processes=2", self.SHARD]),
                            ("none", ["--processes=2"]), ("alone", [])):
            self.train(f"--train.run={name}", "--resume=whole/checkpoints/step-10", *flags)
            files = [self.path / run / "checkpoints/step-20/optimizer.safetensors" for run in ("whole", name)]
            if name == "same":
                self.same_weights("whole", "same")
                self.assertEqual(files[0].read_bytes(), files[1].read_bytes())
            one, other = map(floats, files)
            self.assertLess(max(abs(a - b) for a, b in zip(one, other, strict=True)), 1e-3, name)

    def test_moments_in_bf16_are_gathered_too(self):
        options = ["--optim.moments=bf16", "--processes=2", self.SHARD]
        self.train("--train.run=whole", *options)
        self.train("--train.run=again", "--resume=whole/checkpoints/step-10", *options)
        self.same_weights("whole", "again")


class Added(Processes):
    """How the gradients of the processes become one."""

    def test_buckets_change_no_bit_of_two_processes(self):
        options = ["--processes=2", "--train.accumulation=4"]  # two passes each, the last of which adds
        self.train("--train.run=at-once", "--dist.bucket=0", *options)
        self.train("--train.run=buckets", "--dist.bucket=0.02", *options)
        self.same_results("at-once", "buckets")
        self.train("--train.run=one", "--train.accumulation=4")
        self.close("one", "buckets")
        self.train("--train.run=four", "--dist.bucket=0.02", "--processes=4", "--train.accumulation=4")
        self.close("one", "four")

    def test_in_bf16_they_are_nearly_the_same_and_the_same_again(self):
        self.train("--train.run=exact", "--processes=2")
        for shard in ([], ["--dist.shard=optimizer"]):
            for run in ("first", "second"):
                self.train(f"--train.run={run}", "--processes=2", "--dist.reduce=bf16", "--overwrite", *shard)
            self.same_results("first", "second")
            exact, rounded = self.bits("exact"), self.bits("first")
            self.assertNotEqual(exact, rounded)
            for key, bits in exact.items():
                self.assertAlmostEqual(bits, rounded[key], places=2, msg=str(key))
        self.train("--train.run=alone", "--dist.reduce=bf16")  # nothing is added, and nothing rounded
        self.train("--train.run=as-ever")
        self.same_results("alone", "as-ever")


class Refused(Processes):
    def test_a_step_that_cannot_be_shared(self):
        self.refused("3 processes cannot share a step of 2 micro-batches of 2 samples", "train", "c.toml",
                     "--processes=3")

    def test_a_mistake_is_told_once(self):
        (self.path / "text").unlink()
        run = self.lacuna("train", "c.toml", "--processes=2")
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertEqual(run.stderr.count("lacuna: "), 1, run.stderr)
        self.assertIn("text", run.stderr)

    def test_flags_that_contradict_each_other(self):
        self.refused("contradicts --processes", "train", "c.toml", "--processes=2", "--gpus=2")
        self.refused("means --train.device cpu", "train", "c.toml", "--processes=2", "--train.device=gpu")
        self.refused("--restarts", "train", "c.toml", "--restarts=2")
        self.refused("at least 1", "train", "c.toml", "--processes=0")
        self.refused("at most 1024", "train", "c.toml", "--processes=100000")

    def test_a_folder_that_is_not_free_is_told_once(self):
        self.train("--train.length=1 steps")
        run = self.lacuna("train", "c.toml", "--processes=2")
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertEqual(run.stderr.count("lacuna: "), 1, run.stderr)
        self.assertIn("--overwrite", run.stderr)

    def test_a_signal_ends_the_wait_for_the_others(self):
        for rank in ("0", "1"):
            with self.subTest(rank=rank):
                process = self.start("train", "c.toml", environment={
                    "RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": "2",
                    "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())})
                time.sleep(0.5)
                process.send_signal(signal.SIGTERM)
                begin = time.monotonic()
                process.communicate(timeout=30)
                self.assertLess(time.monotonic() - begin, 6)

    def test_ranks_that_were_started_differently(self):
        port = str(free_port())
        started = [self.start("train", "c.toml", f"--optim.beta2={0.9 + rank / 100}", environment={
            "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}) for rank in range(2)]
        texts = [process.communicate(timeout=60)[1] for process in started]
        self.assertEqual([process.returncode for process in started], [2, 2], texts)
        self.assertIn("optim.beta2: differs between ranks: rank 0 has 0.9, rank 1 has 0.91", texts[0])
        self.assertFalse((self.path / "run").exists())

    def test_a_rank_that_never_comes(self):
        process = self.start("train", "c.toml", "--dist.start_patience=2", environment={
            "RANK": "0", "WORLD_SIZE": "3", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "3",
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())})
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 2, text)
        self.assertRegex(text, r"1, 2")


class Stopped(Processes):
    def test_a_signal_to_the_launcher_saves_and_the_run_goes_on(self):
        options = ["--processes=2", "--train.length=60 steps", "--train.evaluate_every=2 steps",
                   "--checkpoint.every=0 steps"]
        self.train("--train.run=whole", *options)
        for number in (signal.SIGTERM, signal.SIGINT):
            before = len(self.metrics_text())
            process = self.start("train", "c.toml", "--resume=auto", *options)
            wait_until(lambda: len(self.metrics_text()) > before)
            process.send_signal(number)
            text = process.communicate(timeout=30)[1]
            self.assertEqual(process.returncode, 0, text)
            self.assertIn("stopped after", text)
            self.assertEqual(text.count("stopping after the work at hand"), 1, text)
        self.train("--resume=auto", *options)
        self.assertEqual(small_run.metrics(self.path / "run"), small_run.metrics(self.path / "whole"))
        self.same_weights("run", "whole")

    def test_a_signal_to_one_rank_stops_all_of_them_at_the_same_step(self):
        process = self.start("train", "c.toml", "--processes=2", *ENDLESS)
        ranks = self.ranks(process, 2)
        os.kill(ranks[1], signal.SIGUSR1)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("stopped after", text)
        self.assertTrue(small_run.steps(self.path / "run"))

    def test_a_signal_during_an_evaluation_in_training_ends_it(self):
        process = self.start("train", "c.toml", "--processes=2", *ECHO[:-1], "--data.size=20000000",
                             "--data.split=0.1 / 0.9", "--train.evaluate_every=1 steps")
        self.ranks(process, 2)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("stopped after 1 steps", text)
        state = json.loads((self.path / "run/checkpoints/step-1/state.json").read_text())
        self.assertTrue(state["evaluation_due"])

    def test_a_time_limit_stops_all_ranks_at_the_same_step(self):
        run = self.lacuna("train", "c.toml", "--processes=2", "--train.time_limit=0.0003", *ENDLESS)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stderr, r"stopped after \d+ steps")
        self.assertTrue(small_run.steps(self.path / "run"))

    def test_the_ranks_end_in_order_when_the_launcher_is_killed(self):
        process = self.start("train", "c.toml", "--processes=2", *ENDLESS)
        ranks = self.ranks(process, 2)
        process.kill()
        wait_until(lambda: not any(is_running(child) for child in ranks.values()))
        self.assertTrue(small_run.steps(self.path / "run"))


class Lost(Processes):
    def test_the_others_end_when_a_rank_is_killed_and_the_run_goes_on(self):
        options = ["--processes=4", "--train.length=60 steps", "--train.evaluate_every=7 steps"]
        self.train("--train.run=whole", *options)
        for rank in (0, 2):
            with self.subTest(rank=rank):
                before = len(self.metrics_text())
                process = self.start("train", "c.toml", "--resume=auto", *options)
                ranks = self.ranks(process, 4)
                wait_until(lambda: len(self.metrics_text()) > before)
                begin = time.monotonic()
                os.kill(ranks[rank], signal.SIGKILL)
                text = process.communicate(timeout=60)[1]
                self.assertLess(time.monotonic() - begin, 30)
                self.assertEqual(process.returncode, 137, text)
                for other in {0, 1, 2, 3} - {rank}:
                    self.assertRegex(text, rf"(?m)^(lacuna: )?.*rank {other}.*rank {rank} ")
        self.train("--resume=auto", *options)
        self.same_weights("run", "whole")

    def test_a_rank_that_hangs_is_found_and_named(self):
        process = self.start("train", "c.toml", "--processes=2", *ENDLESS)
        ranks = self.ranks(process, 2)
        begin = time.monotonic()
        os.kill(ranks[1], signal.SIGSTOP)
        text = process.communicate(timeout=90)[1]
        self.assertLess(time.monotonic() - begin, 30)
        self.assertNotEqual(process.returncode, 0)
        self.assertRegex(text, r"rank 1 is lost")

    def test_a_run_that_fails_is_started_again_from_its_last_checkpoint(self):
        options = ["--processes=2", "--train.length=60 steps", "--train.evaluate_every=7 steps"]
        self.train("--train.run=whole", *options)
        process = self.start("train", "c.toml", "--restarts=1", *options)
        ranks = self.ranks(process, 2)
        os.kill(ranks[1], signal.SIGKILL)
        text = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("the run has failed and is started again", text)
        self.same_weights("run", "whole")

    def test_a_step_that_takes_longer_than_step_patience_ends_the_run(self):
        slow = ["--model.width=512", "--model.layers=8", "--model.context=512", "--train.batch=32"]
        run = self.lacuna("train", "c.toml", "--processes=2", "--dist.step_patience=1", *slow)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertRegex(run.stderr, r"rank [01]\b.* not gone on.* 1 s")

    def restarted(self, *arguments):
        """The text of a run whose rank 1 is killed before there is a checkpoint."""
        before = len(self.metrics_text())
        process = self.start("train", "c.toml", "--processes=2", "--restarts=1", *arguments)
        ranks = ranks_of(process, 2)
        wait_until(lambda: 0 < len(self.metrics_text()) != before)
        os.kill(ranks[1], signal.SIGKILL)
        text = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertIn("is started again", text)
        return text

    def test_a_restart_without_a_checkpoint_begins_as_the_run_was_told_to(self):
        options = ["--train.length=300 steps", "--train.evaluate_every=0 steps", "--checkpoint.every=0 steps"]
        self.train("--train.run=source", "--train.length=20 steps")
        self.train("--train.run=whole", "--processes=2", "--init-from=source", *options)
        self.restarted("--init-from=source", *options)
        self.same_weights("run", "whole")
        self.restarted("--overwrite", "--init-from=source", *options)  # over the checkpoints of another run
        self.same_weights("run", "whole")
        text = self.restarted("--overwrite", *options)
        self.assertNotIn("resumed", text)
        self.train("--train.run=fresh", "--processes=2", *options)
        self.same_weights("run", "fresh")

    def test_whoever_is_killed_whenever_the_run_ends_with_the_bytes_of_an_undisturbed_one(self):
        seed = random.SystemRandom().randrange(10**6)
        with self.subTest(seed=seed):
            soak.soak(self.path, 2, seed, processes=2, steps=20)


if __name__ == "__main__":
    unittest.main()
