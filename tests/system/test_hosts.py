#!/usr/bin/env python3
"""Training over two hosts with folders of their own (two_hosts.py): the run of one host, whatever lies in
the folder of the other; a cable that is cut in mid-run. Needs LACUNA_BINARY. Exit code 77 where the
machine makes no hosts."""
import shutil
import signal
import sys
import time
import unittest

import small_run
import two_hosts
from small_run import BINARY, ECHO
from test_processes import ALONE, free_port, wait_until
from two_hosts import NAMES, OnTwoHosts

SKIPPED = 77


def by_torchrun(rank, host_ranks, port, address=NAMES[0]):
    """What a launcher tells one of two hosts of so many ranks each."""
    return {"RANK": str(rank), "WORLD_SIZE": str(2 * host_ranks), "LOCAL_RANK": str(rank % host_ranks),
            "LOCAL_WORLD_SIZE": str(host_ranks), "MASTER_ADDR": address, "MASTER_PORT": str(port)}


def by_slurm(rank, host_ranks, job):
    return {"SLURM_PROCID": str(rank), "SLURM_NTASKS": str(2 * host_ranks),
            "SLURM_LOCALID": str(rank % host_ranks), "SLURM_NODEID": str(rank // host_ranks),
            "SLURM_JOB_ID": str(job), "SLURM_STEP_ID": "0", "SLURM_STEP_NODELIST": "node[1-2]",
            "SLURM_STEP_TASKS_PER_NODE": f"{host_ranks}(x2)"}


class Hosts(OnTwoHosts):
    def setUp(self):
        super().setUp()
        for host in self.network.hosts:
            small_run.prepare(host.folder)

    def start(self, *arguments, hosts=None, environments=None):
        """One process for each environment, the first half of them on the first host."""
        hosts = hosts or self.network.hosts
        if environments is None:
            port = free_port()
            environments = [by_torchrun(rank, 1, port, hosts[0].name) for rank in range(2)]
        started = []
        for rank, environment in enumerate(environments):
            host = hosts[rank * 2 // len(environments)]
            process = host.start([BINARY, "train", "c.toml", *arguments], {**ALONE, **environment})
            self.addCleanup(process.stderr.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            started.append(process)
        return started

    def train(self, *arguments, **where):
        """What the ranks have said."""
        started = self.start(*arguments, **where)
        texts = [process.communicate(timeout=120)[1] for process in started]
        self.assertEqual([process.returncode for process in started], [0] * len(started), texts)
        return texts

    def on_one_host(self, *arguments, processes=2):
        """The same run of as many processes on one host, as the folder "one" of the first."""
        run = small_run.lacuna(self.first.folder, "train", "c.toml", "--train.run=one", f"--processes={processes}",
                               *arguments)
        self.assertEqual(run.returncode, 0, run.stderr)

    def same_as_on_one_host(self, host=None):
        self.assertEqual(small_run.differences((host or self.first).folder / "run", self.first.folder / "one"), [])

    def metrics_text(self):
        try:
            return (self.first.folder / "run/metrics.jsonl").read_text()
        except FileNotFoundError:  # not yet, or it is being replaced
            return ""

    def has_written(self, fragment):
        wait_until(lambda: fragment in self.metrics_text())


class OneRun(Hosts):
    def test_it_is_the_run_of_one_host_and_only_rank_0_writes_it(self):
        before = sorted(self.second.folder.iterdir())
        texts = self.train()
        self.assertIn("2 processes (torchrun), Gloo", texts[0])
        self.assertEqual(texts[1], "")
        self.assertEqual(sorted(self.second.folder.iterdir()), before)
        self.on_one_host()
        self.same_as_on_one_host()

    def test_two_ranks_on_each_host_under_slurm_meet_at_the_first_of_its_list(self):
        # There the name of the host is that of the loopback, by which nobody comes from elsewhere.
        texts = self.train(environments=[by_slurm(rank, 2, self.id()) for rank in range(4)])
        self.assertIn("4 processes (Slurm), Gloo", texts[0])
        self.assertFalse((self.second.folder / "run").exists())
        self.on_one_host(processes=4)
        self.same_as_on_one_host()

    def test_by_addresses_of_ipv6(self):
        if not self.network.ipv6:
            self.skipTest("this machine has no IPv6")
        port = free_port()
        self.train(environments=[by_torchrun(rank, 2, port, two_hosts.IPV6_ADDRESSES[0]) for rank in range(4)])
        self.on_one_host(processes=4)
        self.same_as_on_one_host()

    def test_a_signal_to_the_rank_of_the_other_host_lets_rank_0_save(self):
        started = self.start("--train.length=1000000 steps", "--train.evaluate_every=0 steps")
        self.has_written('"train"')
        started[1].send_signal(signal.SIGTERM)
        texts = [process.communicate(timeout=30)[1] for process in started]
        self.assertEqual([process.returncode for process in started], [0, 0], texts)
        self.assertIn("stopped after", texts[0])
        self.assertTrue(small_run.steps(self.first.folder / "run"))
        self.assertFalse((self.second.folder / "run").exists())


class GoesOn(Hosts):
    """What rank 0's host has decides, whatever lies on the other."""

    def setUp(self):
        super().setUp()
        self.on_one_host()
        self.train()
        self.whole = self.first.folder / "whole"
        (self.first.folder / "run").rename(self.whole)

    def leave(self, host, step):
        """The run as it was on this host when `step` had been saved."""
        run = host.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(self.whole, run)
        for name in ("weights.safetensors", "average.safetensors"):
            (run / name).unlink()
        for other in small_run.steps(run):
            if other > step:
                shutil.rmtree(run / f"checkpoints/step-{other}")

    def files(self, host):
        return {str(file): file.read_bytes() for file in host.folder.rglob("*") if file.is_file()}

    def test_without_a_folder_on_the_second_host(self):
        self.leave(self.first, 10)
        before = self.files(self.second)
        self.assertIn("resumed from run/checkpoints/step-10", self.train("--resume=auto")[0])
        self.assertEqual(self.files(self.second), before)
        self.same_as_on_one_host()

    def test_with_an_older_or_a_newer_checkpoint_on_the_second_host(self):
        for step in (5, 15):
            with self.subTest(step=step):
                self.leave(self.first, 10)
                self.leave(self.second, step)
                before = self.files(self.second)
                self.assertIn("resumed from run/checkpoints/step-10", self.train("--resume=auto")[0])
                self.assertEqual(self.files(self.second), before)
                self.same_as_on_one_host()

    def test_with_rank_0_on_the_other_host(self):
        self.leave(self.first, 15)
        before = self.files(self.first)
        swapped = [self.second, self.first]
        for step, said in ((None, "a new run begins"), (10, "resumed from run/checkpoints/step-10")):
            with self.subTest(step=step):
                if step:
                    self.leave(self.second, step)
                self.assertIn(said, self.train("--resume=auto", hosts=swapped)[0])
                self.assertEqual(self.files(self.first), before)
                self.same_as_on_one_host(self.second)


class Cut(Hosts):
    """The cable between the hosts is cut."""
    OPTIONS = ["--train.length=800 steps", "--train.evaluate_every=0 steps", "--checkpoint.every=20 steps",
               "--checkpoint.keep_every=0 steps"]

    def same_weights_as_on_one_host(self):
        for name in ("weights.safetensors", "average.safetensors"):
            self.assertTrue((self.first.folder / "run" / name).read_bytes() ==
                            (self.first.folder / "one" / name).read_bytes(), name)

    def cut(self, started):
        """The ranks' texts and exit codes once they have ended."""
        begin = time.monotonic()
        self.network.cable("down")
        texts = [process.communicate(timeout=60)[1] for process in started]
        self.assertLess(time.monotonic() - begin, 30)
        return texts, [process.returncode for process in started]

    def test_both_sides_name_who_is_missing_and_the_run_goes_on(self):
        self.on_one_host(*self.OPTIONS)
        started = self.start("--resume=auto", *self.OPTIONS)
        wait_until(lambda: small_run.steps(self.first.folder / "run"))
        texts, codes = self.cut(started)
        self.assertEqual(codes, [1, 1], texts)
        for rank in range(2):
            self.assertRegex(texts[rank], rf"rank {rank}: rank {1 - rank} is lost: .*; rank {rank} was at step \d+")
        self.assertFalse((self.first.folder / "run/weights.safetensors").exists())
        self.network.cable("up")
        self.assertRegex(self.train("--resume=auto", *self.OPTIONS)[0], r"resumed from run/checkpoints/step-\d+")
        self.same_weights_as_on_one_host()

    def test_while_the_ranks_evaluate(self):
        started = self.start(*ECHO[:-1], "--data.size=40000000", "--data.split=0.1 / 0.9",
                             "--train.evaluate_every=1 steps")
        self.has_written('"train"')
        time.sleep(0.3)
        texts, codes = self.cut(started)
        self.assertEqual(codes, [1, 1], texts)
        for rank in range(2):
            self.assertRegex(texts[rank], rf"rank {1 - rank} is lost: .*; rank {rank} was at the work after step 1\n")

    def test_for_so_short_a_time_that_nobody_is_lost(self):
        self.on_one_host(*self.OPTIONS)
        started = self.start(*self.OPTIONS)
        wait_until(lambda: small_run.steps(self.first.folder / "run"))
        self.network.cable("down")
        time.sleep(2)
        self.assertEqual([process.poll() for process in started], [None, None])
        self.network.cable("up")
        texts = [process.communicate(timeout=60)[1] for process in started]
        self.assertEqual([process.returncode for process in started], [0, 0], texts)
        self.same_weights_as_on_one_host()

    def test_before_all_have_met(self):
        self.network.cable("down")
        began = time.monotonic()
        started = self.start("--dist.start_patience=2")
        texts = [process.communicate(timeout=60)[1] for process in started]
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual([process.returncode for process in started], [2, 2], texts)
        self.assertIn("rank 1 of 2 has not come within 2 s", texts[0])
        self.assertRegex(texts[1], r"rank 1 has not met rank 0 there within 2 s")
        self.assertFalse((self.first.folder / "run").exists())


if __name__ == "__main__":
    missing = two_hosts.why_not()
    if missing:
        print("skipped: this machine makes no network namespaces:", missing)
        sys.exit(SKIPPED)
    unittest.main()
