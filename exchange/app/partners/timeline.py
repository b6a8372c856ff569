"""A participant's own timeline: what it sent, asked for and was sent, and what became of it.

It says nothing the participant may not know: of what was withheld from it there is no trace, of its own
records that were kept out there is the rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exchange.audit.days import asked_by_day
from exchange.model.audit import ASKED, REFUSED
from exchange.pipeline.balance import outcomes_of
from exchange.pipeline.ledger import Connection, Run, runs_between
from exchange.repository import reasons_withheld_by_run

Kind = Literal["sent", "asked", "delivered", "recalled"]
WHAT: Mapping[Kind, str] = {
    "sent": "sent in run %(name)s",
    "asked": "asked: %(name)s %(purpose)s",
    "delivered": "was sent: %(name)s",
    "recalled": "was asked back: recall %(name)s",
}
MOST = 500
"""Runs, and deliveries, that are read at once."""


@dataclass(frozen=True, slots=True)
class Moment:
    """`name`: the run, the kind of question, the subscription or the recall; `number`: how many records,
    answers or events; `why`: rules, reasons, the recipient's own answer.
    """

    at: datetime
    kind: Kind
    name: str
    number: int
    outcome: str
    why: str
    purpose: str = ""

    @property
    def what(self) -> str:
        """In English words."""
        return (WHAT[self.kind] % {"name": self.name, "purpose": self.purpose}).strip()


@dataclass(frozen=True, slots=True)
class Timeline:
    """Whole from its oldest moment on; `earlier`: up to when the rest goes, None where there is none."""

    moments: list[Moment]
    earlier: datetime | None


def timeline(
    connection: Connection, code: str, since: datetime, until: datetime, most: int = MOST
) -> Timeline:
    """The newest first, from `since` to `until` if so many runs and deliveries are enough for it."""
    runs = runs_between(connection, code, since, until, most + 1)
    sent = _sent(connection, code, since, until, most + 1)
    # What lies beyond the first that was left out is left out of every kind: no stretch has holes.
    left_out = [run.started for run in runs[most:]] + [moment.at for moment in sent[most:]]
    earlier = max(left_out, default=None)
    found = [
        *_runs(connection, runs),
        *_asked(connection, code, since, until),
        *sent,
        *_recalled(connection, code, since, until),
    ]
    shown = [moment for moment in found if earlier is None or moment.at > earlier]
    return Timeline(sorted(shown, key=lambda moment: moment.at, reverse=True), earlier)


def _runs(connection: Connection, runs: Sequence[Run]) -> Iterator[Moment]:
    outcomes = outcomes_of(connection, runs)
    kept_out = [run.run for run in runs if outcomes[run.run]["withheld"]]
    because = reasons_withheld_by_run(connection, kept_out)
    for run in runs:
        for outcome, number in outcomes[run.run].items():
            why = because.get(run.run, {}) if outcome == "withheld" else {}
            if number:
                words = ", ".join(map(_rule, why))
                yield Moment(run.started, "sent", str(run.run), number, outcome, words)


def _rule(because: str) -> str:
    """Of a consent no more than that there is one."""
    return "consent" if because.startswith("consent:") else because


def _asked(connection: Connection, code: str, since: datetime, until: datetime) -> Iterator[Moment]:
    for asked in asked_by_day(connection, [*ASKED, *REFUSED], since.date(), code):
        if asked.latest > until:
            continue
        outcome = "refused" if asked.kind in REFUSED else "answered"
        yield Moment(asked.latest, "asked", asked.kind, asked.answers, outcome, asked.reason, asked.purpose)


def _sent(connection: Connection, code: str, since: datetime, until: datetime, limit: int) -> list[Moment]:
    rows = connection.execute(
        "SELECT r.at, s.name, (SELECT count(*) FROM receipt_item i WHERE i.receipt = r.receipt),"
        " coalesce(r.outcome, 'on its way'), coalesce(r.detail, '')"
        " FROM receipt r JOIN delivery d USING (delivery) JOIN subscription s USING (subscription)"
        " WHERE r.participant = %s AND r.at BETWEEN %s AND %s ORDER BY r.at DESC, r.receipt DESC LIMIT %s",
        (code, since, until, limit),
    ).fetchall()
    return [Moment(at, "delivered", *rest) for at, *rest in rows]


def _recalled(connection: Connection, code: str, since: datetime, until: datetime) -> Iterator[Moment]:
    rows = connection.execute(
        "SELECT r.opened, r.recall, (SELECT count(*) FROM recall_item i"
        "  WHERE (i.recall, i.participant) = (t.recall, t.participant)), coalesce(t.outcome, 'open')"
        " FROM recall_task t JOIN recall r USING (recall)"
        " WHERE t.participant = %s AND r.opened BETWEEN %s AND %s",
        (code, since, until),
    ).fetchall()
    for at, recall, number, outcome in rows:
        yield Moment(at, "recalled", str(recall), number, outcome, "")
