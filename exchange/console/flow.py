"""A run as a picture: records flow through the steps, and every one that leaves is seen leaving."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from exchange.app.records.journey import Flow
from exchange.console.charts import box, svg, text

_STEPS = ("pull", "map", "safeguard", "link", "publish")
_WIDTH, _GAP, _BAR, _TOP, _FULL = 900, 180, 14, 40, 130
_BEND, _LINE = 68, 22
_KINDS = {"quarantined": "bad", "withheld": "warn", "published": "good"}


def flow_chart(
    flow: Flow,
    label: str,
    address: Callable[[str, str], str],
    word: Callable[[str], str],
    number: Callable[[float], str],
) -> Markup:
    """The five steps from left to right; what leaves after one bends down to its number. A number is a link.

    `address` gives the page that lists the records of a `step` or an `outcome`; `word` and `number` say in
    the language what they are and how many.
    """
    scale = _FULL / (flow.pulled or 1)
    parts, rest, lowest = list[Markup](), flow.pulled, float(_TOP + _FULL)
    for index, step in enumerate(_STEPS):
        x = index * _GAP + 20
        parts.append(text(x, 16, word(step), "name"))
        parts.append(_linked(address("step", step), x, 32, number(rest), f"{word(step)}: {number(rest)}"))
        parts.append(box(x, _TOP, _BAR, max(rest * scale, 1.0), "bar"))
        leaving = [(outcome, n) for at, outcome, n in flow.leaving if at == step and n]
        last = step == _STEPS[-1]
        stays = 0 if last else rest - sum(n for _, n in leaving)
        side, end = _TOP + stays * scale, float(_TOP if last else _TOP + _FULL + _LINE)
        for outcome, n in leaving:
            thick = max(n * scale, 1.0)
            parts.append(_bend(x + _BAR, side, thick, end, f"flow {_KINDS.get(outcome, '')}"))
            said, beside = f"{word(outcome)} {number(n)}", x + _BAR + _BEND + 6
            parts.append(_linked(address("outcome", outcome), beside, end + thick / 2 + 4, said))
            side, end = side + n * scale, end + max(thick + 6, _LINE)
        if stays:
            parts.append(_band(x + _BAR, _TOP, _GAP - _BAR, stays * scale))
        rest, lowest = stays, max(lowest, end)
    chart = svg(_WIDTH + 60, lowest + 10, label, role="group")
    return Markup("").join([chart, *parts, Markup("</svg>")])


def _band(x: float, y: float, length: float, thick: float) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="flow"/>').format(
        x, y, length, max(round(thick, 1), 1.0)
    )


def _bend(x: float, y: float, thick: float, end: float, kind: str) -> Markup:
    """From the side of a step to a label, as thick all the way as what leaves."""
    far, middle = x + _BEND, x + _BEND / 2
    down = f"M{x} {y:.1f} C{middle} {y:.1f} {middle} {end:.1f} {far} {end:.1f}"
    low, side = end + thick, y + thick
    back = f"L{far} {low:.1f} C{middle} {low:.1f} {middle} {side:.1f} {x} {side:.1f} Z"
    return Markup('<path d="{}" class="{}"/>').format(f"{down} {back}", kind)


def _linked(address: str, x: float, y: float, words: str, spoken: str = "") -> Markup:
    """`spoken`: what a screen reader says where the words alone say too little."""
    heard = Markup(' aria-label="{}"').format(spoken) if spoken else Markup("")
    return Markup('<a href="{}"{}>{}</a>').format(address, heard, text(x, y, words, "name"))
