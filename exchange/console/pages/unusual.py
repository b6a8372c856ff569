"""Access that somebody does not usually have: questions from the log, each decided once by an officer."""

from __future__ import annotations

from typing import get_args

from exchange.audit.watch import Decision, decide_unusual, unusual_by, unusual_entry
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.given import decided_ones, reason_of, whole
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.tables import Column, Row, after, asked_for, stretch

_ROLES: tuple[Role, ...] = ("privacy-officer",)

WHAT = {
    "volume": _("saw more people in a day than it usually does"),
    "hours": _("looked at an hour at which it usually does not"),
    "no-relationship": _("looked at somebody it does not care for"),
    "protected-person": _("looked at somebody whose records ask for protection"),
    "same-name": _("looked at somebody of the same surname"),
    "same-home": _("looked at somebody who shares his home"),
    "own-chart": _("looked at his own chart"),
    "mistaken-consent": _("got something under a consent that was a mistake"),
    "refusals": _("was refused more often than usual"),
}
_UNUSUAL = (
    Column("entry", _("Entry"), "id", lambda row: f"/privacy/unusual/{row['entry']}"),
    Column("day", _("Day"), "day"),
    Column("participant", _("Who"), "participant"),
    Column("role", _("Role"), "say"),
    Column("what", _("What it did"), "translated"),
    Column("measured", _("How often"), "number"),
    Column("decision", _("Decision"), "translated"),
)


def questions(desk: Desk, visit: Visit) -> Answer:
    decided = decided_ones(visit)
    with desk.exchange.work.connect() as connection:
        found = unusual_by(
            connection, decided, after("unusual", visit.query), asked_for("unusual", visit.query)
        )
    rows: list[Row] = [
        {
            "entry": u.entry, "day": u.day, "participant": u.participant, "role": u.role,
            "what": WHAT.get(u.kind, u.kind), "measured": round(u.measured), "decision": u.decision or "",
        }
        for u in found
    ]  # fmt: skip
    shown = stretch("unusual", _UNUSUAL, rows, visit.query, "entry")
    return Page("officer/unusual.html", {"unusual": shown, "decided": decided})


def question(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        found = unusual_entry(connection, whole(visit.path["entry"]))
    if found is None:
        raise NotFound
    values = {"found": found, "what": WHAT.get(found.kind, found.kind), "decisions": get_args(Decision)}
    return Page("officer/unusual_entry.html", values, patients=(str(found.patient),) if found.patient else ())


def decide(desk: Desk, visit: Visit) -> Answer:
    decision = visit.form.get("decision", "")
    if decision not in get_args(Decision):
        raise Unusable(_("Choose one of the decisions."), "decision")
    why, entry = reason_of(visit), whole(visit.path["entry"])
    with desk.exchange.work.connect() as connection:
        decide_unusual(connection, entry, decision, visit.person.login, why, visit.at)  # type: ignore[arg-type]
        connection.commit()
    return Redirect("/privacy/unusual", told=_("It is decided, and stands."))


PLACES = (
    Place("/privacy/unusual", questions, _ROLES),
    Place("/privacy/unusual/{entry}", question, _ROLES, purpose="HCOMPL"),
    Place("/privacy/unusual/{entry}", decide, _ROLES, "POST", form=question),
)
