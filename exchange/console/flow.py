"""A run as a picture: records flow through the steps, and every one that leaves is seen leaving."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from exchange.app.records.journey import Flow
from exchange.console.charts import box, svg, text

_STEPS = ("pull", "map", "safeguard", "link", "publish")
_WIDTH, _GAP, _BAR, _TOP, _FULL = 900, 180, 14, 40, 130
_DROP = 90
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
    lines = max((sum(1 for step, _, _ in flow.leaving if step == at) for at in _STEPS), default=0)
    height = _TOP + _FULL + _DROP + 22 * lines
    parts = [svg(_WIDTH + 60, height, label, role="group")]
    rest = flow.pulled
    for index, step in enumerate(_STEPS):
        x = index * _GAP + 20
        thick = max(rest * scale, 1.0)
        parts.append(text(x, 16, word(step), "name"))
        parts.append(_linked(address("step", step), x, 32, number(rest), f"{word(step)}: {number(rest)}"))
        parts.append(box(x, _TOP, _BAR, thick, "bar"))
        leaving = [(outcome, n) for at, outcome, n in flow.leaving if at == step and n]
        stays = rest - sum(n for _, n in leaving)
        bottom = stays * scale if step != "publish" else 0.0
        for place, (outcome, n) in enumerate(leaving):
            y = _TOP + bottom
            end = _TOP + _FULL + 26 + 22 * place
            parts.append(_bend(x + _BAR, y, max(n * scale, 1.0), end, f"flow {_KINDS.get(outcome, '')}"))
            said = f"{word(outcome)} {number(n)}"
            parts.append(_linked(address("outcome", outcome), x + _BAR + 74, end + 12, said))
            bottom += n * scale
        if step != "publish" and stays:
            parts.append(_band(x + _BAR, _TOP, _GAP - _BAR, stays * scale))
        rest = stays
    return Markup("").join([*parts, Markup("</svg>")])


def _band(x: float, y: float, length: float, thick: float) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="flow"/>').format(
        x, y, length, max(round(thick, 1), 1.0)
    )


def _bend(x: float, y: float, thick: float, end: float, kind: str) -> Markup:
    """From the side of a step down to a label, as thick as what leaves, never thicker than a label's line."""
    narrow = min(thick, 14.0)
    down = f"M{x} {y:.1f} C{x + 45} {y:.1f} {x + 25} {end:.1f} {x + 68} {end:.1f}"
    low, side = end + narrow, y + thick
    back = f"L{x + 68} {low:.1f} C{x + 12} {low:.1f} {x + 32} {side:.1f} {x} {side:.1f} Z"
    path = f"{down} {back}"
    return Markup('<path d="{}" class="{}"/>').format(path, kind)


def _linked(address: str, x: float, y: float, words: str, spoken: str = "") -> Markup:
    """`spoken`: what a screen reader says where the words alone say too little."""
    heard = Markup(' aria-label="{}"').format(spoken) if spoken else Markup("")
    return Markup('<a href="{}"{}>{}</a>').format(address, heard, text(x, y, words, "name"))
