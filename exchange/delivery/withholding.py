"""Why a recipient was not told of an event he subscribed to, and under which exception of 45 CFR 171."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import psycopg

from exchange.consent import Context, decide
from exchange.delivery.events import Event
from exchange.model.records import Viewer
from exchange.repository import load_classes

Category = Literal[
    "law", "consent", "relationship", "identity", "gone", "duplicate", "other-form", "not-concerned"
]
"""The first four are withheld by somebody's word; the others kept nothing from the recipient."""

_PRECONDITION, _REQUEST = "171.202(b)", "171.202(e)"


@dataclass(frozen=True, slots=True)
class Withheld:
    """One event not told; `exception` None: nothing was kept from the recipient."""

    event: int
    category: Category
    because: tuple[str, ...] = ()
    exception: str | None = None


def reasons(
    conn: psycopg.Connection, untold: Sequence[Event], viewer: Viewer, context: Context, at: datetime
) -> list[Withheld]:
    """Asked as the owner of the tables, for the exchange's own record: no recipient learns of it."""
    classes = _classes(conn, untold)
    known = load_classes(conn, {number for number, _ in classes.values()})
    related = related_to(conn, viewer, {patient for _, patient in classes.values()}, at)
    found = []
    for event in untold:
        number, patient = classes.get((event.type, event.fhir_id, event.rendition), (None, None))
        if event.pair or event.topic == "resource-deleted":
            found.append(Withheld(event.event, "not-concerned"))
        elif number is None:
            found.append(Withheld(event.event, "gone"))
        else:
            answer = decide(known[number], viewer, context, at, "disclose")
            if answer.effect == "deny":
                found.append(denied(event.event, answer.because, context))
            elif answer.needs_relationship and patient not in related:
                found.append(kept_by_relationship(event.event, answer.because))
            else:
                found.append(Withheld(event.event, "other-form" if event.rendition else "duplicate"))
    return found


def kept_by_relationship(event: int, because: tuple[str, ...]) -> Withheld:
    """It is permitted to those in whose care the person is."""
    return Withheld(event, "relationship", because, _PRECONDITION)


def denied(event: int, because: tuple[str, ...], context: Context) -> Withheld:
    """By the person's word, or by a law with its exception."""
    if any(reason.startswith("consent:") for reason in because):
        return Withheld(event, "consent", because, _REQUEST)
    exceptions = {rule.policy.id: rule.policy.exception for rule in context.rules.rules}
    named = [exceptions[reason] for reason in because if exceptions.get(reason)]
    return Withheld(event, "law", because, named[0] if named else _PRECONDITION)


def _classes(
    conn: psycopg.Connection, events: Iterable[Event]
) -> dict[tuple[str, UUID, int], tuple[int, int | None]]:
    """Class and patient of each record, also of those that are known but not held."""
    keys = sorted({event.wanted for event in events})
    columns = ([k.type for k in keys], [k.fhir_id for k in keys], [k.rendition for k in keys])
    rows = conn.execute(
        "SELECT w.type, w.fhir_id, w.rendition, coalesce(r.class, h.class), coalesce(r.patient, h.patient)"
        " FROM unnest(%s::text[], %s::uuid[], %s::int[]) AS w (type, fhir_id, rendition)"
        " LEFT JOIN resource r ON (r.type, r.fhir_id, r.rendition) = (w.type, w.fhir_id, w.rendition)"
        " LEFT JOIN withheld h ON (h.type, h.fhir_id) = (w.type, w.fhir_id)"
        " WHERE coalesce(r.class, h.class) IS NOT NULL",
        columns,
    ).fetchall()
    return {(kind, key, rendition): (number, patient) for kind, key, rendition, number, patient in rows}


def related_to(
    conn: psycopg.Connection, viewer: Viewer, patients: Iterable[int | None], at: datetime
) -> set[int]:
    """Those of the patients who are in the participant's care, emergencies apart."""
    asked = sorted({patient for patient in patients if patient is not None})
    rows = conn.execute(
        "SELECT patient FROM relationship WHERE participant = %s AND patient = ANY(%s)"
        " AND until > %s AND basis <> 'break-glass'",
        (viewer.participant, asked, at),
    ).fetchall()
    return {row[0] for row in rows}


def by_category(withheld: Iterable[Withheld]) -> Mapping[str, int]:
    """How many events each word of somebody kept back."""
    return dict(sorted(Counter(one.category for one in withheld if one.exception).items()))


def write_withheld(
    conn: psycopg.Connection, delivery: UUID, withheld: Sequence[Withheld], at: datetime
) -> None:
    """The record of what this delivery did not tell, as of its last attempt."""
    conn.execute("DELETE FROM delivery_withheld WHERE delivery = %s", (delivery,))
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO delivery_withheld (delivery, event, at, category, because, exception)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [(delivery, w.event, at, w.category, list(w.because), w.exception) for w in withheld],
        )
