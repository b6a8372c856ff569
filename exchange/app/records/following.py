"""What comes by itself is taken as it comes: messages in a listener's journal, and what was pushed.

By a schedule an admission would wait for the next turn before anybody could be told of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from exchange.app.current import Current
from exchange.app.opening import Exchange, find_partner
from exchange.app.untold import discreet
from exchange.model.errors import ContentError, Taken
from exchange.model.partner import Partner
from exchange.model.records import Document
from exchange.pipeline import ledger
from exchange.pipeline.ledger import Run
from exchange.pipeline.steps import run_partner

ARRIVING = ("mllp", "push")
"""Connectors whose records wait on this side; the others are asked by their schedule."""

_BACK_OFF_SECONDS = 30.0
_ABANDONED_SECONDS = 600.0


@dataclass(slots=True)
class Follower:
    """The partners that are followed (none named: all there are), and what was seen of them.

    By partner: `not_before`, a moment of the monotonic clock; `others`: the open run that somebody else is
    at, and since when it was seen. `looked`: those whose open run is not one that we left.
    """

    current: Current
    codes: Sequence[str] = ()
    not_before: dict[str, float] = field(default_factory=dict)
    others: dict[str, tuple[int, float]] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)


def arriving(exchange: Exchange, codes: Sequence[str]) -> list[Partner]:
    """Those of the partners whose records come by themselves; raises ContentError for one named otherwise."""
    named = [find_partner(exchange.partners, code) for code in codes] or list(exchange.partners.values())
    found = [p for p in named if p.connector is not None and p.connector.type in ARRIVING]
    if codes and len(found) < len(named):
        other = next(p.code for p in named if p not in found)
        raise ContentError(f"its connector is not one of {', '.join(ARRIVING)}: run it instead", field=other)
    return found


def turn(follower: Follower) -> Iterator[tuple[str, Run | Exception]]:
    """One look at each partner: what waits goes through all steps, by the content and rules of now.

    A partner whose run fails, whatever the error (told without its text where it is not ours), is left in
    peace for half a minute; nothing of it is lost, and the others go on.
    """
    exchange = follower.current()
    for partner in arriving(exchange, follower.codes):
        if follower.not_before.get(partner.code, 0.0) > time.monotonic():
            continue
        try:
            if _is_due(follower, exchange, partner):
                yield partner.code, run_partner(exchange.work, partner)
        except Exception as problem:
            follower.not_before[partner.code] = time.monotonic() + _BACK_OFF_SECONDS
            if not isinstance(problem, Taken):
                follower.looked.discard(partner.code)
            yield partner.code, discreet(problem)


def _is_due(follower: Follower, exchange: Exchange, partner: Partner) -> bool:
    """Something waits and no run is open; or one was left: by us, before we began, or ten minutes ago."""
    with exchange.work.connect() as connection:
        run = ledger.find_open_run(connection, partner.code)
        cursor = ledger.read_cursor(connection, partner.code)
    may_be_ours = partner.code not in follower.looked
    follower.looked.add(partner.code)
    if run is None:
        return any(isinstance(item, Document) for item in exchange.work.connector(partner)(cursor))
    if may_be_ours:
        return True
    seen, since = follower.others.get(partner.code, (None, 0.0))
    if seen != run:
        follower.others[partner.code] = run, time.monotonic()
        return False
    return time.monotonic() - since >= _ABANDONED_SECONDS
