"""How frequent names are: the model is published, people are not, so that rare ones are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from exchange.linkage.features import Features

LEAST_RECORDS_PER_TERM = 5
"""A name that fewer records carry is left out of the frequencies: the model is published, people are not."""

LEAST_RECORDS_PER_FULL_NAME = 10
"""A given name with a surname tells more of a person than either."""

TOGETHER = 4.0
"""How many times as often as by chance a given name and a surname are found together, to be listed."""


def frequencies(population: Sequence[Features]) -> dict[str, dict[str, float]]:
    """Share of records by first given name and by surname, rare ones left out."""
    given = Counter(name.given[0] for record in population for name in record.names[:1] if name.given)
    surname = Counter(" ".join(name.surname) for record in population for name in record.names[:1])
    return {"given": _shares(given), "surname": _shares(surname)}


def full_names(population: Sequence[Features]) -> dict[str, float]:
    """Share of records by given name and surname, of those that are found together more often than by chance.

    Within one heritage they are: of all people few are called Tran, of those called Anh many.
    """
    named = [name for record in population for name in record.names[:1] if name.given and name.surname]
    given = Counter(name.given[0] for name in named)
    surname = Counter(" ".join(name.surname) for name in named)
    both = Counter((name.given[0], " ".join(name.surname)) for name in named)
    return {
        f"{first} {last}": round(count / len(population), 7)
        for (first, last), count in sorted(both.items())
        if count >= LEAST_RECORDS_PER_FULL_NAME
        and count * len(named) >= TOGETHER * given[first] * surname[last]
    }


def _shares(counts: Counter[str]) -> dict[str, float]:
    total = sum(counts.values())
    return {
        term: round(count / total, 7)
        for term, count in sorted(counts.items())
        if term and count >= LEAST_RECORDS_PER_TERM
    }
