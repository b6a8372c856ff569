"""What the columns of a table look like, told without a single value of it: the start of a new map."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.formats.delimited import header_of
from exchange.formats.table_layout import Layout, layout
from exchange.model.errors import RecordRejected

ROUNDED = "rounded number"
"""A number as a spreadsheet rounds long ones: 1.23457E+11."""
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|ene|abr|ago|sept|dic"
_MESES = "enero|febrero|marzo|abril|mayo|junio|julio|agosto|sep?tiembre|octubre|noviembre|diciembre"
# What a column looks like when nearly all of its values match; the first that fits is told.
_KINDS = {
    "date %Y-%m-%d": r"\d{4}-\d{2}-\d{2}",
    "date %m/%d/%Y": r"(?:0?[1-9]|1[0-2])/\d{1,2}/\d{4}",
    "date %d/%m/%Y": r"\d{1,2}/(?:0?[1-9]|1[0-2])/\d{4}",
    "date %m-%d-%Y": r"(?:0?[1-9]|1[0-2])-\d{1,2}-\d{4}",
    "date %d-%m-%Y": r"\d{1,2}-(?:0?[1-9]|1[0-2])-\d{4}",
    "date %m/%d/%y": r"(?:0?[1-9]|1[0-2])/\d{1,2}/\d{2}",
    "date %Y%m%d": r"(?:19|20)\d{6}",
    "date %m/%d/%Y %H:%M": r"(?:0?[1-9]|1[0-2])/\d{1,2}/\d{4} \d{1,2}:\d{2}",
    "date %m/%d/%y %H:%M": r"(?:0?[1-9]|1[0-2])/\d{1,2}/\d{2} \d{1,2}:\d{2}",
    "date %m/%d/%Y %H:%M:%S": r"(?:0?[1-9]|1[0-2])/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2}",
    "date %m/%d/%Y %I:%M %p": r"(?i)(?:0?[1-9]|1[0-2])/\d{1,2}/\d{4} \d{1,2}:\d{2} [ap]m",
    "date %d-%b-%Y": rf"(?i)\d{{1,2}}-(?:{_MONTHS})-\d{{4}}",
    "date %d.%m.%Y": r"\d{1,2}\.(?:0?[1-9]|1[0-2])\.\d{4}",
    "date %Y/%m/%d": r"\d{4}/(?:0?[1-9]|1[0-2])/\d{1,2}",
    "date %d %b %Y": rf"(?i)\d{{1,2}} (?:{_MONTHS}) \d{{4}}",
    "date %b %d, %Y": rf"(?i)(?:{_MONTHS}) \d{{1,2}}, \d{{4}}",
    "date %B %d, %Y": r"(?i)(?:january|february|march|april|june|july|august|september|october|november"
    r"|december) \d{1,2}, \d{4}",
    "date %d de %B de %Y": rf"(?i)\d{{1,2}} de (?:{_MESES}) de \d{{4}}",
    "time": r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*",
    "social security number": r"\d{3}-\d{2}-\d{4}",
    "phone": r"(?i)(?:(?:\+?1[ .-]?)?\(?\d{3}\)?[ .-]?)?\d{3}[ .-]\d{4}(?: ?(?:x|ext\.?) ?\d{1,6})?",
    "e-mail": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "sex": r"(?i)f|m|u|o|female|male|unknown|other|femenino|masculino|mujer|hombre|otro|desconocido",
    "ten digits": r"\d{10}",
    "ICD-10-CM code": r"[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?",
    "LOINC code": r"\d{1,5}-\d",
    "blood pressure": r"\d{2,3} ?/ ?\d{2,3}",
    "ZIP code": r"\d{5}(?:-\d{4})?",
    "number": r"-?\d+(?:\.\d+|,\d{1,2})?",
    ROUNDED: r"-?\d(?:[.,]\d+)?E\+\d{1,3}",
}
_NOTHING = re.compile(r"(?i)n/?a|none|null|nil|unk|unknown|declined|refused|no phone|[-.?]+")
"""What people write where there is nothing."""
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _KINDS.items()}
_DATED = tuple(kind for kind in _KINDS if kind.startswith("date "))
_DAYS = tuple(kind for kind in _DATED if ":" not in kind)
_ONE_OF = 20
"""So many values may be of another form: one of twenty."""
_FEW = 12


_VALUES = ("date ", "time", "social security", "phone", "e-mail", "ten digits", "ZIP", "number")


def is_value(name: str) -> bool:
    """Whether a heading looks like what stands below one: a day, a telephone, a number.

    >>> is_value("1/2/1980"), is_value("a@b.example"), is_value("A1c (%)")
    (True, True, False)
    """
    return any(kind.startswith(_VALUES) and pattern.fullmatch(name) for kind, pattern in _PATTERNS.items())


def does_not_look_like(value: str, kinds: Sequence[str]) -> bool:
    """Whether a value is of none of the kinds, `date` being every way to write a day, and says something.

    >>> [does_not_look_like(value, ["date"]) for value in ("soon", "12/45/1990", "2.5.1980", "-")]
    [True, True, False, False]
    """
    if _NOTHING.fullmatch(value):
        return False
    told = (kind for kind in _KINDS if kind in kinds or kind.partition(" %")[0] in kinds)
    return not any(_is(value, kind) for kind in told)


def days_that_contradict(value: str) -> bool:
    """Whether a day cannot have its month first although it is written as if: its first number is above 12.

    >>> [days_that_contradict(value) for value in ("13/02/1980", "02/13/1980", "2.5.1980")]
    [True, False, False]
    """
    return _is(value, "date %d/%m/%Y") and not _is(value, "date %m/%d/%Y")


def _is(value: str, kind: str) -> bool:
    """Whether it has the form of the kind and, where that is a day in numbers, is one of the calendar."""
    if _PATTERNS[kind].fullmatch(value) is None:
        return False
    form = kind.removeprefix("date ")
    if kind not in _DAYS or any(month in form for month in ("%b", "%B")):
        return True
    try:
        datetime.strptime(value, form)  # noqa: DTZ007 - a day
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Column:
    """`filled` is a share from 0 to 1, `distinct` a count; `looks_like` names a form, never a value."""

    name: str
    filled: float
    distinct: int
    longest: int
    unique: bool
    looks_like: str


def profile_table(payload: bytes, saved: Layout | None = None) -> list[Column]:
    """One Column per column, in order; raises RecordRejected for what no run could read.

    >>> profile_table(b"id,born\\n1,1980-01-02\\n2,\\n")[1]
    Column(name='born', filled=0.5, distinct=1, longest=10, unique=True, looks_like='date %Y-%m-%d')
    """
    # Loaded here alone: every command would wait for it, and only a new partner's table needs it.
    import pandas as pd

    saved = saved or layout(payload)
    options = {"delimiter": saved.delimiter, "skip": saved.skip}
    names = header_of(payload, saved.encoding, options)
    try:
        frame = pd.read_csv(
            io.BytesIO(payload), sep=saved.delimiter, encoding=saved.encoding, skiprows=saved.skip,
            header=0, names=names, index_col=False, dtype=str, keep_default_na=False, on_bad_lines="skip",
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError):
        raise RecordRejected("this is not a delimited table in that encoding", code="structure") from None
    # A line that ends early has no value in the columns after it.
    return [_column(str(name), frame[name].fillna("").tolist()) for name in frame.columns]


def _column(name: str, values: Sequence[str]) -> Column:
    filled = [bare for value in values if (bare := value.strip())]
    distinct = len(set(filled))
    return Column(
        name=name,
        filled=round(len(filled) / len(values), 3) if values else 0.0,
        distinct=distinct,
        longest=max(map(len, filled), default=0),
        unique=distinct == len(filled) > 0,
        looks_like=_looks_like([value for value in filled if not _NOTHING.fullmatch(value)] or filled),
    )


def _looks_like(filled: Sequence[str]) -> str:
    if not filled:
        return "nothing"
    for kind, pattern in _PATTERNS.items():
        if _nearly_all_match(filled, pattern):
            return kind
    if dates := _dates_of_several_forms(filled):
        return dates
    return "a choice of few" if len(set(filled)) <= min(_FEW, len(filled) // 2) else "text"


def _dates_of_several_forms(filled: Sequence[str]) -> str:
    """Days written in up to four ways, with a time or without, joined by `|`.

    None where some have the month first, some the day.
    """
    others, forms = len(filled) // _ONE_OF, dict[str, None]()
    for value in filled:
        form = next((kind for kind in _DATED if _PATTERNS[kind].fullmatch(value)), None)
        if form is None:
            others -= 1
            if others < 0:
                return ""
        else:
            forms[form.removeprefix("date ")] = None
    told = {form[:5].replace("-", "/") for form in forms}
    return "" if len(forms) > 4 or {"%m/%d", "%d/%m"} <= told else f"date {'|'.join(sorted(forms))}"


def _nearly_all_match(values: Sequence[str], pattern: re.Pattern[str]) -> bool:
    others = len(values) // _ONE_OF
    for value in values:
        if pattern.fullmatch(value) is None:
            others -= 1
            if others < 0:
                return False
    return True
