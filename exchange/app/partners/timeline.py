"""A participant's own timeline: what it sent, asked for and was sent, and what became of it.

It says nothing the participant may not know: of what was withheld from it there is no trace, of its own
records that were kept out there is the rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from exchange.app.opening import Exchange
from exchange.model.audit import ASKED, REFUSED
from exchange.pipeline.ledger import Connection
from exchange.repository import reasons_withheld


@dataclass(frozen=True, slots=True)
class Moment:
    """`number`: how many records, answers or events; `why`: rules, reasons, the recipient's own answer."""

    at: datetime
    what: str
    number: int
    outcome: str
    why: str


def timeline(exchange: Exchange, code: str, days: int) -> list[Moment]:
    """The newest first."""
    since = exchange.work.now() - timedelta(days=days)
    with exchange.work.connect() as connection:
        found = [
            *_runs(connection, code, since),
            *_asked(connection, code, since),
            *_sent(connection, code, since),
            *_recalled(connection, code, since),
        ]
    return sorted(found, key=lambda moment: moment.at, reverse=True)


def _runs(connection: Connection, code: str, since: datetime) -> Iterator[Moment]:
    rows = connection.execute(
        "SELECT r.run, r.started, s.outcome, count(*) FROM run r JOIN source_record s USING (run)"
        " WHERE r.partner = %s AND r.started >= %s AND s.outcome IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 3",
        (code, since),
    ).fetchall()
    for run, started, outcome, number in rows:
        because = reasons_withheld(connection, run) if outcome == "withheld" else {}
        yield Moment(started, f"sent in run {run}", number, outcome, ", ".join(map(_rule, because)))


def _rule(because: str) -> str:
    """Of a consent no more than that there is one."""
    return "consent" if because.startswith("consent:") else because


def _asked(connection: Connection, code: str, since: datetime) -> Iterator[Moment]:
    rows = connection.execute(
        "SELECT max((body ->> 'recorded')::timestamptz), kind, count(*),"
        " coalesce(body #>> '{purposeOfEvent,0,coding,0,code}', ''), coalesce(body ->> 'outcomeDesc', '')"
        " FROM audit_event WHERE participant = %s AND (body ->> 'recorded')::timestamptz >= %s"
        " AND kind = ANY(%s)"
        " GROUP BY (body ->> 'recorded')::date, 2, 4, 5",
        (code, since, [*ASKED, *REFUSED]),
    ).fetchall()
    for at, kind, number, purpose, reason in rows:
        outcome = "refused" if kind in REFUSED else "answered"
        yield Moment(at, f"asked: {kind} {purpose}".strip(), number, outcome, reason)


def _sent(connection: Connection, code: str, since: datetime) -> Iterator[Moment]:
    rows = connection.execute(
        "SELECT r.at, s.name, (SELECT count(*) FROM receipt_item i WHERE i.receipt = r.receipt),"
        " coalesce(r.outcome, 'on its way'), coalesce(r.detail, '')"
        " FROM receipt r JOIN delivery d USING (delivery) JOIN subscription s USING (subscription)"
        " WHERE r.participant = %s AND r.at >= %s",
        (code, since),
    ).fetchall()
    for at, name, number, outcome, detail in rows:
        yield Moment(at, f"was sent: {name}", number, outcome, detail)


def _recalled(connection: Connection, code: str, since: datetime) -> Iterator[Moment]:
    rows = connection.execute(
        "SELECT r.opened, r.recall, (SELECT count(*) FROM recall_item i"
        "  WHERE (i.recall, i.participant) = (t.recall, t.participant)), coalesce(t.outcome, 'open')"
        " FROM recall_task t JOIN recall r USING (recall) WHERE t.participant = %s AND r.opened >= %s",
        (code, since),
    ).fetchall()
    for at, recall, number, outcome in rows:
        yield Moment(at, f"was asked back: recall {recall}", number, outcome, "")
