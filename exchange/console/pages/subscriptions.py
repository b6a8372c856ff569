"""A participant's subscriptions: what it is told by itself, asked for and ended by its own people."""

from __future__ import annotations

from typing import get_args

from exchange.app.partners.subscribing import CHANNELS, Own, Wish, own_subscriptions, subscribe, unsubscribe
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.given import own_of
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import Column, Press, Row, table
from exchange.model.delivery import Topic
from exchange.model.errors import Conflict, ContentError

_ROLES: tuple[Role, ...] = ("partner",)

_SUBSCRIPTIONS = (
    Column("name", _("Subscription"), "code"),
    Column("events", _("Events")),
    Column("panel", _("Whom"), "word:panel"),
    Column("purpose", _("Purpose"), "purpose"),
    Column("channel", _("How"), "word:channel"),
    Column("address", _("Address"), "code"),
    Column("every", _("How often"), "word:rhythm"),
    Column("status", _("State"), "word:subscription"),
    Column("problem", _("Problem"), "code"),
    Column("started", _("Since"), "moment"),
    Column("end", _("End"), "press"),
)
_WRONG = {
    "channel.endpoint": _("The address must be https, and not one of a network of the exchange's own."),
    "purpose": _("Choose a purpose and a role of your agreement."),
    "role": _("Choose a purpose and a role of your agreement."),
    "authorization": _("The Authorization header is one line of plain characters."),
    "topics": _("Choose at least one event."),
}
_FIELDS = {"channel.endpoint": "url"}
"""What the form calls them."""
_UNFIT = _("That cannot be sent that way: a page to fetch is a table or a PDF, an endpoint takes FHIR.")


def subscriptions_page(desk: Desk, visit: Visit) -> Answer:
    own = own_of(desk, visit)
    with desk.exchange.work.connect() as connection:
        found = own_subscriptions(connection, own.code)
    said = Speech(visit.language, desk.exchange)
    rows: list[Row] = [
        {
            "name": one.name,
            "events": ", ".join(said.word("topic", topic) for topic in one.topics), "panel": one.panel,
            "purpose": one.purpose, "channel": one.channel, "address": one.address or None,
            "every": one.every, "status": one.status, "problem": one.problem, "started": one.started,
            "end": _ending(said, one),
        }
        for one in found
    ]  # fmt: skip
    shown = table("subscriptions", _SUBSCRIPTIONS, rows, visit.query, shown=said.shown)
    values = {"own": own, "found": shown, "topics": get_args(Topic), "channels": CHANNELS}
    return Page("own/subscriptions.html", values)


def _ending(said: Speech, one: Own) -> Press | str:
    """Only its own people's is ended here."""
    if one.declared != "console":
        made = _("made by your software") if one.declared == "api" else _("part of your agreement")
        return said.say(made)
    words = said.say(_("End"))
    name = f"{words}: {', '.join(said.word('topic', topic) for topic in one.topics)}"
    return Press("/own/subscriptions/ended", words, name, {"name": one.name})


def add_subscription(desk: Desk, visit: Visit) -> Answer:
    own, form = own_of(desk, visit), visit.form
    channel = form.get("channel", "")
    wish = Wish(
        topics=tuple(topic for topic in get_args(Topic) if form.get(f"topic.{topic}")),
        purpose=form.get("purpose", ""),
        role=form.get("role", "organization"),
        panel=form.get("panel", ""),
        every=form.get("every", ""),
        channel=channel,
        content=form.get("content", "full-resource") if channel == "rest_hook" else "full-resource",
        form=form.get("form", "csv") if channel == "download" else "fhir",
        own_records=bool(form.get("own_records")),
        url=form.get("url", "").strip(),
        authorization=form.get("authorization", "").strip(),
    )
    try:
        subscribe(desk.exchange, own, wish, visit.person.login)
    except ContentError as problem:
        raise Unusable(_WRONG.get(problem.field, _UNFIT), _FIELDS.get(problem.field, problem.field)) from None
    except Conflict:
        raise Unusable(_("There are too many subscriptions; end one.")) from None
    return Redirect("/own/subscriptions", told=_("It is kept; you are told from now on."))


def end_subscription(desk: Desk, visit: Visit) -> Answer:
    try:
        unsubscribe(desk.exchange, own_of(desk, visit), visit.form.get("name", ""), visit.person.login)
    except Conflict:
        raise NotFound from None
    return Redirect("/own/subscriptions", told=_("The subscription is ended; what waited is not sent."))


PLACES = (
    Place("/own/subscriptions", subscriptions_page, _ROLES),
    Place("/own/subscriptions", add_subscription, _ROLES, "POST", form=subscriptions_page),
    Place("/own/subscriptions/ended", end_subscription, _ROLES, "POST"),
)
