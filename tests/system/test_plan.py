#!/usr/bin/env python3
"""`lacuna plan`: what it says of a run without its data, and what it refuses. Needs LACUNA_BINARY."""
import json
import os
import re
import struct
import subprocess
import unittest

from trained_run import BINARY, ENVIRONMENT, TrainedRun

# Small enough for searches, large enough that a step counts beside the weights. There is no data.
CONFIG = """[data]
paths = ["not-here"]

[model]
layers = 6
heads = 2
width = 64
context = 512
attention = ["fixed(32, 8)", "local(32)"]

[train]
length = "300 steps"
batch = 3
accumulation = 2
"""


# What is measured: fewer and smaller ops.
ON_CPU = ["--train.device", "cpu", "--train.threads", 1, "--model.layers", 4, "--model.width", 32,
          "--model.context", 128]


def kept_text(blocks):
    """As a run says it."""
    words = {0: "nothing", 8: "everything"}
    return "; ".join(
        f"{block['first']}{'' if block['first'] == block['last'] else '-' + str(block['last'])} "
        + words.get(len(block["keeps"]), ", ".join(block["keeps"])) for block in blocks)


class Plan(TrainedRun):
    def setUp(self):
        super().setUp()
        (self.path / "p.toml").write_text(CONFIG)
        self.cache = self.path / "cache"
        self.environment = {**ENVIRONMENT, "XDG_CACHE_HOME": str(self.cache)}

    def run_plan(self, *arguments):
        return subprocess.run([BINARY, "plan", *map(str, arguments)], cwd=self.path, capture_output=True,
                              text=True, timeout=300, check=False, env=self.environment)

    def plan(self, *arguments):
        """What is printed, and the numbers of --json."""
        file = self.path / "plan.json"
        result = self.run_plan("p.toml", "--json", file, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout, json.loads(file.read_text())

    def least(self, *arguments):
        return self.plan(*arguments)[1]["minimum_bytes"]

    def test_a_plan_needs_neither_data_nor_gpu(self):
        text, numbers = self.plan("--gpu", "h200")
        self.assertEqual((numbers["device"], numbers["type"], numbers["seconds_are"]),
                         ("h200", "bf16", "estimated"))
        self.assertIn("p.toml on h200, bf16, 6 x 512 tokens a step", text)
        self.assertIn(f"{numbers['parameters']:,} parameters", text)
        self.assertEqual(numbers["step_tokens"], 3 * 2 * 512)
        # All fits into an H200.
        (blocks,) = numbers["plan"]["blocks"]
        self.assertEqual((blocks["first"], blocks["last"], len(blocks["keeps"])), (1, 6, 8))
        self.assertRegex(text, r"(?m)^       6 blocks keep everything: 1-6$")
        self.assertEqual(numbers["times_everything"], 1)
        self.assertEqual(numbers["plan"]["bytes"], numbers["everything_bytes"])
        self.assertEqual(numbers["plan"]["bytes"], numbers["planned_bytes"] + numbers["context_bytes"])
        self.assertEqual(sum(numbers["bytes_by_tag"].values()), numbers["planned_bytes"])
        self.assertEqual(numbers["bytes_by_tag"]["loaded late"], 64 << 20)
        self.assertGreater(numbers["bytes_by_tag"]["attention tables"], 0)
        self.assertFalse(self.cache.exists())

    def test_parameters_and_checkpoint_are_those_of_a_run(self):
        (self.path / "p.toml").write_text((self.path / "c.toml").read_text())
        _, numbers = self.plan("--gpu", "h200")
        checkpoint = next((self.run_folder / "checkpoints").glob("step-*"))
        files = sum(file.stat().st_size for file in checkpoint.glob("*.safetensors"))
        self.assertTrue(numbers["checkpoint_bytes"] <= files <= numbers["checkpoint_bytes"] + 20000,
                        (numbers["checkpoint_bytes"], files))
        self.assertEqual(numbers["checkpoint_bytes"], 4 * 4 * numbers["parameters"])

    def run_in_cache(self, *arguments):
        result = subprocess.run([BINARY, *map(str, arguments)], cwd=self.path, capture_output=True, text=True,
                                timeout=60, check=False, env=self.environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout + result.stderr

    def test_a_run_holds_and_keeps_what_was_planned(self):
        for samples in ("0 steps", "1 steps"):
            common = [*ON_CPU, "--train.sample_every", samples]
            _, whole = self.plan(*common)
            self.assertEqual((whole["seconds_are"], whole["device"]), ("measured", "1 CPU threads"))
            self.assertEqual(whole["everything_bytes"], whole["planned_bytes"])
            least, most = whole["minimum_bytes"], whole["everything_bytes"]
            self.assertLess(least, 0.7 * most)
            for budget in ("auto", least, (least + most) // 2):
                options = [*common, "--memory.budget", budget]
                _, planned = self.plan(*options)
                self.run_in_cache("bench", "step", "--config", "p.toml", "--repeats", 1, "--json", "step.json",
                                  *options)
                step = json.loads((self.path / "step.json").read_text())
                self.assertEqual(planned["planned_bytes"], step["planned_bytes"])
                self.assertEqual(planned["plan"]["bytes"], step["planned_bytes"])
                if budget == "auto":
                    continue
                self.assertLessEqual(step["planned_bytes"], budget)
                said = self.run_in_cache("train", "p.toml", "--data.paths", "text", "--train.length", "1 steps",
                                         "--train.run", f"run-{samples[0]}-{budget}", *options)
                self.assertIn(f"kept    of blocks {kept_text(planned['plan']['blocks'])}\n", said)

    def test_what_was_measured_is_kept_for_the_next_plan(self):
        _, first = self.plan(*ON_CPU)
        self.assertEqual(os.listdir(self.cache / "lacuna"), ["seconds.json"])
        _, second = self.plan(*ON_CPU)
        self.assertEqual(first["everything_seconds"], second["everything_seconds"])
        (self.cache / "lacuna/seconds.json").write_text("{")
        self.plan(*ON_CPU)
        json.loads((self.cache / "lacuna/seconds.json").read_text())

    def test_budgets_are_kept_and_more_is_never_slower(self):
        _, numbers = self.plan("--gpu", "h200")
        curve = numbers["curve"]
        self.assertEqual(len(curve), 20)
        self.assertEqual(curve[0]["budget_bytes"], numbers["minimum_bytes"])
        self.assertEqual(curve[-1]["budget_bytes"], numbers["everything_bytes"])
        for before, after in zip(curve, curve[1:]):
            self.assertLessEqual(after["step_seconds"], before["step_seconds"])
        for point in curve:
            self.assertLessEqual(point["bytes"], point["budget_bytes"])
            self.assertGreaterEqual(point["step_seconds"], numbers["everything_seconds"])
        self.assertGreater(curve[0]["step_seconds"], 1.02 * numbers["everything_seconds"])
        middle = curve[9]
        text, of_budget = self.plan("--gpu", "h200", "--memory.budget", middle["budget_bytes"])
        self.assertEqual(of_budget["plan"], middle)
        self.assertEqual(of_budget["times_everything"],
                         middle["step_seconds"] / numbers["everything_seconds"])
        self.assertNotIn("blocks keep everything: 1-6", text)

    def test_a_budget_is_bytes_or_a_share_of_the_device(self):
        for budget, expected in (("2GiB", "2.0 GiB"), ("2 GiB", "2.0 GiB"), ("2048MiB", "2.0 GiB"),
                                 ("1500MB", "1.4 GiB"), ("2147483648", "2.0 GiB"), ("0.5TiB", "512.0 GiB"),
                                 ("50%", "69.9 GiB"), ("auto", "139.8 GiB")):
            text, _ = self.plan("--gpu", "h200", f"--memory.budget={budget}")
            self.assertIn(f"budget {expected} ({budget})", text)
        self.assertIn("more than the 139.8 GiB that are free",
                      self.plan("--gpu", "h200", "--memory.budget", "0.5TiB")[0])

    def test_the_least_budget_works_and_a_byte_less_says_what_to_lower(self):
        least = self.least("--gpu", "h200")
        text, numbers = self.plan("--gpu", "h200", "--memory.budget", least)
        self.assertLessEqual(numbers["plan"]["bytes"], least)
        self.assertIn("train.batch up to 3", text)
        budget = ["--gpu", "h200", "--memory.budget", least - 1]
        result = self.run_plan("p.toml", *budget)
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"minimum: {least} bytes ({least / 2**30:.3f} GiB)\n", result.stderr)
        self.assertEqual(result.stderr.count("\n"), 2)
        self.assertIn(f"minimum: {least} bytes", result.stderr)
        batch = re.search(r"train.batch from 3 to (\d+)", result.stderr)
        context = re.search(r"model.context from 512 to (\d+)", result.stderr)
        width = re.search(r"model.width from 64 to (\d+)", result.stderr)
        self.assertEqual(batch[1], "2")
        for change in (["--train.batch", batch[1]], ["--model.context", context[1]],
                       ["--model.width", width[1]]):
            self.assertEqual(self.run_plan("p.toml", *budget, *change).returncode, 0, change)
        longer = int(context[1]) + 32
        self.assertEqual(self.run_plan("p.toml", *budget, "--model.context", longer).returncode, 2)

    def test_a_shorter_type_is_named_where_it_helps(self):
        options = ["--gpu", "h200", "--train.precision", "f32"]
        result = self.run_plan("p.toml", *options, "--memory.budget", self.least(*options) - 1)
        self.assertIn("train.precision from f32 to bf16", result.stderr)

    def test_the_largest_batch_and_the_longest_context_fit_and_no_larger(self):
        budget = ["--gpu", "h200", "--memory.budget", "800MiB"]
        _, numbers = self.plan(*budget)
        for option, most, step in (("--train.batch", numbers["largest_batch"], 1),
                                   ("--model.context", numbers["longest_context"], 32)):
            self.assertEqual(self.run_plan("p.toml", *budget, option, most).returncode, 0)
            self.assertEqual(self.run_plan("p.toml", *budget, option, most + step).returncode, 2)

    def test_position_tables_and_pictures_bound_the_context(self):
        text, numbers = self.plan("--gpu", "h200", "--memory.budget", "800MiB",
                                  "--model.position_tables", "[16, 32]")
        longest = numbers["longest_context"]
        self.assertEqual(longest % 32, 0)
        self.assertIn(f"with position tables [{longest // 32}, 32]", text)
        text, numbers = self.plan("--gpu", "h200", "--data.format", "images", "--data.width", 8,
                                  "--data.height", 8, "--model.context", 0)
        self.assertIsNone(numbers["longest_context"])
        self.assertIn("a sample of this data has 192 symbols", text)

    def test_days_are_told_where_they_need_no_data(self):
        _, numbers = self.plan("--gpu", "h200")
        self.assertEqual(numbers["steps"], 300)
        self.assertAlmostEqual(numbers["days"], 300 * numbers["plan"]["step_seconds"] / 86400, 12)
        _, numbers = self.plan("--gpu", "h200", "--train.length", "1M tokens")
        self.assertEqual(numbers["steps"], -(-1000000 // (6 * 512)))
        text, numbers = self.plan("--gpu", "h200", "--train.length", "2 epochs")
        self.assertEqual((numbers["steps"], numbers["days"]), (None, None))
        self.assertIn("depends on the data", text)

    def test_several_gpus_share_a_step(self):
        one = self.plan("--gpu", "h200", "--train.accumulation", 1)[1]
        self.assertEqual((one["gpus"], one["sums_seconds"], one["share_of_linear"]), (1, 0, 1))
        text, two = self.plan("--gpu", "h200", "--gpus", 2)
        self.assertIn("p.toml on 2 GPUs (h200), bf16, 6 x 512 tokens a step", text)
        self.assertIn("each of 2 GPUs, on 1 host, has 1 micro-batch of 3 sequences", text)
        self.assertEqual((two["gpus"], two["gpu_batch"], two["gpu_accumulation"]), (2, 3, 1))
        # Each does and holds what one GPU does of half of the step, and adds.
        self.assertEqual(two["planned_bytes"], one["planned_bytes"])
        self.assertEqual(two["bytes_by_tag"], one["bytes_by_tag"])
        self.assertAlmostEqual(two["plan"]["step_seconds"], one["plan"]["step_seconds"] + two["sums_seconds"], 12)
        self.assertEqual((two["step_tokens"], two["step_flops"]), (2 * one["step_tokens"], 2 * one["step_flops"]))
        # docs/distributed.md: each of the two sends all bytes once at 305 GB/s, in three calls.
        self.assertAlmostEqual(two["sums_seconds"], 3 * 5e-5 + 4 * two["parameters"] / 305e9, 8)
        speed = two["tokens_per_second"] / (2 * one["tokens_per_second"])
        self.assertAlmostEqual(two["share_of_linear"], speed, 9)
        self.assertIn(f"{100 * speed:.1f} % of 2 times one GPU", text)
        self.assertAlmostEqual(two["days"], 300 * two["plan"]["step_seconds"] / 86400, 12)
        self.assertIn("305 GB/s and 0.05 ms a call, on two H200 of one host\n", text)
        six = self.plan("--gpu", "h200", "--gpus", 6)[1]  # which cut the batch
        self.assertEqual((six["gpu_batch"], six["gpu_accumulation"], six["step_tokens"]), (1, 1, 6 * 512))
        self.assertLess(six["bytes_by_tag"]["activations"], 0.5 * two["bytes_by_tag"]["activations"])

    def test_hosts_cost_what_the_model_says(self):
        text, many = self.plan("--gpu", "h200", "--gpus", 32, "--train.batch", 32)
        size = 4 * many["parameters"]
        expected = 3 * (5e-5 + 2 * 2e-5) + 2 * 7 / 8 * size / 305e9 + 2 * 3 / 4 * size / 400e9
        self.assertAlmostEqual(many["sums_seconds"], expected, 8)
        self.assertIn("each of 32 GPUs, on 4 hosts", text)
        self.assertIn("assumed: up to 8 GPUs of a host add as fast, hosts of 8 at 400 GB/s", text)

    def test_parts_and_rounded_sums_are_in_the_bytes_of_a_gpu(self):
        def tags(*options):
            return self.plan("--gpu", "h200", "--gpus", 2, *options)[1]["bytes_by_tag"]
        whole, parts, rounded = tags(), tags("--dist.shard", "optimizer"), tags("--dist.reduce", "bf16")
        weights = whole["gradients"]
        self.assertEqual(whole["optimizer"] - parts["optimizer"], weights)  # two moments in halves
        self.assertEqual(whole["communication"], 0)
        self.assertEqual(rounded["communication"], weights / 2)
        self.assertEqual({**rounded, "communication": 0}, whole)

    def test_gpus_that_cannot_share_a_step_are_refused_as_train_refuses_them(self):
        (self.path / "p.toml").write_text((self.path / "c.toml").read_text())
        said = self.run_plan("p.toml", "--gpu", "h200", "--gpus", 5, "--train.batch", 6)
        self.assertIn("5 processes cannot share a step of 1 micro-batches of 6 samples evenly", said.stderr)
        self.assertIn("Start 3 or 6 processes, or set train.batch to 5 or 10", said.stderr)
        trained = subprocess.run([BINARY, "train", "p.toml", "--processes", "5", "--train.batch", "6"],
                                 cwd=self.path, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((said.returncode, said.stderr), (trained.returncode, trained.stderr))
        self.refused(["plan", "p.toml", "--gpus", 0], "--gpus")
        self.refused(["plan", "p.toml", "--gpus", "two"], "--gpus", "two")
        self.refused(["plan", "p.toml", "--gpus", 10**12], "--gpus", "at most")
        self.refused(["plan", "p.toml", "--gpus", 2, "--train.device", "cpu"], "--gpus",
                     "means --train.device gpu")

    def test_the_picture_is_a_png(self):
        self.plan("--gpu", "h200", "--picture", "curve.png")
        raw = (self.path / "curve.png").read_bytes()
        self.assertEqual(raw[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", raw[16:24]), (1440, 800))

    def test_what_no_plan_can_be_made_of_is_refused(self):
        plan = ["plan", "p.toml"]
        self.refused(plan + ["--gpu", "h20"], "--gpu", "'h20'", "Did you mean 'h200'?")
        self.refused(plan + ["--gpu", "h200", "--train.device", "cpu"], "--gpu", "train.device is cpu")
        for budget in ("16 gigs", "much", "-1GiB", "0", "110%", "", "16GiBs", "nan", "99999999TiB"):
            self.refused(plan + [f"--memory.budget={budget}"], "memory.budget", "is no amount of memory",
                         "16GiB")
        self.refused(plan + ["--memory.budget", "1GiB", "--memory.budget", "2GiB"], "given twice")
        self.refused(plan + ["--memory.limit", "1GiB"], "--memory.limit")
        self.refused(plan + ["--model.layer", "2"], "--model.layer", "'model.layers'")
        self.refused(plan + ["--gpu", "h200", "--train.precision", "f64"], "train.precision", "f64")
        self.refused(plan + ["--train.length", "2 weeks"], "train.length")
        self.refused(plan + ["--model.heads", "1", "--model.width", "256", "--gpu", "h200"], "model.width",
                     "a head has at most 128")
        self.refused(plan + ["--json", "none/x.json"], "none")
        self.refused(["plan", "nothing.toml"], "nothing.toml", "No such file")


class Rates(TrainedRun):
    def test_the_table_of_a_cpu_has_every_row_of_the_shipped_one(self):
        output = self.ok("bench", "rates", "--device", "cpu", "--threads", 1, "--json", "rates.json",
                         "--name", "mine").stdout.decode()
        report = json.loads((self.path / "rates.json").read_text())
        self.assertEqual((report["device"], report["dtype"], report["name"]), ("1 CPU threads", "f32", "mine"))
        rows = {row["what"]: row for row in report["rates"]}
        for what in ("layer norm forward", "seam forward", "seam backward", "activation forward",
                     "activation backward", "column sums", "embedding forward", "embedding backward",
                     "cross-entropy", "adamw", "squared norm", "zero", "product forward 512",
                     "product backward 512", "attention forward 64", "attention backward 64"):
            self.assertGreater(rows[what]["per_second"], 0, what)
            self.assertGreaterEqual(rows[what]["start_seconds"], 0, what)
            self.assertIn(f'LACUNA_RATE("mine", "f32", "{what}", ', output)
        self.assertEqual(output.count("LACUNA_RATE("), len(rows))

    def test_what_cannot_be_measured_is_refused(self):
        self.refused(["bench", "rates", "--device", "tpu"], "--device", "'tpu'")
        self.refused(["bench", "rates", "--device", "cpu", "--dtype", "bf16"], "--dtype", "'bf16'")


if __name__ == "__main__":
    unittest.main()
