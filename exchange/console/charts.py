"""Charts as SVG, drawn from plain numbers; every one has a text beside it that says the same.

Colours are classes of the style sheet, so that light, dark and print each have their own. Texts are escaped
by the templates' autoescape: a chart is a Markup made of escaped parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

_NAMES = 240  # room for thirty letters


def waterfall(rows: Sequence[tuple[str, float, float]], label: str, number: Callable[[float], str]) -> Markup:
    """Bars of (name, change, sum after it), one below the other, from a common scale.

    `number` writes a change as the language does.
    """
    bounds = [0.0, *(after for _, _, after in rows), *(after - change for _, change, after in rows)]
    low, high = min(bounds), max(bounds)
    span = (high - low) or 1.0
    width, names, row = 690, _NAMES, 26

    def x(value: float) -> float:
        return round(names + (value - low) / span * (width - names - 60), 1)

    parts = [svg(width, row * len(rows) + 8, label), line(x(0), 0, x(0), row * len(rows) + 4, "axis")]
    for index, (name, change, after) in enumerate(rows):
        left, right = sorted((x(after - change), x(after)))
        y = index * row + 4
        kind = "for" if change >= 0 else "against"
        parts.append(text(0, y + 14, name, "name"))
        parts.append(box(left, y, max(right - left, 1.5), row - 8, f"bar {kind}"))
        parts.append(text(right + 5, y + 14, number(change), "value"))
    return Markup("").join([*parts, Markup("</svg>")])


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> Markup:
    """Horizontal bars of (name, value, text beside the bar)."""
    most = max((value for _, value, _ in rows), default=0) or 1
    width, names, row = 690, _NAMES, 26
    parts = [svg(width, row * len(rows) + 4, label)]
    for index, (name, value, words) in enumerate(rows):
        y, length = index * row + 2, round(value / most * (width - names - 110), 1)
        parts.append(text(0, y + 15, name, "name"))
        parts.append(box(names, y, max(length, 1), row - 8, "bar"))
        parts.append(text(names + length + 6, y + 15, words, "value"))
    return Markup("").join([*parts, Markup("</svg>")])


def spark(values: Sequence[float], label: str) -> Markup:
    """A small line of a trend, oldest first."""
    width, height = 120, 28
    if len(values) < 2:
        return Markup("")
    low, span = min(values), (max(values) - min(values)) or 1.0
    step = (width - 4) / (len(values) - 1)
    points = " ".join(
        f"{2 + index * step:.1f},{height - 3 - (value - low) / span * (height - 6):.1f}"
        for index, value in enumerate(values)
    )
    drawn = Markup('<polyline points="{}"/>').format(points)
    return Markup("").join([svg(width, height, label, "spark"), drawn, Markup("</svg>")])


def svg(width: float, height: float, label: str, kind: str = "chart", role: str = "img") -> Markup:
    """The opening tag of a drawing that a screen reader announces by its label; with links, a `group`."""
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" width="{}" height="{}" role="{}" aria-label="{}">'
    ).format(kind, width, height, width, height, role, label)


def box(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    """A rectangle."""
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}" rx="2"/>').format(
        x, y, width, height, kind
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line."""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(x1, y1, x2, y2, kind)


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> Markup:
    """A text, shortened where it would not fit beside a bar."""
    short = words if len(words) <= 30 else words[:29] + "…"
    return Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>').format(
        x, y, kind, anchor, escape(short)
    )
