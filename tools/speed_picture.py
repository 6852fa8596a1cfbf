"""The picture of docs/results/attention.csv and steps.csv: lacuna against the best rivals (tools/results.py)."""
import math
import textwrap

from results_csv import attention_ratio, geometric_mean, merged, origins, rivals_of, step_ratio, times, worst_first
from svg import bar, document, nice, rule, text

WIDTH, LEFT, RIGHT, ROW, BAR = 800, 250, 640, 22, 14  # of the picture, of its bars, and of a row


def mark(value: float) -> str:
    return times(value) + (", slower" if value < 1 else "")


def names(y: float, ours: str, theirs: str) -> list[str]:
    return ([text(16, y, ours, "start")] if ours else []) + ([text(LEFT - 12, y, theirs, "end", 11)] if theirs else [])


def attention_bars(rows: list[dict], top: float) -> tuple[list[str], float]:
    """From the line of 1 to the right what is gained, to the left what is lost; and where the rows end."""
    values = [value for row in rows if (value := attention_ratio(row)) is not None]
    low = min(-1, math.floor(math.log2(min(values, default=1))))
    high = max(1, math.ceil(math.log2(max(values, default=1))))
    end = top + ROW * len(rows)

    def place(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (math.log2(value) - low) / (high - low)

    drawn = []
    for power in range(low, high + 1):
        x = place(2.0**power)
        drawn += [rule(x, top - 4, x, end, "grid"), text(x, end + 15, f"{2.0**power:g}x", size=11)]
    for k, row in enumerate(rows):
        y, value = top + ROW * k, attention_ratio(row)
        drawn += names(y + 12, row["case"], rivals_of(row)[1])
        if value is None:
            said = "no rival measured" if row["forward_backward_ms"] else "not measured"
            drawn.append(text(place(1) + 6, y + 12, said, "start", 11))
            continue
        kind, (left, right) = "loss" if value < 1 else "ours", sorted((place(1), place(value)))
        drawn += [bar(left, y + 1, right - left, BAR, kind),
                  text(right + 6, y + 12, mark(value), "start", 12, "loss" if value < 1 else "words",
                       ' font-weight="bold"')]
    drawn.append(rule(place(1), top - 4, place(1), end, "words", ' stroke-width="1.5"'))
    drawn += [text(place(1) - 8, top - 10, "lacuna is slower", "end", 11, "loss"), text(place(1), top - 10, "|"),
              text(place(1) + 8, top - 10, "lacuna is faster", "start", 11, "ours"),
              text((LEFT + RIGHT) / 2, end + 31,
                   "times the best rival's speed (1x = equal; each line is twice the one before)", size=11)]
    return drawn, end + 31


def step_bars(rows: list[dict], top: float) -> tuple[list[str], float]:
    """Two bars a model, from 0: of lacuna and of the rival."""
    most = max([float(row[name]) for row in rows for name in ("ms", "rival_ms") if row[name]], default=1)
    height = 2 * ROW + 4
    end = top + height * len(rows)

    def place(ms: float) -> float:
        return LEFT + (RIGHT - LEFT) * ms / most

    drawn, step = [], nice(most)
    for k in range(int(most / step) + 1):
        x = place(k * step)
        drawn += [rule(x, top - 4, x, end, "grid"), text(x, end + 15, f"{k * step:g}", size=11)]
    for k, row in enumerate(rows):
        value = step_ratio(row)
        lost = value is not None and value < 1
        for ms, y, ours, theirs, kind, more in (
                (row["ms"], top + height * k, f"{row['model']}, batch {row['batch']}", "lacuna",
                 "loss" if lost else "ours", ", " + mark(value) if value is not None else ""),
                (row["rival_ms"], top + height * k + ROW - 4, "", row["rival"], "rival", "")):
            drawn += names(y + 12, ours, theirs)
            if ms:
                drawn.append(bar(LEFT, y + 1, place(float(ms)) - LEFT, BAR, kind))
            said = f"{ms} ms{more}" if ms else "no rival measured" if kind == "rival" else "not measured"
            drawn.append(text((place(float(ms)) if ms else LEFT) + 6, y + 12, said, "start", 11,
                              "loss" if kind == "loss" else "words", "" if kind == "rival" else ' font-weight="bold"'))
    drawn.append(text((LEFT + RIGHT) / 2, end + 31, "milliseconds a step (shorter is better)", size=11))
    return drawn, end + 31


def caption(tables: dict) -> list[str]:
    """Where and when all was measured, and what the rivals' names mean."""
    used = {rivals_of(row)[1] for row in tables["attention"]} | {row["rival"].split(" ")[0] for row in tables["steps"]}
    said = ["Attention. " + origins(tables["attention"], "case"), "Steps. " + origins(tables["steps"], "model"),
            "The rivals of the steps: train.py with the attention named; --graph: the step is one CUDA graph."]
    said += [f"{row['rival']}: {row['program']} ({row['versions']}; {row['measured']})." for row in tables["rivals"]
             if row["rival"] in used | {"train.py"}]
    return [part for words in said for part in textwrap.wrap(words, 125, subsequent_indent="    ")]


def losses(tables: dict) -> str:
    """One sentence: where lacuna loses, and how often it does not."""
    said = []
    for rows, value, name, what in ((tables["attention"], attention_ratio, "case", "cases of attention"),
                                    (tables["steps"], step_ratio, "model", "training steps")):
        known = [row for row in worst_first(rows, value) if value(row) is not None]
        slower = [f"{row[name]} {times(value(row))}" for row in known if value(row) < 1]
        said.append(f"in {len(slower) or 'none'} of {len(known)} {what}" + (f" ({', '.join(slower)})" if slower else ""))
    return f"Lacuna loses against the best rival {said[0]} and {said[1]}; in the others it is at least as fast."


def picture(tables: dict) -> str:
    attention, steps = worst_first(tables["attention"], attention_ratio), worst_first(tables["steps"], step_ratio)
    of_merged = [value for row in merged(attention) if (value := attention_ratio(row)) is not None]
    mean = (f"Geometric mean of the {len(of_merged)} cases with merged heads (-fixed, -strided): "
            f"{times(geometric_mean(of_merged))}.")
    bold = ' font-weight="bold"'
    drawn = [text(16, 26, "Attention, forward + backward in bf16: lacuna's speed against the best rival of each case",
                  "start", 14, more=bold),
             text(16, 54, "case", "start", 11), text(LEFT - 12, 54, "best rival", "end", 11)]
    bars, y = attention_bars(attention, 64)
    drawn += bars + [text(16, y + 24, mean, "start", 12, more=bold),
                     text(16, y + 60, "A whole training step", "start", 14, more=bold)]
    bars, y = step_bars(steps, y + 76)
    drawn += bars
    for words in caption(tables):
        y += 15
        drawn.append(text(16, y + 12, words, "start", 11, more=' xml:space="preserve"'))
    return document(WIDTH, round(y + 28), "Speed of lacuna against the best rival, in attention and in training steps",
                    f"{losses(tables)} {mean}", drawn)
