"""The picture of docs/results/scaling.csv: tokens a second over the number of GPUs (tools/results.py)."""
from collections import Counter

from svg import document, line, nice, rule, text

WIDTH, HEIGHT, LEFT, TOP, GAP = 230, 200, 62, 46, 78  # of a panel, and around them


def weak(rows: list[dict], model: str) -> list[dict]:
    """The rows with as many sequences on each GPU, whatever their number: of the batch that most have."""
    plain = [row for row in rows if row["model"] == model and not row["variant"] and row["tokens_per_second"]]
    batch = Counter(row["batch"] for row in plain).most_common(1)[0][0] if plain else None
    return sorted((row for row in plain if row["batch"] == batch), key=lambda row: int(row["gpus"]))


def short(number: float) -> str:
    return f"{number / 1e6:g}M" if number >= 1e6 else f"{number / 1e3:g}k" if number >= 1e3 else f"{number:g}"


def dotted(points: list[tuple[float, float]], kind: str, more: str = "") -> list[str]:
    return [line(points, kind, f' stroke-width="2"{more}'),
            *(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in points)]


def panel(model: str, rows: list[dict], left: float) -> list[str]:
    gpus = [int(row["gpus"]) for row in rows]
    ours = [float(row["tokens_per_second"]) for row in rows]
    theirs = [(n, float(row["rival_tokens_per_second"])) for n, row in zip(gpus, rows)
              if row["rival_tokens_per_second"]]
    ideal = [ours[0] / gpus[0] * n for n in gpus]
    most = 1.05 * max([*ours, *ideal, *(rate for _, rate in theirs)])

    def place(n: int, rate: float) -> tuple[float, float]:
        return left + WIDTH * n / max(gpus), TOP + HEIGHT * (1 - rate / most)

    drawn = [text(left + WIDTH / 2, TOP - 12, f"{model}, {rows[0]['batch']} sequences a GPU", size=13)]
    mark, step = 0.0, nice(most)
    while mark <= most:
        y = place(0, mark)[1]
        drawn += [rule(left, y, left + WIDTH, y, "grid"), text(left - 6, y + 4, short(mark), "end")]
        mark += step
    drawn += [text(place(n, 0)[0], TOP + HEIGHT + 17, str(n)) for n in gpus]
    drawn.append(line([place(n, rate) for n, rate in zip(gpus, ideal)], "words", ' stroke-dasharray="2 4"'))
    drawn += dotted([place(n, rate) for n, rate in theirs], "rival", ' stroke-dasharray="6 3"')
    return drawn + dotted([place(n, rate) for n, rate in zip(gpus, ours)], "ours")


def picture(rows: list[dict]) -> str:
    """An SVG with a panel for each model."""
    panels = {model: found for model in dict.fromkeys(row["model"] for row in rows) if (found := weak(rows, model))}
    width = LEFT + len(panels) * (WIDTH + GAP) - GAP + 20
    height = TOP + HEIGHT + 62
    drawn = []
    for k, (model, found) in enumerate(panels.items()):
        drawn += panel(model, found, LEFT + k * (WIDTH + GAP))
    y = height - 14
    legend = [("ours", "lacuna", ' stroke-width="2"'), ("rival", "PyTorch", ' stroke-width="2" stroke-dasharray="6 3"'),
              ("words", "N times one GPU", ' stroke-dasharray="2 4"')]
    for k, (kind, name, more) in enumerate(legend):
        x = LEFT + 110 * k
        drawn += [rule(x, y - 4, x + 22, y - 4, kind, more), text(x + 28, y, name, "start")]
    drawn.append(text(width - 20, y, "tokens/s over GPUs", "end"))
    return document(width, height, "Tokens a second over the number of GPUs", "Models: " + ", ".join(panels), drawn)
