"""The run ledger: which records a run pulled, what became of each, where the next pull goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from exchange.model.errors import Conflict, Taken
from exchange.model.records import Document, Issue, SourceRecord

Connection = psycopg.Connection[Any]
Key = tuple[str, str]
"""Feed and key: what makes a partner's record the same one across runs."""
Step = Literal["pulled", "mapped", "safeguarded", "linked", "published"]
STEPS: tuple[Step, ...] = ("pulled", "mapped", "safeguarded", "linked", "published")
CHUNK_BYTES = 16 * 2**20
"""Payload that fills a chunk, however few its records: it is some twenty times that in memory."""


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over a partner's new records, or over old ones (`kind` replay).

    `scheduled`: the scheduler's own name of what took it last; None where no scheduler did.
    """

    run: int
    partner: str
    kind: str
    status: str
    started: datetime
    ended: datetime | None
    pulled: int
    pulled_all: bool
    seconds: dict[str, float]
    scheduled: str | None


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """A pulled record that still has a step before it."""

    record: int
    feed: str
    key: str
    digest: bytes
    address: str | None
    position: str
    deleted: bool
    event_time: datetime | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record as it came out of a document, before it is known whether it is new."""

    record: SourceRecord
    digest: bytes
    rejected: Issue | None = None
    document: Document | None = None  # where it stood; known of what was rejected


def partner_lock(connection: Connection, partner: str) -> AbstractContextManager[None]:
    """One step at a time that writes a partner's records; raises Taken when it is."""
    return _lock(connection, f"exchange.partner.{partner}", partner)


def shared_partner_lock(connection: Connection, partner: str) -> AbstractContextManager[None]:
    """For those that publish a run together; raises Taken when another step writes the partner's records."""
    return _lock(connection, f"exchange.partner.{partner}", partner, "_shared")


def run_lock(connection: Connection, partner: str) -> AbstractContextManager[None]:
    """One process at a time that takes a partner's run through all steps; raises Taken when it is."""
    return _lock(connection, f"exchange.run.{partner}", partner)


@contextmanager
def _lock(connection: Connection, key: str, partner: str, how: str = "") -> Iterator[None]:
    """Held by the connection, so that a killed process frees it."""
    with connection.cursor() as cursor:
        taken = cursor.execute(f"SELECT pg_try_advisory_lock{how}(hashtextextended(%s, 0))", [key]).fetchone()
        connection.commit()
    if not taken or not taken[0]:
        raise Taken(f"another process is running partner `{partner}`; wait for it to end")
    try:
        yield
    finally:
        if not connection.closed:
            connection.rollback()
            connection.execute(f"SELECT pg_advisory_unlock{how}(hashtextextended(%s, 0))", [key])
            connection.commit()


def open_run(connection: Connection, partner: str, kind: str, at: datetime) -> Run:
    """The partner's unfinished run, or a new one: a killed run is gone on with, never repeated."""
    connection.execute(
        "INSERT INTO run (partner, kind, started) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [partner, kind, at],
    )
    return _one_run(connection, "partner = %s AND status = 'open'", [partner])


def find_open_run(connection: Connection, partner: str) -> int | None:
    """The number of the partner's unfinished run, if there is one."""
    row = connection.execute(
        "SELECT run FROM run WHERE partner = %s AND status = 'open'", [partner]
    ).fetchone()
    return row[0] if row else None


def get_run(connection: Connection, run: int) -> Run:
    """One run by number."""
    return _one_run(connection, "run = %s", [run])


def recent_runs(connection: Connection, partner: str | None, limit: int) -> list[Run]:
    """The latest runs first."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(
            f"{_RUN} WHERE %(p)s::text IS NULL OR partner = %(p)s ORDER BY run DESC LIMIT %(n)s",
            {"p": partner, "n": limit},
        ).fetchall()


def runs_between(
    connection: Connection, partner: str, since: datetime, until: datetime, limit: int
) -> list[Run]:
    """Runs of a partner that started then, the latest first."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(
            f"{_RUN} WHERE partner = %s AND started BETWEEN %s AND %s"
            " ORDER BY started DESC, run DESC LIMIT %s",
            (partner, since, until, limit),
        ).fetchall()


_RUN = "SELECT run, partner, kind, status, started, ended, pulled, pulled_all, seconds, scheduled FROM run"


def _one_run(connection: Connection, where: str, parameters: Sequence[object]) -> Run:
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        row = cursor.execute(f"{_RUN} WHERE {where}", parameters).fetchone()
    if row is None:
        raise Conflict("no such run; `exchange runs` lists them")
    return row


def note_scheduled(connection: Connection, run: int, scheduled: str) -> None:
    """Says what the scheduler calls its run that takes this one; nothing where no scheduler does."""
    if scheduled:
        connection.execute("UPDATE run SET scheduled = %s WHERE run = %s", [scheduled, run])


def add_seconds(connection: Connection, run: int, step: str, seconds: float) -> None:
    """Adds to the time the run spent in `step`."""
    connection.execute(
        "UPDATE run SET seconds = seconds || jsonb_build_object(%(s)s::text,"
        " round((coalesce((seconds->>%(s)s)::numeric, 0) + %(t)s::numeric), 3)) WHERE run = %(r)s",
        {"s": step, "t": seconds, "r": run},
    )


def read_cursor(connection: Connection, partner: str) -> dict[str, Any] | None:
    """Where the partner's next pull goes on."""
    row = connection.execute("SELECT cursor FROM partner_cursor WHERE partner = %s", [partner]).fetchone()
    return row[0] if row else None


def write_cursor(connection: Connection, partner: str, cursor: dict[str, Any]) -> None:
    """Moves the cursor; belongs in the transaction that stores what was read up to it."""
    connection.execute(
        "INSERT INTO partner_cursor VALUES (%s, %s)"
        " ON CONFLICT (partner) DO UPDATE SET cursor = excluded.cursor",
        [partner, Jsonb(cursor)],
    )


def last_digests(
    connection: Connection, run: int, partner: str, arrivals: Sequence[Arrival]
) -> tuple[dict[Key, bytes], dict[Key, bytes]]:
    """By (feed, key): the digest that went through last, and the digest pulled last in this run.

    OFFSET 0, here and wherever keys are looked up: key by key along their index, whatever is believed of a
    partner or a run that has just begun. The planner takes it for empty, and would read all of it for each.
    """
    keys = {(a.record.feed, a.record.key) for a in arrivals}
    feeds, names = [k[0] for k in keys], [k[1] for k in keys]
    done = connection.execute(
        "SELECT k.feed, k.key, s.digest FROM unnest(%s::text[], %s::text[]) AS k (feed, key)"
        " CROSS JOIN LATERAL (SELECT digest FROM record_state t WHERE (t.feed, t.key) = (k.feed, k.key)"
        "  AND t.partner = %s OFFSET 0) AS s",
        [feeds, names, partner],
    ).fetchall()
    running = connection.execute(
        "WITH started AS MATERIALIZED (SELECT min(record) AS first FROM source_record WHERE run = %(run)s)"
        " SELECT k.feed, k.key, s.digest FROM started,"
        "  unnest(%(feeds)s::text[], %(keys)s::text[]) AS k (feed, key) CROSS JOIN LATERAL"
        "  (SELECT record, digest, run, outcome FROM source_record r WHERE r.partner = %(partner)s"
        "   AND r.feed = k.feed AND r.key = k.key AND r.record >= started.first OFFSET 0) AS s"
        " WHERE s.run = %(run)s AND (s.outcome IS NULL OR s.outcome <> 'duplicate') ORDER BY s.record",
        {"run": run, "feeds": feeds, "keys": names, "partner": partner},
    ).fetchall()
    return {(f, k): d for f, k, d in done}, {(f, k): d for f, k, d in running}


def known_keys(connection: Connection, partner: str, feed: str) -> set[str]:
    """Keys of the feed that stand for records; what was rejected while pulling stands for none."""
    return {
        row[0]
        for row in connection.execute(
            "SELECT t.key FROM record_state t JOIN source_record s USING (record)"
            " WHERE t.partner = %s AND t.feed = %s AND (s.chunk IS NOT NULL OR t.resources <> '{}')",
            [partner, feed],
        )
    }


_RECORD_TYPES = (
    "int8", "int4", "text", "text", "text", "bytea", "text", "text", "bool", "timestamptz", "text",
)  # fmt: skip


def insert_records(
    connection: Connection,
    run: int,
    rows: Sequence[tuple[Arrival, str | None, str | None]],
    chunk_records: int,
) -> None:
    """Writes (arrival, landing address, outcome) rows; those without outcome fill chunks in order."""
    numbers = _chunks(connection, run, rows, chunk_records)
    with connection.cursor().copy(
        "COPY source_record (run, chunk, partner, feed, key, digest, address, position, deleted,"
        " event_time, outcome) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(_RECORD_TYPES)
        for (arrival, address, outcome), chunk in zip(rows, numbers, strict=True):
            record = arrival.record
            copy.write_row(
                (
                    run, chunk, record.partner, record.feed, record.key, arrival.digest, address,
                    record.position, record.deleted, record.event_time, outcome,
                )
            )  # fmt: skip


def _chunks(
    connection: Connection,
    run: int,
    rows: Sequence[tuple[Arrival, str | None, str | None]],
    most: int,
) -> list[int | None]:
    """A chunk number per row, None where the outcome is known already; counts them in `chunk`.

    A chunk is full of `most` records or of CHUNK_BYTES of payload, whichever comes first.
    """
    last = connection.execute(
        "SELECT chunk, records, bytes FROM chunk WHERE run = %s ORDER BY chunk DESC LIMIT 1", [run]
    ).fetchone()
    chunk, records, size = last or (0, 0, 0)
    numbers: list[int | None] = []
    filled: dict[int, tuple[int, int]] = {}
    for arrival, _, outcome in rows:
        if outcome is not None:
            numbers.append(None)
            continue
        payload = len(arrival.record.payload)
        if records >= most or (records and size + payload > CHUNK_BYTES):
            chunk, records, size = chunk + 1, 0, 0
        records, size = records + 1, size + payload
        filled[chunk] = records, size
        numbers.append(chunk)
    for number, (records, size) in filled.items():
        connection.execute(
            "INSERT INTO chunk (run, chunk, step, records, bytes) VALUES (%s, %s, 'pulled', %s, %s)"
            " ON CONFLICT (run, chunk) DO UPDATE SET records = excluded.records, bytes = excluded.bytes",
            [run, number, records, size],
        )
    return numbers


def chunks_before(connection: Connection, run: int, step: Step) -> list[int]:
    """The run's chunks that have not yet gone through `step`, in the order they were pulled."""
    earlier = list(STEPS[: STEPS.index(step)])
    return [
        row[0]
        for row in connection.execute(
            "SELECT chunk FROM chunk WHERE run = %s AND step = ANY(%s) ORDER BY chunk",
            [run, earlier],
        )
    ]


def chunks_of(connection: Connection, run: int) -> list[int]:
    """All there are of the run by now, in the order they were pulled; the last may not be full."""
    rows = connection.execute("SELECT chunk FROM chunk WHERE run = %s ORDER BY chunk", [run]).fetchall()
    return [row[0] for row in rows]


def chunk_step(connection: Connection, run: int, chunk: int) -> Step:
    """The last step the chunk went through."""
    row = connection.execute("SELECT step FROM chunk WHERE run = %s AND chunk = %s", [run, chunk]).fetchone()
    if row is None:
        raise Conflict(f"run {run} has no chunk {chunk}")
    step: Step = row[0]
    return step


def hold_chunk(connection: Connection, run: int, chunk: int, step: Step) -> bool:
    """Keeps others from taking the chunk through `step` until the transaction ends.

    Waits for who is at it; False when it has gone through then.
    """
    earlier = list(STEPS[: STEPS.index(step)])
    row = connection.execute(
        "SELECT FROM chunk WHERE run = %s AND chunk = %s AND step = ANY(%s) FOR NO KEY UPDATE",
        [run, chunk, earlier],
    ).fetchone()
    return row is not None


def set_chunk_step(connection: Connection, run: int, chunk: int, step: Step) -> None:
    """Says that the chunk went through `step`; one that another process took further stays there."""
    connection.execute(
        "UPDATE chunk SET step = %s WHERE run = %s AND chunk = %s AND step = ANY(%s)",
        [step, run, chunk, list(STEPS[: STEPS.index(step)])],
    )


def chunk_records(connection: Connection, run: int, chunk: int) -> list[LedgerRecord]:
    """The chunk's records in the order they were pulled."""
    with connection.cursor(row_factory=class_row(LedgerRecord)) as cursor:
        return cursor.execute(
            "SELECT record, feed, key, digest, address, position, deleted, event_time"
            " FROM source_record WHERE run = %s AND chunk = %s ORDER BY record",
            [run, chunk],
        ).fetchall()


def ledger_record(connection: Connection, record: int) -> tuple[str, LedgerRecord]:
    """(partner, record) by number; raises Conflict when there is none."""
    with connection.cursor(row_factory=class_row(LedgerRecord)) as cursor:
        found = cursor.execute(
            "SELECT record, feed, key, digest, address, position, deleted, event_time"
            " FROM source_record WHERE record = %s",
            [record],
        ).fetchone()
    row = connection.execute("SELECT partner FROM source_record WHERE record = %s", [record]).fetchone()
    if found is None or row is None:
        raise Conflict(f"no record {record} in the ledger")
    return row[0], found


def refused_while_pulling(connection: Connection, records: Sequence[int]) -> dict[int, Issue]:
    """Why those of these that no map ever saw became no record: the first that was told of each."""
    rows = connection.execute(
        "SELECT DISTINCT ON (record) record, q.severity, q.code, q.detail, q.expression, q.position"
        " FROM quarantine q JOIN source_record s USING (record)"
        " WHERE record = ANY(%s) AND s.document IS NOT NULL ORDER BY record, q.ordinal",
        [list(records)],
    ).fetchall()
    return {record: Issue(*issue) for record, *issue in rows}


def write_issues(connection: Connection, rows: Iterable[tuple[int, Issue]]) -> None:
    """Puts (record, issue) into quarantine."""
    counts: dict[int, int] = {}
    with connection.cursor().copy(
        "COPY quarantine (record, ordinal, severity, code, expression, position, detail) FROM STDIN"
    ) as copy:
        for record, issue in rows:
            counts[record] = ordinal = counts.get(record, 0) + 1
            copy.write_row(
                (record, ordinal, issue.severity, issue.code, issue.expression, issue.position, issue.detail)
            )
