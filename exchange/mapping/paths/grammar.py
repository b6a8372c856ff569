"""What a source grammar provides; the rest of the language is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Reader = Callable[[Any, Any], Any]
"""(where in the source, the Run) to a value; None when the source has nothing there."""


def _nowhere(_place: Any) -> str | None:
    """Places of this kind of source have no address."""
    return None


@dataclass(frozen=True, slots=True)
class Grammar:
    """How paths are recognised and compiled; a wrong path raises ValueError saying what is right.

    `value` reads text (JSON: whatever is there), a list when the path selects several; `nodes` gives the
    places a path selects, for `each` and `as`; `position` names a place without its content; `many` tells
    whether a path can give a list. `typed` sources have objects and numbers, others only text; places that
    `remember` have a dict `memo`. `address` is unique for each place of a record and always the same.
    """

    match: Callable[[str, int], int]
    value: Callable[[str], Reader]
    nodes: Callable[[str], Reader]
    open: Callable[[bytes], Any]
    position: Callable[[Any], str]
    many: Callable[[str], bool]
    typed: bool = False
    remembers: bool = False
    address: Callable[[Any], str | None] = _nowhere
