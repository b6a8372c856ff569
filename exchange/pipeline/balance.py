"""Law 1: pulled = published + unchanged + duplicate + withheld + quarantined + deleted, to the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from exchange.model.errors import ExchangeError
from exchange.pipeline.ledger import Connection, Run
from exchange.pipeline.quarantine import count_waiting

OUTCOMES = ("published", "unchanged", "duplicate", "withheld", "quarantined", "deleted")


class RunOutOfBalance(ExchangeError):
    """A record of the run has no outcome: the run fails, nothing of it is forgotten."""


@dataclass(frozen=True, slots=True)
class Balance:
    """One run's records by outcome, and its resources by outcome."""

    run: int
    partner: str
    status: str
    pulled: int
    records: dict[str, int]
    resources: dict[str, int]

    @property
    def balanced(self) -> bool:
        """Does every pulled record have exactly one outcome?"""
        return self.pulled == sum(self.records.values())


Left = Sequence[tuple[str, bool, int]]
"""(Outcome, whether it was known before the map, how many records of a run)."""


def left_now(connection: Connection, run: int) -> Left:
    """As the ledger has it now; what has no outcome yet is not among them."""
    return connection.execute(
        "SELECT outcome, chunk IS NULL, count(*) FROM source_record"
        " WHERE run = %s AND outcome IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
        [run],
    ).fetchall()


def left_of(connection: Connection, run: int) -> Left:
    """As it was counted when the run was closed, or as it is now."""
    found = connection.execute("SELECT records, early FROM run WHERE run = %s", [run]).fetchone()
    records, early = found or (None, None)
    if records is None or early is None:
        return left_now(connection, run)
    late = [(outcome, False, count - early.get(outcome, 0)) for outcome, count in records.items()]
    parts = [*((outcome, True, count) for outcome, count in early.items()), *late]
    return sorted(part for part in parts if part[2])


def balance_of(connection: Connection, run: int) -> Balance:
    """The balance as the ledger has it now."""
    return balance_from(connection, run, left_now(connection, run))


def balance_from(connection: Connection, run: int, left: Left) -> Balance:
    """The balance of records that were counted."""
    head = connection.execute("SELECT partner, status, pulled FROM run WHERE run = %s", [run]).fetchone()
    if head is None:
        raise RunOutOfBalance(f"run {run} is not in the ledger")
    counts = Counter[str]()
    for outcome, _early, count in left:
        counts[outcome] += count
    resources = dict(
        connection.execute(
            "SELECT outcome, sum(resources)::int FROM resource_balance WHERE run = %s GROUP BY outcome",
            [run],
        ).fetchall()
    )
    return Balance(
        run=run,
        partner=head[0],
        status=head[1],
        pulled=head[2],
        records={outcome: counts[outcome] for outcome in OUTCOMES},
        resources=resources,
    )


def outcomes_of(connection: Connection, runs: Sequence[Run]) -> dict[int, dict[str, int]]:
    """Records by outcome of each run: as they were counted when it was closed, or as they are now."""
    counted = dict(
        connection.execute(
            "SELECT run, coalesce(records, (SELECT jsonb_object_agg(outcome, n) FROM ("
            "  SELECT outcome, count(*) AS n FROM source_record s"
            "  WHERE s.run = r.run AND outcome IS NOT NULL GROUP BY 1) AS now), '{}')"
            " FROM run r WHERE run = ANY(%s)",
            [[run.run for run in runs]],
        ).fetchall()
    )
    return {run: {outcome: found.get(outcome, 0) for outcome in OUTCOMES} for run, found in counted.items()}


def close_run(connection: Connection, run: int, at: datetime) -> Balance:
    """Writes the run's end; raises RunOutOfBalance (after recording it) when a record is missing."""
    waiting = connection.execute(
        "SELECT count(*) FROM chunk WHERE run = %s AND step <> 'published'", [run]
    ).fetchone()
    left = left_now(connection, run)
    balance = balance_from(connection, run, left)
    early = {outcome: count for outcome, before, count in left if before}
    good = balance.balanced and waiting == (0,) and _chunks_hold_all(connection, run)
    connection.execute(
        "UPDATE run SET status = %s, ended = %s, records = %s, early = %s WHERE run = %s AND status = 'open'",
        ["balanced" if good else "unbalanced", at, Jsonb(balance.records), Jsonb(early), run],
    )
    count_waiting(connection, balance.partner)
    if not good:
        connection.commit()
        raise RunOutOfBalance(
            f"run {run} of partner `{balance.partner}` pulled {balance.pulled} records and accounts"
            f" for {sum(balance.records.values())}; `exchange runs --run {run}` shows them"
        )
    return balance


def _chunks_hold_all(connection: Connection, run: int) -> bool:
    """Does each chunk's count, written while pulling, agree with its records?"""
    return not connection.execute(
        "SELECT FROM chunk c WHERE run = %s AND records <>"
        " (SELECT count(*) FROM source_record s WHERE s.run = c.run AND s.chunk = c.chunk)",
        [run],
    ).fetchone()
