"""What each member contributes and draws, in figures that tell of nobody."""

from __future__ import annotations

from functools import partial

from exchange.app.partners.coalition import KINDS, Member, figures
from exchange.console.desk import Desk
from exchange.console.marking import _
from exchange.console.messages import Answer, Page, Visit
from exchange.console.places import Place
from exchange.console.rendering import in_digits
from exchange.console.speech import Speech
from exchange.console.tables import Column, Row, table

_HIDDEN = "✱"
_MEMBER = Column("name", _("Member"))
_MEMBERS = (
    _MEMBER,
    Column("records", _("Records contributed"), "told"),
    Column("answers", _("Answers drawn"), "told"),
    Column("late", _("On time"), "mark:fresh"),
)


def start(desk: Desk, visit: Visit) -> Answer:
    found, said = figures(desk.exchange), Speech(visit.language, desk.exchange)
    digits = partial(in_digits, visit.language)
    drawn = [
        (one.name, one.records or 0, _HIDDEN if one.records is None else digits(one.records))
        for one in found.members
    ]
    kinds = (_MEMBER, *(Column(kind, said.type(kind) if kind != "other" else kind, "told") for kind in KINDS))
    people: list[Row] = [{"name": one.name, **one.people} for one in found.members]
    values = {
        "figures": found,
        "drawn": drawn,
        "members": table("members", _MEMBERS, [*map(_line, found.members)], visit.query, shown=said.shown),
        "people": table("people", kinds, people, visit.query, shown=said.shown),
    }
    return Page("coalition/start.html", values)


def _line(member: Member) -> Row:
    late = {None: "", True: "late", False: "good"}[member.late]
    return {"name": member.name, "records": member.records, "answers": member.answers, "late": late}


PLACES = (Place("/coalition", start, ("coalition", "privacy-officer")),)
