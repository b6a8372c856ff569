"""Delimited files: each row its own record, a broken row its own problem.

https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from exchange.model.errors import RecordRejected

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

Row = Mapping[str, str | list[str]]


def rows(
    payload: bytes, encoding: str, options: Mapping[str, Any]
) -> Iterator[tuple[int, Row, RecordRejected | None]]:
    """Line number, row by column and the problem if it has one; `options`: delimiter, quote, columns, skip.

    >>> [(line, row["id"]) for line, row, problem in rows(b"id,name\\n1,A\\n2,B\\n", "utf-8", {})]
    [(2, '1'), (3, '2')]
    """
    reader = _reader(payload, encoding, options)
    columns = options.get("columns") or _header(reader)
    width = len(columns)
    while True:
        line = reader.line_num + 1
        values = _next(reader)
        if values is None:
            return
        if not any(map(str.strip, values)):
            # A row of nothing says nothing: spreadsheets end with many.
            continue
        if len(values) == width:
            yield line, dict(zip(columns, values, strict=True)), None
        else:
            yield line, {"values": values}, _wrong_width(len(values), width)


def header_of(payload: bytes, encoding: str, options: Mapping[str, Any]) -> list[str]:
    """The names of the columns; RecordRejected for an empty file and for a name that stands twice."""
    return _header(_reader(payload, encoding, options))


def _reader(payload: bytes, encoding: str, options: Mapping[str, Any]) -> CsvReader:
    reader = csv.reader(
        io.StringIO(_text(payload, encoding), newline=""),
        delimiter=options.get("delimiter", ","),
        quotechar=options.get("quote", '"'),
    )
    for _ in range(options.get("skip", 0)):
        _next(reader)
    return reader


def _next(reader: CsvReader) -> list[str] | None:
    """The next row; None at the end."""
    line = reader.line_num + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        limit = csv.field_size_limit()
        problem = (
            f"a field longer than {limit:,} characters; is a quote not closed?"
            if "field limit" in str(error)
            else "broken quoting"
        )
        raise RecordRejected(problem, code="structure", position=f"line {line}") from None


def _text(payload: bytes, encoding: str) -> str:
    try:
        return payload.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except UnicodeError:
        raise RecordRejected(
            f"the bytes are not {encoding}; `encoding` of the feed must name the one used", code="structure"
        ) from None


def _header(reader: CsvReader) -> list[str]:
    found = [name.strip() for name in _next(reader) or []]
    # Columns without a name are known by their place: spreadsheets end with several.
    columns = [name or f"column {place}" for place, name in enumerate(found, start=1)]
    seen: set[str] = set()
    for place, name in enumerate(columns, start=1):
        if name in seen:
            # By its place: where a file has no header, its first line is somebody's.
            raise RecordRejected(
                f"column {place} stands twice in the header", code="structure", position="line 1"
            )
        seen.add(name)
    if not any(found):
        raise RecordRejected("the file is empty", code="structure", position="line 1")
    return columns


def _wrong_width(found: int, expected: int) -> RecordRejected:
    return RecordRejected(f"the row has {found} columns, the header {expected}", code="structure")


def pack(row: Row) -> bytes:
    """The row as a JSON object in column order."""
    return orjson.dumps(row)
