"""The CSV files of docs/results, and the text that the pages have from them (tools/results.py)."""
import csv
import datetime
import difflib
import io
import math
import re
import sys
import textwrap
from pathlib import Path

from scaling_picture import picture

ORIGIN = ["gpu", "driver", "commit", "date"]  # of our numbers
COLUMNS = {  # the first `keys` columns name a row
    "attention": ["case", "forward_ms", "forward_backward_ms", "rival", "rival_forward_ms",
                  "rival_forward_backward_ms", *ORIGIN],
    "steps": ["model", "batch", "ms", "tokens_per_second", "rival", "rival_ms", *ORIGIN],
    "sampling": ["model", "batch", "eighth_ms", "half_ms", "end_ms", "rival", "rival_eighth_ms",
                 "rival_half_ms", "rival_end_ms", *ORIGIN],
    "scaling": ["model", "gpus", "batch", "variant", "ms", "tokens_per_second", "rival",
                "rival_tokens_per_second", *ORIGIN],
    "race": ["race", "bits", "seconds", "tokens", "rival", "rival_bits", "rival_seconds",
             "rival_tokens", *ORIGIN],
    "layers": ["kernel", "size", "megabytes", "ms", "share_of_copy", *ORIGIN],
    "rivals": ["rival", "program", "versions", "measured"],
}
KEYS = {"attention": 1, "steps": 2, "sampling": 2, "scaling": 4, "race": 1, "layers": 2, "rivals": 1}
NO_NUMBER = {"case", "model", "variant", "rival", "race", "kernel", "size", "program", "versions", "measured",
             *ORIGIN}
PAGES = {"docs/results/README.md": ["attention", "summary", "steps", "sampling", "scaling", "race", "layers", "rivals"],
         "README.md": ["summary"]}


PICTURE = "docs/results/scaling.svg"  # of scaling.csv, once that has rows


class Wrong(Exception):
    """A file or a flag is not what it should be."""


# --- The CSV files ---

def key_of(table: str, row: dict) -> tuple:
    return tuple(row[name] for name in COLUMNS[table][:KEYS[table]])


def check_origin(place: str, row: dict) -> None:
    if not re.fullmatch(r"[0-9a-f]{7,40}|unknown", row["commit"]):
        raise Wrong(f"{place}: commit '{row['commit']}' is neither a hash nor unknown")
    try:
        datetime.date.fromisoformat(row["date"])
    except ValueError:
        raise Wrong(f"{place}: '{row['date']}' is no date such as 2026-11-30") from None
    for name in ("gpu", "driver"):
        if not row[name]:
            raise Wrong(f"{place}: {name} is empty: write unknown")


def read_table(folder: Path, table: str) -> list[dict]:
    path = folder / f"{table}.csv"
    with path.open(newline="") as file:
        reader = csv.DictReader(file, strict=True)
        if reader.fieldnames != COLUMNS[table]:
            raise Wrong(f"{path}:1: the columns should be {','.join(COLUMNS[table])}")
        rows, seen = [], set()
        for row in reader:
            place = f"{path}:{reader.line_num}"
            if None in row or None in row.values():
                raise Wrong(f"{place}: {len(COLUMNS[table])} cells are needed")
            for name, text in row.items():
                number = re.fullmatch(r"\d+(\.\d+)?", text) and float(text) > 0
                if name not in NO_NUMBER and text and not number:
                    raise Wrong(f"{place}: {name} '{text}' is no number above 0")
            if "commit" in row:
                check_origin(place, row)
            if key_of(table, row) in seen:
                raise Wrong(f"{place}: a second row of {' '.join(key_of(table, row))}")
            seen.add(key_of(table, row))
            rows.append(row)
    return rows


def write_table(folder: Path, table: str, rows: list[dict]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS[table], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / f"{table}.csv").write_text(text.getvalue())


# --- What the pages say ---

def ratio(row: dict, ours: str, theirs: str) -> float | None:
    """How many times as fast as the rival we are, None when either was not measured."""
    return float(row[theirs]) / float(row[ours]) if row[ours] and row[theirs] else None


def attention_ratio(row: dict) -> float | None:
    return ratio(row, "forward_backward_ms", "rival_forward_backward_ms")


def step_ratio(row: dict) -> float | None:
    return ratio(row, "ms", "rival_ms")


def worst_first(rows: list[dict], value) -> list[dict]:
    return sorted(rows, key=lambda row: (value(row) is None, value(row) or 0))


def times(value: float | None, mark: str = "") -> str:
    return "" if value is None else f"{mark}{value:.2f}x{mark}"


def geometric_mean(values: list[float]) -> float:
    if not values:
        raise Wrong("attention.csv: no case of merged heads has both numbers")
    return math.exp(sum(map(math.log, values)) / len(values))


def merged(rows: list[dict]) -> list[dict]:
    """The cases of heads with two index sets under one softmax."""
    return [row for row in rows if row["case"].endswith(("-fixed", "-strided"))]


def rivals_of(row: dict) -> tuple[str, str]:
    """The rivals of the forward pass and of both, which the cell names as `one` or `one; other`."""
    forward, _, both = row["rival"].partition("; ")
    return forward, both or forward


def drawn(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |"
                     for cells in [head, ["---"] * len(head), *lines])


def origins(rows: list[dict], name: str) -> str:
    """Where and when our numbers were measured, a sentence for each run."""
    runs: dict[tuple, list[str]] = {}
    for row in rows:
        runs.setdefault(tuple(row[o] for o in ORIGIN), []).append(row[name])
    said = []
    for (gpu, driver, commit, date), names in sorted(runs.items(), key=lambda run: len(run[1])):
        what = ", ".join(dict.fromkeys(names))
        if len(names) == max(map(len, runs.values())) and len(names) > 1:
            what = "all rows" if len(runs) == 1 else "the other rows"
        said.append(f"{what} on {gpu} (driver {driver}), commit {commit}, {date}")
    return "Lacuna's numbers: " + "; ".join(said) + "."


def attention_part(tables: dict) -> str:
    lines = []
    for row in worst_first(tables["attention"], attention_ratio):
        forward, both = rivals_of(row)
        lines.append([row["case"], row["forward_backward_ms"], row["rival_forward_backward_ms"], both,
                      times(attention_ratio(row), "**"), row["forward_ms"], row["rival_forward_ms"],
                      forward, times(ratio(row, "forward_ms", "rival_forward_ms"))])
    return drawn(["case", "forward + backward, ms", "best rival, ms", "which", "lacuna's speed",
                  "forward, ms", "best rival, ms", "which", "lacuna's speed"], lines)


def listed(rows: list[dict], value, name) -> str:
    return ", ".join(f"{name(row)} ({times(value(row))})" for row in worst_first(rows, value))


def losses_and_gains(what: str, rows: list[dict], value, name) -> list[str]:
    rows = [row for row in rows if value(row) is not None]
    slower = [row for row in rows if value(row) < 1]
    faster = [row for row in rows if value(row) >= 1]
    losses = f"**Lacuna loses** in {len(slower) or 'none'} of {len(rows)} {what}"
    return [losses + (f": {listed(slower, value, name)}." if slower else "."),
            f"It is at least as fast in {listed(faster, value, name)}." if faster else ""]


def summary_part(tables: dict) -> str:
    attention = [row for row in tables["attention"] if attention_ratio(row) is not None]
    of_merged = merged(attention)
    mean = geometric_mean([attention_ratio(row) for row in of_merged])
    best = [rivals_of(row)[1] for row in attention]
    strongest = max(sorted(set(best)), key=best.count)
    program = next((row["program"] for row in tables["rivals"] if row["rival"] == strongest), None)
    if program is None:
        raise Wrong(f"rivals.csv: no row says what {strongest} is")
    points = [
        f"**The strongest rival** is {program}: it is the best one in {best.count(strongest)} of "
        f"{len(best)} cases of attention, forward and backward together.",
        *losses_and_gains("cases of attention, forward and backward together", attention,
                          attention_ratio, lambda row: row["case"]),
        f"In the geometric mean of the {len(of_merged)} cases with merged heads (-fixed and -strided) "
        f"lacuna has {mean:.2f} times the speed of the best rival of each.",
        *losses_and_gains("training steps", tables["steps"], step_ratio,
                          lambda row: f"{row['model']}: {row['ms']} ms against {row['rival_ms']}"),
    ]
    return "\n".join(textwrap.fill(point, 110, initial_indent="- ", subsequent_indent="  ",
                                   break_on_hyphens=False) for point in points if point)


def steps_part(tables: dict) -> str:
    rows = worst_first(tables["steps"], step_ratio)
    lines = [[row["model"], row["batch"], row["ms"], row["rival_ms"], row["rival"],
              times(step_ratio(row)), row["tokens_per_second"]] for row in rows]
    return drawn(["model", "batch", "lacuna, ms", "best rival, ms", "which", "lacuna's speed",
                  "lacuna, tokens/s"], lines) + "\n\n" + origins(rows, "model")


def sampling_part(tables: dict) -> str:
    places = ("eighth", "half", "end")
    rows = worst_first(tables["sampling"], lambda row: ratio(row, "end_ms", "rival_end_ms"))
    lines = [[row["model"], row["batch"], " / ".join(row[f"{p}_ms"] for p in places),
              " / ".join(row[f"rival_{p}_ms"] for p in places), row["rival"],
              " / ".join(times(ratio(row, f"{p}_ms", f"rival_{p}_ms")) for p in places)] for row in rows]
    return drawn(["model", "batch", "lacuna, ms a token", "rival, ms a token", "which",
                  "lacuna's speed"], lines) + "\n\n" + origins(rows, "model")


def share_of_one(row: dict, rows: list[dict]) -> str:
    """The speed in percent of N times that of one GPU with as many sequences, or with all of them."""
    for batch in (int(row["batch"]), int(row["batch"]) * int(row["gpus"])):
        for one in rows:
            if (one["model"], one["gpus"], one["batch"], one["variant"]) == (row["model"], "1", str(batch), ""):
                if row["tokens_per_second"] and one["tokens_per_second"]:
                    speed = float(row["tokens_per_second"]) / float(one["tokens_per_second"])
                    return f"{100 * speed / int(row['gpus']):.1f} %"
    return ""


def scaling_part(tables: dict) -> str:
    rows = tables["scaling"]
    if not rows:
        return "Not measured yet."
    lines = [[row["model"], row["gpus"], row["batch"], row["variant"], row["ms"], row["tokens_per_second"],
              share_of_one(row, rows), row["rival_tokens_per_second"], row["rival"],
              times(ratio(row, "rival_tokens_per_second", "tokens_per_second"))] for row in rows]
    return drawn(["model", "GPUs", "batch a GPU", "variant", "lacuna, ms", "tokens/s", "of N times one GPU",
                  "rival, tokens/s", "which", "lacuna's speed"],
                 lines) + f"\n\n![tokens a second over GPUs]({Path(PICTURE).name})\n\n" + origins(rows, "model")


def race_part(tables: dict) -> str:
    lines = []
    for row in tables["race"]:
        lines.append([row["race"], "lacuna", f"**{row['bits']}**", row["seconds"], row["tokens"]])
        lines.append([row["race"], row["rival"], row["rival_bits"], row["rival_seconds"],
                      row["rival_tokens"]])
    return drawn(["race", "who", "bits a byte", "seconds", "tokens"],
                 lines) + "\n\n" + origins(tables["race"], "race")


def layers_part(tables: dict) -> str:
    """A line for each kernel, a column for each size; the kernel with the least share comes first."""
    sizes = list(dict.fromkeys(row["size"] for row in tables["layers"]))
    measured = [row for row in tables["layers"] if row["share_of_copy"]]
    kernels: dict[str, list[float]] = {}  # the shares of each
    cells = {}
    for row in measured:
        share = float(row["share_of_copy"])
        kernels.setdefault(row["kernel"], []).append(share)
        cells[row["kernel"], row["size"]] = f"{100 * share:.1f} % ({row['ms']} ms)"
    order = sorted(kernels, key=lambda kernel: min(kernels[kernel]))
    lines = [[kernel, *(cells.get((kernel, size), "") for size in sizes)] for kernel in order]
    return drawn(["kernel", *sizes], lines) + "\n\n" + origins(measured, "kernel")


def rivals_part(tables: dict) -> str:
    return drawn(["name", "what it is", "versions", "measured"],
                 [[row[name] for name in COLUMNS["rivals"]] for row in tables["rivals"]])


PARTS = {"attention": lambda t: attention_part(t) + "\n\n" + origins(t["attention"], "case"),
         "summary": summary_part, "steps": steps_part, "sampling": sampling_part,
         "scaling": scaling_part, "race": race_part,
         "layers": layers_part, "rivals": rivals_part}


def filled(page: str, text: str, tables: dict) -> str:
    """The page with each of its parts made anew."""
    for part in PAGES[page]:
        begin, end = f"<!-- tools/results.py: {part} -->\n", f"<!-- end of {part} -->"
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise Wrong(f"{page}: '{begin.strip()}' and then '{end}' must stand there once")
        before, rest = text.split(begin)
        text = before + begin + "\n" + PARTS[part](tables) + "\n\n" + end + rest.split(end)[1]
    return text


def pages(root: Path, check: bool) -> int:
    tables = {table: read_table(root / "docs/results", table) for table in COLUMNS}
    made = {page: filled(page, (root / page).read_text(), tables) for page in PAGES}
    if tables["scaling"]:
        made[PICTURE] = picture(tables["scaling"])
    stale = 0
    for page, new in made.items():
        old = (root / page).read_text() if (root / page).exists() else ""
        if old == new:
            continue
        if check:
            stale = 1
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True),
                                                       page, "what the CSV files give"))
            print(f"{page} is not what docs/results/*.csv give: run tools/results.py")
        else:
            (root / page).write_text(new)
    return stale
