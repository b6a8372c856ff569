"""Replay: records and documents pulled before go through the steps again, from the landing store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.model.errors import Conflict
from exchange.model.partner import Partner
from exchange.model.records import Document
from exchange.pipeline import ledger
from exchange.pipeline.carry import note_again
from exchange.pipeline.documents import StoredDocument, get_documents, newer_keys
from exchange.pipeline.ledger import Connection
from exchange.pipeline.pull import arrivals_of, enter, outcomes_of
from exchange.pipeline.work import Work

# A finding waits until something newer of its record has come, or a replay has taken it.
WAITING = (
    " q.replayed_by IS NULL AND q.severity IN ('error', 'fatal') AND NOT EXISTS (SELECT FROM source_record n"
    " WHERE n.partner = s.partner AND n.feed = s.feed AND n.key = s.key AND n.record > s.record"
    " AND (n.chunk IS NOT NULL OR n.deleted))"
)


@dataclass(frozen=True, slots=True)
class Again:
    """What to take again: records that had reached a chunk, and documents with something rejected."""

    records: Sequence[int] = ()
    documents: Sequence[int] = ()


def waiting(connection: Connection, partner: str) -> Again:
    """What of the partner's is in quarantine."""
    rows = connection.execute(
        "SELECT DISTINCT q.record, s.document, s.chunk IS NULL FROM quarantine q"
        f" JOIN source_record s USING (record) WHERE s.partner = %s AND {WAITING} ORDER BY 1",
        [partner],
    ).fetchall()
    return Again(
        [record for record, _, rejected in rows if not rejected],
        sorted({document for _, document, rejected in rows if rejected and document is not None}),
    )


def consents_that_bind(connection: Connection) -> dict[str, list[int]]:
    """Records by partner that waited for a Patient who has come, so that their Consents bind already."""
    rows = connection.execute(
        "SELECT DISTINCT s.partner, q.record FROM quarantine q JOIN source_record s USING (record)"
        " JOIN record_state t ON (t.partner, t.feed, t.key) = (s.partner, s.feed, s.key)"
        f" WHERE {WAITING} AND (q.code, q.expression) = ('not-found', 'subject')"
        " AND EXISTS (SELECT FROM unnest(t.resources) AS r (name) JOIN directive d ON d.consent"
        "   = CASE WHEN r.name LIKE 'Consent/%' THEN substr(r.name, 9)::uuid END"
        "  AND NOT EXISTS (SELECT FROM waiting_directive w WHERE w.consent = d.consent))"
        " ORDER BY 1, 2"
    ).fetchall()
    found: dict[str, list[int]] = {}
    for partner, record in rows:
        found.setdefault(partner, []).append(record)
    return found


def pulled_between(connection: Connection, partner: str, start: datetime, end: datetime) -> Again:
    """What was pulled by runs that started in [start, end)."""
    rows = connection.execute(
        "SELECT s.record, s.document, s.chunk IS NOT NULL FROM source_record s JOIN run r USING (run)"
        " WHERE s.partner = %s AND r.started >= %s AND r.started < %s AND NOT s.deleted"
        " AND (s.chunk IS NOT NULL OR s.document IS NOT NULL) ORDER BY 1",
        [partner, start, end],
    ).fetchall()
    return Again(
        [record for record, _, reached in rows if reached],
        sorted({document for _, document, _ in rows if document is not None}),
    )


def open_replay(work: Work, partner: Partner, again: Again) -> int:
    """Opens a run over what was pulled before and returns its number; an empty one if nothing is left.

    Raises Conflict while another run of the partner is open.
    """
    with work.connect() as connection, ledger.partner_lock(connection, partner.code):
        if ledger.find_open_run(connection, partner.code) is not None:
            raise Conflict(
                f"partner `{partner.code}` has an open run; finish it first: exchange run {partner.code}"
            )
        left = left_of(work, connection, partner, again)
        run = _begin(connection, partner.code, len(left.records), work.now())
        _enter_again(connection, run, left.records, partner.chunk_records)
        if behind := note_again(work, connection, partner, run, left.records):
            enter(work, connection, partner, run, behind, [None] * len(behind))
        for document in get_documents(connection, partner, left.documents):
            _split_again(work, connection, partner, run, document)
        connection.commit()
        return run


def left_of(work: Work, connection: Connection, partner: Partner, again: Again) -> Again:
    """What can be taken again: what is still kept, and of each record only the latest state.

    So an old state never comes back; what is kept no longer waits for the partner to send it again.
    """
    records = connection.execute(
        "SELECT record, address FROM source_record s WHERE record = ANY(%s) AND partner = %s"
        " AND address IS NOT NULL AND NOT EXISTS (SELECT FROM source_record n WHERE n.partner = s.partner"
        " AND n.feed = s.feed AND n.key = s.key AND n.record > s.record"
        " AND n.outcome NOT IN ('duplicate', 'unchanged')) ORDER BY record",
        [list(again.records), partner.code],
    ).fetchall()
    documents = [(d.document, d.address) for d in get_documents(connection, partner, again.documents)]
    kept = work.landing.kept(partner.code)
    return Again(
        [number for number, address in records if kept(address)],
        [number for number, address in documents if kept(address)],
    )


def _begin(connection: Connection, partner: str, pulled: int, at: datetime) -> int:
    row = connection.execute(
        "INSERT INTO run (partner, kind, started, pulled, pulled_all)"
        " VALUES (%s, 'replay', %s, %s, true) RETURNING run",
        [partner, at, pulled],
    ).fetchone()
    assert row is not None  # noqa: S101 - INSERT … RETURNING gives a row
    return int(row[0])


def _enter_again(connection: Connection, run: int, records: Sequence[int], size: int) -> None:
    connection.execute(
        # An address ends with the length of its payload; a chunk ends where it is full of either.
        "WITH again AS (SELECT *, (row_number() OVER by_record - 1) / %(n)s AS numbered,"
        "  div(sum(coalesce(split_part(address, ':', 3)::bigint, 0)) OVER by_record, %(b)s) AS sized"
        "  FROM source_record WHERE record = ANY(%(a)s) WINDOW by_record AS (ORDER BY record))"
        " INSERT INTO source_record (run, chunk, partner, feed, key, digest, address, position, deleted,"
        "  event_time) SELECT %(r)s, dense_rank() OVER (ORDER BY numbered, sized) - 1, partner, feed, key,"
        " digest, address, position, deleted, event_time FROM again ORDER BY record",
        {"r": run, "n": size, "b": ledger.CHUNK_BYTES, "a": list(records)},
    )
    connection.execute(
        "INSERT INTO chunk (run, chunk, step, records, bytes) SELECT run, chunk, 'pulled', count(*),"
        " sum(coalesce(split_part(address, ':', 3)::bigint, 0)) FROM source_record"
        " WHERE run = %s GROUP BY run, chunk",
        [run],
    )
    connection.execute("UPDATE quarantine SET replayed_by = %s WHERE record = ANY(%s)", [run, list(records)])


def _split_again(
    work: Work,
    connection: Connection,
    partner: Partner,
    run: int,
    stored: StoredDocument,
) -> None:
    """Takes of the document what is a record now; what is still none goes back to quarantine."""
    payload = work.landing.get(stored.address)
    beside = dict(zip(stored.beside, work.landing.get_many(list(stored.beside.values())), strict=True))
    document = Document(stored.feed, stored.name, payload, stored.deleted, stored.modified, beside)
    arrivals = arrivals_of(connection, partner, document)
    done, running = ledger.last_digests(connection, run, partner.code, arrivals)
    newer = newer_keys(connection, partner, run, stored, arrivals)
    outcomes = outcomes_of(arrivals, done, running)
    for index, arrival in enumerate(arrivals):
        if (arrival.record.feed, arrival.record.key) in newer:
            outcomes[index] = "unchanged"
        elif arrival.rejected:
            outcomes[index] = "quarantined"
    connection.execute(
        "UPDATE quarantine SET replayed_by = %s FROM source_record s"
        " WHERE quarantine.record = s.record AND s.document = %s AND replayed_by IS NULL",
        [run, stored.document],
    )
    enter(work, connection, partner, run, arrivals, outcomes, stored.document)
