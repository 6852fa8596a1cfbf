#!/usr/bin/env python3
"""Makes the tables of docs/results/README.md, and the summary in README.md, from the CSV files in docs/results.

    results.py                        rewrites what stands between the markers of the two pages, and the pictures
    results.py --check                fails when a page or a picture is not what the CSV files give
    results.py attention FILE FLAGS   takes what `lacuna bench attention --json FILE` wrote
    results.py layers FILE FLAGS      the same of `lacuna bench layers`
    results.py steps FILE --batch N [--model NAME] FLAGS    the same of `lacuna bench step`
    results.py scaling FILE FLAGS     what scaling.py --json wrote: the rows of all that it measured
    results.py rivals FILE...         takes what attention.py --json, rivals.py and train.py of the
                                      PyTorch side wrote or printed: the best of each case

Each also draws docs/results/speed.svg and scaling.svg anew. FLAGS are --gpu NAME --driver VERSION --commit HASH --date YYYY-MM-DD, for the rows of the file. Only our
columns change, and with `rivals` only those of the rivals. A cell without a number stays empty. Exit codes:
0 done, 1 the check failed, 2 a file or a flag is wrong.
"""
import argparse
import csv
import json
import re
import sys
from pathlib import Path

from results_csv import COLUMNS, ORIGIN, Wrong, check_origin, key_of, read_table, rivals_of, write_table
from results_tables import pages


def row_of(table: str, rows: list[dict], key: tuple) -> dict:
    for row in rows:
        if key_of(table, row) == key:
            return row
    raise Wrong(f"{table}.csv has no row of {' '.join(key)}: add one, with the other cells empty")


def same_gpu(said: str, flag: str) -> None:
    if flag not in said:
        raise Wrong(f"the file was measured on '{said}', and not on --gpu {flag}")


def take_attention(rows: list[dict], report: list[dict], args) -> list[dict]:
    taken = []
    for line in report:
        if line["dtype"] != "bf16":
            raise Wrong(f"{line['case']} was measured in {line['dtype']}; the table is in bf16")
        row = row_of("attention", rows, (line["case"],))
        row.update(forward_ms=f"{line['fwd_ms']:.3f}", forward_backward_ms=f"{line['fwdbwd_ms']:.3f}")
        taken.append(row)
    return taken


def take_layers(rows: list[dict], report: dict, args) -> list[dict]:
    same_gpu(report["gpu"], args.gpu)
    taken = []
    for line in report["kernels"]:
        row = row_of("layers", rows, (line["kernel"], line["size"]))
        row.update(megabytes=f"{line['bytes'] * 1e-6:.1f}", ms=f"{line['ms']:.4f}",
                   share_of_copy=f"{line['share_of_copy']:.3f}")
        taken.append(row)
    return taken


def take_steps(rows: list[dict], report: dict, args) -> list[dict]:
    same_gpu(report["device"], args.gpu)
    row = row_of("steps", rows, (args.model or Path(report["config"]).stem, str(args.batch)))
    row.update(ms=f"{report['ms']:.2f}", tokens_per_second=f"{report['tokens_per_second']:.0f}")
    return [row]


def take_scaling(rows: list[dict], report: dict, args) -> list[dict]:
    """Rows of a key that is there are replaced, the others added; a cell that is empty now keeps what it had."""
    if report["processes"]:
        raise Wrong("the file was measured on CPUs")
    same_gpu(report["device"], args.gpu)
    taken = []
    for line in report["rows"]:
        key = (line["model"], str(line["gpus"]), str(line["batch"]), line["variant"])
        found = [row for row in rows if key_of("scaling", row) == key]
        row = found[0] if found else dict.fromkeys(COLUMNS["scaling"], "")
        if not found:
            rows.append(row)
        row.update(zip(COLUMNS["scaling"], key))
        if line["ms"]:
            row.update(ms=f"{line['ms']:.2f}", tokens_per_second=f"{line['tokens_per_second']:.0f}")
        if line["rival_tokens_per_second"]:
            row.update(rival=line["rival"], rival_tokens_per_second=f"{line['rival_tokens_per_second']:.0f}")
        taken.append(row)
    rows.sort(key=lambda row: (row["model"], row["variant"], int(row["gpus"]), int(row["batch"])))
    return taken


def take(folder: Path, table: str, args) -> None:
    rows = read_table(folder, table)
    report = json.loads(Path(args.file).read_text())
    origin = {name: getattr(args, name) for name in ORIGIN}
    check_origin("flags", origin)
    for row in globals()[f"take_{table}"](rows, report, args):
        row.update(origin)
    write_table(folder, table, rows)


RIVAL_LINE = re.compile(  # of rivals.py
    r"^(\S+) (\w+)(?: deterministic)? fwd ([\d.]+) (?:bwd [\d.]+ )?fwd\+bwd ([\d.]+) ms", re.M)
STEP_LINE = re.compile(  # of train.py
    r"^(\w+) (\w+) batch (\d+) checkpoint ([01]) graph ([01]) GPUs 1: .* ([\d.]+) ms/step", re.M)


def read_rivals(texts: list[str]) -> tuple[dict, dict]:
    """Of attention {case: [(rival, forward, both)]}, of steps {(model, batch): [(rival, ms)]}."""
    attention, steps = {}, {}
    for text in texts:
        if text.lstrip().startswith("["):
            for line in json.loads(text):
                found = (line["variant"], line["fwd_ms"], line["fwdbwd_ms"])
                attention.setdefault(line["case"], []).append(found)
            continue
        for case, rival, forward, both in RIVAL_LINE.findall(text):
            attention.setdefault(case, []).append((rival, float(forward), float(both)))
        for model, kind, batch, checkpoint, graph, ms in STEP_LINE.findall(text):
            rival = kind + " --checkpoint" * int(checkpoint) + " --graph" * int(graph)
            steps.setdefault((model, batch), []).append((rival, float(ms)))
    return attention, steps


def must_have(known: set[str], found: list[tuple], what: str) -> None:
    missing = known - {"", *(entry[0] for entry in found)}
    if missing:
        raise Wrong(f"{what}: its best rival so far, {', '.join(sorted(missing))}, is not in the files; "
                    "measure it again too, so that a weaker one does not take its place")


def take_rivals(folder: Path, texts: list[str]) -> None:
    """The best of each case takes the place of the rival that is there, which must be measured too."""
    attention, steps = read_rivals(texts)
    if not attention and not steps:
        raise Wrong("no measurement of a rival was found in the files")
    rows, step_rows = read_table(folder, "attention"), read_table(folder, "steps")
    for case, found in attention.items():
        row = row_of("attention", rows, (case,))
        must_have(set(rivals_of(row)), found, case)
        forward, both = min(found, key=lambda f: f[1]), min(found, key=lambda f: f[2])
        row.update(rival=forward[0] if forward[0] == both[0] else f"{forward[0]}; {both[0]}",
                   rival_forward_ms=f"{forward[1]:.3f}", rival_forward_backward_ms=f"{both[2]:.3f}")
    for key, found in steps.items():
        row = row_of("steps", step_rows, key)
        must_have({row["rival"]}, found, " ".join(key))
        rival, ms = min(found, key=lambda f: f[1])
        row.update(rival=rival, rival_ms=f"{ms:.1f}")
    write_table(folder, "attention", rows)
    write_table(folder, "steps", step_rows)
    print("Versions and dates of the rivals are in docs/results/rivals.csv: mend them by hand.")


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--check", action="store_true")
    commands = parser.add_subparsers(dest="command")
    for name in ("attention", "layers", "steps", "scaling"):
        command = commands.add_parser(name)
        command.add_argument("file")
        for flag in ORIGIN:
            command.add_argument(f"--{flag}", required=True)
        if name == "steps":
            command.add_argument("--batch", type=int, required=True)
            command.add_argument("--model", help="the row, if it is not the name of the configuration")
    commands.add_parser("rivals").add_argument("files", nargs="+")
    args = parser.parse_args()
    if args.check and args.command:
        parser.error("--check goes alone: it changes nothing")
    return args


def main() -> int:
    args = parsed_arguments()
    folder = args.root / "docs/results"
    try:
        if args.command == "rivals":
            take_rivals(folder, [Path(name).read_text() for name in args.files])
        elif args.command:
            take(folder, args.command, args)
        return pages(args.root, args.check)
    except KeyError as missing:
        print(f"results.py: the file has no {missing}", file=sys.stderr)
    except (Wrong, OSError, ValueError, csv.Error) as error:
        print(f"results.py: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
