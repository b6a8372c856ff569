"""Which column of an unknown table is what: by its name in English or Spanish and by the shape of its values.

`column_roles.csv` has the roles, the names they go by and the shapes their values have; no value of the
table leaves `profile_table`.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from exchange.formats.profile import Column

NAMED, NEARLY, SHAPED, CONFIRMED = 0.85, 0.65, 0.6, 0.1
SURE = 0.5
SERIAL = "excel"
"""The format of a date that was saved as the number of days since 1899-12-30."""
_NOISE = frozenset({"cd", "nm", "nbr", "txt"})
"""What database columns end with and what says nothing."""
_OWNER = re.compile(
    r"^(?:(?:patient|pat|pt|client|customer|recip|recipient|student|member|paciente) )(?:address )?"
)
_UNIT = re.compile(
    r"(?: (?:kgs?|kilos?|lbs?|pounds|libras|cms?|in|inches|pulgadas|c|f|celsius|fahrenheit"
    r"|mm ?hg|bpm|percent|kg m2))+$"
)
_BRACKETED = re.compile(r"([^(\[]*)[(\[]([^()\[\]]*)[)\]][^()\[\]]*")
_ANYBODYS = frozenset({"id", "number", "name", "order id", "no", "test", "status"})
"""Names that mean something else when a person stands before them."""
_ALONE = frozenset({"first", "given", "last", "family", "middle", "patient", "paciente", "medio"})
"""Names that say nothing within a longer one: the first dose, the size of a family."""
_TELLING = {
    "email": "e-mail", "ssn": "social security number", "sex": "sex", "icd10": "ICD-10-CM code",
    "loinc": "LOINC code",
}  # fmt: skip
"""Roles that the shape of the values tells without a name."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a column can be: `names` it goes by, `shapes` its values have (needed or only welcome).

    `whole`: the name is all of the heading; a birth weight or a target weight is not a weight.
    """

    name: str
    shapes: tuple[str, ...]
    needs_shape: bool
    whole: bool
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Recognised:
    """A column and its role; `confidence` from 0 to 1, `reason` in words, `date_format` for dates."""

    column: Column
    role: str
    confidence: float
    reason: str
    date_format: str = ""


@cache
def roles() -> tuple[Role, ...]:
    """All roles, in the order of the table."""
    with files("exchange.formats").joinpath("column_roles.csv").open(encoding="utf-8") as lines:
        return tuple(
            Role(
                row["role"],
                tuple(shape for shape in row["shapes"].split("|") if shape),
                row["needs_shape"] == "yes",
                row["whole"] == "yes",
                frozenset(row["names"].split("|")),
            )
            for row in csv.DictReader(lines)
        )


def recognise(columns: Sequence[Column]) -> list[Recognised]:
    """The columns whose role is known, each role once, the surest first served."""
    found = [item for column in columns for item in _judge_all(column)]
    found.sort(key=lambda item: -item.confidence)
    taken: dict[str, Recognised] = {}
    names: set[str] = set()
    for item in found:
        if item.confidence >= SURE and item.role not in taken and item.column.name not in names:
            taken[item.role] = item
            names.add(item.column.name)
    order = [column.name for column in columns]
    return sorted(taken.values(), key=lambda item: order.index(item.column.name))


def _judge_all(column: Column) -> Iterable[Recognised]:
    whole, *parts = _readings(column.name)
    found = [*_as_named(column, whole), *(item for words in parts[:1] for item in _as_named(column, words))]
    inside = [item for words in parts[1:] for item in _as_named(column, words)]
    # `Vaccine Type (CVX)`: a name that the form of the values bears out says more than what holds it.
    return [*found, *(item for item in inside if not found or item.confidence > NAMED)]


def _as_named(column: Column, words: str) -> list[Recognised]:
    return [found for role in roles() if (found := _judge(column, words, role)) is not None]


def _readings(name: str) -> Iterable[str]:
    """The whole heading, what of it stands before brackets, and between them."""
    yield plain(name)
    if found := _BRACKETED.fullmatch(name):
        before, inside = map(plain, found.groups())
        yield before
        # A unit, a format or a single word for a time is not what the column is.
        if inside not in _ANYBODYS and not _UNIT.fullmatch(f" {inside}"):
            yield inside


def _judge(column: Column, words: str, role: Role) -> Recognised | None:
    kind, _, form = column.looks_like.partition(" %")
    serial = "date" in role.shapes and column.looks_like == "ZIP code"
    fits = column.looks_like in role.shapes or kind in role.shapes or serial
    empty = column.looks_like == "nothing"
    if role.needs_shape and not fits and not empty:
        return None
    named = _named(words, role.names, role.whole)
    if named:
        confidence, reason = named
        # Of two that are named alike the one with values: an empty column says nothing of anybody.
        confidence -= CONFIRMED if empty and confidence > NEARLY else 0
        reason += f", values look like {column.looks_like}" if fits else ""
        confidence += CONFIRMED if fits else 0
    elif _TELLING.get(role.name) == column.looks_like:
        confidence, reason = SHAPED, f"values look like {column.looks_like}"
    else:
        return None
    if serial:
        told = reason.replace("values look like ZIP code", "five digits, days as Excel counts them")
        return Recognised(column, role.name, NEARLY, told, SERIAL)
    return Recognised(column, role.name, round(confidence, 2), reason, f"%{form}" if kind == "date" else "")


def named_like(name: str) -> Role | None:
    """The role that a column's name alone tells and the form of its values would have to bear out.

    >>> named_like("Date of Birth").name, named_like("colour")
    ('birth_date', None)
    """
    words = plain(name)
    told = [(found[0], role) for role in roles() if (found := _named(words, role.names, role.whole))]
    best = max(told, key=lambda one: one[0], default=None)
    return best[1] if best and best[0] >= SURE and best[1].needs_shape else None


def _named(words: str, names: Iterable[str], whole: bool) -> tuple[float, str] | None:
    if whole and words.replace(" ", "") not in names:
        words = _UNIT.sub("", words)
    # `recip address city` and `Patient_city` say whose city it is.
    bare = _OWNER.sub("", words)
    best: tuple[float, str] | None = None
    for known in names:
        if words == known or words.replace(" ", "") == known.replace(" ", ""):
            return NAMED, f"named `{known}`"
        if bare != words and bare == known and known not in _ANYBODYS:
            best = NAMED - CONFIRMED, f"named `{known}` of a person"
            continue
        if not whole and _can_be_within(known, words) and f" {known} " in f" {words} ":
            # The more of the name is explained, the surer.
            score = NEARLY * (0.7 + 0.3 * len(known) / len(words))
            if best is None or score > best[0]:
                best = score, f"its name holds `{known}`"
    return best


def _can_be_within(known: str, words: str) -> bool:
    """Whether a name may be part of a longer one; what ends as a number or a day is no word of something."""
    kinds = ("id", "date")
    return (
        len(known) > 4
        and known not in _ALONE
        and (words.split(" ")[-1] not in kinds or known.split(" ")[-1] in kinds)
    )


def plain(name: str) -> str:
    """A column's name as plain lower-case words.

    >>> plain("FechaNacimiento"), plain("DOB_(mm/dd)"), plain("Teléfono"), plain("Client #")
    ('fecha nacimiento', 'dob mm dd', 'telefono', 'client number')
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("#", " number ")
    bare = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", bare.lower())
    while len(words) > 1 and words[-1] in _NOISE:
        words.pop()
    return " ".join(words)
