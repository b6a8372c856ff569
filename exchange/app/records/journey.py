"""One run as a flow of records; one record on its way: raw, mapped, labelled, decided, linked, published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

import orjson
from psycopg.rows import class_row, dict_row

from exchange.app.opening import Exchange, find_partner
from exchange.model.errors import ContentError, ExchangeError, RecordRejected
from exchange.model.fhir import patient_of, reference_to, references
from exchange.model.records import Resource
from exchange.pipeline.balance import Left
from exchange.pipeline.ledger import Connection, ledger_record
from exchange.pipeline.map import map_source, source_record
from exchange.pipeline.safeguard import safeguard_chunk
from exchange.repository import known_labels

Leaving = Literal["pull", "map", "publish"]
Step = Literal["pull", "map", "safeguard", "link", "publish"]
_CAME_TO_MAP = "(outcome IS NULL OR chunk IS NOT NULL)"
_CAME_FURTHER = f"{_CAME_TO_MAP} AND outcome IS DISTINCT FROM 'quarantined'"
_CAME: Mapping[Step, LiteralString] = {
    "pull": "true", "map": _CAME_TO_MAP,
    "safeguard": _CAME_FURTHER, "link": _CAME_FURTHER, "publish": _CAME_FURTHER,
}  # fmt: skip
STEPS: tuple[Step, ...] = tuple(_CAME)


@dataclass(frozen=True, slots=True)
class Flow:
    """`leaving`: (the step after which records go no further, their outcome, how many)."""

    pulled: int
    leaving: tuple[tuple[Leaving, str, int], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A record of a run; its key is left out, for it may be a patient's number."""

    record: int
    feed: str
    outcome: str | None
    deleted: bool
    chunk: int | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as the repository holds it, or why it does not."""

    reference: str
    version: int | None
    rendition: int
    labels: tuple[str, ...]
    confidentiality: str
    viewers: tuple[str, ...]
    person: str | None
    cluster: int
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Journey:
    """A record at every step; `labels` stand beside `resources`; `unreadable` says why there is no more.

    `patients`: FHIR ids of those whose data this is; None alone: there is content, and nobody knows whose.
    """

    record: int
    run: int
    partner: str
    feed: str
    position: str
    outcome: str | None
    raw: str
    unreadable: str
    resources: tuple[Resource, ...]
    labels: tuple[dict[str, Any], ...]
    issues: tuple[tuple[str, str, str, str, str], ...]
    stored: tuple[Stored, ...]
    patients: tuple[str | None, ...]


def flow_of(pulled: int, left: Left) -> Flow:
    """Where the records of a run left the way; what has no outcome yet is still on it."""
    return Flow(pulled, tuple((_leaving(outcome, early), outcome, n) for outcome, early, n in left))


def _leaving(outcome: str, early: bool) -> Leaving:
    if early:
        return "pull"
    return "map" if outcome == "quarantined" else "publish"


def records_of(
    connection: Connection,
    run: int,
    outcome: str | None,
    after: int | None,
    limit: int,
    step: Step = "pull",
) -> list[Listed]:
    """Records of a run that came to a step, all or those of one outcome, from the one after a number on."""
    with connection.cursor(row_factory=class_row(Listed)) as cursor:
        return cursor.execute(
            "SELECT record, feed, outcome, deleted, chunk FROM source_record WHERE run = %(r)s"
            f" AND (%(o)s::text IS NULL OR outcome = %(o)s) AND {_CAME[step]} AND record > %(a)s"
            " ORDER BY record LIMIT %(n)s",
            {"r": run, "o": outcome, "a": after or 0, "n": limit},
        ).fetchall()


@dataclass(frozen=True, slots=True)
class Numbered:
    """A record that was found by its number at its partner."""

    record: int
    feed: str
    run: int
    came: datetime
    outcome: str | None


def records_numbered(connection: Connection, partner: str, number: str, limit: int) -> list[Numbered]:
    """Records of a partner by a control id, an id, a key or a file name, as a whole; the newest first."""
    with connection.cursor(row_factory=class_row(Numbered)) as cursor:
        return cursor.execute(
            "SELECT s.record, s.feed, s.run, r.started AS came, s.outcome"
            " FROM source_record s JOIN run r USING (run)"
            " WHERE s.partner = %(partner)s AND number_of_key(s.key) = number_of_key(%(number)s)"
            # Of a number with its type or its system only those of that type or system.
            " AND (s.key = %(number)s OR %(number)s !~ '[/|]') ORDER BY s.record DESC LIMIT %(limit)s",
            {"partner": partner, "number": number, "limit": limit},
        ).fetchall()


def journey_of(exchange: Exchange, number: int) -> Journey:
    """Takes the record through map and labels once more and looks up what is stored; changes nothing."""
    with exchange.work.connect() as connection:
        try:
            code, record = ledger_record(connection, number)
        except ExchangeError as error:
            raise ContentError("no such record", field=str(number)) from error
        run, outcome = connection.execute(
            "SELECT run, outcome FROM source_record WHERE record = %s", [number]
        ).fetchone() or (0, None)
        issues = connection.execute(
            "SELECT severity, code, expression, detail, position FROM quarantine"
            " WHERE record = %s ORDER BY ordinal",
            [number],
        ).fetchall()
        stored = _stored(connection, code, record.feed, record.key)
        patients = _patients(connection, stored)
    partner = find_partner(exchange.partners, code)
    raw, unreadable = "", ""
    resources: tuple[Resource, ...] = ()
    labels: tuple[dict[str, Any], ...] = ()
    try:
        if record.address is None or record.feed not in partner.feeds:
            raise RecordRejected("no raw content is kept of this record")
        payload = exchange.work.landing.get(record.address)
        source = source_record(record, partner, {record.address: payload})
        raw = _readable(source.payload)
        mapped = map_source(source, exchange.work.maps(partner))[0]
        resources = mapped.resources
        labels = _labels(exchange, code, record.feed, resources)
    except RecordRejected as error:
        unreadable = str(error)
    return Journey(
        number, run, code, record.feed, record.position, outcome, raw, unreadable,
        tuple(resources), labels, tuple(issues), stored, _whose(patients, raw, resources),
    )  # fmt: skip


def _whose(stored: tuple[str, ...], raw: str, resources: Sequence[Resource]) -> tuple[str | None, ...]:
    """Those the repository knows it of, and those it names itself, though it never came in."""
    named = {about for resource in resources if (about := patient_of(resource)) and _is_id(about)}
    known = sorted({*stored, *named})
    return (*known,) if known or not raw else (None,)


def _is_id(text: str) -> bool:
    """Is it an id of ours, not one of the partner's that led nowhere?"""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _labels(
    exchange: Exchange, code: str, feed: str, resources: Sequence[Resource]
) -> tuple[dict[str, Any], ...]:
    """What the resources of one record are labelled with, and why, what the repository holds counted in."""
    row = {"feed": feed, "resources": list(resources), "refers": [references(r) for r in resources]}
    with exchange.work.connect() as connection:
        known = known_labels(connection, {to for each in row["refers"] for to in each})
    own = {reference_to(resource) for resource in resources}
    others = {name: found for name, found in known.items() if name not in own}
    (done,) = safeguard_chunk(
        [row], exchange.partners[code], exchange.context.rules, others, exchange.partners.values()
    )
    return tuple(item["labels"] for item in done["resources"])


# What the latest record of the same key claims, in the repository or among what was kept out of it.
_STORED = """
WITH claimed AS (
    SELECT split_part(name, '/', 1) AS type, split_part(name, '/', 2)::uuid AS fhir_id
    FROM record_state, unnest(resources) AS name
    WHERE (partner, feed, key) = (%(p)s, %(f)s, %(k)s)
)
SELECT r.type || '/' || r.fhir_id AS reference, r.version, r.rendition, c.labels, c.confidentiality,
    ARRAY(
        SELECT DISTINCT v.participant || ' ' || v.purpose FROM disclosure d JOIN viewer v USING (viewer)
        WHERE d.class = r.class AND d.valid_until > now() AND d.action <> 'disclose' ORDER BY 1
    ) AS viewers,
    p.person::text,
    greatest(
        (SELECT count(DISTINCT m.fhir_id)::int FROM resource m WHERE m.cluster = r.cluster), 1
    ) AS cluster,
    '{}'::text[] AS because
FROM claimed JOIN resource r USING (type, fhir_id) JOIN disclosure_class c USING (class)
LEFT JOIN patient p ON p.patient = r.patient
UNION ALL
SELECT w.type || '/' || w.fhir_id, NULL, 0, c.labels, c.confidentiality, '{}', NULL, 1, w.because
FROM claimed JOIN withheld w USING (type, fhir_id) JOIN disclosure_class c USING (class)
ORDER BY 1, 3
"""


def _stored(connection: Connection, code: str, feed: str, key: str) -> tuple[Stored, ...]:
    """What the latest record of that key claims in the repository."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_STORED, {"p": code, "f": feed, "k": key}).fetchall()
    lists = ("labels", "viewers", "because")
    return tuple(Stored(**{**row, **{name: tuple(row[name]) for name in lists}}) for row in rows)


def _patients(connection: Connection, stored: tuple[Stored, ...]) -> tuple[str, ...]:
    """FHIR ids of the Patients whose data these are."""
    persons = sorted({item.person for item in stored if item.person})
    rows = connection.execute(
        "SELECT fhir_id::text FROM patient WHERE person = ANY(%s::uuid[]) ORDER BY 1", [persons]
    )
    return tuple(row[0] for row in rows)


def _readable(payload: bytes) -> str:
    """A raw record for eyes: JSON indented, segments of HL7 v2 on lines of their own."""
    try:
        return orjson.dumps(orjson.loads(payload), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return payload.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def pretty(resource: Resource) -> str:
    """A resource as indented JSON."""
    return orjson.dumps(resource, option=orjson.OPT_INDENT_2).decode()
