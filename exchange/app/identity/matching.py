"""A match steward's work: what waits, two records side by side, a decision and what follows from it.

A decision, the consents that follow the persons it makes, and its audit records are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from typing import Any, Literal

from exchange.app.opening import Exchange
from exchange.audit import Disclosure, accounting, append, steward_entries
from exchange.model.errors import Conflict, ContentError
from exchange.model.records import Resource
from exchange.pipeline.ledger import Connection
from exchange.repository import (
    Change,
    Doubt,
    Event,
    Overlay,
    Told,
    Word,
    ask_partners,
    changes_back,
    changes_of_persons,
    decide_review,
    doubts,
    events_of,
    evidence_now,
    joined_since,
    latest_event,
    mark_own_care,
    overlays,
    patients_of,
    reprofile,
    settle_overlay,
)

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Two patients as their partners sent them, the evidence in bits by field, and what was said before.

    `prior`: bits before any field is looked at, so that prior and evidence sum up to the probability. The
    evidence of a pair that does not wait is what the model sees now. `joined`: they are one person now,
    by whatever links.
    """

    doubt: Doubt | None
    ids: tuple[str, ...]
    records: tuple[Resource | None, Resource | None]
    prior: float
    evidence: Mapping[str, Any]
    events: tuple[Event, ...]
    joined: bool


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a decision did: patients with other consents, rows decided anew, rows taken out.

    `disclosed`: what went out while the two were shown as one person, to be told to those who received it;
    `event`: the latest between the two.
    """

    patients: int
    moved: int
    withdrawn: int
    disclosed: tuple[Disclosure, ...]
    event: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """How many pairs stewards decided, and the share whose decision is the side the model held likelier."""

    decided: int
    agreed: float | None


def _measured(connection: Connection) -> Measured:
    """Stewards' decisions against the model's probability at 0.5."""
    row = connection.execute(
        "SELECT count(*), avg(((probability >= 0.5) = (decision = 'link'))::int)::float8"
        " FROM match_review WHERE decision IS NOT NULL"
    ).fetchone()
    return Measured(*(row or (0, None)))


def steward_queue(exchange: Exchange, limit: int) -> tuple[list[Overlay], list[Doubt], Measured]:
    """What waits for a steward, and how stewards and the model agreed so far."""
    with exchange.work.connect() as connection:
        return overlays(connection), doubts(connection, limit=limit), _measured(connection)


def waiting_for_steward(exchange: Exchange, limit: int) -> tuple[list[Overlay], list[Doubt]]:
    """Overlays, and possible matches by harm: worst first."""
    with exchange.work.connect() as connection:
        return overlays(connection), doubts(connection, limit=limit)


def held_back(exchange: Exchange) -> set[int]:
    """Patients whose record turned into another person's, until somebody says that it is the same one."""
    with exchange.work.connect() as connection:
        return {overlay.patient for overlay in overlays(connection)}


def side_by_side(exchange: Exchange, pair: Pair, steward: str) -> SideBySide:
    """Two records for a steward's eyes; that they were looked at is recorded."""
    with exchange.work.connect() as connection:
        ids = _ids(connection, pair)
        known = patients_of(connection, pair)
        found = doubts(connection, pair)
        seen = found[0].evidence if found else {}
        evidence = seen if seen.get("fields") else evidence_now(connection, pair, exchange.work.model)
        joined = connection.execute(
            "SELECT count(DISTINCT person) = 1 FROM patient WHERE patient = ANY(%s)", [list(pair)]
        ).fetchone() == (True,)
        between = [e for e in events_of(connection, pair[0]) if {e.a, e.b} == set(pair)]
        entries = steward_entries("access", steward, "", ids, exchange.work.now())
        append(connection, entries)
        connection.commit()
    prior = exchange.work.model.prior
    return SideBySide(
        doubt=found[0] if found else None,
        ids=ids,
        records=(known[pair[0]][1], known[pair[1]][1]),
        prior=log2(prior / (1 - prior)),
        evidence=evidence,
        events=tuple(between),
        joined=joined,
    )


def decide_pair(exchange: Exchange, pair: Pair, word: Word, seen: int | None = None) -> Consequence:
    """Links two patients, or takes them apart whoever linked them; it sticks.

    `seen`: the latest event between them that the steward knew of; Conflict when there was another since.
    """
    _said(word.steward, word.reason)
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        ids = _ids(connection, pair)
        if seen is not None and latest_event(connection, pair) != seen:
            raise Conflict("somebody decided about these two meanwhile")
        since = joined_since(connection, pair) if word.decision == "keep-apart" else None
        disclosed = [d for d in accounting(connection, ids[0]) if d.at >= since] if since else []
        touched = decide_review(connection, pair, word, exchange.work.model, at)
        done = reprofile(connection, touched, exchange.context, at)
        mark_own_care(connection, touched, exchange.context, at)
        act: Literal["link", "unlink"] = "link" if word.decision == "link" else "unlink"
        append(connection, steward_entries(act, word.steward, word.reason, ids, at))
        event = latest_event(connection, pair)
        connection.commit()
    return Consequence(done.patients, done.moved, done.withdrawn, tuple(disclosed), event)


def ask_about(exchange: Exchange, pair: Pair) -> tuple[str, str]:
    """Notes the question to the partners of both records; returns their codes."""
    with exchange.work.connect() as connection:
        found = doubts(connection, pair)
        if not found or not ask_partners(connection, pair, exchange.work.now()):
            raise ContentError("no open question about these two", field=f"{pair[0]}-{pair[1]}")
        connection.commit()
    return found[0].partners


def settle(
    exchange: Exchange, patient: int, outcome: Literal["one-person", "two-people"], steward: str, reason: str
) -> Consequence:
    """A steward's word on a record that turned into another person's; `two-people` keeps it held back."""
    _said(steward, reason)
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        ids = _ids(connection, (patient,))
        if not settle_overlay(connection, patient, outcome, steward, reason, at):
            raise ContentError("nothing to settle about this patient", field=str(patient))
        done = reprofile(connection, {patient}, exchange.context, at)
        act: Literal["unhold", "hold"] = "unhold" if outcome == "one-person" else "hold"
        append(connection, steward_entries(act, steward, reason, ids, at))
        connection.commit()
    return Consequence(done.patients, done.moved, done.withdrawn, ())


def history_of(exchange: Exchange, patient: int) -> list[Event]:
    """What was said about a patient's identity, oldest first."""
    with exchange.work.connect() as connection:
        _ids(connection, (patient,))
        return events_of(connection, patient)


def fhir_ids_of(exchange: Exchange, numbers: tuple[int, ...]) -> tuple[str, ...]:
    """FHIR ids of patients of the queue; raises ContentError for a number nobody has."""
    with exchange.work.connect() as connection:
        return _ids(connection, numbers)


def latest_changes(exchange: Exchange, before: int | None, limit: int) -> list[Told]:
    """Merged and split persons, the latest first, or those before an event."""
    with exchange.work.connect() as connection:
        return changes_back(connection, before, limit)


def person_changes(exchange: Exchange, after: int, limit: int) -> list[Change]:
    """The feed of merged and split persons after an event."""
    with exchange.work.connect() as connection:
        return changes_of_persons(connection, after, limit)


def waterfall(evidence: Mapping[str, Any], prior: float) -> list[tuple[str, str, float, float]]:
    """(field, level, bits, sum of bits so far), from the prior on; strongest evidence first."""
    fields: Mapping[str, tuple[str, float]] = evidence.get("fields", {})
    rows = [("prior", "", prior, prior)]
    for name, (level, bits) in sorted(fields.items(), key=lambda item: -abs(item[1][1])):
        rows.append((name, level, bits, rows[-1][3] + bits))
    return rows


def _ids(connection: Connection, numbers: tuple[int, ...]) -> tuple[str, ...]:
    """FHIR ids of patients; raises ContentError for a number nobody has."""
    known = patients_of(connection, numbers)
    for number in numbers:
        if number not in known:
            raise ContentError("no such patient in the identity index", field=str(number))
    if len(set(numbers)) < len(numbers):
        raise ContentError("the same patient twice", field=f"{numbers[0]}-{numbers[1]}")
    return tuple(known[number][0] for number in numbers)


def _said(steward: str, reason: str) -> None:
    for name, value in (("steward", steward), ("reason", reason)):
        if not value.strip():
            raise ContentError("a decision about identity needs who made it and why", field=name)
