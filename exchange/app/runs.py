"""What the command line and the scheduler both do with runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from exchange.app.opening import Exchange
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.pipeline import ledger, quarantine
from exchange.pipeline.balance import Balance, balance_of
from exchange.pipeline.steps import pull_step


def begin_run(exchange: Exchange, partner: Partner, replay: Mapping[str, Any]) -> int:
    """The run to take through the steps: an unfinished one, a pull, or a replay as asked for."""
    records = _records_to_replay(exchange, partner, replay)
    if records is None:
        return pull_step(exchange.work, partner)
    with exchange.work.connect() as connection:
        run = quarantine.replay(connection, partner.code, records, partner.chunk_records, exchange.work.now())
        connection.commit()
    return pull_step(exchange.work, partner) if run is None else run


def _records_to_replay(exchange: Exchange, partner: Partner, replay: Mapping[str, Any]) -> list[int] | None:
    start = replay.get("replay_from")
    with exchange.work.connect() as connection:
        if ledger.has_open_run(connection, partner.code):
            return None
        if replay.get("replay_quarantine"):
            return quarantine.waiting_records(connection, partner.code)
        if start is None:
            return None
        end = replay.get("replay_until")
        return quarantine.records_between(
            connection,
            partner.code,
            parse_time(str(start), "replay_from"),
            parse_time(str(end), "replay_until") if end else exchange.work.now(),
        )


def parse_time(text: str, field: str) -> datetime:
    """A time with zone from ISO text; raises ContentError naming the parameter."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ContentError("not an ISO 8601 time such as 2026-11-01T00:00:00+00:00", field=field) from None
    return found if found.tzinfo else found.astimezone()


def latest_run_of(exchange: Exchange, partner: Partner) -> int:
    """Number of the partner's newest run; raises Conflict when there is none."""
    with exchange.work.connect() as connection:
        return ledger.latest_run(connection, partner.code).run


def balance(exchange: Exchange, run: int) -> Balance:
    """The balance of one run."""
    with exchange.work.connect() as connection:
        return balance_of(connection, run)
