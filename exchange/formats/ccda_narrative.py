"""The narrative of a C-CDA section as text: https://hl7.org/cda/stds/core/2.0.0-sd/narrative.html"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from exchange.formats.ccda import qualified

_ENDS_A_LINE = frozenset(
    map(qualified, ("paragraph", "item", "tr", "br", "caption", "title", "list", "table"))
)
_CELL = "|"
_CELLS = frozenset(map(qualified, ("td", "th")))
_REFERENCE = qualified("reference")
_SECTION, _TEXT = qualified("section"), qualified("text")
_BY_ID = etree.XPath("//*[@ID=$id]")
_BELOW_BY_ID = etree.XPath("descendant-or-self::*[@ID=$id]")


def folded(element: Any) -> str | None:
    """All text below an element, spaces folded, paragraphs, items and cells apart."""
    text = "".join(_pieces(element)) if len(element) else element.text or ""
    return " ".join(word for word in text.split() if word != _CELL) or None


def lines(element: Any) -> str | None:
    """All text below an element with a line for each paragraph, list item and table row, cells apart."""
    text = "".join(_pieces(element))
    kept = (" ".join(line.split()).strip(f" {_CELL}") for line in text.split("\n"))
    return "\n".join(line for line in kept if line) or None


def _pieces(element: Any) -> Iterator[str]:
    for event, item in etree.iterwalk(element, events=("start", "end")):
        if event == "start":
            yield " ".join((item.text or "").split("\n"))
            continue
        if item.tag in _ENDS_A_LINE:
            yield "\n"
        elif item.tag in _CELLS:
            yield f" {_CELL} "
        if item is not element:
            yield " ".join((item.tail or "").split("\n"))


def referred(element: Any) -> str | None:
    """The narrative that an element without text points to: `<reference value="#id"/>`."""
    narrative = referred_narrative(element)
    return None if narrative is None else folded(narrative)


def referred_narrative(element: Any) -> Any:
    """The element of the narrative that `<reference value="#id"/>` below an element points to, or None."""
    reference = element.find(_REFERENCE)
    name = "" if reference is None else reference.get("value", "")
    if not name.startswith("#"):
        return None
    # It nearly always stands in the section's own narrative: only else is all of the document looked through.
    section = next(element.iterancestors(_SECTION), None)
    own = None if section is None else section.find(_TEXT)
    found = (own is not None and _BELOW_BY_ID(own, id=name[1:])) or _BY_ID(element, id=name[1:])
    return found[0] if isinstance(found, list) and found else None
