"""What the command line and the scheduler both do with runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from exchange.app.opening import Exchange
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.pipeline import ledger
from exchange.pipeline.balance import Balance, balance_of
from exchange.pipeline.replay import Again, open_replay, pulled_between, waiting
from exchange.pipeline.steps import finish_run, pull_step, run_partner

Choice = Callable[[ledger.Connection, str], Again]


def begin_run(exchange: Exchange, partner: Partner, replay: Mapping[str, Any], scheduled: str = "") -> int:
    """The run to take through the steps: an unfinished one, a pull, or a replay as asked for.

    `scheduled` is what a scheduler calls its own run that begins it.
    """
    chosen = _chosen(exchange, replay)
    if chosen is None:
        return pull_step(exchange.work, partner, scheduled)
    _finish_open(exchange, partner)
    run = _open_replay(exchange, partner, chosen)
    with exchange.work.connect() as connection:
        ledger.note_scheduled(connection, run, scheduled)
        connection.commit()
    return run


def replay_quarantine(exchange: Exchange, partner: Partner) -> list[int]:
    """Takes what waits in quarantine through all steps, finishing an interrupted run first; the runs."""
    runs = _finish_open(exchange, partner)
    run = _open_replay(exchange, partner, waiting)
    return [*runs, finish_run(exchange.work, partner, run).run]


def _finish_open(exchange: Exchange, partner: Partner) -> list[int]:
    """What is asked for while a run is open is done after it: neither is dropped."""
    with exchange.work.connect() as connection:
        interrupted = ledger.find_open_run(connection, partner.code) is not None
    return [run_partner(exchange.work, partner).run] if interrupted else []


def _open_replay(exchange: Exchange, partner: Partner, chosen: Choice) -> int:
    with exchange.work.connect() as connection:
        again = chosen(connection, partner.code)
    return open_replay(exchange.work, partner, again)


def _chosen(exchange: Exchange, replay: Mapping[str, Any]) -> Choice | None:
    start, end = replay.get("replay_from"), replay.get("replay_until")
    if end and not start:
        raise ContentError(
            "says when to stop, not where to begin; give replay_from too", field="replay_until"
        )
    if replay.get("replay_quarantine"):
        return waiting
    if not start:
        return None
    first = parse_time(str(start), "replay_from")
    last = parse_time(str(end), "replay_until") if end else exchange.work.now()
    return lambda connection, code: pulled_between(connection, code, first, last)


def parse_time(text: str, field: str) -> datetime:
    """A time with zone from ISO text; raises ContentError naming the parameter."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ContentError("not an ISO 8601 time such as 2026-11-01T00:00:00+00:00", field=field) from None
    return found if found.tzinfo else found.astimezone()


def balance(exchange: Exchange, run: int) -> Balance:
    """The balance of one run."""
    with exchange.work.connect() as connection:
        return balance_of(connection, run)
