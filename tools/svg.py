"""Parts of the SVG pictures of docs/results: colours for a light and a dark page, no font or script from elsewhere."""
from xml.sax.saxutils import escape

COLOURS = {  # on a light and on a dark page, as fill (.name) and as stroke (.name-line)
    "page": ("#ffffff", "#0d1117"), "words": ("#1f2328", "#e6edf3"), "grid": ("#d8dee4", "#30363d"),
    "ours": ("#0969da", "#4493f8"), "loss": ("#bc4c00", "#f0883e"), "rival": ("#848d97", "#848d97"),
}


def styles(mode: int) -> str:
    """Words have a rim of the page's colour, so that no line runs through them."""
    rim = f"text{{stroke:{COLOURS['page'][mode]};stroke-width:3px;paint-order:stroke}} "
    return rim + " ".join(f".{name}{{fill:{pair[mode]}}} .{name}-line{{stroke:{pair[mode]}}}"
                          for name, pair in COLOURS.items())


def document(width: int, height: int, title: str, description: str, parts: list[str]) -> str:
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" role="img" aria-labelledby="title description">',
        f'<title id="title">{escape(title)}</title>', f'<desc id="description">{escape(description)}</desc>',
        f"<style>{styles(0)}", f"@media (prefers-color-scheme: dark) {{{styles(1)}}}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>', *parts, "</svg>\n"])


def text(x: float, y: float, words: str, anchor: str = "middle", size: int = 12, kind: str = "words",
         more: str = "") -> str:
    return (f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{more}>'
            f"{escape(words)}</text>")


def rule(x1: float, y1: float, x2: float, y2: float, kind: str, more: str = "") -> str:
    return f'<line class="{kind}-line" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{more}/>'


def line(points: list[tuple[float, float]], kind: str, more: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}-line" points="{path}" fill="none"{more}/>'


def bar(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:.2f}" y="{y:.1f}" width="{width:.2f}" height="{height}"/>'


def nice(most: float) -> float:
    """The smallest step of 1, 2 or 5 times a power of ten that needs at most five marks."""
    step = 1.0
    while most / step > 5:
        step *= 2.5 if f"{step:e}".startswith("2") else 2
    return step
