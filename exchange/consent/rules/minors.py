"""`consent/minors.csv`: the care that a minor may consent to alone, by state, kind of care and age."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import get_args

from exchange.consent.dates import EXCHANGE_ZONE, Span
from exchange.consent.rules.codelists import STEWARD
from exchange.consent.rules.policies import Mark
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.model.errors import ContentError
from exchange.model.records import Files

MINORS = "minors.csv"
OWN_CARE = "ADOL"
"""Label of care that a minor consented to (v3-ActCode)."""

OF_AGE = 18
ANYWHERE = "*"
COLUMNS = ("state", "service", "age_from", "from", "to", "citation", "mark", "reviewer")


@dataclass(frozen=True, slots=True)
class MinorsRow:
    """One line; `atoms` are the labels the service covers, `first` and `last` the days it is in force."""

    state: str
    atoms: frozenset[str]
    age_from: int
    first: date
    last: date
    place: str


@dataclass(frozen=True, slots=True, eq=False)
class Minors:
    """The whole table; without rows nothing is anybody's own care."""

    rows: tuple[MinorsRow, ...] = ()

    @property
    def atoms(self) -> frozenset[str]:
        """Labels of care that is a minor's own somewhere."""
        return frozenset().union(*(row.atoms for row in self.rows))

    def own_care(
        self, labels: Collection[str], born: Collection[str], when: Span | None, state: str
    ) -> str | None:
        """The row by which the care may have been a minor's own, None when it was not.

        `born` are all birth dates said of the person (FHIR dates), `when` the record is about. What is not
        known counts as if: no birth date, no day, a state without rows.
        """
        known = any(row.state == state for row in self.rows)
        for row in self.rows:
            if row.atoms.isdisjoint(labels) or (known and row.state not in (state, ANYWHERE)):
                continue
            youngest = row.age_from if known or row.state == ANYWHERE else 0
            if not born or any(_at_that_age(row, youngest, day, when) for day in born):
                return row.place
        return None


NOBODYS = Minors()


def _at_that_age(row: MinorsRow, youngest: int, born: str, when: Span | None) -> bool:
    """Whether any day of the record may lie between the row's age and coming of age."""
    birth = birth_span(born)
    if birth is None or when is None:
        return True
    begins = when.start.astimezone(EXCHANGE_ZONE).date() if when.start else date.min
    ends = _last_day(when)
    return (
        ends >= max(birthday(birth[0], youngest), row.first)
        and begins < birthday(birth[1], OF_AGE)
        and begins <= row.last
    )


def _last_day(when: Span) -> date:
    if when.end is None:
        return date.max
    return (when.end - timedelta(microseconds=1)).astimezone(EXCHANGE_ZONE).date()


def birth_span(born: str) -> tuple[date, date] | None:
    """First and last day a FHIR date may mean; None when it is none."""
    parts = born.split("-")
    try:
        first = date(*[int(part) for part in (*parts, "1", "1")[:3]])
    except ValueError:
        return None
    if len(parts) == 3:
        return first, first
    after = first.replace(year=first.year + 1) if len(parts) == 1 else first + timedelta(days=32)
    return first, after.replace(day=1) - timedelta(days=1)


def birthday(born: date, age: int) -> date:
    """The day somebody reaches an age; who was born on a leap day does on 1 March."""
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def parse_minors(files: Files, vocabulary: Vocabulary) -> Minors:
    """Raises ContentError for a line that says nothing that can be known."""
    if MINORS not in files:
        return Minors()
    if not STEWARD.search(files[MINORS]):
        raise ContentError(
            "write `# steward: <who>; review by <date>` above the columns", file=MINORS, line=1
        )
    return Minors(tuple(_row(line, row, vocabulary) for line, row in _rows(files[MINORS])))


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    numbered = [(n, line) for n, line in enumerate(text.splitlines(), 1) if not line.startswith("#")]
    reader = csv.DictReader(line for _, line in numbered)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ContentError("the columns are " + ", ".join(COLUMNS), file=MINORS, line=numbered[0][0])
    for (number, _), row in zip(numbered[1:], reader, strict=True):
        if None in row or None in row.values():
            raise ContentError("a row with a wrong number of columns", file=MINORS, line=number)
        yield number, row


def _row(line: int, row: dict[str, str], vocabulary: Vocabulary) -> MinorsRow:
    def wrong(message: str, field: str, valid: Collection[str] = ()) -> ContentError:
        return ContentError(message, file=MINORS, line=line, field=field, valid=sorted(valid))

    if row["service"] not in vocabulary.atoms:
        raise wrong("unknown word", f"service.{row['service']}", vocabulary.atoms)
    if row["mark"] not in get_args(Mark):
        raise wrong("unknown word", f"mark.{row['mark']}", get_args(Mark))
    if row["mark"] == "R" and not row["reviewer"]:
        raise wrong("a remembered source (mark R) needs a `reviewer` before the row may count", "reviewer")
    if not row["citation"]:
        raise wrong("every row names its source", "citation")
    try:
        age = int(row["age_from"])
        first = date.fromisoformat(row["from"])
        last = date.fromisoformat(row["to"]) if row["to"] else date.max
    except ValueError:
        raise wrong("an age like 12, and dates like 2026-01-31", "age_from, from, to") from None
    if not row["state"] or not 0 <= age < OF_AGE or last < first:
        raise wrong(f"a state or {ANYWHERE}, an age under {OF_AGE}, and an end after the beginning", "state")
    return MinorsRow(row["state"], vocabulary.permits[row["service"]], age, first, last, f"{MINORS}:{line}")
