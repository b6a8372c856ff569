"""One delivery as it leaves: read as the recipient, recorded, and only then put into bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import orjson
import psycopg

from exchange.audit import Circumstances, Disclosed, Requester, Sending, append, disclosure_entries
from exchange.delivery import adt, bundles, light
from exchange.delivery.events import Due, Event, number_events
from exchange.delivery.notices import notice
from exchange.delivery.parcel import Office, Parcel
from exchange.delivery.receipts import first_sent, write_receipt
from exchange.delivery.told import Told, read_as, viewer_of
from exchange.delivery.withholding import write_withheld
from exchange.model.records import Resource, Viewer
from exchange.repository import Lent, Served, Terms, reader


def compose(conn: psycopg.Connection, due: Due, office: Office) -> Parcel | None:
    """Reads, decides and records in one transaction, committed before this returns; None: nothing to tell.

    The record is written before anything leaves (law 5); the very same content tried again adds none.
    """
    at = office.now()
    with reader(Lent(conn), viewer_of(due), at, due.subscription.scope, "disclose") as view:
        told = read_as(view, due, office.context, at)
        write_withheld(conn, due.delivery, told.withheld, at)
        parcel = _parcel(conn, due, told, office, at) if told.events else None
        if parcel is not None:
            _record(conn, due, told, parcel, office, at)
    return parcel


def _record(
    conn: psycopg.Connection, due: Due, told: Told, parcel: Parcel, office: Office, at: datetime
) -> None:
    items = _items(due, told)
    rules = office.context.rules.digest
    if not write_receipt(conn, due, told, items, (parcel.content, at, rules)):
        return
    where = f"urn:mosaic:delivery:{due.subscription.code}"
    sending = Sending(parcel.delivery, due.subscription.delivery.channel.type, told.consents)
    people = told.chosen.terms.people
    record_sending(conn, viewer_of(due), due.subscription.code, office, (at, where), sending, items, people)


def record_sending(
    conn: psycopg.Connection,
    viewer: Viewer,
    code: str,
    office: Office,
    when_where: tuple[datetime, str],
    sending: Sending,
    items: Sequence[Served],
    people: Mapping[str | None, tuple[str, ...]],
) -> None:
    """Writes into the audit log who is about to be sent what, one record for each person."""
    at, where = when_where
    who = Requester(
        client=code,
        participant=viewer.participant,
        organization=office.organization(viewer.participant),
        role=viewer.role,
        purpose=viewer.purpose,
        token=sending.delivery,
    )
    how = Circumstances(at, office.base_url, where, sending.delivery)
    append(conn, disclosure_entries(who, how, sending, _shares(items, people)))


def _shares(items: Sequence[Served], reasons: Mapping[str | None, tuple[str, ...]]) -> list[Disclosed]:
    """Each person's share, and what is about nobody with the first."""
    people = sorted({item.about for item in items if item.about})
    nobody = [f"{item.type}/{item.id}" for item in items if item.about is None]
    if not people:
        return [Disclosed(None, tuple(nobody), reasons.get(None, ()))]
    return [
        Disclosed(
            person,
            tuple(f"{i.type}/{i.id}" for i in items if i.about == person)
            + (tuple(nobody) if place == 0 else ()),
            tuple(sorted({*reasons.get(person, ()), *(reasons.get(None, ()) if place == 0 else ())})),
        )
        for place, person in enumerate(people)
    ]


def _items(due: Due, told: Told) -> list[Served]:
    """What the recipient learns of: everything, or only which records something happened to."""
    if due.subscription.delivery.content == "full-resource":
        return list(told.goes_out)
    foci = {(s.type, s.id): s for s in told.focus.values() if s is not None}
    return list(foci.values())


def _parcel(conn: psycopg.Connection, due: Due, told: Told, office: Office, at: datetime) -> Parcel | None:
    delivery = due.subscription.delivery
    extra = words_owed(conn, told.chosen.terms, told.consents, office)
    deleted = [event for event in told.events if told.focus[event.event] is None]
    served = [*told.goes_out, *told.chosen.provenance]
    found = bundles.entries(served, extra, deleted)
    content = _content(due, told, found)
    at = first_sent(conn, due.delivery, content) or at  # the same content is the same to the byte
    numbers = number_events(conn, due, told.events)
    head = bundles.Head(str(due.delivery), at, told.confidentiality, office.base_url)
    if delivery.channel.type == "mllp":
        messages = tuple(adt.messages(told, due, at))
        body = b"".join(message for _, message in messages)
        return Parcel(head.delivery, body, "x-application/hl7-v2+er7", "hl7", content, (), messages)
    if delivery.form == "pdf":
        body = light.page(told, extra, office.organization(due.subscription.participant), at)
        return Parcel(head.delivery, body, "application/pdf", "pdf", content)
    if delivery.form == "csv":
        body = light.table(told, extra)
        return Parcel(head.delivery, body, "text/csv; charset=utf-8", "csv", content)
    if delivery.channel.type == "rest_hook":
        body = _notification(due, told, head, found, numbers)
        return Parcel(head.delivery, body, "application/fhir+json", "json", content)
    sent = tuple(("DELETE" if e.body is None else "PUT", f"{e.type}/{e.id}") for e in found)
    body = bundles.transaction(head, found)
    return Parcel(head.delivery, body, "application/fhir+json", "json", content, sent)


def _notification(
    due: Due, told: Told, head: bundles.Head, found: Sequence[bundles.Entry], numbers: Mapping[int, int]
) -> bytes:
    subscription = f"{head.base_url}/Subscription/{due.subscription.fhir_id}"
    content = due.subscription.delivery.content
    foci = {} if content == "empty" else {event.event: _focus(told, event) for event in told.events}
    status = bundles.status(head, subscription, numbers, told.events, foci)
    return bundles.notification(head, status, found, subscription, content == "full-resource")


def _focus(told: Told, event: Event) -> str:
    served = told.focus[event.event]
    return f"{served.type}/{served.id}" if served else f"{event.type}/{event.fhir_id}"


def words_owed(
    conn: psycopg.Connection, terms: Terms, consents: Sequence[str], office: Office
) -> list[Resource]:
    """The notice that the law makes travel with what these terms let out, if it does."""
    words = office.context.rules.vocabulary.file.obligations
    named = _consents(conn, consents) if "consent-copy" in terms.obligations else []
    found = notice(terms.obligations, words, named, office.organization)
    return [found] if found else []


def _consents(conn: psycopg.Connection, names: Sequence[str]) -> list[Resource]:
    """The consents in normal form, to be explained."""
    ids = [name.split("/")[1] for name in names if name.startswith("Consent/")]
    rows = conn.execute(
        "SELECT body::text FROM directive WHERE consent = ANY(%s::uuid[]) ORDER BY consent", (ids,)
    ).fetchall()
    return [orjson.loads(body) for (body,) in rows]


def _content(due: Due, told: Told, found: Sequence[bundles.Entry]) -> bytes:
    """Digest of what is told, the same however often and whenever it is sent."""
    digest = sha256(f"{due.subscription.delivery.form} {due.subscription.delivery.content}".encode())
    for event in told.events:
        digest.update(f"\n{event.event} {event.topic}".encode())
    for entry in found:
        digest.update(f"\n{entry.type}/{entry.id} ".encode() + (entry.body or b"deleted"))
    return digest.digest()
