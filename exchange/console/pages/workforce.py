"""Who of those who look is a patient too: declared here, shown to privacy officers alone."""

from __future__ import annotations

from exchange.app.privacy.workforce import (
    account_looker,
    declare_member,
    end_member,
    read_workforce,
    user_looker,
)
from exchange.console.accounts import Role, accounts
from exchange.console.desk import Desk
from exchange.console.given import uuid_of, whole
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import Column, Press, Row, table
from exchange.model.errors import Conflict, ContentError

_ROLES: tuple[Role, ...] = ("privacy-officer",)
_MEMBERS = (
    Column("looker", _("Who"), "looker"),
    Column("patient", _("Patient"), "code"),
    Column("declared", _("Since"), "moment"),
    Column("declared_by", _("Declared by")),
    Column("end", _("End"), "press"),
)


def members(desk: Desk, visit: Visit) -> Answer:
    # Recorded as reading the log is: a look at a person's data would itself be a question about kin.
    found = read_workforce(desk.exchange, visit.person.login)
    with desk.exchange.work.connect() as connection:
        logins = [one.login for one in accounts(connection)]
    said = Speech(visit.language, desk.exchange)
    rows: list[Row] = [
        {
            "looker": one.looker, "patient": str(one.patient), "declared": one.declared,
            "declared_by": one.declared_by,
            "end": Press(
                f"/privacy/workforce/{one.entry}/ended", said.say(_("End")),
                said.say(_("End entry %(entry)s")) % {"entry": one.entry},
            ),
        }
        for one in found
    ]  # fmt: skip
    shown = table("members", _MEMBERS, rows, visit.query, shown=said.shown)
    values = {"members": shown, "logins": logins, "participants": sorted(desk.exchange.partners)}
    return Page("officer/workforce.html", values)


def declare(desk: Desk, visit: Visit) -> Answer:
    given = {name: visit.form.get(name, "").strip() for name in ("login", "participant", "user", "patient")}
    if bool(given["login"]) == bool(given["user"]):
        raise Unusable(_("Name either an account or a participant's user."), "login")
    looker = (
        account_looker(given["login"]) if given["login"] else user_looker(given["participant"], given["user"])
    )
    try:
        declare_member(desk.exchange, looker, uuid_of(given["patient"]), visit.person.login)
    except (ContentError, NotFound):
        raise Unusable(_("There is no such account, participant or Patient."), "patient") from None
    except Conflict:
        raise Unusable(_("That is declared already.")) from None
    return Redirect("/privacy/workforce", told=_("It is declared. Looks are asked about from today on."))


def end(desk: Desk, visit: Visit) -> Answer:
    try:
        end_member(desk.exchange, whole(visit.path["entry"]), visit.person.login)
    except Conflict:
        raise Unusable(_("Nobody ends the entry about himself, and none ends twice.")) from None
    return Redirect("/privacy/workforce", told=_("The entry is ended."))


PLACES = (
    Place("/privacy/workforce", members, _ROLES),
    Place("/privacy/workforce", declare, _ROLES, "POST", form=members),
    Place("/privacy/workforce/{entry}/ended", end, _ROLES, "POST"),
)
