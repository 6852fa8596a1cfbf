#!/usr/bin/env python3
"""How training scales over the GPUs of this machine. Measures, in this order and as long as there is time:

  weak      a step of the paper's models on 1, 2, 4, 8 GPUs, so many sequences on each
  sums      NCCL's own rates of adding, scattering and gathering
  faults    a rank that is killed and one that is stopped: how soon the run ends, and whether it goes on afterwards
  rival     train.py of the PyTorch side under torchrun, on as many GPUs
  variants  the largest number with the optimizer in parts, sums in bf16 and sums after the pass
  strong    64 pictures of cifar10 a step, however many GPUs share it
  rivals    the rival on fewer GPUs

Usage: scaling.py [--gpus LIST] [--rival FILE] [--json FILE] [--minutes M] [--parts LIST]
                  [--models LIST] [--processes LIST]

--gpus is by default 1, 2, 4, 8 as far as there are GPUs. --processes LIST tries all of it on the CPUs, with tiny
models. --json takes what `results.py scaling FILE FLAGS` makes rows of docs/results/scaling.csv of. The binary is
that of LACUNA_BINARY. Exit codes: 0 all went well, 1 something failed, 2 a flag is wrong.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BATCH = {"enwik8": 8, "imagenet64": 4, "cifar10": 16}  # sequences on each GPU
STRONG = ("cifar10", 64)
PARTS = ["weak", "sums", "faults", "rival", "variants", "strong", "rivals"]
VARIANTS = {"ZeRO-1": ["--dist.shard=optimizer"], "bf16 sums": ["--dist.reduce=bf16"],
            "buckets of 25 MB": ["--dist.bucket=25"]}
TINY = {"enwik8": ["--model.context=256", "--model.width=32"],  # of one layer, on CPUs
        "imagenet64": ["--model.width=32"], "cifar10": ["--model.width=16", "--model.qk_width=16"]}
RIVAL_LINE = re.compile(r"GPUs (\d+): .* ([\d.]+) ms/step, ([\d.]+)k tok/s")
A_COMMAND, BEYOND = 180, 45  # seconds that a command takes at most, and beyond --minutes
A_FAULT = 30  # seconds until a run says who is lost, and as many until it has ended


class Failed(Exception):
    """A command did not do what it should."""


def run(arguments, folder, seconds):
    """What a command prints; it has its own process group, so that none of its children is left behind."""
    with subprocess.Popen([str(a) for a in arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", start_new_session=True) as process:
        try:
            text = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Failed(f"{arguments[0]}: no end within {seconds} s: {process.communicate()[0][-2000:]}") from None
    if process.returncode != 0:
        raise Failed(f"{' '.join(map(str, arguments))}: exit code {process.returncode}: {text[-2000:]}")
    return text


def wait_until(holds, what, seconds=60):
    begin = time.monotonic()
    while not holds():
        if time.monotonic() > begin + seconds:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return time.monotonic() - begin


class Scaling:
    def __init__(self, args, counts, folder):
        self.args, self.counts, self.folder = args, counts, folder
        self.binary = os.path.abspath(os.environ["LACUNA_BINARY"])
        self.flag = "--processes" if args.processes else "--gpus"
        self.begin = time.monotonic()
        self.failures = []
        self.result = {"processes": bool(args.processes), "rows": [], "sums": {}, "faults": {}, "left_out": []}

    def run(self, arguments, folder):
        left = 60 * self.args.minutes - (time.monotonic() - self.begin)
        return run(arguments, folder, min(A_COMMAND, left + BEYOND))

    def try_to(self, what, measure, *arguments):
        """Nothing that fails or takes too long keeps the rest from being measured."""
        begin = time.monotonic()
        if begin - self.begin > 60 * self.args.minutes:
            self.result["left_out"].append(what)
            print(f"  left out for want of time: {what}", flush=True)
            return
        try:
            said = measure(*arguments)
            print(f"  {what}: {said} ({time.monotonic() - begin:.0f} s)", flush=True)
        except (Failed, OSError, KeyError, ValueError) as error:
            self.failures.append(what)
            print(f"  {what} FAILED: {error}", flush=True)

    def row(self, model, gpus, batch, variant=""):
        for row in self.result["rows"]:
            if [row[key] for key in ("model", "gpus", "batch", "variant")] == [model, gpus, batch, variant]:
                return row
        self.result["rows"].append({"model": model, "gpus": gpus, "batch": batch, "variant": variant, "ms": None,
                                    "tokens_per_second": None, "rival": "", "rival_tokens_per_second": None})
        return self.result["rows"][-1]

    def batch(self, model):
        return 1 if self.args.processes else BATCH[model]

    def step(self, model, gpus, batch, accumulation, variant=""):
        """A step of so many sequences on each GPU: the accumulation is what is shared."""
        file = self.folder / "step.json"
        file.unlink(missing_ok=True)
        tiny = ["--model.layers=1", "--train.threads=1", *TINY[model]] if self.args.processes else []
        self.run([self.binary, "bench", "step", "--config", ROOT / f"configs/{model}.toml", self.flag, gpus, "--repeats",
             self.args.repeats, "--json", file, f"--train.batch={batch}", f"--train.accumulation={accumulation}",
             *VARIANTS.get(variant, []), *tiny], self.folder)
        found = json.loads(file.read_text())
        if found["ranks"] != gpus:
            raise Failed(f"{found['ranks']} ranks were measured")
        self.result["device"] = found["device"]
        row = self.row(model, gpus, batch * accumulation // gpus, variant)
        row.update(ms=found["ms"], tokens_per_second=found["tokens_per_second"])
        return f"{found['ms']:.2f} ms, {found['tokens_per_second']:.0f} tokens/s"

    def rival(self, model, gpus):
        script = Path(self.args.rival).resolve()
        start = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={gpus}"]
        text = self.run([*(start if gpus > 1 else [sys.executable]), script, "--model", model, "--batch",
                         BATCH[model], "--steps", 10], script.parent)
        found = RIVAL_LINE.search(text)
        if not found or int(found[1]) != gpus:
            raise Failed(f"no speed in: {text[-2000:]}")
        self.row(model, gpus, BATCH[model]).update(rival="PyTorch DDP" if gpus > 1 else "PyTorch",
                                                   rival_tokens_per_second=float(found[3]) * 1e3)
        return f"{found[2]} ms, {found[3]}k tokens/s"

    def sums(self, gpus):
        file = self.folder / "sums.json"
        sizes = ["--sizes", "0.1,1"] if self.args.processes else []
        text = self.run([self.binary, "bench", "sums", self.flag, gpus, "--json", file, *sizes], self.folder)
        self.result["sums"][gpus] = json.loads(file.read_text())
        return "\n" + text.rstrip()

    # --- Faults ---

    def start_run(self, gpus, *more):
        """A small run that has no end, once it has a checkpoint that was not there, and its ranks."""
        before, every = self.checkpoints(), 20 if self.args.processes else 1000
        with open(self.folder / "said", "w", encoding="utf-8") as said:
            process = subprocess.Popen(
                [self.binary, "train", str(ROOT / "configs/echo.toml"), self.flag, str(gpus), "--train.run=run",
                 "--train.length=1000000 steps", "--train.evaluate_every=0 steps", f"--checkpoint.every={every} steps",
                 "--model.width=128", *more], cwd=self.folder, stdout=said, stderr=said, start_new_session=True)
        try:
            wait_until(lambda: process.poll() is not None or self.checkpoints() - before, "a checkpoint")
            if process.poll() is not None:
                raise Failed(f"it ended: {self.said()[-2000:]}")
        except Failed:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process, self.ranks_of(process)

    def said(self):
        return (self.folder / "said").read_text(errors="replace")

    def checkpoints(self):
        return {place.parent.name for place in self.folder.glob("run/checkpoints/*/manifest.json")}

    @staticmethod
    def ranks_of(process):
        ranks = {}
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            found = re.search(rb"(?:^|\0)RANK=(\d+)", Path(f"/proc/{child}/environ").read_bytes())
            if found:
                ranks[int(found[1])] = int(child)
        return ranks

    def end_by(self, gpus, number, *more):
        """Seconds until a run whose last rank gets a signal says that it is lost, and until it has ended."""
        process, ranks = self.start_run(gpus, *more)
        name = f"rank {gpus - 1}"
        before = self.said().count(name)
        os.kill(ranks[gpus - 1], number)
        try:
            told = wait_until(lambda: self.said().count(name) > before, "who is lost", A_FAULT)
            ended = told + wait_until(lambda: process.poll() is not None, "the end of the run", A_FAULT)
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            for child in ranks.values():
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.wait()
        if process.returncode == 0:
            raise Failed(f"exit code 0, and it says: {self.said()[-2000:]}")
        return {"told": told, "ended": ended}

    def faults(self, gpus):
        found = {"kill": self.end_by(gpus, signal.SIGKILL, "--overwrite"),
                 "hang": self.end_by(gpus, signal.SIGSTOP, "--resume=auto")}
        process, _ = self.start_run(gpus, "--resume=auto")
        process.send_signal(signal.SIGTERM)
        try:
            if process.wait(A_FAULT) != 0:
                raise Failed(f"the run does not go on: {self.said()[-2000:]}")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Failed("a signal does not end the run that went on") from None
        self.result["faults"] = found
        return "; ".join(f"{fault} told after {seconds['told']:.1f} s, ended after {seconds['ended']:.1f} s"
                         for fault, seconds in found.items()) + "; it went on"

    # --- All of it ---

    def measure(self):
        most, models = max(self.counts), self.args.models
        wanted = [part for part in PARTS if part in self.args.parts]
        for part in wanted:
            print(part, flush=True)
            if part == "weak":
                for model in models:
                    for gpus in self.counts:
                        self.try_to(f"{model} on {gpus}", self.step, model, gpus, self.batch(model), gpus)
            elif part == "strong" and STRONG[0] in models:
                model, total = STRONG
                for gpus in self.counts:
                    batch = min(self.batch(model), total // gpus)
                    self.try_to(f"{total} of {model} on {gpus}", self.step, model, gpus, batch, total // batch)
            elif part in ("rival", "rivals") and self.args.rival:
                for model in models:
                    for gpus in [most] if part == "rival" else [n for n in self.counts if n < most]:
                        self.try_to(f"PyTorch, {model} on {gpus}", self.rival, model, gpus)
            elif most == 1:
                continue
            elif part == "sums":
                self.try_to(f"sums over {most}", self.sums, most)
            elif part == "faults":
                self.try_to(f"faults of {most}", self.faults, most)
            elif part == "variants":
                for model in models:
                    for variant in VARIANTS:
                        self.try_to(f"{model} on {most}, {variant}", self.step, model, most, self.batch(model), most,
                                    variant)

    def table(self):
        lines = [f"{'model':11} {'GPUs':>4} {'batch':>5} {'':20} {'ms':>9} {'tokens/s':>9} {'of N':>7} {'rival':>9}"]
        rate = {(row["model"], row["batch"], row["gpus"]): row["tokens_per_second"] for row in self.result["rows"]
                if not row["variant"]}
        for row in self.result["rows"]:
            alone = rate.get((row["model"], row["batch"], 1)) or rate.get((row["model"], STRONG[1], 1))
            ms, tokens, rival = row["ms"], row["tokens_per_second"], row["rival_tokens_per_second"]
            share = f"{100 * tokens / alone / row['gpus']:.1f} %" if alone and tokens else ""
            lines.append(f"{row['model']:11} {row['gpus']:4} {row['batch']:5} {row['variant']:20} "
                         f"{f'{ms:.2f}' if ms else '':>9} {f'{tokens:.0f}' if tokens else '':>9} {share:>7} "
                         f"{f'{rival:.0f}' if rival else '':>9}")
        return "\n".join(lines)


def gpus_there():
    try:
        text = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return len(re.findall(r"^GPU \d+", text, re.M)) if visible is None else len(visible.split(","))


def numbers(text):
    found = [int(word) for word in text.split(",")]
    if any(number < 1 for number in found):
        raise ValueError(text)
    return sorted(set(found))


def names_of(known):
    def names(text):
        found = text.split(",")
        if not set(found) <= set(known):
            raise ValueError(text)
        return found
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=numbers)
    parser.add_argument("--processes", type=numbers)
    parser.add_argument("--rival")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--minutes", type=float, default=7)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--parts", type=names_of(PARTS), default=PARTS)
    parser.add_argument("--models", type=names_of(BATCH), default=list(BATCH))
    args = parser.parse_args()
    counts = args.processes or args.gpus or [n for n in (1, 2, 4, 8) if n <= gpus_there()]
    if not counts:
        parser.error("there is no GPU: --processes LIST tries the script on CPUs")
    if "LACUNA_BINARY" not in os.environ:
        parser.error("LACUNA_BINARY names no binary")
    if args.rival and not Path(args.rival).is_file():
        parser.error(f"--rival {args.rival}: there is no such file")
    os.environ.setdefault("NCCL_NVLS_ENABLE", "0")
    with tempfile.TemporaryDirectory() as folder:
        scaling = Scaling(args, counts, Path(folder))
        scaling.measure()
    print(f"\n{scaling.table()}\n{time.monotonic() - scaling.begin:.0f} s")
    if args.json:
        args.json.write_text(json.dumps(scaling.result, indent=1) + "\n")
    if scaling.failures:
        print(f"failed: {', '.join(scaling.failures)}")
    return 1 if scaling.failures else 0


if __name__ == "__main__":
    sys.exit(main())
