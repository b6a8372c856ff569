"""What messages state field by field is kept, so that what a later message leaves empty still holds.

Each field keeps what was sent last about it, whichever message arrives last, so the end is the same in any
order of arrival. A message that turns out to be older than one taken before, and to state what that one left
empty, brings it through the steps again. docs/decisions/0048-snapshot-and-empty.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from exchange.crypto import Keyring, keyed_hash, seal, unseal
from exchange.mapping import Maps, Statement, stated
from exchange.model.partner import Partner
from exchange.model.records import SourceRecord
from exchange.pipeline.forget import forget_records, forget_subjects, same_people
from exchange.pipeline.ledger import Arrival, Connection, Key
from exchange.pipeline.work import Work

Subject = tuple[str, str]
"""Feed, and the keyed hash of what a statement is about."""
Said = tuple[str, str, str]
"""When a field was stated, its text, and the key of the message that stated it."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known of one subject: the newest message on it, and by field when what was stated."""

    newest: datetime
    key: str
    run: int
    fields: Mapping[str, Said]


def note_stated(
    work: Work, connection: Connection, partner: Partner, run: int, arrivals: Sequence[Arrival]
) -> list[Arrival]:
    """Keeps what new records state; returns the records that must be taken again for it."""
    if not _has_messages(partner):
        return []
    maps, keyring = work.maps(partner), work.batches.keyring
    _forget_deleted(work, connection, partner, maps, arrivals)
    found = [
        (subject_of(arrival.record, statement, keyring), arrival.record, statement)
        for arrival in arrivals
        if arrival.record.event_time is not None and arrival.record.format == "hl7v2"
        for statement in stated(arrival.record, maps)
    ]
    before = read_states(connection, partner.code, {subject for subject, _, _ in found}, keyring)
    after = dict(before)
    behind: set[Subject] = set()
    for subject, record, statement in found:
        state = after.get(subject)
        after[subject] = merged = _merged(state, record, statement, run)
        if state is not None and _texts(state) != _texts(merged) and merged.key != record.key:
            behind.add(subject)
    _write(connection, partner.code, after, keyring)
    again = {(subject[0], after[subject].key) for subject in behind if after[subject].run != run}
    return latest_arrivals(work, connection, partner, sorted(again))


def _has_messages(partner: Partner) -> bool:
    return any(feed.format == "hl7v2" for feed in partner.feeds.values())


def _forget_deleted(
    work: Work, connection: Connection, partner: Partner, maps: Maps, arrivals: Sequence[Arrival]
) -> None:
    """A message that its sender deletes states nothing any more; what others said of the same goes, too."""
    gone = [(each.record.feed, each.record.key) for each in arrivals if each.record.deleted]
    before = latest_arrivals(work, connection, partner, gone) if gone else []
    subjects = {
        subject_of(each.record, statement, work.batches.keyring)
        for each in before
        for statement in stated(each.record, maps)
    }
    forget_subjects(connection, partner.code, sorted(subjects))
    forget_records(connection, partner.code, gone)


def _texts(state: State) -> dict[str, str]:
    return {field: text for field, (_, text, _) in state.fields.items()}


def _merged(state: State | None, record: SourceRecord, statement: Statement, run: int) -> State:
    sent = record.event_time
    assert sent is not None  # noqa: S101 - what was sent at no time is not kept
    at = sent.isoformat()
    fields = dict(state.fields) if state else {}
    for field, text in statement.fields.items():
        if field not in fields or datetime.fromisoformat(fields[field][0]) <= sent:
            fields[field] = (at, text, record.key)
    if state is None or state.newest <= sent:
        return State(sent, record.key, run, fields)
    return replace(state, fields=fields)


def subject_of(record: SourceRecord, statement: Statement, keyring: Keyring) -> Subject:
    """Under what the ledger knows the thing a statement is about."""
    return record.feed, keyed_hash(f"{record.partner}|{statement.subject}", keyring, "carried")


def known_before(
    connection: Connection, records: Iterable[SourceRecord], maps: Maps, keyring: Keyring
) -> list[tuple[Statement, ...]]:
    """For each record, in order: what messages sent no later than it state of the same things."""
    own = [(record, stated(record, maps) if record.event_time else []) for record in records]
    subjects = {subject_of(record, each, keyring) for record, statements in own for each in statements}
    states = read_states(connection, maps.partner.code, subjects, keyring)
    return [
        tuple(
            replace(each, fields=_until(record.event_time, states[subject], each))
            for each in statements
            if (subject := subject_of(record, each, keyring)) in states
        )
        for record, statements in own
    ]


def filled_from(
    connection: Connection, record: SourceRecord, maps: Maps, keyring: Keyring
) -> list[tuple[str, str, int | None]]:
    """What is filled in of a record: the field, when it was stated, and the record that stated it."""
    found: list[tuple[str, str, int | None]] = []
    own = stated(record, maps) if record.event_time else []
    subjects = [subject_of(record, each, keyring) for each in own]
    states = read_states(connection, maps.partner.code, subjects, keyring)
    for each, subject in zip(own, subjects, strict=True):
        if subject in states:
            fields = states[subject].fields
            for field in _until(record.event_time, states[subject], each):
                row = connection.execute(
                    "SELECT max(record) FROM source_record WHERE (partner, feed, key) = (%s, %s, %s)",
                    [record.partner, record.feed, fields[field][2]],
                ).fetchone()
                found.append((field, fields[field][0], row[0] if row else None))
    return found


def _until(sent: datetime | None, state: State, own: Statement) -> dict[str, str]:
    return {
        field: text
        for field, (at, text, _) in state.fields.items()
        if field not in own.fields and sent is not None and datetime.fromisoformat(at) <= sent
    }


def read_states(
    connection: Connection, partner: str, subjects: Iterable[Subject], keyring: Keyring
) -> dict[Subject, State]:
    """What is known of each of these; those of which nothing is are left out."""
    wanted = sorted(subjects)
    if not wanted:
        return {}
    rows = connection.execute(
        "SELECT w.feed, w.subject, s.newest, s.key, s.run, s.fields"
        " FROM unnest(%s::text[], %s::text[]) AS w (feed, subject)"
        " CROSS JOIN LATERAL (SELECT newest, key, run, fields FROM carried c"
        "  WHERE (c.feed, c.subject) = (w.feed, w.subject) AND c.partner = %s OFFSET 0) AS s",
        [[feed for feed, _ in wanted], [name for _, name in wanted], partner],
    ).fetchall()
    return {
        (feed, subject): State(newest, key, run, _opened(fields, partner, subject, keyring))
        for feed, subject, newest, key, run, fields in rows
    }


def _opened(sealed: bytes, partner: str, subject: str, keyring: Keyring) -> dict[str, Said]:
    plain: dict[str, Any] = orjson.loads(unseal(sealed, keyring, _context(partner, subject)))
    # What was kept before the key of the message was kept with it has none.
    return {field: (at, text, key[0] if key else "") for field, (at, text, *key) in plain.items()}


def _write(connection: Connection, partner: str, states: Mapping[Subject, State], keyring: Keyring) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO carried VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (partner, feed, subject) DO UPDATE SET newest = excluded.newest,"
            " key = excluded.key, run = excluded.run, fields = excluded.fields",
            [
                (
                    partner, feed, subject, state.newest, state.key, state.run,
                    seal(orjson.dumps(state.fields), keyring, _context(partner, subject)),
                )
                for (feed, subject), state in sorted(states.items())
            ],
        )  # fmt: skip


def _context(partner: str, subject: str) -> bytes:
    return f"carried {partner} {subject}".encode()


def note_again(
    work: Work, connection: Connection, partner: Partner, run: int, records: Sequence[int]
) -> list[Arrival]:
    """Keeps what records that are replayed state, and what others of the same people do.

    It was forgotten while they were withheld, and never kept while a map refused it. Returns the records
    that must be taken again for it.
    """
    if not _has_messages(partner):
        return []
    rows = connection.execute(
        "SELECT feed, key FROM source_record WHERE record = ANY(%s)", [list(records)]
    ).fetchall()
    taken = set(rows)
    arrivals = latest_arrivals(work, connection, partner, sorted({*taken, *same_people(connection, records)}))
    again = note_stated(work, connection, partner, run, arrivals)
    return [each for each in again if (each.record.feed, each.record.key) not in taken]


def latest_arrivals(
    work: Work, connection: Connection, partner: Partner, keys: Sequence[Key]
) -> list[Arrival]:
    """The latest record of each key as one that arrives now; without those no longer kept."""
    rows = connection.execute(
        "SELECT w.feed, w.key, s.digest, s.address, s.position, s.event_time"
        " FROM (SELECT DISTINCT feed, key FROM unnest(%s::text[], %s::text[]) AS k (feed, key)) AS w"
        " CROSS JOIN LATERAL (SELECT digest, address, position, event_time FROM source_record r"
        "  WHERE (r.feed, r.key) = (w.feed, w.key) AND r.partner = %s AND address IS NOT NULL AND NOT deleted"
        "  ORDER BY record DESC LIMIT 1) AS s ORDER BY w.feed, w.key",
        [[feed for feed, _ in keys], [key for _, key in keys], partner.code],
    ).fetchall()
    messages = [row for row in rows if row[0] in partner.feeds and partner.feeds[row[0]].format == "hl7v2"]
    kept = work.landing.kept(partner.code) if messages else None
    there = [row for row in messages if kept is not None and kept(row[3])]
    payloads = work.landing.get_many([row[3] for row in there])
    return [
        Arrival(SourceRecord(partner.code, feed, key, "hl7v2", payload, position, event_time=sent), digest)
        for (feed, key, digest, _, position, sent), payload in zip(there, payloads, strict=True)
    ]
