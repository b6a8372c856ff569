"""The promises of consent/invariants, held against what this repository really shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exchange.app.opening import Exchange
from exchange.consent import DisclosureClass
from exchange.consent.proof.invariants import Written
from exchange.consent.proof.stored import Breach, breaches, smallest
from exchange.repository import load_classes
from exchange.repository.disclosure.permits import permits_in_force, records_of


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of one promise: its smallest breach, how many pairs of class and viewer, how many records."""

    written: Written
    breach: Breach | None = None
    pairs: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """All promises, over so many permits, with the classes that are named."""

    promises: list[Kept]
    permits: int
    classes: Mapping[int, DisclosureClass]


def stored_promises(exchange: Exchange, invariants: Sequence[Written]) -> Stored:
    """Every class and viewer that is permitted now, against each of the invariants; writes nothing."""
    with exchange.work.connect() as connection:
        at = exchange.work.now()
        permits, classes = permits_in_force(connection, at), load_classes(connection)
        found: dict[str, list[Breach]] = {}
        for breach in breaches(invariants, classes, permits, exchange.context, at):
            found.setdefault(breach.written.invariant.id, []).append(breach)
        numbers = {breach.number for group in found.values() for breach in group}
        records = records_of(connection, numbers)
        connection.rollback()
    kept = [_kept(written, found.get(written.invariant.id, []), classes, records) for written in invariants]
    return Stored(kept, len(permits), classes)


def _kept(
    written: Written,
    found: Sequence[Breach],
    classes: Mapping[int, DisclosureClass],
    records: Mapping[int, int],
) -> Kept:
    if not found:
        return Kept(written)
    numbers = {breach.number for breach in found}
    pairs = len({(breach.number, breach.viewer) for breach in found})
    return Kept(written, smallest(found, classes), pairs, sum(records.get(number, 0) for number in numbers))
