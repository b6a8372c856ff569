"""Tables that a reader filters, sorts, pages and takes along, all by the address of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from exchange.console.messages import Fields

Row = Mapping[str, Any]
PAGE = 50
LATEST = 500  # of a history that is listed with its latest alone, and the page says so
MANY = 1_000  # what waits is counted so far and then said to be more
_LONGEST = 15  # digits of a number in an address


def _stored(kind: str, value: Any) -> str:
    return str(value)


@dataclass(frozen=True, slots=True, order=True)
class Portion:
    """How many of how many; of such a cell a table is sorted by the part."""

    part: int
    whole: int

    def __str__(self) -> str:
        return f"{self.part} / {self.whole}"


@dataclass(frozen=True, slots=True)
class Press:
    """A button in a row: where its form goes, what it carries, and its name for who does not see the row.

    `file`: what answers is a file, and the page stays.
    """

    action: str
    words: str
    name: str
    carries: Mapping[str, str] = field(default_factory=dict)
    file: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """`kind` says how a template shows it: text, number, id, day, moment, percent, code, mark, finding,
    days, portion, lines, press, or as `Speech` says it.
    """

    name: str
    title: str
    kind: str = "text"
    link: Callable[[Row], str] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one page, and the addresses that show them otherwise."""

    id: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    total: int
    page: int
    pages: int
    sort: str
    descending: bool
    filter: str
    fields: Fields
    whole: Sequence[Row]

    def address(self, **changes: object) -> str:
        """The query of this table with some values changed; other tables of the page keep theirs."""
        given = {**self.fields, **{f"{self.id}.{key}": str(value) for key, value in changes.items()}}
        return "?" + urlencode({key: value for key, value in given.items() if value})


def table(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    fields: Fields,
    sort: str = "",
    descending: bool = False,
    shown: Callable[[str, Any], str] = _stored,
) -> Table:
    """The rows as the address asks for them; `sort` and `descending` where it says nothing.

    `shown` is how a value of a kind of columns reads: rows are sorted by it, and found by it or as stored.
    """
    kinds = {column.name: column.kind for column in columns}
    wanted = fields.get(f"{name}.filter", "").strip()
    chosen = fields.get(f"{name}.sort", sort).removeprefix("-")
    backwards = fields.get(f"{name}.down", "1" if descending and chosen == sort else "") == "1"
    backwards = backwards or fields.get(f"{name}.sort", "").startswith("-")  # one button can say no more
    found = [row for row in rows if _holds(row, columns, wanted.lower(), shown)]
    if chosen in kinds:
        found.sort(key=lambda row: _order(row[chosen], kinds[chosen], shown), reverse=backwards)
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(_whole(fields.get(f"{name}.page", "1")), 1), pages)
    return Table(
        id=name,
        columns=columns,
        rows=found[(page - 1) * PAGE : page * PAGE],
        total=len(found),
        page=page,
        pages=pages,
        sort=chosen,
        descending=backwards,
        filter=wanted,
        fields=fields,
        whole=found,
    )


@dataclass(frozen=True, slots=True)
class Stretch:
    """A page of a list too long to be read whole; `further`: the key of its last row, if more follow."""

    id: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    further: int | None
    begins: bool
    fields: Fields
    whole: Sequence[Row]

    def address(self, after: int | None, form: str = "") -> str:
        """The query of the page that begins after a key; None: the first page."""
        given = {**self.fields, f"{self.id}.after": str(after or ""), f"{self.id}.format": form}
        return "?" + urlencode({key: value for key, value in given.items() if value})


_TAKEN = 10_000  # rows of a file


def asked_for(name: str, fields: Fields) -> int:
    """Rows to ask the database for: one more than a page or a file holds tells whether there are more."""
    return (_TAKEN if fields.get(f"{name}.format") == "csv" else PAGE) + 1


def after(name: str, fields: Fields) -> int | None:
    """The key after which the stretch that the address asks for begins."""
    given = fields.get(f"{name}.after", "")
    return int(given) if given.isdecimal() and len(given) <= _LONGEST else None


def stretch(name: str, columns: Sequence[Column], rows: Sequence[Row], fields: Fields, key: str) -> Stretch:
    """Rows in the order of the database, as many as were `asked_for`; `key` is a whole number of each."""
    shown = rows[:PAGE]
    return Stretch(
        id=name,
        columns=columns,
        rows=shown,
        further=shown[-1][key] if len(rows) > PAGE else None,
        begins=after(name, fields) is None,
        fields=fields,
        whole=rows[: asked_for(name, fields) - 1],
    )


def _holds(row: Row, columns: Sequence[Column], wanted: str, shown: Callable[[str, Any], str]) -> bool:
    return not wanted or any(
        wanted in str(row[column.name]).lower() or wanted in shown(column.kind, row[column.name]).lower()
        for column in columns
        if column.kind != "press"
    )


def _order(value: Any, kind: str, shown: Callable[[str, Any], str]) -> tuple[bool, Any]:
    """Nothing comes last; texts in the order of the letters they are shown with, whatever their case."""
    if value is None:
        return True, ""
    return False, shown(kind, value).lower() if isinstance(value, str | tuple) else value


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 1
