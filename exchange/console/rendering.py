"""Templates: what every page shares, and how values look in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any
from unicodedata import category

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal, format_percent
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from exchange.console import charts
from exchange.console.areas import areas_of
from exchange.console.desk import Desk
from exchange.console.language import LANGUAGES, catalogue
from exchange.console.messages import Page, Visit
from exchange.console.speech import Speech

_TEMPLATES = Path(__file__).parent / "templates"


class Renderer:
    """The templates in every language."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.environments = {language: _environment(language) for language in LANGUAGES}

    def page(self, visit: Visit, page: Page) -> str:
        """A page as HTML."""
        shared = {
            "visit": visit,
            "named": Speech(visit.language, self.desk.exchange),
            "areas": areas_of(visit.account),
            "languages": LANGUAGES,
            "openid": self.desk.provider is not None,
            "airflow_url": self.desk.airflow_url,
        }
        return self.environments[visit.language].get_template(page.template).render({**shared, **page.values})


def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals["language"] = language
    environment.globals["charts"] = charts
    environment.globals["drawn_kinds"] = _DRAWN
    environment.globals["in_cell"] = partial(cell, language)
    environment.globals["set_as"] = set_as
    environment.globals["signed"] = partial(signed, language)
    environment.filters.update(_filters(language))
    return environment


def _filters(language: str) -> Mapping[str, Callable[..., Any]]:
    return {
        "number": partial(in_digits, language),
        "percent": lambda value: format_percent(_not_all(value), "#,##0.0 %", locale=language),
        "day": partial(day, language),
        "soft": soft,
        "seen": seen,
        "moment": partial(moment, language),
        "instant": partial(instant, language),
    }


def moment(language: str, value: datetime | None) -> str:
    """A moment in UTC, as the foot of every page says; a dash for none."""
    return format_datetime(value.astimezone(UTC), "medium", locale=_locale(language)) if value else "–"


def instant(language: str, text: str) -> str:
    """What a statement says: a FHIR instant as a moment, all else as it is.

    >>> instant("es", "2026-11-28T12:17:09.516Z"), instant("es", "Dr. Vega")
    ('28 nov 2026, 12:17:09', 'Dr. Vega')
    """
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text):
        return text
    return moment(language, datetime.fromisoformat(text))


def in_digits(language: str, value: float | None) -> str:
    """A number as the language writes it; a dash for none."""
    return "–" if value is None else _written(language, value)


def signed(language: str, value: float) -> str:
    """A number with its sign and one digit behind the point, as the language writes it.

    >>> signed("uk", 14.23), signed("en", -18.06)
    ('+14,2', '-18.1')
    """
    return format_decimal(value, "+#,##0.0;-#,##0.0", locale=_locale(language))


@lru_cache(maxsize=10_000)
def _written(language: str, value: float) -> str:
    """A page of tables writes the same few hundred numbers again and again."""
    return format_decimal(value, locale=_locale(language))


def day(language: str, value: date | datetime | str | None) -> str:
    """A day as the language writes it, also one that a record tells as text; a part of one stays as it is.

    >>> day("es", "2026-11-28"), day("es", "1980-02"), day("es", None)
    ('28 nov 2026', '1980-02', '–')
    """
    told = _told(value) if isinstance(value, str) else value
    if told is None:
        return str(value or "–")
    return format_date(told, "medium", locale=_locale(language))


def _told(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-11-28") else None
    except ValueError:
        return None


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)


def set_as(kind: str, value: Any) -> str:
    """How a cell is set: numbers to the right, a portion by how much of the whole it is."""
    if kind == "portion":
        part = "all" if value and value.part == value.whole else "some" if value and value.part else "none"
        return f"number {part}"
    return "number" if kind in _NUMBERS else "moment" if kind in ("day", "days", "moment") else ""


_NUMBERS = ("number", "id", "percent", "told", "portion")
_DRAWN = frozenset(("percent", "told", "mark", "trend", "finding", "portion", "lines", "press"))
"""Kinds of cells that a macro of `parts.html` draws."""


def cell(language: str, said: Speech, kind: str, value: Any) -> str:
    """What stands in a cell of the other kinds; a dash for nothing."""
    if kind == "number":
        return in_digits(language, value)
    if kind == "moment":
        return moment(language, value)
    if kind == "day":
        return soft(day(language, value))
    if kind == "days" and value:
        return soft(", ".join(day(language, one) for one in value))
    if value is None or value == "" or value == ():
        return "–"
    if kind == "code":
        return Markup("<code>%s</code>") % soft(value)
    return soft(value if kind == "id" else said.shown(kind, value))


_SHORT = 16
_MOST = 600
_LONG_WORD = re.compile(rf"\S{{{_SHORT + 1},}}")
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\u3164\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Signs that are not seen and make a text look like another: controls, what has no width, what turns its
direction. Joiners belong to how words of some languages are written and stay."""
_JOINERS = "\u200c\u200d"


def soft(value: object) -> Markup:
    """The text, with places where a word too long for a column may break: after a sign, else between letters.

    A text of more than `_MOST` letters is cut: nobody reads a name of a page's length in a table.

    >>> str(soft("Immunization.vaccineCode <b>")), str(soft("\\u202elive"))
    ('Immunization.<wbr>vaccineCode &lt;b&gt;', '[U+202E]live')
    """
    text = str(value)
    text = _UNSEEN.sub(_shown, text if len(text) <= _MOST else text[:_MOST] + "…")
    if not _LONG_WORD.search(text):
        return escape(text)
    done, parts = 0, [Markup("")]
    for word in _LONG_WORD.finditer(text):
        parts.append(escape(text[done : word.start()]))
        parts.append(Markup("<wbr>").join(_pieces(word[0])))
        done = word.end()
    return Markup("").join([*parts, escape(text[done:])])


def seen(text: str) -> str:
    """A whole text, in which signs that are not seen are named."""
    return _UNSEEN.sub(_shown, text)


def _shown(sign: re.Match[str]) -> str:
    return f"[U+{ord(sign[0]):04X}]"


def _pieces(word: str) -> Iterator[str]:
    """A letter keeps its marks, and what is joined stays so."""
    start = 0
    for place in range(1, len(word)):
        before, after = word[place - 1], word[place]
        if category(after).startswith("M") or after in _JOINERS or before in _JOINERS:
            continue
        if before in "./_:,;=&@-" or place - start >= _SHORT:
            yield word[start:place]
            start = place
    yield word[start:]


def _not_all(value: float) -> float:
    """What is nearly all is not told as all: a pair in doubt is never 100 % one person."""
    return min(value, 0.999) if value < 1 else value
