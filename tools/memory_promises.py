#!/usr/bin/env python3
"""Whether memory.budget keeps its promises on this machine: called by tools/memory_promises.sh.

Part a: `lacuna bench budgets` of three configurations, from the least budget to everything. For each budget
        the arena is the one predicted, to the byte; what the device says is held is at most the budget and
        within 1 % of what was predicted; the time, against keeping everything, is within 5 % of what was
        predicted; more budget is never slower by more than 2 %.
Part b: the same of enwik8 at 10 GiB and 6.6 GiB, which may take 1.12 and 1.26 times as long.
Part c: models of 65,536, 262,144 and 1,048,576 samples of sound, each within 16 GiB: the loss falls.
Part d: 512 layers: below the order-0 entropy of the text within 200 steps.
Part e: the longest context that `lacuna plan` gives the enwik8 model, and steps at the longest that fits
        the time.
Where the library of nvidia-smi is found, the device's memory is read every few milliseconds besides.
"""
import argparse
import collections
import ctypes
import json
import lzma
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

GIB = 2**30
CONFIGS = Path(__file__).resolve().parent.parent / "configs"
BATCHES = {"enwik8": 8, "imagenet64": 4, "cifar10": 16}
SOUND = {  # as the paper's Table 4 tells their sizes: positions, layers, width, heads, stride
    "65k": (65536, 48, 512, 16, 256),
    "262k": (262144, 32, 256, 8, 512),
    "1M": (1048576, 16, 128, 4, 1024),
}


class DeviceMemory:
    """Reads how much of all GPUs' memory is held, from outside, while a process runs."""

    class Info(ctypes.Structure):
        _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]

    def __init__(self) -> None:
        self.library, self.devices, self.samples = None, [], []
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
            count = ctypes.c_uint()
            if library.nvmlInit_v2() != 0 or library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
                return
            for index in range(count.value):
                device = ctypes.c_void_p()
                if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) == 0:
                    self.devices.append(device)
            self.library = library
        except (OSError, AttributeError):
            pass

    def used(self) -> int:
        most = 0
        for device in self.devices:
            info = self.Info()
            if self.library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(info)) == 0:
                most = max(most, info.used)
        return most

    def watch(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.samples.append((time.time(), self.used()))
            time.sleep(0.002)

    def __enter__(self) -> "DeviceMemory":
        self.samples, self.stop = [], threading.Event()
        self.before = self.used() if self.devices else 0
        self.thread = threading.Thread(target=self.watch, args=(self.stop,), daemon=True)
        if self.devices:
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        if self.devices:
            self.thread.join()

    def peak(self, begun: float = 0, ended: float = math.inf) -> int | None:
        """Bytes beyond what was held before; None where nothing can be read."""
        seen = [used for at, used in self.samples if begun <= at <= ended]
        return max(seen) - self.before if seen else None


class Promises:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.lacuna = str(Path(arguments.bundle).resolve() / "lacuna")
        self.out = Path(arguments.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.memory = DeviceMemory()
        self.begun = time.monotonic()
        self.broken: list[str] = []
        self.kept = 0

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    def promise(self, holds: bool, text: str) -> str:
        """A mark for the table; what does not hold is listed at the end."""
        if holds:
            self.kept += 1
        else:
            self.broken.append(text)
        return "" if holds else "!"

    def run(self, *words: object, seconds: float = 300) -> subprocess.CompletedProcess | None:
        command = [self.lacuna, *map(str, words)]
        began = time.monotonic()
        with self.memory, tempfile.TemporaryFile("w+") as text:
            try:
                done = subprocess.run(command, stdout=text, stderr=subprocess.STDOUT, timeout=seconds, cwd=self.work)
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = None
            text.seek(0)
            output = text.read()
        self.seconds = time.monotonic() - began
        with open(self.out / "log.txt", "a") as log:
            log.write(f"$ lacuna {' '.join(map(str, words))}\n{output}\n[{code}, {self.seconds:.1f} s]\n\n")
        if code != 0:
            what = f"lacuna {' '.join(map(str, words[:4]))} ..."
            self.broken.append(f"{what} " + ("took too long" if code is None else f"ended with {code}"))
            self.say(f"FAILED {what}: " + " | ".join(output.strip().splitlines()[-3:]))
            return None
        return subprocess.CompletedProcess(command, code, output)

    def tiny(self, *words: object) -> list[object]:
        """Of --tiny: another model, so that a CPU does it in seconds."""
        return list(words) if self.arguments.tiny else []

    # Budgets

    def budgets(self, name: str, how: list[object], repeats: int) -> dict | None:
        file = self.out / f"budgets_{name}.json"
        accumulation = ["--train.accumulation", 1]
        config = name.split("-")[0]
        small = self.tiny("--train.device", "cpu", "--model.layers", 3, "--model.heads", 2, "--model.width", 16,
                          "--model.qk_width", 0, "--model.feedforward_width", 0)
        batch = 1 if self.arguments.tiny else BATCHES[config]
        done = self.run("bench", "budgets", "--config", CONFIGS / f"{config}.toml", "--repeats", repeats,
                        "--json", file, *how, "--train.batch", batch, *accumulation, *small)
        return None if done is None else json.loads(file.read_text())

    def show_budgets(self, name: str, found: dict) -> None:
        whole = found["everything_ms"]
        self.say(f"{name} on {found['device']}: everything {found['everything_bytes'] / GIB:.3f} GiB, {whole:.2f} ms "
                 f"({found['predicted_everything_ms']:.2f} predicted); least {found['minimum_bytes'] / GIB:.3f} GiB; "
                 f"{self.seconds:.0f} s")
        self.say("   budget GiB      predicted           held  outside GiB     ms  times  pred.  kept")
        rows = []
        for run in found["runs"]:
            budget = run["budget_bytes"] or math.inf
            at = f"{name} at {budget / GIB:.3f} GiB"
            said, held = run["predicted_bytes"], run.get("held_bytes")
            outside = self.memory.peak(run["begun"], run["ended"])
            marks = self.promise(run["arena_bytes"] == run["predicted_arena_bytes"],
                                 f"{at}: an arena of {run['arena_bytes']} bytes, "
                                 f"{run['predicted_arena_bytes']} predicted")
            marks += self.promise(said <= budget, f"{at}: {said} bytes are predicted")
            if held is not None:
                marks += self.promise(held <= budget, f"{at}: {held} bytes are held")
                marks += self.promise(abs(held - said) <= 0.01 * said, f"{at}: {held} bytes are held, {said} predicted")
            if outside is not None:
                marks += self.promise(outside <= budget, f"{at}: {outside} bytes were held, seen from outside")
            ratio = run["times"] / run["predicted_times"]
            marks += self.promise(abs(ratio - 1) <= 0.05,
                                  f"{at}: {run['times']:.3f} times as long, {run['predicted_times']:.3f} predicted")
            beyond = "-" if outside is None else f"{outside / GIB:.3f}"
            self.say(f"  {budget / GIB:11.3f} {said:14d} {held if held is not None else '-':>14} {beyond:>12} "
                     f"{run['ms']:6.1f} {run['times']:6.3f} {run['predicted_times']:6.3f}  {run['kept'][:60]}{marks}")
            rows.append({**run, "outside_bytes": outside, "holds": not marks})
        rows.sort(key=lambda row: row["budget_bytes"] or math.inf)
        for less, more in zip(rows, rows[1:]):
            self.promise(more["ms"] <= 1.02 * less["ms"],
                         f"{name}: {more['ms']:.2f} ms at {(more['budget_bytes'] or 0) / GIB:.3f} GiB (0: none), but "
                         f"{less['ms']:.2f} at {less['budget_bytes'] / GIB:.3f}")
        (self.out / f"budgets_{name}.json").write_text(json.dumps({**found, "runs": rows}, indent=1) + "\n")
        with open(self.out / f"budgets_{name}.csv", "w") as table:
            columns = [key for key in rows[0] if key != "kept"]
            table.write(",".join(columns) + "\n")
            for row in rows:
                table.write(",".join("" if row.get(key) is None else str(row[key]) for key in columns) + "\n")

    def part_a(self) -> None:
        count, repeats = (20, 9) if self.arguments.long else (6, 5)
        for name in BATCHES:
            found = self.budgets(name, ["--count", count], repeats)
            if found is not None:
                self.show_budgets(name, found)

    def part_b(self) -> None:
        bars = {10.0: 1.12, 6.6: 1.26}
        at = "60%,70%" if self.arguments.tiny else ",".join(f"{size}GiB" for size in bars)
        found = self.budgets("enwik8-bars", ["--at", at], 15 if self.arguments.long else 9)
        if found is None:
            return
        self.show_budgets("enwik8-bars", found)
        for run in found["runs"][1:]:
            size = round(run["budget_bytes"] / GIB, 1)
            bar = bars.get(size, math.inf)
            self.promise(run["times"] <= bar, f"enwik8 at {size} GiB takes {run['times']:.3f} times as long, {bar} is the bar")
            self.say(f"  {size} GiB: {run['times']:.3f} of at most {bar}")

    # Training

    def train(self, name: str, *words: object, seconds: float) -> dict | None:
        folder = Path(self.work) / name
        config = Path(self.work) / f"{name}.toml"
        if not config.exists():
            config.write_text("")
        done = self.run("train", config, "--train.run", folder, "--train.log_every", 1000, "--checkpoint.every",
                        "0 steps", "--train.evaluate_every", "0 steps", *words,
                        *self.tiny("--train.device", "cpu"), seconds=seconds)
        if done is None:
            return None
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        steps = [line for line in lines if line["kind"] == "train"]
        rates = sorted(line["tokens_per_second"] for line in steps)
        tokens = steps[-1]["tokens"] / steps[-1]["step"]
        said = re.search(r"^memory .*|memory  .*", done.stdout, re.M)
        kept = re.search(r"kept    .*", done.stdout)
        return {"name": name, "steps": len(steps), "bits": [line["bits"] for line in steps],
                "step_ms": 1e3 * tokens / rates[len(rates) // 2], "peak_bytes": self.memory.peak(),
                "memory": said.group(0) if said else "", "kept": kept.group(0) if kept else "everything",
                "seconds": self.seconds}

    def show_run(self, run: dict, budget: float | None = None) -> None:
        bits = run["bits"]
        end = sum(bits[-5:]) / len(bits[-5:])
        peak = run["peak_bytes"]
        mark = ""
        if budget and peak is not None:
            mark = self.promise(peak <= budget, f"{run['name']}: {peak} bytes were held, seen from outside")
        self.say(f"  {run['name']:>8}: {run['steps']} steps of {run['step_ms']:.1f} ms, bits {bits[0]:.3f} -> {end:.3f}, "
                 f"peak from outside {'-' if peak is None else f'{peak / GIB:.3f} GiB'}{mark}, {run['seconds']:.0f} s in all")
        self.say(f"            {run['memory'][:150]}")
        self.say(f"            {run['kept'][:150]}")

    def save_run(self, run: dict) -> None:
        (self.out / f"train_{run['name']}.json").write_text(json.dumps(run, indent=1) + "\n")

    def part_c(self) -> None:
        steps = 100 if self.arguments.long else 30
        for name, (context, layers, width, heads, stride) in SOUND.items():
            if self.arguments.tiny:
                context, layers, width, heads, stride = context // 64, 2, 16, 2, stride // 8
            run = self.train(
                name, "--data.format", "audio", "--data.rate", 12000, "--data.paths", json.dumps([self.arguments.music]),
                "--model.context", context, "--model.layers", layers, "--model.width", width, "--model.heads", heads,
                "--model.attention", json.dumps([f"strided({stride})"]), "--model.dropout", 0.01,
                "--model.embedding_std", 1.0, "--optim.learning_rate", 0.0005, "--optim.warmup", "5 steps",
                "--train.batch", 1, "--train.length", f"{steps} steps", "--memory.budget", "16GiB", seconds=120)
            if run is None:
                continue
            self.show_run(run, 16 * GIB)
            self.save_run(run)
            end = sum(run["bits"][-5:]) / len(run["bits"][-5:])
            self.promise(end < run["bits"][0], f"sound {name}: the loss does not fall")

    def text(self) -> Path:
        file = Path(self.arguments.text)
        data = lzma.open(file).read() if file.suffix == ".xz" else file.read_bytes()
        plain = Path(self.work) / "text"
        plain.write_bytes(data)
        return plain

    def part_d(self) -> None:
        file = self.text()
        data = file.read_bytes()
        counts = collections.Counter(data)
        entropy = -sum(n / len(data) * math.log2(n / len(data)) for n in counts.values())
        layers, context, batch = (8, 256, 1) if self.arguments.tiny else (512, 3072, 4)
        limit = 600 if self.arguments.long else 90
        run = self.train(
            "deep", "--data.paths", json.dumps([str(file)]), "--data.split", "0.98 / 0.01 / 0.01",
            "--model.layers", layers, "--model.width", 128, "--model.heads", 4, "--model.context", context,
            "--model.attention", json.dumps(["fixed(64, 16, 4)"]), "--model.embedding_std", 1.0,
            "--optim.learning_rate", 0.001, "--optim.warmup", "40 steps", "--optim.average", 0,
            "--train.batch", batch, "--train.length", "200 steps", "--train.time_limit", limit / 3600,
            "--memory.budget", "8GiB", seconds=limit + 60)
        if run is None:
            return
        self.show_run(run, 8 * GIB)
        last = run["bits"][-20:]
        end = sum(last) / len(last)
        self.promise(end < entropy, f"{layers} layers: {end:.3f} bits after {run['steps']} steps, the order-0 entropy "
                     f"is {entropy:.3f}")
        self.say(f"  {layers} layers, T = {context}: {end:.3f} bits over the last {len(last)} of {run['steps']} steps; "
                 f"order-0 entropy {entropy:.3f}")
        self.save_run({**run, "order0_bits": entropy})

    def part_e(self) -> None:
        model = ["--model.attention", json.dumps(["fixed(512, 32)"]), "--train.batch", 1, "--train.accumulation", 1,
                 "--optim.average", 0]
        model += (self.tiny("--model.layers", 2, "--model.heads", 2, "--model.width", 16, "--memory.budget", "600MB")
                  or ["--model.layers", 30, "--model.heads", 8, "--model.width", 512])
        config = CONFIGS / "enwik8.toml"
        file = self.out / "plan.json"

        def plan(context: int) -> tuple[dict, str] | None:
            done = self.run("plan", config, "--model.context", context, "--json", file, *model,
                            *self.tiny("--train.device", "cpu"), seconds=120)
            return None if done is None else (json.loads(file.read_text()), done.stdout)

        start = 8192 if self.arguments.tiny else 131072
        first = plan(start)
        if first is None:
            return
        found = re.search(r"model\.context up to ([0-9,]+)", first[1])
        longest = int(found.group(1).replace(",", "")) if found else start
        self.say(f"  the plan's longest context: {longest:,}")
        table, chosen, context = [], start, start
        most = 10 if self.arguments.tiny else self.arguments.e_seconds
        while context <= longest:
            known = plan(context)
            if known is None:
                return
            step = known[0]["plan"]["step_seconds"]
            table.append({"context": context, "step_seconds": step, "minimum_bytes": known[0]["minimum_bytes"]})
            self.say(f"    {context:>10,}: at least {known[0]['minimum_bytes'] / GIB:7.2f} GiB; a step {step:.2f} s")
            if 4 * step > most:  # two steps, an evaluation and the measuring of ops
                break
            chosen = context
            if context == longest:
                break
            context = min(2 * context, longest)
        data = Path(self.work) / "noise"
        with open(data, "wb") as to:
            noise = random.Random(1)
            for _ in range(0, 2 * chosen, 65536):
                to.write(noise.randbytes(65536))
        run = self.train("long", "--data.paths", json.dumps([str(data)]), "--data.split", f"{chosen} / 1k / 1k",
                         "--model.context", chosen, "--model.dropout", 0.4, *model, "--train.length", "3 steps",
                         seconds=4 * most)
        if run is not None:
            self.show_run(run)
            self.save_run({**run, "context": chosen, "longest": longest, "plans": table})

    def everything(self) -> int:
        with tempfile.TemporaryDirectory() as self.work:
            for part in self.arguments.parts:
                spent = time.monotonic() - self.begun
                if spent > self.arguments.seconds:
                    self.say(f"part {part} is left out: {spent:.0f} s are over")
                    self.broken.append(f"part {part} was left out")
                    continue
                self.say(f"== part {part}, after {spent:.0f} s")
                getattr(self, f"part_{part}")()
        for text in self.broken:
            self.say(f"BROKEN  {text}")
        self.say(f"{self.kept} checks hold, {len(self.broken)} do not; {time.monotonic() - self.begun:.0f} s; "
                 f"numbers and logs are in {self.out}")
        (self.out / "broken.txt").write_text("".join(f"{text}\n" for text in self.broken))
        return 1 if self.broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="a folder with the binary, as tools/bundle.sh makes it")
    parser.add_argument("out", help="a folder for the numbers")
    parser.add_argument("--parts", default="abcde", help="which, in this order")
    parser.add_argument("--long", action="store_true", help="20 budgets in part a, more steps, more time")
    parser.add_argument("--seconds", type=float, default=220, help="no part begins after that many (long: 3000)")
    parser.add_argument("--e-seconds", type=float, default=40, help="of part e, as the plan estimates it")
    parser.add_argument("--music", help="a sound file of a minute and a half at least (part c)")
    parser.add_argument("--text", help="a text, which may be packed by xz (part d)")
    parser.add_argument("--tiny", action="store_true", help="small models on the CPU: does this script work?")
    arguments = parser.parse_args()
    for part, flag in {"c": "music", "d": "text"}.items():
        if part in arguments.parts:
            if not getattr(arguments, flag):
                parser.error(f"part {part} takes --{flag} FILE")
            setattr(arguments, flag, os.path.abspath(getattr(arguments, flag)))
    if set(arguments.parts) - set("abcde"):
        parser.error(f"parts are a to e, not {arguments.parts}")
    if arguments.long:
        arguments.seconds = max(arguments.seconds, 3000)
    return Promises(arguments).everything()


if __name__ == "__main__":
    sys.exit(main())
