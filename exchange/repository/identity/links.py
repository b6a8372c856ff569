"""The identity index: who is who among all Patients of all partners, kept up to date batch by batch.

Links between two Patients depend on these two records, the model and what partners and stewards said of
the two; never on what came first or on third records. Who forms one person follows from the links by
`exchange.linkage.partition`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
import psycopg

from exchange.linkage import Features, Model, blocking_keys
from exchange.linkage.blocking import blocking_key
from exchange.model.ids import golden_id
from exchange.model.records import Merge
from exchange.repository.disclosure.arriving import ARRIVALS_LOCK, bind_waiting
from exchange.repository.disclosure.overlay import watch
from exchange.repository.identity.clusters import regroup
from exchange.repository.identity.edges import (
    Verdict,
    add_edges,
    close_reviews,
    judged_now,
    pair_of,
    reevaluate,
    remove_edges,
    write_events,
)

_CHUNK = 5000


@dataclass(frozen=True, slots=True)
class IncomingPatient:
    """A Patient as a partner sends it now; `features` of a Patient that was deleted are empty ones."""

    fhir_id: str
    partner: str
    features: Features
    active: bool = True


@dataclass(frozen=True, slots=True)
class LinkResult:
    """`changed`: patients who are new or born otherwise, whose links, fellows or consents changed."""

    changed: frozenset[int]
    patients: dict[str, int]


@dataclass(frozen=True, slots=True)
class Word:
    """What a steward decided about two patients, and why."""

    decision: Literal["link", "keep-apart"]
    steward: str
    reason: str


def link_patients(
    conn: psycopg.Connection,
    patients: Sequence[IncomingPatient],
    merges: Iterable[Merge],
    model: Model,
    at: datetime,
) -> LinkResult:
    """Enters Patients and brings every link that depends on them up to date, in the caller's transaction.

    Doing it again changes nothing. A merge that names an unknown Patient is passed over: the Patient
    itself says so again in `Patient.link` once it arrives.
    """
    _lock(conn)
    entered = _enter(conn, {patient.fhir_id: patient for patient in patients})
    numbers, new, changed = entered.numbers, entered.new, entered.changed
    bound = bind_waiting(conn, numbers)
    touched = reevaluate(conn, changed, model, at) | watch(conn, entered.other, model, at)
    touched |= _merge(conn, list(merges), at)
    # Also those whose links stay: what they say now may contradict somebody they are linked with.
    regrouped = regroup(conn, touched | changed, new, model, at)
    return LinkResult(frozenset(bound | new | touched | regrouped | _born_otherwise(entered)), numbers)


def _born_otherwise(entered: _Entered) -> set[int]:
    """Who has another birth date than before: consents given for a minor, and a minor's own care, follow."""
    turned = entered.other.items()
    return {number for number, (before, now) in turned if before.get("birth_date", "") != now.birth_date}


def latest_event(conn: psycopg.Connection, pair: tuple[int, int]) -> int:
    """The latest event between two patients, 0 if there was none; no other comes until the commit."""
    _lock(conn)
    row = conn.execute(
        "SELECT coalesce(max(event), 0) FROM link_event"
        " WHERE (a, b) = (%(a)s, %(b)s) OR (a, b) = (%(b)s, %(a)s)",
        {"a": pair[0], "b": pair[1]},
    ).fetchone()
    return int(row[0]) if row else 0


def decide_review(
    conn: psycopg.Connection,
    pair: tuple[int, int],
    word: Word,
    model: Model,
    at: datetime,
) -> frozenset[int]:
    """A steward's word on two patients; it outranks partners and model until a steward says otherwise.

    Returns the patients whose links or fellow records of one person changed.
    """
    _lock(conn)
    a, b = pair_of(*pair)
    held = judged_now(conn, (a, b), model)
    conn.execute(
        "INSERT INTO match_review (a, b, probability, evidence, decision, steward, reason, opened, decided)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (a, b) DO UPDATE SET decision = excluded.decision, steward = excluded.steward,"
        "  reason = excluded.reason, decided = excluded.decided",
        (
            a, b, held.probability, orjson.dumps(dict(held.evidence)).decode(),
            word.decision, word.steward, word.reason, at, at,
        ),
    )  # fmt: skip
    remove_edges(conn, [(a, b)])
    said = {"steward": word.steward, "reason": word.reason}
    verdict = Verdict("certain", 1.0, "steward", said)
    if word.decision == "link":
        conn.execute("DELETE FROM patient_apart WHERE (a, b) = (%s, %s)", (a, b))
        add_edges(conn, {(a, b): verdict})
    else:
        conn.execute(
            "INSERT INTO patient_apart (a, b, authority) VALUES (%s, %s, 'steward')"
            " ON CONFLICT (a, b) DO UPDATE SET authority = 'steward'",
            (a, b),
        )
    kind = "linked" if word.decision == "link" else "kept-apart"
    write_events(conn, [(kind, a, b, verdict)], at)
    return frozenset({a, b} | regroup(conn, {a, b}, set(), model, at))


def relink(conn: psycopg.Connection, model: Model, at: datetime) -> frozenset[int]:
    """Every patient judged again, as after a new model; what partners and stewards said stays."""
    _lock(conn)
    known = [row[0] for row in conn.execute("SELECT patient FROM patient ORDER BY patient").fetchall()]
    touched: set[int] = set()
    for start in range(0, len(known), _CHUNK):
        touched |= reevaluate(conn, set(known[start : start + _CHUNK]), model, at)
    return frozenset(touched | regroup(conn, set(known), set(), model, at))


def _lock(conn: psycopg.Connection) -> None:
    """One writer of identity at a time, so that two batches never miss each other's people."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (ARRIVALS_LOCK,))


@dataclass(frozen=True, slots=True)
class _Entered:
    """Numbers by FHIR id, the new ones, and of those that say something else than before: before and now."""

    numbers: dict[str, int]
    new: set[int]
    other: dict[int, tuple[dict[str, Any], Features]]

    @property
    def changed(self) -> set[int]:
        return self.new | self.other.keys()


def _enter(conn: psycopg.Connection, incoming: dict[str, IncomingPatient]) -> _Entered:
    known = {
        str(fhir_id): (number, stored, active)
        for number, fhir_id, stored, active in conn.execute(
            "SELECT patient, fhir_id, features, active FROM patient WHERE fhir_id = ANY(%s::uuid[])",
            (list(incoming),),
        )
    }
    new = _insert(conn, [incoming[fhir_id] for fhir_id in sorted(incoming.keys() - known.keys())])
    other = {
        known[fhir_id][0]: patient
        for fhir_id, patient in incoming.items()
        if fhir_id in known and known[fhir_id][1:] != (patient.features.to_json(), patient.active)
    }
    _update(conn, other)
    numbers = {fhir_id: number for fhir_id, (number, _, _) in known.items()} | new
    _write_keys(conn, other | {number: incoming[fhir_id] for fhir_id, number in new.items()})
    before = {number: stored for number, stored, _ in known.values()}
    turned = {number: (before[number], patient.features) for number, patient in other.items()}
    return _Entered(numbers, set(new.values()), turned)


def _insert(conn: psycopg.Connection, patients: list[IncomingPatient]) -> dict[str, int]:
    if not patients:
        return {}
    rows = conn.execute(
        "INSERT INTO patient (fhir_id, golden_id, partner, person, features, active)"
        " SELECT fhir_id, golden, partner, fhir_id, features::jsonb, active"
        " FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::bool[])"
        " AS n (fhir_id, golden, partner, features, active) ORDER BY fhir_id"
        " RETURNING fhir_id, patient",
        (
            [patient.fhir_id for patient in patients],
            [golden_id(patient.fhir_id) for patient in patients],
            [patient.partner for patient in patients],
            [patient.features.to_text() for patient in patients],
            [patient.active for patient in patients],
        ),
    ).fetchall()
    return {str(fhir_id): number for fhir_id, number in rows}


def _update(conn: psycopg.Connection, patients: dict[int, IncomingPatient]) -> None:
    if not patients:
        return
    conn.execute(
        "UPDATE patient p SET features = n.features::jsonb, active = n.active"
        " FROM unnest(%s::int[], %s::text[], %s::bool[]) AS n (patient, features, active)"
        " WHERE p.patient = n.patient",
        (
            list(patients),
            [patient.features.to_text() for patient in patients.values()],
            [patient.active for patient in patients.values()],
        ),
    )


def _write_keys(conn: psycopg.Connection, patients: dict[int, IncomingPatient]) -> None:
    conn.execute("DELETE FROM blocking_key WHERE patient = ANY(%s)", (list(patients),))
    with conn.cursor().copy("COPY blocking_key (key, patient) FROM STDIN") as copy:
        for number, patient in patients.items():
            for key in _keys(patient):
                copy.write_row((key, number))


def _keys(patient: IncomingPatient) -> set[int]:
    """Also a key of the record itself, which those who name it in `Patient.link` share."""
    named = (patient.fhir_id, *patient.features.links)
    return {*blocking_keys(patient.features), *(blocking_key(f"record|{fhir_id}") for fhir_id in named)}


def _merge(conn: psycopg.Connection, merges: list[Merge], at: datetime) -> set[int]:
    """Links what partners say they merged, unless a steward or an earlier merge decided; returns who."""
    if not merges:
        return set()
    named = {fhir_id for merge in merges for fhir_id in (merge.survivor, merge.loser)}
    numbers = {
        str(fhir_id): number
        for fhir_id, number in conn.execute(
            "SELECT fhir_id, patient FROM patient WHERE fhir_id = ANY(%s::uuid[])", (list(named),)
        )
    }
    pairs = {
        pair_of(numbers[merge.survivor], numbers[merge.loser])
        for merge in merges
        if merge.survivor in numbers and merge.loser in numbers and merge.survivor != merge.loser
    }
    decided = {
        tuple(row)
        for row in conn.execute(
            "SELECT a, b FROM match_review WHERE decision IS NOT NULL AND a = ANY(%(all)s)"
            " UNION SELECT a, b FROM patient_edge WHERE basis = 'merge' AND a = ANY(%(all)s) AND a < b",
            {"all": list(numbers.values())},
        )
    }
    merged = {pair: Verdict("certain", 1.0, "merge", {}) for pair in sorted(pairs - decided)}
    remove_edges(conn, list(merged))
    add_edges(conn, merged)
    close_reviews(conn, list(merged))
    write_events(conn, [("linked", a, b, verdict) for (a, b), verdict in merged.items()], at)
    return {number for pair in merged for number in pair}
