"""How good a partner's data is, beside the median of many; no partner sees another's figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from exchange.app.opening import Exchange
from exchange.pipeline.ledger import Connection

_PERIOD = timedelta(days=90)
FEWEST = 5
"""Partners that have a figure: of two, the median and one's own would give the other's."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A share from 0 to 1 where 1 is best; `rank` counts from 1, `of` partners that have a figure.

    Neither rank nor median where that are fewer than `FEWEST`.
    """

    name: str
    own: float | None
    median: float | None
    rank: int | None
    of: int


def quality_of(exchange: Exchange, connection: Connection, partner: str) -> list[Measure]:
    """What the partner sent in the last 90 days, against everybody's."""
    usable, mapped, balanced = _shares(exchange, connection)
    senders = {code for code, found in exchange.partners.items() if found.feeds}
    known = {name for name, _ in usable} & senders
    codes = dict.fromkeys(known, 1.0) | _of(senders, mapped)
    return [
        measured("records that could be used", _of(senders, usable), partner),
        measured("records whose codes are all mapped", codes, partner),
        measured("runs that balanced", _of(senders, balanced), partner),
    ]


_Shares = Sequence[Sequence[tuple[str, float]]]
_counted: dict[str, tuple[object, _Shares]] = {}
"""By database: shares of everybody, the same for all who look until a run closes or the day ends."""


def _shares(exchange: Exchange, connection: Connection) -> _Shares:
    at = exchange.work.now()
    runs = connection.execute("SELECT max(run), count(*) FILTER (WHERE status = 'open') FROM run").fetchone()
    key = at.date(), runs
    if exchange.database_url not in _counted or _counted[exchange.database_url][0] != key:
        _counted[exchange.database_url] = key, _count(connection, at - _PERIOD)
    return _counted[exchange.database_url][1]


def _count(connection: Connection, since: datetime) -> _Shares:
    """By partner: records that could be used, records without unmapped codes, runs that balanced."""
    questions = (
        "SELECT partner, sum(number) FILTER (WHERE outcome <> 'quarantined')::float8 / sum(number)"
        " FROM run, LATERAL (SELECT key AS outcome, value::int AS number FROM jsonb_each_text(records))"
        " WHERE started >= %s GROUP BY 1 HAVING sum(number) > 0",
        "SELECT r.partner, 1 - least(1, sum(u.records)::float8 / greatest(sum(r.pulled), 1)) FROM run r"
        " LEFT JOIN (SELECT run, sum(records) AS records FROM unmapped_code GROUP BY 1) u USING (run)"
        " WHERE r.started >= %s GROUP BY 1 HAVING count(u.run) > 0",
        "SELECT partner, avg((status = 'balanced')::int)::float8 FROM run"
        " WHERE started >= %s AND status <> 'open' GROUP BY 1",
    )
    return [connection.execute(question, [since]).fetchall() for question in questions]


def _of(senders: set[str], rows: Sequence[tuple[str, float]]) -> dict[str, float]:
    return {name: share for name, share in rows if name in senders}


def measured(name: str, shares: dict[str, float], partner: str) -> Measure:
    """A partner's share beside everybody's."""
    own = shares.get(partner)
    if own is None or len(shares) < FEWEST:
        return Measure(name, own, None, None, len(shares))
    rank = 1 + sum(share > own for share in shares.values())
    return Measure(name, own, median(shares.values()), rank, len(shares))
