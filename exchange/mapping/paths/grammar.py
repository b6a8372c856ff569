"""What a source grammar provides; the rest of the language is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Reader = Callable[[Any, Any], Any]
"""(where in the source, the Run) to a value; None when the source has nothing there."""


def _nowhere(_place: Any, _run: Any) -> str | None:
    """Places of this kind of source have no address."""


def _nothing(_place: Any) -> str | None:
    """Places of this kind of source have no content of their own."""
    return None


class WrongPath(ValueError):
    """A path that can select nothing; `name` is what is wrong in it and `valid` what could stand there."""

    def __init__(self, message: str, name: str = "", valid: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.name, self.valid = name, tuple(valid)


def _anywhere(_path: str, _place: str) -> str:
    """Paths of this kind of source may stand anywhere."""
    return ""


def _never(_path: str) -> bool:
    """Paths of this kind of source may read anything."""
    return False


def _unsaid(_path: str) -> frozenset[str]:
    """Nothing is known of what a path needs."""
    return frozenset()


def _wantless(_path: str) -> None:
    """Nothing is known of the field a path reads."""


def _anchorless(_path: str) -> None:
    """What a path selects depends on the very place that it is looked for from."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """How paths are recognised and compiled; a wrong path raises ValueError saying what is right.

    `value` reads text (JSON: whatever is there), a list when the path selects several; `nodes` gives the
    places a path selects, for `each` and `as`; `position` names a place without its content; `many` tells
    whether a path can give a list. `typed` sources have objects and numbers, others only text; places that
    `remember` have a dict `memo`. `address` is unique for each place of a record and always the same. Paths
    that are `local` read nothing but the `content` of their place (None: its content is not known). `around`
    gives the places around a place, the nearest first, where the places of a grammar lie in one another.
    `below` gives the kind of the places that a path selects, seen from a place of a kind (`` when unknown),
    and raises ValueError for a path that can select nothing there. `anchor` gives what finds
    the place, at or around another, from which a path selects the same (or one of the name given); None where
    that is not known. Without any of the segments that it `needs` (none: not known) a path
    gives no place, and without text in the field of a segment that it `wants` neither a place nor a value.
    `written_value` and `written_nodes` give the same as source
    (`exchange.mapping.source.Write`), from the path and its reader.
    """

    match: Callable[[str, int], int]
    value: Callable[[str], Reader]
    nodes: Callable[[str], Reader]
    open: Callable[[bytes], Any]
    position: Callable[[Any], str]
    many: Callable[[str], bool]
    typed: bool = False
    remembers: bool = False
    address: Callable[[Any, Any], str | None] = _nowhere
    local: Callable[[str], bool] = _never
    content: Callable[[Any], str | None] = _nothing
    around: Callable[[Any], Iterable[Any]] | None = None
    below: Callable[[str, str], str] = _anywhere
    anchor: Callable[[str], Callable[[Any, str], Any] | None] = _anchorless
    needs: Callable[[str], frozenset[str]] = _unsaid
    wants: Callable[[str], tuple[str, int] | None] = _wantless
    written_value: Callable[[str, Reader], Any] | None = None
    written_nodes: Callable[[str, Reader], Any] | None = None
