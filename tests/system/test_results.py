#!/usr/bin/env python3
"""tools/results.py: pages made from CSV files, and new measurements taken into them.

Usage: test_results.py [unittest arguments]; LACUNA_BINARY in the environment.
"""
import csv
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

SOURCE = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("LACUNA_BINARY", "")
RUN = ["--gpu", "H200", "--driver", "1.2", "--commit", "abcdef0", "--date", "2026-12-01"]
ORIGIN = {"gpu": "H200", "driver": "1.2", "commit": "abcdef0", "date": "2026-12-01"}
ATTENTION = """case,forward_ms,forward_backward_ms,rival,rival_forward_ms,rival_forward_backward_ms,gpu,driver,commit,date
a-fixed,1.0,4.0,fa4,2.0,2.0,H100,unknown,unknown,2026-11-28
b-strided,1.0,2.0,split; fa4,1.5,4.0,H100,unknown,unknown,2026-11-28
c-local,3.0,9.0,,,,H100,unknown,unknown,2026-11-28
d-local,3.0,10.0,cudnn,2.0,1.0,H100,unknown,unknown,2026-11-28
"""
STEPS = """model,batch,ms,tokens_per_second,rival,rival_ms,gpu,driver,commit,date
tiny,2,8,,fa4 --graph,12,H100,unknown,unknown,2026-11-28
tiny-dropout,2,9,,,,H100,unknown,unknown,2026-11-28
"""


class Results(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.csv = self.root / "docs/results"
        shutil.copytree(SOURCE / "docs/results", self.csv)
        shutil.copy(SOURCE / "README.md", self.root)
        (self.csv / "attention.csv").write_text(ATTENTION)
        (self.csv / "steps.csv").write_text(STEPS)

    def run_tool(self, *arguments, code=0):
        done = subprocess.run([sys.executable, SOURCE / "tools/results.py", "--root", self.root, *arguments],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def page(self):
        return (self.csv / "README.md").read_text()

    def rows(self, table):
        with (self.csv / f"{table}.csv").open(newline="") as file:
            return {row["case" if table == "attention" else "model"]: row for row in csv.DictReader(file)}

    def file(self, name, content):
        path = self.root / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def refused(self, *arguments, because):
        """Exit code 2, the reason, and every file as it was."""
        before = {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}
        self.assertIn(because, self.run_tool(*arguments, code=2))
        self.assertEqual(before, {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()})

    # The pages.

    def test_check_fails_until_the_pages_are_made_anew(self):
        self.assertIn("README.md is not what docs/results/*.csv give", self.run_tool("--check", code=1))
        self.run_tool()
        self.run_tool("--check")
        for page in (self.csv / "README.md", self.root / "README.md"):
            made = page.read_text()
            self.assertEqual(made.count("d-local (0.10x)"), 1)
            page.write_text(made.replace("d-local (0.10x)", "d-local (1.10x)"))
            self.run_tool("--check", code=1)
            page.write_text(made)
        self.run_tool("--check")

    def test_the_worst_case_comes_first_and_what_was_not_measured_is_empty(self):
        self.run_tool()
        lines = [line for line in self.page().splitlines()
                 if line.startswith(("| a-", "| b-", "| c-", "| d-"))]
        self.assertEqual(lines, [
            "| d-local | 10.0 | 1.0 | cudnn | **0.10x** | 3.0 | 2.0 | cudnn | 0.67x |",
            "| a-fixed | 4.0 | 2.0 | fa4 | **0.50x** | 1.0 | 2.0 | fa4 | 2.00x |",
            "| b-strided | 2.0 | 4.0 | fa4 | **2.00x** | 1.0 | 1.5 | split | 1.50x |",
            "| c-local | 9.0 |  |  |  | 3.0 |  |  |  |"])

    def test_the_summary_says_losses_and_the_mean_of_merged_heads(self):
        self.run_tool()
        said = " ".join(self.page().split())
        self.assertIn("**Lacuna loses** in 2 of 3 cases of attention, forward and backward together: "
                      "d-local (0.10x), a-fixed (0.50x).", said)
        self.assertIn("at least as fast in b-strided (2.00x).", said)
        self.assertIn("mean of the 2 cases with merged heads (-fixed and -strided) lacuna has 1.00 times", said)
        self.assertIn("**Lacuna loses** in none of 1 training steps.", said)
        self.assertIn("is FlashAttention-4", said)

    def test_what_is_wrong_in_a_csv_is_named_with_its_line(self):
        for old, new, because in (
                ("a-fixed,1.0", "a-fixed,fast", "attention.csv:2: forward_ms 'fast' is no number"),
                ("a-fixed,1.0", "a-fixed,0.0", "attention.csv:2: forward_ms '0.0' is no number above 0"),
                ("b-strided", "a-fixed", "attention.csv:3: a second row of a-fixed"),
                ("a-fixed,1.0,", "a-fixed,", "attention.csv:2: 10 cells are needed"),
                ("unknown,unknown", "unknown,newest", "attention.csv:2: commit 'newest'"),
                ("2026-11-28", "yesterday", "attention.csv:2: 'yesterday' is no date"),
                ("H100", "", "attention.csv:2: gpu is empty"),
                ("case,", "name,", "attention.csv:1: the columns should be case,forward_ms")):
            with self.subTest(because):
                self.file("docs/results/attention.csv", ATTENTION.replace(old, new, 1))
                self.refused(because=because)

    def test_a_page_without_its_markers_is_refused(self):
        page = self.csv / "README.md"
        page.write_text(self.page().replace("<!-- end of steps -->", ""))
        self.refused(because="docs/results/README.md: '<!-- tools/results.py: steps -->' and then "
                             "'<!-- end of steps -->' must stand there once")

    # The picture of bars.

    def bars(self):
        """The rows of the picture, from above: {what it says on the left: (kind, from, width, words on the right)}."""
        svg = "{http://www.w3.org/2000/svg}"
        drawn = ElementTree.fromstring((self.csv / "speed.svg").read_text())
        rows = {}
        for shape in drawn:
            y = float(shape.get("y", 0))
            if shape.tag == svg + "rect" and shape.get("class") != "page":
                rows.setdefault(round(y - 1), []).insert(
                    0, (shape.get("class"), float(shape.get("x")), float(shape.get("width"))))
            elif shape.tag == svg + "text":
                rows.setdefault(round(y - 12), []).append(shape.text)
        return drawn, [rows[y] for y in sorted(rows)]

    def row(self, name):
        found = [row for row in self.bars()[1] if name in row]
        self.assertEqual(len(found), 1, name)
        return found[0]

    def test_bars_start_at_equal_and_are_as_long_as_the_logarithm(self):
        self.run_tool()
        bars = {}
        for case, kind, rival, words in (("d-local", "loss", "cudnn", "0.10x, slower"),
                                         ("a-fixed", "loss", "fa4", "0.50x, slower"),
                                         ("b-strided", "ours", "fa4", "2.00x")):
            bars[case], *said = self.row(case)
            self.assertEqual(bars[case][0], kind)
            self.assertEqual(said, [case, rival, words])
        one = bars["b-strided"][1]  # what is gained begins where what is lost ends
        for case, value in (("d-local", 10), ("a-fixed", 2), ("b-strided", 2)):
            kind, left, width = bars[case]
            self.assertAlmostEqual(width / bars["b-strided"][2], math.log2(value), delta=0.001)
            self.assertAlmostEqual(left if kind == "ours" else left + width, one, delta=0.02)
        lines = {shape.get("x1") for shape in self.bars()[0].iter("{http://www.w3.org/2000/svg}line")
                 if shape.get("class") == "words-line"}
        self.assertEqual(lines, {f"{one:.1f}"})
        order = [row[1] for row in self.bars()[1] if isinstance(row[0], tuple)]
        self.assertEqual(order[:3], ["d-local", "a-fixed", "b-strided"])
        said = (self.csv / "speed.svg").read_text()
        self.assertIn("Geometric mean of the 2 cases with merged heads (-fixed, -strided): 1.00x.", said)
        self.assertIn("all rows on H100 (driver unknown), commit unknown, 2026-11-28.", said)

    def test_what_has_no_rival_or_no_number_has_no_bar(self):
        self.file("docs/results/attention.csv", ATTENTION.replace("b-strided,1.0,2.0", "b-strided,1.0,"))
        self.run_tool()
        self.assertEqual(self.row("c-local"), ["c-local", "no rival measured"])
        self.assertEqual(self.row("b-strided"), ["b-strided", "fa4", "not measured"])
        ours = self.row("tiny-dropout, batch 2")
        self.assertEqual(ours[1:], ["tiny-dropout, batch 2", "lacuna", "9 ms"])
        self.assertIn(["no rival measured"], self.bars()[1])

    def test_steps_are_as_long_as_their_milliseconds(self):
        for ms, kind, words in ((8, "ours", "8 ms, 1.50x"), (16, "loss", "16 ms, 0.75x, slower")):
            self.file("docs/results/steps.csv", STEPS.replace("tiny,2,8,", f"tiny,2,{ms},"))
            self.run_tool()
            ours, theirs = self.row("tiny, batch 2"), self.row("fa4 --graph")
            self.assertEqual((ours[0][0], ours[-1], theirs[0][0], theirs[-1]), (kind, words, "rival", "12 ms"))
            self.assertAlmostEqual(ours[0][2] / theirs[0][2], ms / 12, delta=0.001)
            self.assertEqual(ours[0][1], theirs[0][1])

    def test_a_loss_is_not_rounded_away(self):
        self.file("docs/results/attention.csv", ATTENTION.replace("d-local,3.0,10.0", "d-local,3.0,1.004"))
        self.run_tool()
        self.assertEqual(self.row("d-local")[-1], "0.996x, slower")
        self.assertIn("| **0.996x** |", self.page())

    def test_both_pages_open_with_the_picture_and_the_losses(self):
        self.run_tool()
        for page, link in ((self.csv / "README.md", "speed.svg"), (self.root / "README.md", "docs/results/speed.svg")):
            opening = page.read_text()[:1000]
            self.assertRegex(opening, rf"!\[[^\]]{{40,}}\]\({link}\)")
            self.assertIn("Lacuna loses against the best rival in 2 of 3 cases of attention (d-local 0.10x, "
                          "a-fixed 0.50x) and in none of 1 training steps", " ".join(opening.split()))

    def test_an_old_or_missing_picture_is_found_and_a_new_one_needs_nothing_from_elsewhere(self):
        self.run_tool()
        picture = self.csv / "speed.svg"
        made = picture.read_text()
        for name, text, old, new in (("attention", ATTENTION, "c-local", "e-local"),
                                     ("steps", STEPS, "tiny,2", "tiny,4")):
            self.file(f"docs/results/{name}.csv", text.replace(old, new, 1))
            self.assertIn("docs/results/speed.svg is not what docs/results/*.csv give", self.run_tool("--check", code=1))
            self.assertEqual(picture.read_text(), made)
            self.file(f"docs/results/{name}.csv", text)
            self.run_tool("--check")
        picture.unlink()
        self.assertIn("docs/results/speed.svg is not what", self.run_tool("--check", code=1))
        self.assertRegex(made, "<title[^>]*>Speed of lacuna")
        self.assertIn("@media (prefers-color-scheme: dark)", made)
        self.assertNotRegex(made.replace("http://www.w3.org/2000/svg", ""), "http|<script|@import|url\\(|<image")

    def test_names_with_signs_of_xml_are_drawn(self):
        self.file("docs/results/attention.csv", ATTENTION.replace("d-local", "d<&-local"))
        self.run_tool()
        self.assertEqual(self.row("d<&-local")[-1], "0.10x, slower")

    # New measurements of ours.

    def attention(self, case="a-fixed", dtype="bf16"):
        return {"case": case, "pattern": "fixed(128, 32)", "dtype": dtype, "fwd_ms": 0.51234, "fwdbwd_ms": 1}

    def test_attention_changes_our_columns_of_the_rows_in_the_file(self):
        before = self.rows("attention")
        self.run_tool("attention", self.file("a.json", [self.attention()]), *RUN)
        after = self.rows("attention")
        self.assertEqual(after.pop("a-fixed"), {**before.pop("a-fixed"), **ORIGIN, "forward_ms": "0.512",
                                                "forward_backward_ms": "1.000"})
        self.assertEqual(after, before)
        self.assertIn("| a-fixed | 1.000 | 2.0 | fa4 | **2.00x** |", self.page())
        self.run_tool("--check")

    def test_attention_refuses_what_does_not_belong_into_the_table(self):
        self.run_tool()
        file = self.file("a.json", [self.attention(), self.attention("z-fixed")])
        self.refused("attention", file, *RUN, because="attention.csv has no row of z-fixed")
        file = self.file("a.json", [self.attention(dtype="f32")])
        self.refused("attention", file, *RUN, because="a-fixed was measured in f32")
        file = self.file("a.json", [self.attention()])
        self.refused("attention", file, *RUN, "--commit", "mine", because="commit 'mine'")
        self.refused("attention", file, *RUN, "--check", because="unrecognized arguments")
        self.refused("--check", "attention", file, *RUN, because="--check goes alone")
        file = self.file("a.json", [{"case": "a-fixed", "dtype": "bf16"}])
        self.refused("attention", file, *RUN, because="the file has no 'fwd_ms'")

    def scaling(self, **more):
        row = {"model": "tiny", "batch": 8, "variant": "", "rival": "", "rival_tokens_per_second": None}
        return {"processes": False, "device": "NVIDIA H200", **more, "rows": [
            {**row, "gpus": 1, "ms": 10, "tokens_per_second": 1000.4},
            {**row, "gpus": 2, "ms": 10.5, "tokens_per_second": 1905.2, "rival": "PyTorch DDP",
             "rival_tokens_per_second": 1500},
            {**row, "gpus": 2, "batch": 4, "ms": 7, "tokens_per_second": 1500},
            {**row, "gpus": 2, "variant": "ZeRO-1", "ms": None, "tokens_per_second": None}]}

    def test_scaling_is_taken_with_its_picture(self):
        file = self.csv / "scaling.csv"
        file.write_text(file.read_text().splitlines()[0] + "\n")
        self.run_tool()
        self.assertIn("Not measured yet.", self.page())
        report = self.scaling()
        self.run_tool("scaling", self.file("s.json", report), *RUN)
        self.run_tool("--check")
        for line in ("| tiny | 1 | 8 |  | 10.00 | 1000 | 100.0 % |  |  |  |",
                     "| tiny | 2 | 8 |  | 10.50 | 1905 | 95.2 % | 1500 | PyTorch DDP | 1.27x |",
                     "| tiny | 2 | 4 |  | 7.00 | 1500 | 75.0 % |  |  |  |",
                     "| tiny | 2 | 8 | ZeRO-1 |  |  |  |  |  |  |"):
            self.assertIn(line, self.page())
        picture = self.csv / "scaling.svg"
        drawn = ElementTree.fromstring(picture.read_text())
        points = [shape.get("points") for shape in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
        self.assertEqual(len(points), 3)  # N times one, the rival, ours
        self.assertEqual([len(line.split()) for line in points], [2, 1, 2])
        picture.write_text(picture.read_text().replace("lacuna", "lacunae"))
        self.run_tool("--check", code=1)
        # Measured anew: what the file has not stays.
        report["rows"] = [{**report["rows"][1], "ms": 10.1, "rival": "", "rival_tokens_per_second": None}]
        self.run_tool("scaling", self.file("s.json", report), *RUN)
        self.assertIn("| tiny | 2 | 8 |  | 10.10 | 1905 | 95.2 % | 1500 | PyTorch DDP | 1.27x |", self.page())
        file = self.file("s.json", self.scaling(processes=True))
        self.refused("scaling", file, *RUN, because="measured on CPUs")
        file = self.file("s.json", self.scaling(device="NVIDIA H100"))
        self.refused("scaling", file, *RUN, because="measured on 'NVIDIA H100'")

    def test_steps_are_taken_as_the_binary_writes_them(self):
        config = self.file("tiny.toml", '[model]\nlayers = 1\nheads = 2\nwidth = 16\ncontext = 32\n'
                                        'attention = ["local(4)"]\n[train]\nbatch = 2\n')
        done = subprocess.run([BINARY, "bench", "step", "--config", config, "--train.device", "cpu",
                               "--repeats", "3", "--json", self.root / "s.json"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads((self.root / "s.json").read_text())
        gpu = ["--gpu", said["device"], *RUN[2:]]
        before = self.rows("steps")
        self.run_tool("steps", self.root / "s.json", "--batch", "2", *gpu)
        ours = {**ORIGIN, "gpu": said["device"], "ms": f"{said['ms']:.2f}",
                "tokens_per_second": f"{said['tokens_per_second']:.0f}"}
        self.assertEqual(self.rows("steps"), {**before, "tiny": {**before["tiny"], **ours}})
        self.run_tool("steps", self.root / "s.json", "--batch", "2", "--model", "tiny-dropout", *gpu)
        self.assertEqual(self.rows("steps")["tiny-dropout"], {**before["tiny-dropout"], **ours})
        self.refused("steps", self.root / "s.json", "--batch", "4", *gpu, because="no row of tiny 4")
        self.refused("steps", self.root / "s.json", "--batch", "2", *RUN, because="not on --gpu H200")

    def test_layers_change_the_rows_of_the_file(self):
        line = {"kernel": "embedding forward", "size": "enwik8", "ms": 0.02, "bytes": 102e6,
                "share_of_copy": 0.875}
        self.run_tool("layers", self.file("l.json", {"gpu": "NVIDIA H200", "kernels": [line]}), *RUN)
        self.assertIn("embedding forward,enwik8,102.0,0.0200,0.875,H200,1.2,abcdef0,2026-12-01\n",
                      (self.csv / "layers.csv").read_text())
        self.assertIn("| embedding forward | 87.5 % (0.0200 ms) |", self.page())

    # New measurements of the rivals.

    def test_the_best_rival_of_each_case_is_taken(self):
        of_torch = [{"case": "b-strided", "variant": "split", "fwd_ms": 1.25, "fwdbwd_ms": 5.0},
                    {"case": "a-fixed", "variant": "sdpa", "fwd_ms": 1.0, "fwdbwd_ms": 9.0}]
        printed = ("a-fixed fa4 errors out 1.0e-3 dq 1.0e-3 dk 1.0e-3 dv 1.0e-3\n"
                   "a-fixed fa4 fwd 1.900 fwd+bwd 2.100 ms\n"
                   "b-strided fa4 fwd 1.400 fwd+bwd 3.900 ms\n"
                   "d-local cudnn fwd 0.800 bwd 0.100 fwd+bwd 0.900 ms, workspace 3 MiB\n"
                   "d-local cudnn deterministic fwd 0.700 bwd 0.500 fwd+bwd 1.200 ms, workspace 3 MiB\n"
                   "tiny fa4 batch 2 checkpoint 0 graph 1 GPUs 1: 1.0M params, first step 3 s, 11.5 ms/step, "
                   "3.0k tok/s\n"
                   "tiny split batch 2 checkpoint 0 graph 0 GPUs 1: 1.0M params, first step 3 s, 10.5 ms/step, "
                   "3.0k tok/s\n"
                   "tiny split batch 2 checkpoint 0 graph 0 GPUs 2: 1.0M params, first step 3 s, 1.5 ms/step, "
                   "3.0k tok/s\n")
        before, steps = self.rows("attention"), self.rows("steps")
        self.run_tool("rivals", self.file("t.json", of_torch), self.file("t.txt", printed))
        new = {"a-fixed": ("sdpa; fa4", "1.000", "2.100"), "b-strided": ("split; fa4", "1.250", "3.900"),
               "d-local": ("cudnn", "0.700", "0.900")}
        for case, values in new.items():
            before[case].update(zip(("rival", "rival_forward_ms", "rival_forward_backward_ms"), values))
        self.assertEqual(self.rows("attention"), before)
        steps["tiny"].update(rival="split", rival_ms="10.5")
        self.assertEqual(self.rows("steps"), steps)
        self.run_tool("--check")

    def test_a_weaker_rival_does_not_take_the_place_of_one_that_was_not_measured(self):
        self.run_tool()
        file = self.file("t.json", [{"case": "a-fixed", "variant": "flex", "fwd_ms": 3, "fwdbwd_ms": 3}])
        self.refused("rivals", file, because="a-fixed: its best rival so far, fa4, is not in the files")
        file = self.file("t.txt", "tiny split batch 2 checkpoint 0 graph 0 GPUs 1: 1M params, 13.0 ms/step,\n")
        self.refused("rivals", file, because="tiny 2: its best rival so far, fa4 --graph, is not in the files")
        self.refused("rivals", self.file("t.txt", "nothing"), because="no measurement of a rival")


if __name__ == "__main__":
    unittest.main()
