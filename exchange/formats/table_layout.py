"""How a spreadsheet was saved: its encoding, what stands between columns, what stands before the header."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from statistics import median

from exchange.model.errors import ContentError

DELIMITERS = (",", ";", "\t", "|")
_LINES = 30
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """As `encoding` and `options` of a delimited feed say it; `skip` counts lines before the header."""

    delimiter: str = ","
    encoding: str = "utf-8"
    skip: int = 0


def layout(payload: bytes) -> Layout:
    """What a file looks like; UTF-8 where its bytes are that, else what its mark or Windows says.

    Raises ContentError for a workbook, which is no text.

    >>> layout(b"id;name, first;born\\n1;Roe, Ann;1980\\n")
    Layout(delimiter=';', encoding='utf-8', skip=0)
    >>> layout("Report of May\\nsep=;\\nid;n\\xe9;x\\n1;a;b\\n".encode("cp1252"))
    Layout(delimiter=';', encoding='cp1252', skip=2)
    >>> layout(b"Lab extract,,,\\n,,,\\nMRN,Test,Result,Units\\n7,Glucose,182,mg/dL\\n").skip
    2
    >>> layout(b'"Patient","","","Visit"\\n"id","name","born","date"\\n"1","Roe","1980","2026"\\n').skip
    0
    >>> layout(b'"Patient","","",""\\n"id","name","born","date"\\n"1","Roe","1980","2026"\\n').skip
    1
    >>> layout(b'"Chart #","Patient\\nName","Born"\\n7,"Roe, Ann",1980\\n8,"Poe, Bo",1981\\n').skip
    0
    """
    if payload.startswith(_WORKBOOKS):
        raise ContentError("a workbook is no text; save its sheet as CSV", field="--from")
    encoding = _encoding(payload)
    lines = _lines(payload, encoding)
    counts = {mark: [_marks(line, mark) for line in lines] for mark in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda mark: (median(counts[mark]), sum(counts[mark]))) if lines else ","
    return Layout(delimiter, encoding, _before_header([_filled(line, delimiter) for line in lines]))


def _marks(line: str, mark: str) -> int:
    """How often it stands between columns; in a line `sep=;` it is named and stands between none."""
    return 0 if line.lower().startswith("sep=") else line.count(mark)


def _filled(line: str, mark: str) -> int:
    """Columns with something in them: a title, or a row of groups, is filled up with empty ones."""
    return sum(1 for cell in line.split(mark) if cell.strip(' \t"')) if _marks(line, mark) else 0


def _encoding(payload: bytes) -> str:
    marked = next((name for mark, name in _MARKS if payload.startswith(mark)), None)
    if marked:
        return marked
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _lines(payload: bytes, encoding: str) -> list[str]:
    """The first rows; of a very long one only a beginning."""
    text = payload[: 1 << 20].decode("utf-8-sig" if encoding == "utf-8" else encoding, "replace")
    return _rows(text.splitlines()[: 10 * _LINES])[:_LINES]


def _rows(lines: list[str]) -> list[str]:
    """Lines put together where a quoted heading is broken over several; as they are if a quote stays open."""
    rows: list[str] = []
    is_open = False
    for line in lines:
        if is_open:
            rows[-1] += f"\n{line}"
        else:
            rows.append(line)
        is_open ^= line.count('"') % 2 == 1
    return lines if is_open else rows


def _before_header(counts: list[int]) -> int:
    """Lines that have not nearly as many filled columns as those that follow: titles, dates, `sep=;`."""
    usual = median(counts) if counts else 0
    return (
        next((index for index, count in enumerate(counts) if 2 * count >= usual and count), 0) if usual else 0
    )
