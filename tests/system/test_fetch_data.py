#!/usr/bin/env python3
"""tools/fetch_data.sh, with small archives, a table and mirrors of the test's own: a folder, file:// and a
server that breaks off. The official places are not asked."""
import fcntl
import hashlib
import http.server
import io
import os
import re
import shlex
import subprocess
import tarfile
import tempfile
import threading
import unittest
import zipfile
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"
TEXT = bytes(i * i % 251 for i in range(300_000))


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; the first `breaks` answers end in the middle, and it continues where `ranges` is set."""
    daemon_threads = True

    def __init__(self, files, breaks=0, ranges=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.breaks, self.ranges, self.asked, self.silent = files, breaks, ranges, [], False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(wanted[1]) if wanted and self.server.ranges else 0
        self.server.asked.append((self.path[1:], int(wanted[1]) if wanted else 0))
        whole = self.server.files.get(self.path[1:])
        if whole is None:
            self.send_error(404)
            return
        body = whole[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body)))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        if self.server.breaks > 0:
            self.server.breaks -= 1
            body = body[:len(body) // 2]
        if self.server.silent:
            body = b""
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # stored, so that it is large enough to break off
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(mode, **files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class FetchData(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        self.out = self.path / "with blanks"
        self.out.mkdir()
        self.archives = {
            "text.zip": zipped(text=TEXT),
            "pictures.tar.gz": tarred("w:gz", batches__1=b"one", batches__2=TEXT[:1000]),
            "train.tar": tarred("w", train__a=b"a"),
            "valid.tar": tarred("w", valid__b=b"b"),
        }
        self.mirror = self.path / "mirror"
        self.mirror.mkdir()
        for name, content in self.archives.items():
            (self.mirror / name).write_bytes(content)
        self.table({})

    def table(self, changed):
        """A table of the archives, with other checksums where `changed` has them."""
        def line(name, result, file, algorithm):
            content = self.archives[file]
            checksum = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}" if algorithm else "-"
            return f"{name} {result} http://nowhere.invalid/{file} {len(content)} {changed.get(file, checksum)}\n"
        md5 = changed.get("text", "md5:" + hashlib.md5(TEXT).hexdigest())
        (self.path / "table").write_text(
            "# a comment\n\n" + line("text", "text", "text.zip", "")
            + f"text text unpacked:text {len(TEXT)} {md5}\n"
            + line("pictures", "batches", "pictures.tar.gz", "md5")
            + line("both", "both", "train.tar", "sha256") + line("both", "both", "valid.tar", "sha256"))

    def fetch(self, *arguments, mirror="", code=0):
        run = subprocess.run(["bash", TOOLS / "fetch_data.sh", *arguments], capture_output=True, text=True, check=False,
                             env={**os.environ, "LACUNA_FETCH_TABLE": str(self.path / "table"),
                                  "LACUNA_MIRROR": str(mirror), "no_proxy": "*"}, timeout=100)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def serve(self, *arguments, **options):
        server = Server(*arguments, **options)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def names(self):
        return sorted(str(path.relative_to(self.out)) for path in self.out.rglob("*"))

    def test_of_what_is_slow_to_convert_it_says_how_to_prepare_it(self):
        table = (self.path / "table").read_text()
        self.assertNotIn("lacuna data prepare", self.fetch("both", self.out, mirror=self.mirror))
        (self.path / "table").write_text(table.replace("both both", "imagenet64 small"))
        said = self.fetch("imagenet64", self.out, mirror=self.mirror)
        command = re.search(r"lacuna (data prepare .*)", said).group(1)
        words = shlex.split(command)
        self.assertEqual(words[-1], f"{self.out}/small-prepared")
        self.assertIn(f'["{self.out}/small"]', words)

    def test_every_data_set_comes_from_a_folder_and_a_file_url(self):
        for mirror in (self.mirror, f"file://{self.mirror}", f"file://{self.mirror}/"):
            with self.subTest(mirror):
                for name in ("text", "pictures", "both"):
                    self.assertIn("is complete", self.fetch(name, self.out, mirror=mirror))
                self.assertEqual(self.names(), ["batches", "batches/1", "batches/2", "both", "both/train",
                                                "both/train/a", "both/valid", "both/valid/b", "text"])
                self.assertEqual((self.out / "text").read_bytes(), TEXT)
                self.assertEqual((self.out / "batches/2").read_bytes(), TEXT[:1000])
                self.assertIn("is there already", self.fetch("text", self.out))  # nowhere to fetch from
                subprocess.run(["rm", "-r", self.out], check=True)
                self.out.mkdir()
        self.assertEqual(sorted(path.name for path in self.mirror.iterdir()), sorted(self.archives))

    def test_a_download_that_breaks_off_continues(self):
        server = self.serve(self.archives, breaks=3)
        self.fetch("text", self.out, mirror=server.url())
        self.assertEqual((self.out / "text").read_bytes(), TEXT)
        begins = [begin for _, begin in server.asked]
        size, expected = len(self.archives["text.zip"]), [0]
        for _ in range(3):
            expected.append(expected[-1] + (size - expected[-1]) // 2)
        self.assertEqual(begins, expected)

    def test_a_second_run_continues_the_first(self):
        content = self.archives["text.zip"]
        partial = self.out / "text.partial"
        server = self.serve({"text.zip": content})
        server.silent = True  # no more comes
        partial.mkdir()
        (partial / "text.zip").write_bytes(content[:1])
        self.assertIn("run this again later", self.fetch("text", self.out, mirror=server.url(), code=1))
        self.assertEqual(self.names(), ["text.partial", "text.partial/lock", "text.partial/text.zip"])
        self.assertEqual((partial / "text.zip").read_bytes(), content[:1])
        (partial / "unpacked").mkdir()  # of a run that was killed
        (partial / "unpacked/text").write_bytes(b"half")
        server = self.serve(self.archives)
        self.fetch("text", self.out, mirror=server.url())
        self.assertEqual(server.asked, [("text.zip", 1)])
        self.assertEqual(self.names(), ["text"])
        self.assertEqual((self.out / "text").read_bytes(), TEXT)

    def test_a_server_that_cannot_continue_is_asked_from_the_beginning(self):
        server = self.serve(self.archives, breaks=1, ranges=False)
        self.fetch("text", self.out, mirror=server.url())
        self.assertEqual((self.out / "text").read_bytes(), TEXT)
        self.assertEqual(server.asked[-1], ("text.zip", 0))

    def test_what_is_not_the_expected_file_is_named_and_removed(self):
        wrong = "md5:" + "0" * 32
        for changed, name, place in (({"pictures.tar.gz": wrong}, "pictures", "pictures.tar.gz"),
                                     ({"text": wrong}, "text", "unpacked/text"),
                                     ({"valid.tar": "sha256:" + "0" * 64}, "both", "valid.tar")):
            with self.subTest(name):
                self.table(changed)
                for mirror in (self.mirror, self.serve(self.archives).url()):
                    said = self.fetch(name, self.out, mirror=mirror, code=1)
                    self.assertRegex(said, f"{re.escape(place)} has the checksum [0-9a-f]+, expected")
                    self.assertFalse([path for path in self.names() if path.endswith(place)
                                      and not path.endswith("unpacked/text")])
                    self.assertEqual([path.name for path in self.out.iterdir()], [f"{name}.partial"])
                self.table({})
                self.fetch(name, self.out, mirror=self.mirror)
                subprocess.run(["rm", "-r", next(self.out.iterdir())], check=True)
                self.assertEqual(self.names(), [])

    def test_other_sizes_web_pages_and_what_is_not_there(self):
        content = self.archives["text.zip"]
        for served, said in ((content + b"more", "expected"), (content[:-5], "expected"),
                             (b"<!DOCTYPE html><p>Log in", "It is a web page")):
            mirror = self.serve({"text.zip": served}).url()
            self.assertIn(said, self.fetch("text", self.out, mirror=mirror, code=1))
            self.assertEqual(self.names(), ["text.partial", "text.partial/lock"])
        self.assertIn("see --help", self.fetch("text", self.out, mirror=self.serve({}).url(), code=1))
        (self.mirror / "text.zip").unlink()
        self.assertIn("has 0 bytes", self.fetch("text", self.out, mirror=self.mirror, code=1))
        damaged = bytearray(content)
        damaged[1000] ^= 1
        (self.mirror / "text.zip").write_bytes(damaged)
        self.assertIn("cannot unpack", self.fetch("text", self.out, mirror=self.mirror, code=1))
        self.assertEqual(sorted(path.name for path in self.out.iterdir()), ["text.partial"])

    def test_one_run_at_a_time(self):
        partial = self.out / "text.partial"
        partial.mkdir()
        with open(partial / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertIn("another", self.fetch("text", self.out, mirror=self.mirror, code=1))
        self.fetch("text", self.out, mirror=self.mirror)

    def test_wrong_command_lines(self):
        self.assertIn("known are: text pictures both", self.fetch("texts", self.out, code=2))
        self.assertIn("LACUNA_MIRROR=", self.fetch(code=2))
        self.assertIn("LACUNA_MIRROR=", self.fetch("--help"))
        self.assertIn("no folder", self.fetch("text", self.path / "none", code=2))
        self.assertIn("no URL and no folder", self.fetch("text", self.out, mirror="/nowhere", code=2))
        self.assertEqual(self.names(), [])

    def test_the_table_has_a_size_and_a_checksum_of_every_data_set(self):
        lines = [line.split() for line in (TOOLS / "fetch_data.txt").read_text().splitlines()
                 if line and not line.startswith("#")]
        checked = set()
        for name, _, url, size, checksum in lines:
            self.assertRegex(url, r"^(https?://|unpacked:)\S+$")
            self.assertGreater(int(size), 10**6)
            self.assertRegex(checksum, r"^(-|md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")
            checked |= {name} if checksum != "-" else set()
        self.assertEqual(checked, {"enwik8", "cifar10", "imagenet64", "imagenet64-npz"})
        # Of the help: every data set that there is.
        said = self.fetch("--help")
        for name in checked:
            self.assertRegex(said, rf"(?m)^  {name} ")


if __name__ == "__main__":
    unittest.main()
