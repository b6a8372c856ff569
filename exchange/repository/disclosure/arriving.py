"""Consents as they are published: they bind at once, or from the moment their Patient is entered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
import psycopg

from exchange.consent import Context, Directive
from exchange.model.errors import RecordRejected
from exchange.model.records import Issue
from exchange.repository.disclosure.directives import (
    owners_of,
    resolver,
    store_directives,
    to_directive,
    to_suspension,
)
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.storage.items import ItemOutcome, PublishItem

ARRIVALS_LOCK = 0x6964656E74697479
"""Taken by who enters Patients, and shared by who finds one missing: neither passes the other by."""

UNKNOWN_PATIENT = ItemOutcome(
    "quarantined",
    issue=Issue("error", "not-found", "the Patient it is about was never sent", "subject"),
)


class _Read(NamedTuple):
    """A Consent's effect, and the item that says it."""

    directive: Directive
    item: PublishItem


def hold_arrivals(conn: psycopg.Connection, items: Iterable[PublishItem]) -> None:
    """Keeps Patients from being entered until the transaction ends, if a Consent of `items` misses its own.

    To be called before any other lock is taken: who enters Patients takes this one first too.
    """
    about = {i.patient for i in items if i.resource["resourceType"] == "Consent" and i.patient is not None}
    known = conn.execute(
        "SELECT count(*) FROM patient WHERE fhir_id = ANY(%s::uuid[])", (list(about),)
    ).fetchone()
    if known != (len(about),):
        conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", (ARRIVALS_LOCK,))


def take_consents(
    conn: psycopg.Connection,
    items: Mapping[int, PublishItem],
    patients: Mapping[str, int],
    context: Context,
    at: datetime,
) -> dict[int, ItemOutcome]:
    """Consents bind before anything else of their batch is decided; unreadable ones deny from quarantine.

    One whose Patient is not among `patients` binds when he comes. Until then what it replaces is suspended.
    """
    consents = {p: item for p, item in items.items() if item.resource["resourceType"] == "Consent"}
    if not consents:
        return {}
    outcomes: dict[int, ItemOutcome] = {}
    read: list[_Read] = []
    batch = [item.resource for item in items.values()]
    resolve = resolver(conn, [item.resource for item in consents.values()], batch, context)
    for position, item in consents.items():
        if item.patient is None:
            outcomes[position] = UNKNOWN_PATIENT
            continue
        found: Directive | None
        try:
            found = to_directive(item.resource, resolve, item.partner, at)
        except RecordRejected as error:
            issue = Issue("error", error.code, str(error), error.expression, error.position)
            outcomes[position] = ItemOutcome("quarantined", issue=issue)
            found = to_suspension(conn, item.resource, item.partner)
        if item.patient not in patients:
            outcomes.setdefault(position, UNKNOWN_PATIENT)
        if found:
            read.append(_Read(found, item))
    changed = _bind(conn, read, patients)
    if changed:
        reprofile(conn, changed, context, at)
    return outcomes


def _bind(conn: psycopg.Connection, read: Sequence[_Read], patients: Mapping[str, int]) -> set[int]:
    """Stores what binds now and what waits; returns the patients for whom something changed."""
    early = [r for r in read if r.item.patient not in patients]
    owners = owners_of(conn, [r.directive.consent for r in early])
    suspended = [
        (denial, owners[r.directive.consent], r.item.partner, r.item.event_time)
        for r in early
        if r.directive.consent in owners
        for denial in [to_suspension(conn, r.item.resource, r.item.partner)]
        if denial
    ]
    _wait(conn, early)
    now = [r for r in read if r.item.patient in patients]
    conn.execute(
        "DELETE FROM waiting_directive WHERE consent = ANY(%s::uuid[])",
        ([r.directive.consent for r in now],),
    )
    bound = [(r.directive, patients[str(r.item.patient)], r.item.partner, r.item.event_time) for r in now]
    return store_directives(conn, [*suspended, *bound])


def _wait(conn: psycopg.Connection, early: Sequence[_Read]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO waiting_directive (consent, about, partner, event_time, body)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (consent) DO UPDATE SET about = excluded.about,"
            "  partner = excluded.partner, event_time = excluded.event_time, body = excluded.body"
            " WHERE (waiting_directive.event_time > excluded.event_time) IS NOT TRUE",
            [
                (
                    r.directive.consent,
                    r.item.patient,
                    r.item.partner,
                    r.item.event_time,
                    orjson.dumps(r.directive.to_json()).decode(),
                )
                for r in early
            ],
        )


def bind_waiting(conn: psycopg.Connection, entered: Mapping[str, int]) -> set[int]:
    """What waited for these Patients (numbers by id) binds; returns for whom something changed."""
    rows = conn.execute(
        "DELETE FROM waiting_directive WHERE about = ANY(%s::uuid[])"
        " RETURNING about::text, partner, event_time, body::text",
        (list(entered),),
    ).fetchall()
    return store_directives(
        conn,
        [
            (Directive.from_json(orjson.loads(body)), entered[about], partner, event_time)
            for about, partner, event_time, body in rows
        ],
    )
