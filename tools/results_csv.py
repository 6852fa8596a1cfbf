"""The CSV files of docs/results: read, checked and written, and what their numbers come to (tools/results.py)."""
import csv
import datetime
import io
import math
import re
from pathlib import Path

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


# --- What the numbers come to ---

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
    """With a digit more where 1.00x would hide a loss."""
    if value is None:
        return ""
    return f"{mark}{value:.{3 if 0.995 <= value < 1 else 2}f}x{mark}"


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
