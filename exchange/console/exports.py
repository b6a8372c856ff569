"""Tables taken along as CSV: what their reader takes is in the reader's language, as the page was."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from unicodedata import category

from exchange.console.marking import _
from exchange.console.messages import Download, Fields, Page
from exchange.console.speech import KINDS, Speech
from exchange.console.tables import Column, Portion, Row, Stretch, Table

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # full-width ones too
_SAID = frozenset((*KINDS, "mark", "translated", "finding"))


def taken_along(page: Page, fields: Fields, said: Speech) -> Page | Download:
    """The page, or the table of it that the address asks for as a file: all rows that its filter leaves."""
    for found in page.values.values():
        if isinstance(found, Table | Stretch) and fields.get(f"{found.id}.format") == "csv":
            return replace(export(found.id, found.columns, found.whole, said), patients=page.patients)
    return page


def export(name: str, columns: Sequence[Column], rows: Sequence[Row], said: Speech) -> Download:
    """All rows as CSV; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    columns = [column for column in columns if column.kind != "press"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_unreckoned(_heading(column, said)) for column in columns])
    for row in rows:
        writer.writerow([_written(row[column.name], column.kind, said) for column in columns])
    return Download(f"{name}.csv", "text/csv; charset=utf-8", text.getvalue().encode("utf-8-sig"))


def _heading(column: Column, said: Speech) -> str:
    """No foot of a page says of a file which zone its times are in."""
    title = said.say(column.title)
    return f"{title} (UTC)" if column.kind == "moment" else title


def _written(value: Any, kind: str, said: Speech) -> str:
    """Numbers and times as spreadsheets of every language read them, all else as the page says it."""
    if value is None and kind == "told":
        return said.say(_("hidden, so that nobody can be told"))
    if value is None or value == ():
        return ""
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return _unreckoned(_words(value, kind, said))


def _words(value: Any, kind: str, said: Speech) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Portion):  # with a stroke between them two numbers become a day
        return f"{value.part} {said.say(_('of'))} {value.whole}"
    if value and (kind in _SAID or kind.startswith(("word:", "mark:"))):
        return said.shown(kind, value)
    return "; ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _unreckoned(text: str) -> str:
    """A formula stays text behind what spreadsheets skip: spaces, tabs, line ends, marks without width.

    >>> _unreckoned(" =1"), _unreckoned("\\ufeff\\t@x"), _unreckoned("a-b")
    ("' =1", "'\\ufeff\\t@x", 'a-b')
    """
    begins = next((c for c in text if not (c.isspace() or category(c) in ("Cc", "Cf"))), "")
    return "'" + text if begins in _FORMULA or text[:1] in ("\t", "\r") else text
