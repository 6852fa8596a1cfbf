#!/usr/bin/env python3
"""`lacuna bench`: what it prints, and what it refuses. Needs LACUNA_BINARY."""
import json
import unittest

from trained_run import TrainedRun, numbers


class Benchmarks(TrainedRun):
    def sampling(self, *arguments):
        """What is printed, and the numbers of --json."""
        output = self.ok("bench", "sampling", "--config", "c.toml", "--json", "numbers.json", "--repeats", 3,
                         *arguments).stdout.decode()
        return output, json.loads((self.path / "numbers.json").read_text())

    def test_sampling_of_a_configuration_says_what_a_token_costs(self):
        for batch, threads, precision in ((1, 1, "f32"), (3, 2, "f64")):
            output, numbers = self.sampling("--batch", batch, "--train.threads", threads,
                                            "--train.device", "cpu", "--train.precision", precision)
            self.assertEqual({key: numbers[key] for key in ("config", "device", "type", "batch", "context")},
                             {"config": "c.toml", "device": f"{threads} CPU threads", "type": precision,
                              "batch": batch, "context": 32})
            self.assertIn(f"c.toml on {threads} CPU threads", output)
            self.assertIn(f"{batch} sequences of 32 positions, {precision}, cache ", output)
            # fixed(8, 2): of 32 positions the keys and values of a block of 8 and of 2 summaries a
            # block are kept at most, for 16 elements of all heads each.
            slots, rest = divmod(numbers["cache_bytes"], batch * 2 * 16 * int(precision[1:]) // 8)
            self.assertEqual(rest, 0)
            self.assertTrue(8 <= slots <= 16, slots)
            self.assertEqual(numbers["stretch"], 4)  # an eighth of the positions
            whole = numbers["whole_pass_ms"]
            self.assertAlmostEqual(numbers["whole_pass_tokens_per_second"] * whole / (1e3 * batch), 1)
            self.assertEqual([place["place"] for place in numbers["places"]], [4, 16, 32])
            for place in numbers["places"]:
                self.assertGreater(place["ms"], 0)
                self.assertAlmostEqual(place["tokens_per_second"] * place["ms"] / (1e3 * batch), 1)
                self.assertAlmostEqual(place["times"] * place["ms"] / whole, 1)
                self.assertRegex(output, rf"(?m)^ +{place['place']} +{place['ms']:.3f} ")

    def test_sampling_takes_the_smallest_context_and_patterns_without_a_stride(self):
        _, numbers = self.sampling("--model.context", 1)
        self.assertEqual([place["place"] for place in numbers["places"]], [1, 1, 1])
        _, numbers = self.sampling("--model.attention", "dense()", "--model.context", 1024)
        self.assertEqual(numbers["stretch"], 64)
        self.assertEqual(numbers["cache_bytes"], 2 * 1024 * 16 * 4)

    def test_budgets_are_held_against_what_was_predicted(self):
        bench = ["bench", "budgets", "--config", "c.toml", "--repeats", 1, "--train.device", "cpu", "--json", "budgets.json"]
        output = self.ok(*bench, "--count", 4).stdout.decode()
        found = json.loads((self.path / "budgets.json").read_text())
        whole, *runs = found["runs"]
        self.assertEqual((whole["budget_bytes"], whole["times"], whole["kept"]), (0, 1, "everything"))
        least, most = found["minimum_bytes"], found["everything_bytes"]
        self.assertEqual([run["budget_bytes"] for run in runs], [least + (most - least) * k // 3 for k in range(4)])
        self.assertEqual(runs[-1]["kept"], "everything")
        self.assertEqual(runs[0]["predicted_bytes"], least)
        self.assertEqual(runs[-1]["predicted_bytes"], most)
        for run in runs:
            self.assertEqual(run["arena_bytes"], run["predicted_arena_bytes"])
            self.assertLessEqual(run["predicted_bytes"], run["budget_bytes"])
            self.assertAlmostEqual(run["times"], run["ms"] / found["everything_ms"])
            self.assertLessEqual(run["begun"], run["ended"])
        predicted = [run["predicted_times"] for run in runs]
        self.assertEqual(predicted, sorted(predicted, reverse=True))
        self.assertEqual(predicted[-1], 1)
        self.assertEqual(len(output.splitlines()), 2 + len(found["runs"]))
        self.ok(*bench, "--at", f"{least}, {most}")
        runs = json.loads((self.path / "budgets.json").read_text())["runs"][1:]
        self.assertEqual([run["budget_bytes"] for run in runs], [least, most])

    def test_budgets_that_cannot_be_measured_are_refused(self):
        self.refused(["bench", "budgets"], "bench budgets", "Give --config FILE")
        bench = ["bench", "budgets", "--config", "c.toml", "--train.device", "cpu"]
        self.refused(bench + ["--at", "auto"], "--at", "auto is no budget")
        self.refused(bench + ["--at", "1GiB,2 giraffes"], "giraffes")
        self.refused(bench + ["--count", "1"], "--count", "at least 2")

    def test_what_sampling_does_not_read_is_refused(self):
        bench = ["bench", "sampling"]
        self.refused(bench + ["--json", "x"], "bench sampling", "--json without --config")
        self.refused(bench + ["--model.layers", "3"], "bench sampling", "no options without --config")
        self.refused(bench + ["--batch", "2"], "bench sampling", "--batch without --config")
        self.refused(bench + ["--batch", "0"], "--batch", "at least 1")
        self.refused(["bench", "step", "--config", "c.toml", "--batch", "2"], "bench step", "'--batch'")
        self.refused(["bench", "cpu", "--batch", "2"], "bench cpu", "'--batch'")
        bench += ["--config", "c.toml"]
        self.refused(bench + ["--threads", "2"], "bench sampling", "--threads", "--train.threads")
        self.refused(bench + ["--batch", "0"], "--batch", "at least 1")
        self.refused(bench + ["--repeats", "0"], "--repeats", "at least 1")
        self.refused(bench + ["--model.layer", "3"], "--model.layer", "'model.layers'")
        self.refused(["bench", "sampling", "--config", "nothing.toml"], "nothing.toml: ", "No such file")

    def test_a_step_that_processes_share_is_the_same_step(self):
        found = {}
        for count, flags in ((1, []), (2, ["--processes", 2])):
            output = self.ok("bench", "step", "--config", "c.toml", "--json", "numbers.json", "--repeats", 3,
                             *flags).stdout.decode()
            found[count] = json.loads((self.path / "numbers.json").read_text())
            self.assertEqual(found[count]["ranks"], count)
            self.assertEqual(output.count("4 x 32 tokens a step"), 1, output)  # one speaks for all
            self.assertAlmostEqual(found[count]["tokens_per_second"] * found[count]["ms"] / (1e3 * 4 * 32), 1)
        self.assertLess(found[2]["planned_bytes"], found[1]["planned_bytes"])  # half the batch each
        bench = ["bench", "step", "--config", "c.toml"]
        self.refused(bench + ["--processes", 3], "3 processes cannot share a step")
        self.refused(bench + ["--processes", 2, "--train.device", "gpu"], "--processes", "--train.device cpu")
        self.refused(bench + ["--processes", 2, "--gpus", 2], "--gpus", "contradicts")

    def test_sums_over_processes_say_what_each_size_costs(self):
        output = self.ok("bench", "sums", "--processes", 3, "--sizes", "0.01,1", "--repeats", 2, "--json",
                         "numbers.json").stdout.decode()
        numbers = json.loads((self.path / "numbers.json").read_text())
        self.assertEqual(numbers["ranks"], 3)
        self.assertEqual([size["bytes"] for size in numbers["sizes"]], [9984, 999936])  # in 256 bytes
        for size in numbers["sizes"]:
            for key in ("sum_f32_ms", "sum_bf16_ms", "sum_of_parts_ms", "gather_ms"):
                self.assertGreater(size[key], 0)
            self.assertRegex(output, rf"(?m)^ +{size['bytes'] / 1e6:.3f} +{size['sum_f32_ms']:.3f} ")
        self.refused(["bench", "sums"], "bench sums", "--gpus N or --processes N")
        for sizes in ("x", "1,", "0", "-1", "1e9"):
            self.refused(["bench", "sums", "--processes", 2, "--sizes", sizes], "--sizes", "no size in MB")


if __name__ == "__main__":
    unittest.main()
