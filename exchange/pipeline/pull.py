"""Pull: partner's documents → records, sealed in the landing store and entered in the ledger.

Everything between two checkpoints of a connector is committed with the second one's cursor, so a
killed pull goes on from the last checkpoint and enters nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

import orjson

from exchange.connectors import Connector
from exchange.formats import Rejected, split
from exchange.mapping import partner_organization
from exchange.model.fhir import reference_to
from exchange.model.partner import Feed, Partner
from exchange.model.records import Checkpoint, Document, Issue, SourceRecord
from exchange.pipeline import ledger
from exchange.pipeline.ledger import Arrival, Connection
from exchange.pipeline.work import Work

# The participant itself, as a record like any other: its partner.yaml is the source.
SELF = "participant"
_COMMIT_RECORDS = 5000


def pull(work: Work, partner: Partner) -> int:
    """Pulls all that is new into the partner's open run and returns the run's number."""
    with work.connect() as connection, ledger.partner_lock(connection, partner.code):
        run = ledger.open_run(connection, partner.code, "pull", work.now())
        connection.commit()
        if run.pulled_all:
            return run.run
        if run.pulled == 0:
            _commit(work, connection, partner, run.run, [_self_record(partner)], None)
        if partner.connector is not None:
            _pull_documents(work, connection, partner, run.run, work.connector(partner))
        connection.execute("UPDATE run SET pulled_all = true WHERE run = %s", [run.run])
        connection.commit()
        return run.run


def _pull_documents(
    work: Work, connection: Connection, partner: Partner, run: int, connector: Connector
) -> None:
    waiting: list[Arrival] = []
    cursor = ledger.read_cursor(connection, partner.code)
    connection.commit()
    for item in connector(cursor):
        if isinstance(item, Checkpoint):
            _commit(work, connection, partner, run, waiting, item)
            waiting = []
        else:
            waiting += _arrivals(connection, partner, item)
            if len(waiting) >= _COMMIT_RECORDS:
                # Without the cursor: should this be pulled again, it is recognised as duplicate.
                _commit(work, connection, partner, run, waiting, None)
                waiting = []
    if waiting:
        _commit(work, connection, partner, run, waiting, None)


def _arrivals(connection: Connection, partner: Partner, document: Document) -> list[Arrival]:
    feed = partner.feeds[document.feed]
    arrivals = [
        Arrival(item.record, _digest(item.record), item.issue)
        if isinstance(item, Rejected)
        else Arrival(item, _digest(item))
        for item in split(document, feed, partner)
    ]
    if feed.snapshot and not document.deleted:
        arrivals += _vanished(connection, partner, document, feed, arrivals)
    return arrivals


def _vanished(
    connection: Connection,
    partner: Partner,
    document: Document,
    feed: Feed,
    arrivals: Sequence[Arrival],
) -> Iterator[Arrival]:
    """A snapshot's missing rows are deletions, unless the snapshot itself looks broken."""
    if any(arrival.rejected for arrival in arrivals):
        return
    known = {
        row[0]
        for row in connection.execute(
            "SELECT key FROM record_state WHERE partner = %s AND feed = %s",
            [partner.code, document.feed],
        )
    }
    connection.commit()
    gone = known - {arrival.record.key for arrival in arrivals}
    emptied = known and len(gone) == len(known)
    if emptied or (len(gone) > 10 and len(gone) * 2 > len(known)):
        record = SourceRecord(
            partner.code, document.feed, f"snapshot:{document.name}", feed.format,
            document.payload, document.name,
        )  # fmt: skip
        detail = (
            f"snapshot lacks {len(gone)} of {len(known)} known rows; none was deleted: send the whole"
            " table, or remove the rows in steps"
        )
        yield Arrival(record, _digest(record), Issue("error", "incomplete", detail))
        return
    for key in sorted(gone):
        record = SourceRecord(partner.code, document.feed, key, feed.format, b"", document.name, deleted=True)
        yield Arrival(record, _digest(record))


def _commit(
    work: Work,
    connection: Connection,
    partner: Partner,
    run: int,
    arrivals: Sequence[Arrival],
    checkpoint: Checkpoint | None,
) -> None:
    """One transaction: outcomes known already, landed payloads, chunks, and the cursor after them."""
    done, running = ledger.last_digests(connection, run, partner.code, arrivals)
    outcomes: list[str | None] = []
    for arrival in arrivals:
        key = (arrival.record.feed, arrival.record.key)
        outcomes.append(_outcome(arrival, done.get(key), running.get(key)))
        if outcomes[-1] != "duplicate":
            running[key] = arrival.digest
    landed = [
        index
        for index, arrival in enumerate(arrivals)
        if outcomes[index] in (None, "quarantined") and not arrival.record.deleted
    ]
    payloads = [arrivals[index].record.payload for index in landed]
    found = work.landing.put(partner.code, payloads) if payloads else []
    addresses: dict[int, str] = dict(zip(landed, found, strict=True))
    ledger.insert_records(
        connection,
        run,
        [(a, addresses.get(i), outcomes[i]) for i, a in enumerate(arrivals)],
        partner.chunk_records,
    )
    _quarantine(connection, run, partner, arrivals, outcomes)
    connection.execute("UPDATE run SET pulled = pulled + %s WHERE run = %s", [len(arrivals), run])
    if checkpoint is not None:
        ledger.write_cursor(connection, partner.code, checkpoint.cursor)
    connection.commit()


def _outcome(arrival: Arrival, done: bytes | None, running: bytes | None) -> str | None:
    """What is known while pulling; None when the record must go through the steps."""
    if running is not None and running == arrival.digest:
        return "duplicate"
    if running is None and done == arrival.digest:
        return "unchanged"
    if arrival.record.deleted and running is None and done is None:
        return "unchanged"
    return "quarantined" if arrival.rejected else None


def _quarantine(
    connection: Connection,
    run: int,
    partner: Partner,
    arrivals: Sequence[Arrival],
    outcomes: Sequence[str | None],
) -> None:
    rejected = {
        (a.record.feed, a.record.key, a.digest): a.rejected
        for a, outcome in zip(arrivals, outcomes, strict=True)
        if outcome == "quarantined" and a.rejected
    }
    if not rejected:
        return
    rows = connection.execute(
        "SELECT s.record, s.feed, s.key, s.digest FROM source_record s"
        " WHERE s.run = %s AND s.outcome = 'quarantined' AND s.chunk IS NULL"
        " AND NOT EXISTS (SELECT FROM quarantine q WHERE q.record = s.record)",
        [run],
    ).fetchall()
    issues = [(r, rejected[f, k, d]) for r, f, k, d in rows if (f, k, d) in rejected]
    ledger.write_issues(connection, issues)
    connection.execute(
        "INSERT INTO record_state (partner, feed, key, digest, record)"
        " SELECT partner, feed, key, digest, record FROM source_record WHERE record = ANY(%s)"
        " ON CONFLICT (partner, feed, key) DO UPDATE"
        " SET digest = excluded.digest, record = excluded.record",
        [[record for record, _ in issues]],
    )


def _digest(record: SourceRecord) -> bytes:
    return sha256(b"deleted" if record.deleted else record.payload).digest()


def _self_record(partner: Partner) -> Arrival:
    organization = partner_organization(partner)
    record = SourceRecord(
        partner=partner.code,
        feed=SELF,
        key=reference_to(organization),
        format="fhir_json",
        payload=orjson.dumps(organization, option=orjson.OPT_SORT_KEYS),
        position="partner.yaml",
    )
    return Arrival(record, _digest(record))
