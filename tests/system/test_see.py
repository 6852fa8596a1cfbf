#!/usr/bin/env python3
"""Seeing: `lacuna report` and `lacuna inspect` driven from the shell, and the samples of a run.

Usage: test_see.py [unittest arguments]; LACUNA_BINARY in the environment.
"""
import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from html.parser import HTMLParser
from pathlib import Path

BINARY = os.environ.get("LACUNA_BINARY", "")
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive"}
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ECHO = """[data]
format = "echo"
symbols = 4
block = 8
size = 20000

[model]
layers = 2
heads = 4
width = 16
context = 32
attention = ["fixed(8, 2, 4)", "local(4)"]

[train]
length = "30 steps"
batch = 2
evaluate_every = "10 steps"
sample_every = "15 steps"
sample_length = 40
threads = 1
"""
BYTES = ECHO.replace('format = "echo"\nsymbols = 4\nblock = 8\nsize = 20000', 'paths = ["text"]').replace("evaluate_every = \"10 steps\"",
                                                                   "evaluate_every = \"0 steps\"")
ODD_NAME = "odd <b> & \"q\" 's' \N{SNOWMAN}"


def lacuna(folder, *arguments):
    return subprocess.run([BINARY, *map(str, arguments)], cwd=folder, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=120, check=False, env=ENVIRONMENT)


def read_png(path, wanted=1):
    """Width, height and the first rows of pixels (red, green, blue): 8-bit RGB and RGBA, by the standard."""
    raw = path.read_bytes()
    assert raw[:8] == b"\x89PNG\r\n\x1a\n", path
    chunks, at = [], 8
    while at < len(raw):
        (length,) = struct.unpack(">I", raw[at:at + 4])
        kind, data = raw[at + 4:at + 8], raw[at + 8:at + 8 + length]
        (checksum,) = struct.unpack(">I", raw[at + 8 + length:at + 12 + length])
        assert zlib.crc32(kind + data) == checksum, kind
        chunks.append((kind, data))
        at += 12 + length
    assert chunks[0][0] == b"IHDR" and chunks[-1][0] == b"IEND"
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    assert depth == 8 and color in (2, 6) and interlaced == 0
    data = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    size = 3 if color == 2 else 4
    stride = width * size
    assert len(data) == height * (stride + 1)
    rows, above = [], bytearray(stride)
    for y in range(min(wanted, height)):
        kind = data[y * (stride + 1)]
        row = bytearray(data[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            left = row[i - size] if i >= size else 0
            corner = above[i - size] if i >= size else 0
            guess = left + above[i] - corner
            paeth = min((left, above[i], corner), key=lambda near, to=guess: abs(to - near))
            row[i] = (row[i] + (0, left, above[i], (left + above[i]) // 2, paeth)[kind]) % 256
        rows.append([tuple(row[i:i + 3]) for i in range(0, stride, size)])
        above = row
    return width, height, rows


class Page(HTMLParser):
    """A page's tables by the heading before them, its text, what it loads, and whether tags match."""

    VOID = {"meta", "input", "br", "link", "img"}
    LOADS = {"src", "href", "srcset", "data", "action", "poster", "xlink:href"}

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.loads, self.scripts = [], [], [], 0
        self.tables, self.heading, self.words = [], "", []
        self.feed(text)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in self.LOADS]
        self.scripts += tag == "script"
        if tag in self.VOID:
            return
        self.open.append(tag)
        if tag in ("h2", "h3"):
            self.heading = ""
        elif tag == "table":
            self.tables.append((self.heading, []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        pass  # of SVG

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data):
        self.words.append(data)
        if any(tag in self.open for tag in ("h2", "h3")):
            self.heading += data
        if self.open and {"td", "th"} & set(self.open):
            self.tables[-1][1][-1][-1] += data

    def table(self, heading, which=0):
        return [rows for title, rows in self.tables if title == heading][which]

    def text(self):
        return "".join(self.words)


class Case(unittest.TestCase):
    """A working folder with two echo runs, one on bytes under an odd name, and what they printed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lacuna-see-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        shutil.copytree(Case.trained, self.path, dirs_exist_ok=True)

    @classmethod
    def setUpClass(cls):
        if hasattr(Case, "trained"):
            return
        folder = tempfile.TemporaryDirectory(prefix="lacuna-see-")
        unittest.addModuleCleanup(folder.cleanup)
        path = Path(folder.name)
        (path / "text").write_bytes(bytes(range(32, 127)) * 200)
        (path / "echo.toml").write_text(ECHO)
        (path / "bytes.toml").write_text(BYTES)
        for config, run, *rest in (("echo", "one"), ("echo", "two", "--optim.learning_rate", "0.01"),
                                   ("bytes", ODD_NAME, "--train.sample_every", "0 steps")):
            result = lacuna(path, "train", f"{config}.toml", "--train.run", run, *rest)
            assert result.returncode == 0, result.stderr
        Case.trained = folder.name

    def ok(self, *arguments):
        result = lacuna(self.path, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertEqual(result.stderr, b"")
        return result.stdout.decode()

    def refused(self, arguments, *fragments):
        with self.subTest(" ".join(map(str, arguments))):
            before = sorted(self.path.rglob("*"))
            result = lacuna(self.path, *arguments)
            error = result.stderr.decode()
            self.assertEqual(result.returncode, 2, error)
            self.assertEqual(error.count("\n"), 1, error)
            self.assertNotIn("unexpected:", error)
            for fragment in fragments:
                self.assertIn(fragment, error)
            self.assertEqual(sorted(self.path.rglob("*")), before)

    def page(self, *arguments):
        self.ok("report", *arguments, "--output", "page.html")
        raw = (self.path / "page.html").read_text("utf-8")
        page = Page(raw)
        self.assertEqual(page.faults, [])
        self.assertEqual(page.loads, [])
        self.assertEqual(page.scripts, 0)
        for outside in ("http://", "https://", "@import", "//cdn"):
            self.assertNotIn(outside, raw)
        self.assertEqual(re.findall(r"url\((?!#)", raw), [])
        width, height, rows = read_png(self.path / "page.png", 100)  # with the legend
        self.assertEqual(width, 1920)
        self.assertGreater(height, 600)
        self.assertEqual(rows[0][0], (255, 255, 255))
        return page, rows


class Report(Case):
    def test_a_run_is_shown_with_its_results_configuration_samples_and_environment(self):
        page, rows = self.page("one")
        results = {row[0]: row[1] for row in page.table("Results")[1:]}
        lines = [json.loads(line) for line in (self.path / "one/metrics.jsonl").read_text().splitlines()]
        start = json.loads((self.path / "one/starts.jsonl").read_text())
        valid = [line for line in lines if line["kind"] == "evaluation"]
        self.assertEqual(results["state"], "finished")
        self.assertEqual(results["steps"], "30 of 30")
        self.assertEqual(results["tokens"], "1,920")
        for weights in ("raw", "average"):
            last = [line for line in valid if line["weights"] == weights][-1]
            self.assertIn(f"{last['bits']:.4f}", results.values())
        self.assertEqual(results["floor of the source, bits"], f"{start['floor_bits']:.4f}")
        self.assertEqual(results["identity of the data"], valid[-1]["data"])
        self.assertEqual(results["parameters"], f"{start['parameters']:,}")
        changed = {row[0]: row[1] for row in page.table("Configuration")[1:]}
        self.assertEqual(changed["model.width"], "16")
        self.assertNotIn("optim.clip", changed)
        everything = {row[0]: row[1] for row in page.table("Configuration", 1)[1:]}
        self.assertEqual(everything["optim.clip"], "1.0")
        for name in ("step-15.txt", "step-30.txt"):
            self.assertIn((self.path / "one/samples" / name).read_text(), page.text())
        environment = " ".join(page.table("Environment")[1])
        for fact in ("lacuna", "compiler", "cpu_code", "processor", "system"):
            self.assertIn(start[fact], environment)
        self.assertIn((0x1b, 0x62, 0xa5), {pixel for row in rows for pixel in row})

    def test_runs_differ_in_the_options_that_are_shown_first(self):
        page, rows = self.page("one", "two")
        self.assertEqual([row[0] for row in page.table("Configuration")],
                         ["option", "optim.learning_rate"])
        self.assertEqual(page.table("Configuration")[1][1:], ["0.001", "0.01"])
        self.assertNotIn("cannot be compared", page.text())
        colors = {pixel for row in rows for pixel in row}
        self.assertTrue({(0x1b, 0x62, 0xa5), (0xd0, 0x5f, 0x0b)} <= colors)

    def test_odd_names_missing_evaluations_and_other_data_are_no_trouble(self):
        lines = (self.path / ODD_NAME / "metrics.jsonl").read_text().splitlines(True)
        trained = [line for line in lines if '"train"' in line]
        (self.path / ODD_NAME / "metrics.jsonl").write_text("".join(trained))
        page, _ = self.page("one", ODD_NAME)
        self.assertEqual(page.table("Results")[0], ["", "one", ODD_NAME])
        self.assertIn("cannot be compared", page.text())
        self.assertIn("not evaluated yet", page.text())
        self.assertIn("--train.sample_every", page.text())

    def test_samples_of_any_bytes_are_text(self):
        (self.path / "one/samples/step-9.txt").write_bytes(b"</pre><script>x\x00\xff" + b"y" * 9000)
        page, _ = self.page("one")
        self.assertIn("</pre><script>x\u2400\ufffdyyy", page.text())
        self.assertIn("the file goes on", page.text())
        order = [page.text().rindex(name) for name in ("step-30.txt", "step-15.txt", "step-9.txt")]
        self.assertEqual(order, sorted(order))

    def test_a_long_sample_is_cut_between_two_characters(self):
        (self.path / "one/samples/step-9.txt").write_text("x" + "\u00e9" * 4000, "utf-8")
        page, _ = self.page("one")
        self.assertIn("\u00e9\n\u2026 (the file goes on)", page.text())
        self.assertNotIn("\ufffd", page.text())

    def test_a_run_at_work_is_in_progress_and_one_cut_short_has_stopped(self):
        metrics = self.path / "one/metrics.jsonl"
        lines = metrics.read_text().splitlines(True)
        metrics.write_text("".join(lines[:12]) + lines[12][:20])
        (self.path / "one/weights.safetensors").unlink()
        page, _ = self.page("one")
        self.assertEqual(page.table("Results")[1], ["state", "stopped"])
        with open(self.path / "one/lock", "r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            page, _ = self.page("one")
        self.assertEqual(page.table("Results")[1], ["state", "in progress"])

    def rewrite(self, change, run="one"):
        """Changes each line of metrics: change(line, number)."""
        metrics = self.path / run / "metrics.jsonl"
        lines = [json.loads(line) for line in metrics.read_text().splitlines()]
        for number, line in enumerate(lines):
            change(line, number)
        metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def test_no_text_is_cut_off_at_the_edges_of_the_chart(self):
        def widen(line, _):
            line["step"] *= 40  # to 1,200
            if line["kind"] == "train":
                line["tokens"] *= 40
                line["bits"] *= 1e7
        shutil.move(self.path / "one", self.path / ("W" * 60))
        self.rewrite(widen, "W" * 60)
        self.ok("report", "W" * 60, "two", "W" * 60)
        width, _, rows = read_png(self.path / "report.png", 10**6)
        self.assertTrue(any(row[width // 2] != (255, 255, 255) for row in rows))
        for column in (0, 1, width - 2, width - 1):
            self.assertEqual({row[column] for row in rows}, {(255, 255, 255)}, column)

    def test_a_short_run_is_smoothed_enough_to_see_its_course(self):
        metrics, count = self.path / "one/metrics.jsonl", 100
        line = next(json.loads(line) for line in metrics.read_text().splitlines() if '"train"' in line)
        lines = [{**line, "step": step, "tokens": 64 * step,
                  "bits": 2 + 0.5 * (-1)**(step // 2)} for step in range(1, count + 1)]
        metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.ok("report", "one")
        plot = re.search(r"<g clip-path.*?</g>", (self.path / "report.html").read_text(), re.S)[0]
        faint, smooth = ([float(point.split(",")[1]) for point in points.split()]
                         for points in re.findall(r'points="([^"]+)"', plot))
        self.assertEqual((len(faint), len(smooth)), (count, count))

        def jags(ys):
            return sum(abs(ys[i + 1] - ys[i]) for i in range(len(ys) - 1))
        self.assertLess(jags(smooth), 0.15 * jags(faint))

    def test_samples_of_binary_data_are_shown_in_hexadecimal(self):
        odd = bytes(range(256)) * 6
        (self.path / "one/samples/step-99.txt").write_bytes(odd)
        # A third of the bytes is no text: that is still shown as text.
        (self.path / "one/samples/step-98.txt").write_bytes(b"ab\xff" * 30)
        (self.path / "one/samples/step-97.txt").write_bytes(b"ab\xff" * 30 + b"\xff")
        (self.path / "one/samples/step-96.txt").write_text("\u0421\u043d\u0435\u0433 \u96ea\n" * 9)
        page, _ = self.page("one")
        text = page.text()
        self.assertIn("00000040  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|", text)
        self.assertIn("000003f0  f0 f1 f2 f3 f4 f5 f6 f7  f8 f9 fa fb fc fd fe ff  |................|\n"
                      "\n\u2026 (the file goes on)", text)
        self.assertNotIn("00000400 ", text)
        self.assertIn("ab\ufffd" * 30, text)
        self.assertIn("00000050  ff 61 62 ff 61 62 ff 61  62 ff ff ", text)
        self.assertIn("\u0421\u043d\u0435\u0433 \u96ea\n" * 9, text)
        self.assertEqual(text.count("in hexadecimal"), 2)

    def test_folders_without_a_run_to_show_are_passed_over(self):
        page, _ = self.page("one", "two")
        (self.path / "empty").mkdir()
        begun = self.path / "begun"
        begun.mkdir()
        shutil.copy(self.path / "one/config.toml", begun / "config.toml")
        damaged = self.path / "damaged"
        shutil.copytree(self.path / "one", damaged)
        (damaged / "metrics.jsonl").write_text("no json\n")
        odd = ["empty", "begun", "text", "damaged"]
        result = lacuna(self.path, "report", "empty", "one", *odd[1:], "two", "none")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"report.html and report.png: 2 runs", result.stdout)
        error = result.stderr.decode()
        self.assertEqual(error.count("\n"), 1, error)
        for fragment in ("passed over: empty: is no folder of a run", "text: is no folder",
                         "begun/metrics.jsonl: the run has not recorded a step",
                         "damaged/metrics.jsonl:1: the line is damaged", "none: is no folder"):
            self.assertIn(fragment, error)
        shown = Page((self.path / "report.html").read_text("utf-8"))
        self.assertEqual(shown.table("Results"), page.table("Results"))
        self.refused(["report", *odd], "none of the folders", *odd)

    def test_numbers_that_are_not_finite_are_left_out_of_the_curves(self):
        metrics = self.path / "one/metrics.jsonl"
        metrics.write_text(re.sub(r'"bits":[^,]+', '"bits":null', metrics.read_text()))
        page, _ = self.page("one")
        self.assertIn("not finite", page.text())

    def test_runs_of_an_older_lacuna_have_no_starts(self):
        (self.path / "one/starts.jsonl").unlink()
        page, _ = self.page("one", "two")
        self.assertEqual(len(page.table("Environment")), 2)

    def test_files_are_named_as_asked_and_the_axis_may_be_logarithmic(self):
        self.assertIn("report.html and report.png: 1 run", self.ok("report", "one"))
        self.ok("report", "one", "--output", "a.html", "--png", "b.png", "--log")
        linear, logarithmic = self.path / "report.png", self.path / "b.png"
        self.assertNotEqual(linear.read_bytes(), logarithmic.read_bytes())
        self.assertFalse((self.path / "a.png").exists())

    def test_what_cannot_be_shown_is_refused(self):
        self.refused(["report"], "RUN")
        self.refused(["report", "none"], "none", "config.toml")
        self.refused(["report", "nothing", "none"], "nothing", "none")
        self.refused(["report", "one", "--output", "x.png"], "x.png", ".html")
        (self.path / "here").symlink_to(".")
        for picture in ("x.html", "./x.html", "two/../x.html", "here/x.html", self.path / "x.html"):
            self.refused(["report", "one", "--output", "x.html", "--png", picture], "x.html", "name of the picture")
        self.refused(["report", "one", "--ouput", "x.html"], "Did you mean '--output'?")
        metrics = self.path / "one/metrics.jsonl"
        lines = metrics.read_text().splitlines(True)
        for damage in ("no json\n", '{"kind": "train"}\n', "[]\n", '{"kind": 3, "step": 1}\n'):
            metrics.write_text("".join(lines[:3]) + damage + "".join(lines[3:]))
            self.refused(["report", "one"], "metrics.jsonl:4", "damaged")
        for empty in ("", '{"kind": "tr'):
            metrics.write_text(empty)
            self.refused(["report", "one"], "metrics.jsonl", "not recorded a step")
        metrics.unlink()
        self.refused(["report", "one"], "metrics.jsonl", "not recorded a step")
        (self.path / "two/starts.jsonl").write_text('{"step": "x"}\n')
        self.refused(["report", "two"], "starts.jsonl:1")


class InspectPattern(Case):
    def test_a_pattern_is_drawn_counted_and_told_in_words(self):
        text = self.ok("inspect", "pattern", "local(4)", "--context", 12, "--heads", 2)
        art = [line.strip() for line in text.splitlines() if re.fullmatch(r" +[.#]+", line)]
        self.assertEqual(art, ["." * max(0, i - 3) + "#" * min(4, i + 1) for i in range(12)])
        self.assertIn("all heads: keys a query 1 to 4, 3.5 on average; density 53.85 %", text)
        self.assertIn("(the last 4)", text)
        self.assertRegex(text, r"\n +1 +3 +27\.27 %")

    def test_heads_that_differ_are_shown_apart_and_layers_reach_further(self):
        text = self.ok("inspect", "pattern", "echo.toml")
        self.assertIn("32 positions, 4 heads, 2 layers", text)
        for head in range(4):
            self.assertIn(f"head {head}: keys a query", text)
        self.assertRegex(text, r"\n +1 +3 +9\.68 %\n +2 +31 +100\.00 %")
        self.assertIn("64 positions", self.ok("inspect", "pattern", "one", "--model.context", 64))

    def test_the_picture_is_dark_where_pairs_attend(self):
        self.ok("inspect", "pattern", "local(8)", "--context", 64, "--png", "p.png")
        width, height, rows = read_png(self.path / "p.png", 2000)
        dark = (0x12, 0x3f, 0x7a)
        shown = [[pixel == dark for pixel in row] for row in rows]
        share = sum(map(sum, shown)) / (512 * 512)  # of the panel
        self.assertAlmostEqual(share, (8 * 64 - 28) / 64**2, delta=0.001)
        self.assertGreater(width, 512)
        self.assertGreater(height, 512)

    def test_the_caption_fits_beside_a_picture_of_few_positions(self):
        self.ok("inspect", "pattern", "fixed(4, 1)", "--context", 12, "--png", "p.png")
        width, height, rows = read_png(self.path / "p.png", 2000)
        inked = [x for row in rows[height - 50:] for x in range(width) if row[x] != (255, 255, 255)]
        self.assertGreater(max(inked), 500)
        self.assertLess(max(inked), width - 40)  # as far from this edge as from the other

    def test_long_titles_do_not_run_into_one_another(self):
        title = "local(4) + column(8) | fixed(8, 2) | fixed(8, 1)"
        for pattern, least in ((title, 620), (" | ".join([title] * 8), 1024)):
            self.ok("inspect", "pattern", pattern, "--context", 24, "--heads", 3, "--png", "p.png")
            width, _, rows = read_png(self.path / "p.png", 84)
            self.assertGreater(width, 3 * least)
            panel = (width - 56) // 3
            for start in (56, 56 + panel, 56 + 2 * panel):
                gap = {row[x] for row in rows for x in range(start + panel - 50, start + panel - 4)}
                self.assertEqual(gap, {(255, 255, 255)})

    def test_the_end_of_a_long_pattern_is_shown_position_by_position(self):
        self.ok("inspect", "pattern", "fixed(32, 4)", "--context", 12288, "--png", "p.png")
        width, _, rows = read_png(self.path / "p.png", 2000)
        dark, paper = (0x12, 0x3f, 0x7a), (0xf1, 0xf2, 0xf4)
        left, top, size = 56 + 512 + 56, 56 + 80, 4  # of the second panel: 128 positions of 4 x 4
        self.assertGreaterEqual(width, left + 512 + 56)
        for query in range(128):
            for key in range(query + 1):
                attends = key // 32 == query // 32 or key % 32 >= 28
                corner = [rows[top + size * query + i][left + size * key + i] for i in (0, size - 1)]
                self.assertEqual(corner, [dark if attends else paper] * 2, (query, key))
        # The frame on the whole marks where they are.
        frame = [(x, y) for y, row in enumerate(rows) for x in range(left) if row[x] == (0xd0, 0x5f, 0x0b)]
        self.assertTrue(frame)
        self.assertGreater(min(x for x, _ in frame), 56 + 500)
        self.assertGreater(min(y for _, y in frame), top + 500)
        self.ok("inspect", "pattern", "strided(128)", "--context", 12288, "--png", "p.png")
        _, _, rows = read_png(self.path / "p.png", 2000)
        last = [rows[top + 511][left + key] == dark for key in range(512)]  # one element a position
        self.assertEqual(last, [511 - key < 128 or (511 - key) % 128 == 0 for key in range(512)])
        # Up to 512 positions each has its own place in the whole.
        for context, panels in ((512, 1), (513, 2)):
            self.ok("inspect", "pattern", "fixed(32, 4)", "--context", context, "--png", "p.png")
            self.assertEqual(read_png(self.path / "p.png")[0] > 1000, panels == 2)

    def test_patterns_of_every_configuration_can_be_seen(self):
        for config in sorted(CONFIGS.glob("*.toml")):
            text = self.ok("inspect", "pattern", config, "--context", 2048, "--png", "p.png")
            self.assertIn("density", text)
            read_png(self.path / "p.png")

    def test_what_is_no_pattern_is_refused(self):
        self.refused(["inspect", "pattern", "fixd(8, 2)"], "Did you mean 'fixed'?")
        self.refused(["inspect", "pattern", "none.toml"], "none.toml")
        self.refused(["inspect", "pattern", "local(4)", "--context", 0], "--context")
        self.refused(["inspect", "pattern", "local(4)", "--heads", "x"], "--heads")
        self.refused(["inspect", "pattern", "local(4)", "--context", "1G"], "at most")
        self.refused(["inspect", "pattern", "local(4)", "--model.layers", 3], "--model.layers")
        self.refused(["inspect", "patern", "local(4)"], "Did you mean 'pattern'?")
        self.refused(["inspect"], "subcommand")


class InspectCheckpoint(Case):
    def test_a_checkpoint_is_verified_and_its_tensors_are_listed(self):
        text = self.ok("inspect", "checkpoint", "one/checkpoints/step-30")
        self.assertIn("verified    every file is as its manifest says", text)
        self.assertIn("step        30, 30 of them updates", text)
        self.assertRegex(text, r"head\.weight +F32 +\[4, 16\]")
        self.assertIn("optimizer.safetensors", text)
        self.assertIn("model.width = 16", text)

    def test_norms_are_those_of_the_numbers_in_the_file(self):
        raw = (self.path / "one/weights.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        begin, end = json.loads(raw[8:8 + length])["head.weight"]["data_offsets"]
        values = [x for (x,) in struct.iter_unpack("<f", raw[8 + length:][begin:end])]
        text = self.ok("inspect", "checkpoint", "one")
        row = next(line for line in text.splitlines() if line.strip().startswith("head.weight"))
        norm, mean, largest = map(float, row.split()[-3:])
        self.assertAlmostEqual(norm, sum(x * x for x in values)**0.5, delta=1e-5 * norm)
        self.assertAlmostEqual(mean, norm / len(values)**0.5, delta=1e-5 * mean)
        self.assertAlmostEqual(largest, max(map(abs, values)), delta=1e-5 * largest)

    def test_damage_is_found(self):
        weights = self.path / "one/checkpoints/step-30/weights.safetensors"
        raw = bytearray(weights.read_bytes())
        raw[-1] ^= 1
        weights.write_bytes(raw)
        self.refused(["inspect", "checkpoint", "one/checkpoints/step-30"], "checksum")
        text = self.ok("inspect", "checkpoint", "one")
        self.assertIn("DAMAGED", text)
        self.assertIn("best on the validation part", text)
        self.refused(["inspect", "checkpoint", "none"], "none")
        self.refused(["inspect", "checkpoint", "."], "neither")

    def test_names_from_elsewhere_are_shown_and_not_obeyed(self):
        weights = self.path / "one/weights.safetensors"
        raw = weights.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8:8 + length])
        header["\x1b[31mhead"] = header.pop("head.weight")
        text = json.dumps(header).encode()
        weights.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length:])
        (self.path / "one/\x1b]0;title\x07").write_text("")
        text = self.ok("inspect", "checkpoint", "one")
        self.assertRegex(text, r"\u241b\[31mhead +F32 ")
        self.assertRegex(text, r"\u241b\]0;title\u2407 ")
        self.assertNotIn("\x1b", text)


class InspectData(Case):
    def test_parts_entropy_and_floor_are_told(self):
        text = self.ok("inspect", "data", "echo.toml")
        self.assertIn("identity    echo:4:8:0.1:1:20000", text)
        self.assertRegex(text, r"train +18,000 +563 +4 +(1\.999\d|2\.0000) +1\.\d{4}")
        window = [int(word) for word in text.split("\n\n")[-1].split()]
        self.assertEqual(len(window), 32)
        self.assertTrue(all(0 <= symbol < 4 for symbol in window))

    def test_bytes_are_shown_as_text_and_counted(self):
        text = self.ok("inspect", "data", ODD_NAME)
        self.assertRegex(text, r"train +17,100 +535 +95 +6\.569\d +-")
        window = text.split("\n\n")[-1].strip("\n")
        self.assertEqual(len(window), 32)
        self.assertIn(window, (self.path / "text").read_text())

    def test_what_is_text_in_a_report_is_text_here(self):
        def window(content):
            (self.path / "other").write_bytes(content * 200)
            return self.ok("inspect", "data", "bytes.toml", "--data.paths", "other").split("\n\n")[-1]
        self.assertIn("i\u2401abc", window(b"abcdefghi\x01"))
        symbols = [int(word) for word in window(bytes(range(128, 256))).split()]
        self.assertEqual(len(symbols), 32)
        self.assertTrue(all(symbol >= 128 for symbol in symbols))

    def test_what_is_not_there_is_refused(self):
        self.refused(["inspect", "data", "none.toml"], "none.toml")
        self.refused(["inspect", "data", "bytes.toml", "--data.paths", "none"], "none")


class Samples(Case):
    def test_samples_are_drawn_on_the_way_and_change_nothing_else(self):
        self.assertEqual(sorted(os.listdir(self.path / "one/samples")),
                         ["step-15.txt", "step-30.txt"])
        for file in (self.path / "one/samples").iterdir():
            symbols = [int(word) for word in file.read_text().split()]
            self.assertEqual(len(symbols), 40)
            self.assertTrue(all(0 <= symbol < 4 for symbol in symbols))
        self.ok_train("three", "--train.sample_every", "0 steps")
        self.assertFalse((self.path / "three/samples").exists())
        self.assertEqual((self.path / "three/weights.safetensors").read_bytes(),
                         (self.path / "one/weights.safetensors").read_bytes())

    def ok_train(self, run, *arguments):
        result = lacuna(self.path, "train", "echo.toml", "--train.run", run, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr.decode())

    def test_a_sound_of_half_a_sample_is_refused_before_training(self):
        samples = bytes(range(256)) * 8
        (self.path / "a.wav").write_bytes(
            b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 1, 1, 12000, 24000, 2, 16) + b"data" +
            struct.pack("<I", len(samples)) + samples)
        (self.path / "sound.toml").write_text(BYTES.replace('["text"]', '["a.wav"]\nformat = "audio"'))
        sound = ["train", "sound.toml", "--train.sample_length"]
        self.refused([*sound, 33, "--data.code", "16-bit", "--train.run", "sound"], "train.sample_length", "33", "multiple of 2")
        for code, length, size in (("16-bit", 34, 2 * 17), ("mu-law", 33, 2 * 33)):
            result = lacuna(self.path, *sound, length, "--data.code", code, "--train.run", code)
            self.assertEqual(result.returncode, 0, result.stderr.decode())
            self.assertEqual((self.path / code / "samples/step-30.wav").stat().st_size, 44 + size)

    def test_a_resumed_run_cuts_samples_and_starts_back_and_writes_the_same_again(self):
        before = (self.path / "one/samples/step-30.txt").read_bytes()
        (self.path / "one/samples/mine.txt").write_text("kept")
        self.ok_train("four", "--checkpoint.every", "20 steps", "--checkpoint.keep_last", 5)
        shutil.copy(self.path / "one/samples/mine.txt", self.path / "four/samples/mine.txt")
        (self.path / "four/samples/step-30.txt").write_text("other")
        with open(self.path / "four/starts.jsonl", "a", encoding="utf-8") as starts:
            starts.write('{"step": 25}\n')
        self.ok_train("four", "--resume", "four/checkpoints/step-20", "--overwrite")
        self.assertEqual((self.path / "four/samples/step-30.txt").read_bytes(), before)
        self.assertEqual((self.path / "four/samples/mine.txt").read_text(), "kept")
        lines = (self.path / "four/starts.jsonl").read_text().splitlines()
        self.assertEqual([json.loads(line)["step"] for line in lines], [0, 20])


class Formats(Case):
    def test_the_configurations_of_the_paper_say_what_data_they_lack(self):
        for name in ("cifar10", "enwik8"):
            self.refused(["train", CONFIGS / f"{name}.toml"], name.replace("10", "-10"), "data.paths")


if __name__ == "__main__":
    if not BINARY:
        sys.exit("set LACUNA_BINARY")
    unittest.main()
