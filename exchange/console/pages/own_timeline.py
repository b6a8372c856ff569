"""A partner's timeline of thirty days, in stretches."""

from __future__ import annotations

from datetime import datetime, timedelta

from exchange.app.partners.timeline import WHAT, Moment, timeline
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.given import own_of
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import Column, Row, table
from exchange.delivery.downloads import FETCHED

_ROLES: tuple[Role, ...] = ("partner",)
_DAYS = timedelta(days=30)
_TIMELINE = (
    Column("at", _("When"), "moment"),
    Column("what", _("What")),
    Column("number", _("How many"), "number"),
    Column("outcome", _("Outcome"), "translated"),
    Column("why", _("Why")),
)


def own_timeline(desk: Desk, visit: Visit) -> Answer:
    own, said = own_of(desk, visit), Speech(visit.language, desk.exchange)
    until = _until(visit)
    with desk.exchange.work.connect() as connection:
        found = timeline(connection, own.code, visit.at - _DAYS, until)
    rows: list[Row] = [_moment(said, moment) for moment in found.moments]
    shown = table("moments", _TIMELINE, rows, visit.query, shown=said.shown)
    values = {"own": own, "moments": shown, "earlier": found.earlier, "begins": until == visit.at}
    return Page("own/timeline.html", values)


def _until(visit: Visit) -> datetime:
    """The end of the stretch that the address asks for: now if it says nothing."""
    given = visit.query.get("until", "")
    try:
        until = datetime.fromisoformat(given) if given else visit.at
        return min(until, visit.at)
    except (ValueError, TypeError):  # no moment, or one without a zone
        raise NotFound from None


def _moment(said: Speech, moment: Moment) -> Row:
    """In the reader's words: which question, for what, by which rule."""
    asked = moment.kind == "asked"
    name = said.word("event", moment.name) if asked else moment.name
    purpose = said.purpose(moment.purpose) if moment.purpose else ""
    what = said.say(WHAT[moment.kind]) % {"name": name, "purpose": purpose}
    return {
        "at": moment.at, "what": what.strip(), "number": moment.number, "outcome": moment.outcome,
        "why": why_of(said, moment.kind, moment.why),
    }  # fmt: skip


def why_of(said: Speech, kind: str, why: str) -> str:
    """Rules by their titles, who fetched a notice here in words; what a recipient answered stays as it is."""
    if kind == "sent" and why:
        return said.rules(why.split(", "))
    login = why.removeprefix(FETCHED)
    return said.say(_("fetched by %(login)s")) % {"login": login} if login != why else why


PLACES = (Place("/own/timeline", own_timeline, _ROLES),)
