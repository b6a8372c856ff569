"""What the columns of a table look like, told without a single value of it: the start of a new map."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pandas as pd

from exchange.model.errors import RecordRejected

# What a column looks like when nearly all of its values match; the first that fits is told.
_KINDS = {
    "date %Y-%m-%d": r"\d{4}-\d{2}-\d{2}",
    "date %m/%d/%Y": r"(?:0?[1-9]|1[0-2])/\d{1,2}/\d{4}",
    "date %d/%m/%Y": r"\d{1,2}/(?:0?[1-9]|1[0-2])/\d{4}",
    "date %m-%d-%Y": r"(?:0?[1-9]|1[0-2])-\d{1,2}-\d{4}",
    "date %d-%m-%Y": r"\d{1,2}-(?:0?[1-9]|1[0-2])-\d{4}",
    "date %m/%d/%y": r"(?:0?[1-9]|1[0-2])/\d{1,2}/\d{2}",
    "date %Y%m%d": r"(?:19|20)\d{6}",
    "time": r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*",
    "social security number": r"\d{3}-\d{2}-\d{4}",
    "phone": r"(?:\+?1[ .-]?)?\(?\d{3}\)?[ .-]?\d{3}[ .-]\d{4}",
    "e-mail": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "sex": r"(?i)f|m|u|o|female|male|unknown|other|femenino|masculino|mujer|hombre|otro|desconocido",
    "ten digits": r"\d{10}",
    "ICD-10-CM code": r"[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?",
    "LOINC code": r"\d{1,5}-\d",
    "ZIP code": r"\d{5}(?:-\d{4})?",
    "number": r"-?\d+(?:\.\d+)?",
}
DELIMITERS = (",", ";", "\t", "|")
_NEARLY_ALL = 0.95
_FEW = 12


@dataclass(frozen=True, slots=True)
class Column:
    """`filled` is a share from 0 to 1, `distinct` a count; `looks_like` names a form, never a value."""

    name: str
    filled: float
    distinct: int
    longest: int
    unique: bool
    looks_like: str


def guess_delimiter(payload: bytes, encoding: str = "utf-8") -> str:
    """What stands between the columns: of comma, semicolon, tab and bar the one that the header has most of.

    >>> guess_delimiter(b"id;name, first;born\\n1;Roe, Ann;1980\\n")
    ';'
    """
    header = payload.decode(encoding, "replace").partition("\n")[0]
    return max(DELIMITERS, key=header.count)


def profile_table(payload: bytes, delimiter: str = ",", encoding: str = "utf-8") -> list[Column]:
    """One Column per column of the table, in order; raises RecordRejected when it is no table.

    >>> profile_table(b"id,born\\n1,1980-01-02\\n2,\\n")[1]
    Column(name='born', filled=0.5, distinct=1, longest=10, unique=True, looks_like='date %Y-%m-%d')
    """
    try:
        frame = pd.read_csv(
            io.BytesIO(payload), sep=delimiter, encoding=encoding, dtype=str, keep_default_na=False,
            on_bad_lines="skip",
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        raise RecordRejected("this is not a delimited table in that encoding", code="structure") from None
    return [_column(str(name), frame[name].str.strip()) for name in frame.columns]


def _column(name: str, values: pd.Series) -> Column:
    filled = values[values != ""]
    distinct = int(filled.nunique())
    return Column(
        name=name,
        filled=round(len(filled) / len(values), 3) if len(values) else 0.0,
        distinct=distinct,
        longest=int(filled.str.len().max()) if len(filled) else 0,
        unique=distinct == len(filled) > 0,
        looks_like=_looks_like(filled, distinct),
    )


def _looks_like(filled: pd.Series, distinct: int) -> str:
    if not len(filled):
        return "nothing"
    for kind, pattern in _KINDS.items():
        if filled.str.fullmatch(pattern).mean() >= _NEARLY_ALL:
            return kind
    return "a choice of few" if distinct <= min(_FEW, len(filled) // 2) else "text"
