"""What accountings do not tell of for a time, at the word of an agency: documented here, ends by itself."""

from __future__ import annotations

from datetime import date

from exchange.app.privacy.suspending import Stated, Suspension, end_suspension, read_suspensions, suspend
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.given import uuid_of, whole
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import Column, Press, Row, table
from exchange.model.errors import Conflict, ContentError

_ROLES: tuple[Role, ...] = ("privacy-officer",)

_SUSPENSIONS = (
    Column("suspension", _("Number"), "number"),
    Column("patient", _("Patient"), "code"),
    Column("participant", _("To whom"), "participant"),
    Column("official", _("Who said so")),
    Column("statement", _("Statement"), "translated"),
    Column("stated", _("Stated on"), "day"),
    Column("until", _("Last day"), "day"),
    Column("recorded_by", _("Documented by")),
    Column("end", _("End"), "press"),
)
_WRONG = {
    "patient": _("There is no such Patient."),
    "recipient": _("There is no such participant."),
    "official": _("Document who made the statement, and for which agency."),
    "stated": _("A statement is documented after it was made."),
    "until": _("An oral statement holds once and for thirty days at most, and none ends before it was made."),
}


def documented(desk: Desk, visit: Visit) -> Answer:
    # Recorded as reading the log is: a look at a person's data would stand in "who saw what about me".
    found = read_suspensions(desk.exchange, visit.person.login)
    said = Speech(visit.language, desk.exchange)
    rows: list[Row] = [
        {
            "suspension": one.suspension, "patient": str(one.patient), "participant": one.participant,
            "official": one.official, "statement": one.statement, "stated": one.stated, "until": one.until,
            "recorded_by": one.recorded_by, "end": _ending(said, one, visit),
        }
        for one in found
    ]  # fmt: skip
    shown = table("suspensions", _SUSPENSIONS, rows, visit.query, shown=said.shown)
    values = {"suspensions": shown, "participants": sorted(desk.exchange.partners)}
    return Page(
        "officer/suspensions.html",
        {**values, "patient": {**visit.query, **visit.form}.get("patient", "")[:36]},
    )


def _ending(said: Speech, one: Suspension, visit: Visit) -> Press | str:
    if not one.holds(visit.at):
        return said.say(_("over"))
    name = said.say(_("End suspension %(number)s")) % {"number": one.suspension}
    return Press(f"/privacy/suspensions/{one.suspension}/ended", said.say(_("End")), name)


def document(desk: Desk, visit: Visit) -> Answer:
    form = {name: visit.form.get(name, "").strip() for name in ("patient", "recipient", "official")}
    try:
        said = Stated(
            uuid_of(form["patient"]),
            form["recipient"],
            form["official"],
            "written" if visit.form.get("statement") == "written" else "oral",
            date.fromisoformat(visit.form.get("stated", "")),
            date.fromisoformat(visit.form.get("until", "")),
        )
        suspend(desk.exchange, said, visit.person.login)
    except NotFound:
        raise Unusable(_WRONG["patient"], "patient") from None
    except ContentError as error:
        field = error.field if error.field in _WRONG else "until"
        raise Unusable(_WRONG[field], field) from None
    except ValueError:
        raise Unusable(_("A day is written as year-month-day."), "stated") from None
    return Redirect("/privacy/suspensions", told=_("It is documented, and ends by itself."))


def end(desk: Desk, visit: Visit) -> Answer:
    try:
        end_suspension(desk.exchange, whole(visit.path["number"]), visit.person.login)
    except Conflict:
        raise Unusable(_("That suspension does not hold any more.")) from None
    return Redirect("/privacy/suspensions", told=_("The suspension is ended."))


PLACES = (
    Place("/privacy/suspensions", documented, _ROLES),
    Place("/privacy/suspensions", document, _ROLES, "POST", form=documented),
    Place("/privacy/suspensions/{number}/ended", end, _ROLES, "POST"),
)
