"""What of a person's disclosures a law has accounted for, repeated ones as one line: pure.

HIPAA: 45 CFR 164.528, six years; substance use records: 42 CFR 2.24 and 2.25, three years.
https://www.ecfr.gov/current/title-45/subtitle-A/subchapter-C/part-164/subpart-E/section-164.528
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exchange.audit.accounting import Disclosure

Law = Literal["hipaa", "part2", "all"]
YEARS: Mapping[Law, int | None] = {"hipaa": 6, "part2": 3, "all": None}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the law looks at beside the disclosure itself.

    `ordinary`: purposes that are treatment, payment or operations; `individual`: those of the person
    himself; `covered`: participants that are covered entities; `always`: rules after which a disclosure is
    accounted for in any case; `part2`: rules that let Part 2 records out.
    """

    ordinary: frozenset[str]
    individual: frozenset[str]
    covered: frozenset[str]
    always: frozenset[str]
    part2: frozenset[str]


@dataclass(frozen=True, slots=True)
class Line:
    """One recipient for one purpose; `records`: how many of each type, over all times."""

    recipient: str
    participant: str
    purpose: str
    first: datetime
    last: datetime
    times: int
    records: Mapping[str, int]
    because: tuple[str, ...]
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """An accounting as it was asked for: under which law, from when to when."""

    law: Law
    since: datetime | None
    until: datetime
    lines: tuple[Line, ...]


def report(
    disclosures: Sequence[Disclosure], law: Law, facts: Facts, at: datetime, since: datetime | None = None
) -> Report:
    """The lines of `law`, newest first; `all` leaves nothing out: who saw what about me.

    `since`: the person asks for a shorter time than the law gives (45 CFR 164.528(a)(3)).
    """
    since = max(filter(None, (since, _years_before(at, YEARS[law]))), default=None)
    found: dict[tuple[str, str], list[Disclosure]] = {}
    for one in disclosures:
        if (since is None or one.at >= since) and one.at <= at and _accounted(one, law, facts):
            found.setdefault((one.participant, one.purpose), []).append(one)
    lines = sorted(map(_line, found.values()), key=lambda line: line.last, reverse=True)
    return Report(law, since, at, tuple(lines))


def _accounted(one: Disclosure, law: Law, facts: Facts) -> bool:
    if law == "all":
        return True
    if law == "part2":
        return not facts.part2.isdisjoint(one.because)
    if not facts.always.isdisjoint(one.because):
        return True
    if one.purpose in facts.individual:
        return False
    if one.purpose in facts.ordinary and one.participant in facts.covered:
        return False
    # Under an authorization: the person decided it.
    return not any(reason.startswith("consent:") for reason in one.because)


def _line(each: Sequence[Disclosure]) -> Line:
    """The law asks for the details of the first, how many there were, and when the last was."""
    ordered = sorted(each, key=lambda one: one.sequence)
    first, last = ordered[0], ordered[-1]
    names = {name for one in each for name in one.resources}
    return Line(
        recipient=last.recipient,
        participant=first.participant,
        purpose=first.purpose,
        first=first.at,
        last=last.at,
        times=len(each),
        records=dict(sorted(Counter(name.partition("/")[0] for name in names).items())),
        because=tuple(sorted({reason for one in each for reason in one.because})),
        sequences=tuple(one.sequence for one in ordered),
    )


def _years_before(at: datetime, years: int | None) -> datetime | None:
    """The same day so many years ago.

    >>> _years_before(datetime(2028, 2, 29), 3)
    datetime.datetime(2025, 2, 28, 0, 0)
    """
    if years is None:
        return None
    try:
        return at.replace(year=at.year - years)
    except ValueError:  # 29 February
        return at.replace(year=at.year - years, day=28)
