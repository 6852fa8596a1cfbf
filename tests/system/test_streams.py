#!/usr/bin/env python3
"""The standard streams: a reader that goes away, a device that is full, streams that are closed from the
start. Needs LACUNA_BINARY."""
import os
import signal
import subprocess
import unittest

from small_run import BINARY
from test_interrupts import Interrupts

CANNOT = "lacuna: cannot write to the standard output.\n"


def to_nobody(descriptor):
    """Makes the descriptor a pipe without a reader, in a process to be."""
    reader, writer = os.pipe()
    os.dup2(writer, descriptor)
    os.close(reader)
    os.close(writer)


class Readers(Interrupts):
    def test_training_goes_on_without_one(self):
        self.train("--train.run=usual")
        process = self.start("train", "c.toml")
        for _ in range(3):
            process.stderr.readline()
        process.stderr.close()
        self.assertEqual(process.wait(60), 0)
        self.same_results("run", "usual")

    def test_training_goes_on_where_there_never_was_one(self):
        self.train("--train.run=usual")
        process = self.start("train", "c.toml", preexec_fn=lambda: (to_nobody(1), to_nobody(2)))
        self.assertEqual(process.wait(60), 0)
        self.same_results("run", "usual")

    def test_other_commands_end_by_it_without_a_word(self):
        self.train()
        for command in (["list", "options"], ["eval", "run"], ["inspect", "checkpoint", "run"],
                        ["sample", "run", "--length=1000000000"]):
            with self.subTest(command=command):
                process = self.start(*command, preexec_fn=lambda: to_nobody(1))
                error = process.communicate(timeout=30)[1]
                self.assertEqual((process.returncode, error), (-signal.SIGPIPE, ""))

    def test_no_work_is_done_for_output_that_is_lost(self):
        self.train()
        with open("/dev/full", "wb") as full:
            process = subprocess.Popen([BINARY, "sample", "run", "--length=1000000000"], cwd=self.path,
                                       stdout=full, stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.kill)
            error = process.communicate(timeout=30)[1]
        self.assertEqual((process.returncode, error), (1, CANNOT))


class Closed(Interrupts):
    def test_a_closed_stream_changes_nothing_in_the_run(self):
        self.train("--train.run=usual")
        for closed in ((0,), (1,), (2,), (0, 1, 2)):
            with self.subTest(closed=closed):
                run = f"run-{''.join(map(str, closed))}"
                with open(os.devnull, "r+b") as null:
                    code = subprocess.run(
                        [BINARY, "train", "c.toml", f"--train.run={run}"], cwd=self.path, stdin=null,
                        stdout=null, stderr=null, check=False,
                        preexec_fn=lambda which=closed: [os.close(stream) for stream in which]).returncode
                self.assertEqual(code, 0)
                self.same_results(run, "usual")

    def test_what_is_printed_to_a_closed_stream_is_lost(self):
        process = self.start("list", "options", preexec_fn=lambda: os.close(1))
        error = process.communicate(timeout=30)[1]
        self.assertEqual((process.returncode, error), (1, CANNOT))


if __name__ == "__main__":
    unittest.main()
