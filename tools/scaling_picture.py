"""The picture of docs/results/scaling.csv: tokens a second over the number of GPUs (tools/results.py)."""
from collections import Counter

WIDTH, HEIGHT, LEFT, TOP, GAP = 230, 200, 62, 46, 78  # of a panel, and around them


def weak(rows: list[dict], model: str) -> list[dict]:
    """The rows with as many sequences on each GPU, whatever their number: of the batch that most have."""
    plain = [row for row in rows if row["model"] == model and not row["variant"] and row["tokens_per_second"]]
    batch = Counter(row["batch"] for row in plain).most_common(1)[0][0] if plain else None
    return sorted((row for row in plain if row["batch"] == batch), key=lambda row: int(row["gpus"]))


def nice(most: float) -> float:
    """The smallest step of 1, 2 or 5 times a power of ten that needs at most five marks."""
    step = 1.0
    while most / step > 5:
        step *= 2.5 if f"{step:e}".startswith("2") else 2
    return step


def short(number: float) -> str:
    return f"{number / 1e6:g}M" if number >= 1e6 else f"{number / 1e3:g}k" if number >= 1e3 else f"{number:g}"


def line(points: list[tuple[float, float]], colour: str, more: str = "", dots: bool = True) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    drawn = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" {more}/>']
    if dots:
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
    return drawn


def text(x: float, y: float, words: str, anchor: str = "middle", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{words}</text>'


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
        drawn += [f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>',
                  text(left - 6, y + 4, short(mark), "end")]
        mark += step
    drawn += [text(place(n, 0)[0], TOP + HEIGHT + 17, str(n)) for n in gpus]
    drawn += line([place(n, rate) for n, rate in zip(gpus, ideal)], "#aaa", 'stroke-dasharray="2 4"', dots=False)
    drawn += line([place(n, rate) for n, rate in theirs], "#c60", 'stroke-dasharray="6 3"')
    return drawn + line([place(n, rate) for n, rate in zip(gpus, ours)], "#06c")


def picture(rows: list[dict]) -> str:
    """An SVG with a panel for each model."""
    panels = {model: found for model in dict.fromkeys(row["model"] for row in rows) if (found := weak(rows, model))}
    width = LEFT + len(panels) * (WIDTH + GAP) - GAP + 20
    height = TOP + HEIGHT + 62
    drawn = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for k, (model, found) in enumerate(panels.items()):
        drawn += panel(model, found, LEFT + k * (WIDTH + GAP))
    y = height - 14
    legend = [("#06c", "lacuna"), ("#c60", "PyTorch"), ("#aaa", "N times one GPU")]
    for k, (colour, name) in enumerate(legend):
        x = LEFT + 110 * k
        drawn += [f'<line x1="{x}" x2="{x + 22}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="2"/>',
                  text(x + 28, y, name, "start")]
    drawn.append(text(width - 20, y, "tokens/s over GPUs", "end"))
    return "\n".join([*drawn, "</svg>\n"])
