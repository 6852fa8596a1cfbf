"""The text that the pages have from the CSV files of docs/results (tools/results.py)."""
import difflib
import sys
import textwrap
from pathlib import Path

import scaling_picture
import speed_picture
from results_csv import (COLUMNS, Wrong, attention_ratio, geometric_mean, merged, origins, ratio, read_table,
                         rivals_of, step_ratio, times, worst_first)

PAGES = {"docs/results/README.md": ["losses", "attention", "summary", "steps", "sampling", "scaling", "race", "layers",
                                     "rivals"],
         "README.md": ["losses", "summary"]}
PICTURE = "docs/results/scaling.svg"  # of scaling.csv, once that has rows
SPEED = "docs/results/speed.svg"  # of attention.csv, steps.csv and rivals.csv


def drawn(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |"
                     for cells in [head, ["---"] * len(head), *lines])


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
         "losses": lambda t: textwrap.fill(speed_picture.losses(t), 110, break_on_hyphens=False),
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
    made[SPEED] = speed_picture.picture(tables)
    if tables["scaling"]:
        made[PICTURE] = scaling_picture.picture(tables["scaling"])
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
