#!/usr/bin/env python3
"""Every command that `lacuna list commands` names, driven from the shell: its help and its refusals. What
the help must name of each is checked from the same table in tests/tables/commands_test.cpp. Needs
LACUNA_BINARY."""
import os
import subprocess
import tempfile
import unittest

BINARY = os.path.abspath(os.environ["LACUNA_BINARY"])


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name

    def lacuna(self, *arguments):
        return subprocess.run([BINARY, *arguments], cwd=self.path, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)

    def commands(self):
        """The words of each command, and its summary."""
        listed = self.lacuna("list", "commands")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        rows = [(line[:32].split(), line[33:]) for line in listed.stdout.splitlines()]
        self.assertIn(["list"], [words for words, _ in rows])
        return rows

    def test_help_of_every_command_goes_well_and_touches_nothing(self):
        for words, summary in self.commands():
            with self.subTest(" ".join(words)):
                result = self.lacuna(*words, "--help")
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertIn(summary, result.stdout)
                above = self.lacuna(*words[:-1], "--help").stdout
                self.assertIn(f"  {words[-1]} ", above)
                self.assertEqual(os.listdir(self.path), [])

    def test_an_unknown_flag_of_every_command_is_a_mistake_of_usage(self):
        commands = [words for words, _ in self.commands()]
        for words in commands:
            with self.subTest(" ".join(words)):
                refusals = ""
                for more in ([], ["word"]):  # some commands want one
                    result = self.lacuna(*words, *more, "--zzzzzzzzzzzz")
                    self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
                    self.assertRegex(result.stderr, r"\Alacuna: .*[.?]\n\Z")
                    refusals += result.stderr
                if not any(other[:-1] == words for other in commands):  # it leads to no others
                    self.assertIn("zzzzzzzzzzzz", refusals)
                self.assertEqual(os.listdir(self.path), [])

    def test_an_unknown_family_of_attention_kernels_is_answered_with_the_known_ones(self):
        for command in (["check"], ["bench", "attention"]):
            with self.subTest(" ".join(command)):
                result = self.lacuna(*command, "--family", "hopper")
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertRegex(result.stderr, "--family: .*'hopper'.*auto, general")


if __name__ == "__main__":
    unittest.main()
