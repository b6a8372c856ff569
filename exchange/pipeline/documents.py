"""Documents of which something was rejected while pulling: kept whole, to be split again after a fix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from exchange.model.partner import Partner
from exchange.pipeline import ledger
from exchange.pipeline.ledger import Arrival, Connection, Key
from exchange.pipeline.work import Work


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it was pulled; what the ledger got after `last_record` is newer."""

    document: int
    feed: str
    name: str
    address: str
    modified: datetime | None
    deleted: bool
    last_record: int
    beside: dict[str, str]


def keep_rejected(
    work: Work,
    connection: Connection,
    run: int,
    arrivals: Sequence[Arrival],
    addresses: Mapping[int, str],
    outcomes: Sequence[str | None],
    stored: int | None = None,
) -> None:
    """Reasons of what was rejected, and its documents; `stored` is the number of the one split again."""
    rejected = [index for index, outcome in enumerate(outcomes) if outcome == "quarantined"]
    if not rejected:
        return
    numbers = _last_records(connection, run, len(arrivals))
    issues = [(numbers[i], issue) for i in rejected if (issue := arrivals[i].rejected) is not None]
    ledger.write_issues(connection, issues)
    _remember(connection, [number for number, _ in issues])
    by_document: dict[int, list[int]] = defaultdict(list)
    for index in rejected:
        by_document[id(arrivals[index].document)].append(index)
    for indexes in by_document.values():
        number = stored or _store(work, connection, arrivals[indexes[0]], addresses[indexes[0]], numbers[-1])
        connection.execute(
            "UPDATE source_record SET document = %s WHERE record = ANY(%s)",
            [number, [numbers[index] for index in indexes]],
        )


def _last_records(connection: Connection, run: int, number: int) -> list[int]:
    """Numbers of the records just entered, in their order."""
    rows = connection.execute(
        "SELECT record FROM source_record WHERE run = %s ORDER BY record DESC LIMIT %s", [run, number]
    ).fetchall()
    return [row[0] for row in reversed(rows)]


def _remember(connection: Connection, records: Sequence[int]) -> None:
    connection.execute(
        "INSERT INTO record_state (partner, feed, key, digest, record)"
        " SELECT DISTINCT ON (feed, key) partner, feed, key, digest, record FROM source_record"
        " WHERE record = ANY(%s) ORDER BY feed, key, record DESC"
        " ON CONFLICT (partner, feed, key) DO UPDATE"
        " SET digest = excluded.digest, record = excluded.record",
        [list(records)],
    )


def _store(work: Work, connection: Connection, arrival: Arrival, address: str, last_record: int) -> int:
    record, document = arrival.record, arrival.document
    assert document is not None  # noqa: S101 - what is rejected knows where it stood
    if record.payload != document.payload:
        address = work.landing.put(record.partner, [document.payload])[0]
    landed = work.landing.put(record.partner, list(document.beside.values()))
    beside = dict(zip(document.beside, landed, strict=True))
    row = connection.execute(
        "INSERT INTO document (partner, feed, name, address, modified, deleted, last_record, beside)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING document",
        [
            record.partner, document.feed, document.name, address, document.modified, document.deleted,
            last_record, Jsonb(beside),
        ],
    ).fetchone()  # fmt: skip
    assert row is not None  # noqa: S101 - INSERT … RETURNING gives a row
    return int(row[0])


def get_documents(connection: Connection, partner: Partner, numbers: Sequence[int]) -> list[StoredDocument]:
    """Those of feeds the partner still declares, the oldest first."""
    with connection.cursor(row_factory=class_row(StoredDocument)) as cursor:
        return cursor.execute(
            "SELECT document, feed, name, address, modified, deleted, last_record, beside FROM document"
            " WHERE document = ANY(%s) AND feed = ANY(%s) ORDER BY document",
            [list(numbers), list(partner.feeds)],
        ).fetchall()


def newer_keys(
    connection: Connection, partner: Partner, run: int, document: StoredDocument, arrivals: Sequence[Arrival]
) -> set[Key]:
    """Keys of which something newer than the document has come: an old state must never come back.

    A snapshot says all there is, so whatever came of its feed later makes all of it old.
    """
    keys = {(arrival.record.feed, arrival.record.key) for arrival in arrivals}
    if partner.feeds[document.feed].snapshot and _is_old_snapshot(connection, partner.code, run, document):
        return keys
    rows = connection.execute(
        "SELECT DISTINCT feed, key FROM source_record JOIN unnest(%s::text[], %s::text[]) AS k(feed, key)"
        " USING (feed, key) WHERE partner = %s AND record > %s AND run <> %s"
        " AND (deleted OR chunk IS NOT NULL)",
        [[k[0] for k in keys], [k[1] for k in keys], partner.code, document.last_record, run],
    ).fetchall()
    return {(feed, key) for feed, key in rows}


def _is_old_snapshot(connection: Connection, partner: str, run: int, document: StoredDocument) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM document WHERE partner = %(p)s AND feed = %(f)s AND document > %(d)s)"
        " OR EXISTS (SELECT FROM source_record WHERE partner = %(p)s AND feed = %(f)s AND record > %(l)s"
        "  AND run <> %(r)s AND document IS NULL)",
        {"p": partner, "f": document.feed, "d": document.document, "l": document.last_record, "r": run},
    ).fetchone()
    return bool(row and row[0])
