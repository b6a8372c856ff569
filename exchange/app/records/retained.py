"""Raw records the landing store still holds, to be mapped again, and what became no record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from psycopg.rows import class_row

from exchange.app.opening import Exchange
from exchange.model.errors import RecordRejected
from exchange.model.partner import Partner
from exchange.model.records import Issue, SourceRecord
from exchange.pipeline.ledger import LedgerRecord, refused_while_pulling
from exchange.pipeline.map import source_record

_BATCH = 500


def retained(
    exchange: Exchange, partner: Partner, since: datetime | None = None, most: int | None = None
) -> Iterator[tuple[SourceRecord, Issue | None]]:
    """The latest of each key, newest first, and why it is no record that a map could take.

    Those past retention are left out.
    """
    with (
        exchange.work.connect() as connection,
        connection.cursor(row_factory=class_row(LedgerRecord)) as cursor,
    ):
        found = cursor.execute(
            "SELECT * FROM (SELECT DISTINCT ON (s.feed, s.key) s.record, s.feed, s.key, s.digest, s.address,"
            " s.position, s.deleted, s.event_time FROM source_record s JOIN run r USING (run)"
            " WHERE s.partner = %(p)s AND s.address IS NOT NULL AND NOT s.deleted"
            " AND (%(s)s::timestamptz IS NULL OR r.started >= %(s)s)"
            " ORDER BY s.feed, s.key, s.record DESC) AS latest ORDER BY record DESC LIMIT %(n)s",
            {"p": partner.code, "s": since, "n": most},
        ).fetchall()
    for start in range(0, len(found), _BATCH):
        yield from _opened(exchange, partner, found[start : start + _BATCH])


def retained_of(exchange: Exchange, partner: Partner, feeds: list[str], since: datetime) -> dict[str, int]:
    """How many records are retained of each of these feeds."""
    with exchange.work.connect() as connection:
        found = connection.execute(
            "SELECT s.feed, count(DISTINCT s.key) FROM source_record s JOIN run r USING (run)"
            " WHERE s.partner = %s AND s.feed = ANY(%s) AND s.address IS NOT NULL AND NOT s.deleted"
            " AND r.started >= %s GROUP BY s.feed",
            (partner.code, feeds, since),
        ).fetchall()
    return dict(found)


def _opened(
    exchange: Exchange, partner: Partner, records: list[LedgerRecord]
) -> Iterator[tuple[SourceRecord, Issue | None]]:
    with exchange.work.connect() as connection:
        refused = refused_while_pulling(connection, [record.record for record in records])
    for record in records:
        if record.feed not in partner.feeds or record.address is None:
            continue
        try:
            payload = exchange.work.landing.get(record.address)
        except RecordRejected:
            continue
        yield source_record(record, partner, {record.address: payload}), refused.get(record.record)
