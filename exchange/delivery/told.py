"""Reading as the recipient: what a delivery may tell at this moment, and by whose word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
import psycopg

from exchange.consent import Context
from exchange.delivery.concerned import concerned
from exchange.delivery.events import Due, Event
from exchange.delivery.persons_changed import persons_changed
from exchange.delivery.recall import items, tasks
from exchange.delivery.tasks import task
from exchange.delivery.withholding import Withheld, reasons
from exchange.model.records import Viewer
from exchange.repository import Chosen, Reader, Served, chosen, consents_of, hold_ruling


@dataclass(frozen=True, slots=True)
class Told:
    """`focus`: what each told event is about, as the recipient knows it; None for one that is deleted.

    `consents`: `Consent/<id>/_history/<version>` that let something out; `labels` of all that goes out.
    """

    events: tuple[Event, ...]
    focus: dict[int, Served | None]
    chosen: Chosen
    withheld: tuple[Withheld, ...]
    consents: tuple[str, ...]
    confidentiality: str
    tasks: tuple[Served, ...] = ()

    @property
    def goes_out(self) -> tuple[Served, ...]:
        """Everything but the Provenance."""
        return (*self.chosen.all, *self.tasks)


_APART = ("resource-deleted", "recall")
_LEVELS = ("U", "L", "M", "N", "R", "V")


def viewer_of(due: Due) -> Viewer:
    """As whom the recipient is asked for."""
    delivery = due.subscription.delivery
    return Viewer(due.subscription.participant, delivery.role, delivery.purpose)


def read_as(view: Reader, due: Due, context: Context, at: datetime) -> Told:
    """In the recipient's own view first; then, with the owner's rights, the reasons for the record.

    The transaction of `view` goes on as its owner: what is written about this reading belongs to it. Raises
    Conflict when the rules in force are not those of `context`: the worker opens the exchange again.
    """
    asked_for = concerned(view, due, [event for event in due.events if event.topic not in _APART])
    stored = [event for event in asked_for if not event.pair]
    persons = persons_changed(view, [event for event in asked_for if event.pair])
    wanted = [*(event.wanted for event in stored), *(event.wanted for event in persons)]
    seen = chosen(view, wanted)
    view.conn.execute("RESET ROLE")
    hold_ruling(view.conn, context, at)
    deleted = _had(view.conn, due)
    focus: dict[int, Served | None] = {
        event.event: seen.named[event.wanted] for event in (*stored, *persons) if event.wanted in seen.named
    }
    focus |= dict.fromkeys(deleted)
    asked = {e.event: recall_task(view.conn, e.fhir_id, at) for e in due.events if e.topic == "recall"}
    focus |= asked
    told = tuple(event for event in due.events if event.event in focus)
    elsewhere = {e.event for e in due.events if e.topic not in _APART} - {e.event for e in asked_for}
    untold = [e for e in due.events if e.event not in focus and e.event not in elsewhere]
    viewer = viewer_of(due)
    return Told(
        told,
        focus,
        seen,
        (
            *(Withheld(event, "not-concerned") for event in sorted(elsewhere)),
            *reasons(view.conn, untold, viewer, context, at),
        ),
        consents_behind(view.conn, seen, viewer, at),
        high_water_mark(view.conn, seen),
        tuple(asked.values()),
    )


def recall_task(conn: psycopg.Connection, name: UUID, at: datetime) -> Served:
    """The Task of a recall as its recipient gets it."""
    found = next(t for t in tasks(conn, closed=True) if t.task == name)
    asked = items(conn, found.recall, found.participant)
    body = task(str(name), found.kind, found.participant, asked, found.opened, found.outcome)
    return Served("Task", str(name), orjson.dumps(body), "1", at, (), None, frozenset())


def _had(conn: psycopg.Connection, due: Due) -> list[int]:
    """Events of deletion of what this recipient was sent before; of anything else he hears nothing."""
    deleted = [event for event in due.events if event.topic == "resource-deleted"]
    rows = conn.execute(
        "SELECT DISTINCT i.type, i.fhir_id FROM receipt_item i JOIN receipt r USING (receipt)"
        " WHERE r.participant = %s AND (i.type, i.fhir_id) IN (SELECT * FROM unnest(%s::text[], %s::uuid[]))",
        (due.subscription.participant, [e.type for e in deleted], [e.fhir_id for e in deleted]),
    ).fetchall()
    had: set[tuple[str, UUID]] = set(rows)
    return [event.event for event in deleted if (event.type, event.fhir_id) in had]


def consents_behind(conn: psycopg.Connection, seen: Chosen, viewer: Viewer, at: datetime) -> tuple[str, ...]:
    """The Consents, by version, that the permits of what is shown rest on."""
    rows = conn.execute(
        "SELECT DISTINCT r.patient, d.because FROM resource r JOIN disclosure d USING (class)"
        " JOIN viewer v USING (viewer)"
        " WHERE r.patient IS NOT NULL AND r.fhir_id = ANY(%s) AND r.class = ANY(%s)"
        " AND (v.participant, v.role, v.purpose) = (%s, %s, %s)"
        " AND d.valid_from <= %s AND d.valid_until > %s AND d.action <> 'access'",
        (
            [UUID(key) for s in seen.all for key in source_ids(s)],
            sorted({number for s in seen.all for number in s.classes}),
            viewer.participant,
            viewer.role,
            viewer.purpose,
            at,
            at,
        ),
    ).fetchall()
    found: set[str] = set()
    for patient, because in rows:
        positions = {int(reason.split(":")[1]) for reason in because if reason.startswith("consent:")}
        named = consents_of(conn, patient) if positions else ()
        found |= {name for position in positions if position < len(named) for name in named[position]}
    return tuple(sorted(found))


def source_ids(served: Served) -> Iterable[str]:
    """Ids of the stored records that a served one was made from."""
    if served.type == "Patient" and served.person:
        return [str(c.fhir_id) for c in served.person.contributions]
    return [served.id]


def high_water_mark(conn: psycopg.Connection, seen: Chosen) -> str:
    """The highest of all that goes out; nothing else may stand on the bundle (DS4P high-water mark)."""
    rows = conn.execute(
        "SELECT DISTINCT confidentiality FROM disclosure_class WHERE class = ANY(%s)",
        (sorted({number for s in seen.all for number in s.classes}),),
    ).fetchall()
    return max((row[0] for row in rows), key=_LEVELS.index, default="N")
