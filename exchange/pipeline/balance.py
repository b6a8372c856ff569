"""Law 1: pulled = published + unchanged + duplicate + withheld + quarantined + deleted, to the record."""

from __future__ import annotations

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


def balance_of(connection: Connection, run: int) -> Balance:
    """The balance as the ledger has it now."""
    head = connection.execute("SELECT partner, status, pulled FROM run WHERE run = %s", [run]).fetchone()
    if head is None:
        raise RunOutOfBalance(f"run {run} is not in the ledger")
    counts = dict(
        connection.execute(
            "SELECT outcome, count(*) FROM source_record WHERE run = %s GROUP BY outcome", [run]
        ).fetchall()
    )
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
        records={outcome: counts.get(outcome, 0) for outcome in OUTCOMES},
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
    balance = balance_of(connection, run)
    good = balance.balanced and waiting == (0,) and _chunks_hold_all(connection, run)
    connection.execute(
        "UPDATE run SET status = %s, ended = %s, records = %s WHERE run = %s AND status = 'open'",
        ["balanced" if good else "unbalanced", at, Jsonb(balance.records), run],
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
