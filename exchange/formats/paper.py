"""Pages for people: a title, paragraphs and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Table:
    """`widths` are relative; a header row is repeated on each page."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]


@dataclass(frozen=True, slots=True)
class Pairs:
    """What something is called and what it is, line by line."""

    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Paper:
    """Blocks in order; `footer` stands on every page before its number; `language` as in BCP 47."""

    title: str
    language: str
    blocks: Sequence[str | Table | Pairs]
    footer: str
    made: datetime
