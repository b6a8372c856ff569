"""Pull: partner's documents → records, sealed in the landing store and entered in the ledger.

Everything between two checkpoints of a connector is committed with the second one's cursor, so a
killed pull goes on from the last checkpoint and enters nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256

import orjson

from exchange.connectors import Connector
from exchange.formats import Rejected, split
from exchange.mapping import partner_organization
from exchange.model.fhir import reference_to
from exchange.model.partner import Feed, Partner
from exchange.model.records import Checkpoint, Document, Issue, SourceRecord
from exchange.pipeline import ledger
from exchange.pipeline.carry import note_stated
from exchange.pipeline.claimed_times import not_after
from exchange.pipeline.documents import keep_rejected
from exchange.pipeline.ledger import Arrival, Connection, Key
from exchange.pipeline.work import Work

# The participant itself, as a record like any other: its partner.yaml is the source.
SELF = "participant"
# Consents taken from signed forms (exchange.pipeline.captured), FHIR of ours already.
CAPTURED = "captured:consents"
_COMMIT_RECORDS, _COMMIT_BYTES = 5000, 64 * 2**20


def pull(
    work: Work, partner: Partner, scheduled: str = "", filled: Callable[[int], None] = lambda run: None
) -> int:
    """Pulls all that is new into the partner's open run and returns the run's number.

    `filled` is told that number after every commit.
    """
    with work.connect() as connection, ledger.partner_lock(connection, partner.code):
        run = ledger.open_run(connection, partner.code, "pull", work.now())
        ledger.note_scheduled(connection, run.run, scheduled)
        connection.commit()
        if run.pulled_all:
            return run.run
        if run.pulled == 0:
            _commit(work, connection, partner, run.run, [_self_record(partner)], None)
        if partner.connector is not None:
            for _ in _pull_documents(work, connection, partner, run.run, work.connector(partner)):
                filled(run.run)
        connection.execute("UPDATE run SET pulled_all = true WHERE run = %s", [run.run])
        connection.commit()
        return run.run


def _pull_documents(
    work: Work, connection: Connection, partner: Partner, run: int, connector: Connector
) -> Iterator[None]:
    """Goes on after every commit."""
    waiting: list[Arrival] = []
    size = 0
    cursor = ledger.read_cursor(connection, partner.code)
    connection.commit()
    for item in connector(cursor):
        if isinstance(item, Checkpoint):
            _commit(work, connection, partner, run, waiting, item)
            yield
            waiting, size = [], 0
        else:
            arrivals = arrivals_of(connection, partner, item)
            connection.commit()
            for part in _parts(arrivals):
                waiting += part
                size += _size(part)
                if len(waiting) >= _COMMIT_RECORDS or size >= _COMMIT_BYTES:
                    # Without the cursor: should this be pulled again, it is recognised as duplicate.
                    _commit(work, connection, partner, run, waiting, None)
                    yield
                    waiting, size = [], 0
    if waiting:
        _commit(work, connection, partner, run, waiting, None)


def _parts(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    """What of a document may be committed by itself; it is kept whole if something of it was rejected."""
    if any(arrival.rejected for arrival in arrivals):
        yield arrivals
        return
    start = size = 0
    for end, arrival in enumerate(arrivals, start=1):
        size += len(arrival.record.payload)
        if size >= _COMMIT_BYTES:
            yield arrivals[start:end]
            start, size = end, 0
    yield arrivals[start:]


def _size(arrivals: Sequence[Arrival]) -> int:
    return sum(len(arrival.record.payload) for arrival in arrivals)


def arrivals_of(connection: Connection, partner: Partner, document: Document) -> list[Arrival]:
    """The document's records, and the deletions that it means if its feed is a snapshot."""
    feed = partner.feeds[document.feed]
    arrivals = [
        _rejected(item.record, item.issue, document)
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
    known = ledger.known_keys(connection, partner.code, document.feed)
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
        yield _rejected(record, Issue("error", "incomplete", detail), document)
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
    enter(work, connection, partner, run, arrivals, outcomes_of(arrivals, done, running))
    if checkpoint is not None:
        ledger.write_cursor(connection, partner.code, checkpoint.cursor)
    connection.commit()


def outcomes_of(
    arrivals: Sequence[Arrival], done: Mapping[Key, bytes], running: Mapping[Key, bytes]
) -> list[str | None]:
    """What is known of each while pulling; None when the record must go through the steps.

    `done` and `running` are digests by (feed, key): of what went through before, of this run's last.
    """
    seen = dict(running)
    outcomes: list[str | None] = []
    for arrival in arrivals:
        key = (arrival.record.feed, arrival.record.key)
        outcomes.append(_outcome(arrival, done.get(key), seen.get(key)))
        if outcomes[-1] != "duplicate":
            seen[key] = arrival.digest
    return outcomes


def _outcome(arrival: Arrival, done: bytes | None, running: bytes | None) -> str | None:
    if running is not None and running == arrival.digest:
        return "duplicate"
    if running is None and done == arrival.digest:
        return "unchanged"
    if arrival.record.deleted and running is None and done is None and not _names_a_resource(arrival.record):
        return "unchanged"
    return "quarantined" if arrival.rejected else None


def _names_a_resource(record: SourceRecord) -> bool:
    """Whether what is deleted may have come in a record of another key: in a transaction, say."""
    return record.format == "fhir_json"


def enter(
    work: Work,
    connection: Connection,
    partner: Partner,
    run: int,
    arrivals: Sequence[Arrival],
    outcomes: Sequence[str | None],
    stored: int | None = None,
) -> None:
    """Lands and enters what arrived; `stored` is the ledger's number of a document split again."""
    arrivals = not_after(arrivals, work.now())
    new = [arrival for arrival, outcome in zip(arrivals, outcomes, strict=True) if outcome is None]
    again = note_stated(work, connection, partner, run, new)
    arrivals, outcomes = [*arrivals, *again], [*outcomes, *(None for _ in again)]
    landed = [
        index
        for index, arrival in enumerate(arrivals)
        if outcomes[index] in (None, "quarantined") and not arrival.record.deleted
    ]
    found = work.landing.put(partner.code, [arrivals[index].record.payload for index in landed])
    addresses: dict[int, str] = dict(zip(landed, found, strict=True))
    ledger.insert_records(
        connection,
        run,
        [(a, addresses.get(i), outcomes[i]) for i, a in enumerate(arrivals)],
        partner.chunk_records,
    )
    keep_rejected(work, connection, run, arrivals, addresses, outcomes, stored)
    connection.execute("UPDATE run SET pulled = pulled + %s WHERE run = %s", [len(arrivals), run])


def _digest(record: SourceRecord) -> bytes:
    return sha256(b"deleted" if record.deleted else record.payload).digest()


def _rejected(record: SourceRecord, issue: Issue, document: Document) -> Arrival:
    """With a digest of its own: the same bytes are new once a fix makes a record of them."""
    return Arrival(record, sha256(b"rejected" + record.payload).digest(), issue, document)


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
