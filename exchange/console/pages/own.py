"""A partner's pages about itself: its runs and quality, deliveries, keys, a try-out."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from exchange.app.partners.delivering import post_of
from exchange.app.partners.quality import quality_of
from exchange.audit.days import asked_by_day
from exchange.console.accounts import Role
from exchange.console.desk import Desk, Registered
from exchange.console.given import REASON, own_of, reason_asked
from exchange.console.marking import _
from exchange.console.messages import Answer, Download, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import LATEST, Column, Press, Row, after, asked_for, stretch, table
from exchange.delivery.downloads import fetch, ready
from exchange.delivery.receipts import receipt_lines
from exchange.model.audit import ASKED, REFUSED
from exchange.model.records import Viewer
from exchange.pipeline import ledger, quarantine
from exchange.pipeline.balance import OUTCOMES, outcomes_of
from exchange.pipeline.ledger import Connection

_ROLES: tuple[Role, ...] = ("partner",)


_RUNS = (
    Column("started", _("Started"), "moment"),
    Column("status", _("Balance"), "mark"),
    Column("pulled", _("Pulled"), "number"),
    *(Column(outcome, outcome.capitalize(), "number") for outcome in OUTCOMES),
)
_WAITING = (
    Column("code", _("Kind"), "word:issue"),
    Column("expression", _("Element"), "code"),
    Column("detail", _("Reason"), "finding"),
    Column("records", _("Records"), "number", lambda row: "/own/waiting?" + _asking(row)),
)
_WHICH = (
    Column("key", _("Number at yours"), "id"),
    Column("position", _("Stood at")),
    Column("feed", _("Feed"), "code"),
    Column("came", _("Came"), "moment"),
)


def _asking(row: Row) -> str:
    return urlencode({name: row[name] for name in REASON})


_RECEIPTS = (
    Column("at", _("When"), "moment"),
    Column("name", _("Subscription")),
    Column("purpose", _("Purpose"), "purpose"),
    Column("records", _("Records"), "number"),
    Column("outcome", _("Answer"), "mark"),
)
_CLIENTS = (
    Column("client_id", _("Client"), "code"),
    Column("scopes", _("Scopes")),
    Column("purposes", _("Purposes"), "purpose"),
    Column("disabled", _("Switched off"), "moment"),
    Column("by", _("By whom"), "translated"),
    Column("switch", _("Change"), "press"),
)
_DOWNLOADS = (
    Column("since", _("Since"), "moment"),
    Column("name", _("Subscription")),
    Column("form", _("Form"), "code"),
    Column("expires", _("Until"), "moment"),
)
_ASKING = (
    Column("day", _("Day"), "day"),
    Column("kind", _("What"), "word:event"),
    Column("purpose", _("Purpose"), "purpose"),
    Column("answers", _("Answers"), "number"),
)


def start(desk: Desk, visit: Visit) -> Answer:
    own = own_of(desk, visit)
    with desk.exchange.work.connect() as connection:
        found = ledger.recent_runs(connection, own.code, LATEST + 1)
        outcomes = outcomes_of(connection, found[:LATEST])
        runs: list[Row] = [
            {
                "started": run.started,
                "status": run.status,
                "pulled": run.pulled,
                **outcomes[run.run],
            }
            for run in found[:LATEST]
        ]
        delivered: list[Row] = [
            {
                "at": r.at, "name": r.name, "purpose": r.purpose, "records": r.records,
                "outcome": r.outcome,
            }
            for r in receipt_lines(connection, own.code, LATEST + 1)
        ]  # fmt: skip
        asked: list[Row] = [
            {"day": day, "kind": kind, "purpose": purpose, "answers": count}
            for (day, kind, purpose), count in _asked(connection, own.code, visit.at).items()
        ]
        quality = quality_of(desk.exchange, connection, own.code) if own.feeds else []
        waits: list[Row] = [asdict(one) for one in quarantine.waiting_reasons(connection, [own.code])]
    said = Speech(visit.language, desk.exchange)
    return Page(
        "own/start.html",
        {
            "own": own,
            "quality": quality,
            "older": {"runs": len(found) > LATEST, "receipts": len(delivered) > LATEST},
            "runs": table("runs", _RUNS, runs, visit.query, shown=said.shown),
            "waits": table(
                "waits", _WAITING, waits, visit.query, "records", descending=True, shown=said.shown
            ),
            "receipts": table("receipts", _RECEIPTS, delivered[:LATEST], visit.query, shown=said.shown),
            "asked": table("asked", _ASKING, asked, visit.query, "day", descending=True, shown=said.shown),
        },
    )


def which(desk: Desk, visit: Visit) -> Answer:
    """Which of its own records wait: by the numbers it gave them, which may be somebody's."""
    own, why = own_of(desk, visit), reason_asked(visit)
    with desk.exchange.work.connect() as connection:
        found = quarantine.records_waiting(
            connection, own.code, why, after("which", visit.query), asked_for("which", visit.query)
        )
    rows: list[Row] = [asdict(one) for one in found]
    shown = stretch("which", _WHICH, rows, visit.query, "record")
    values = {"own": own, "why": why, "records": shown}
    return Page("own/waiting.html", values, patients=(None,) if rows else ())


def _asked(connection: Connection, code: str, at: datetime) -> Counter[tuple[date, str, str]]:
    """What the partner itself asked in a year: of others' questions it learns nothing here."""
    since = (at - timedelta(days=366)).date()
    found: Counter[tuple[date, str, str]] = Counter()
    for one in asked_by_day(connection, [*ASKED, *REFUSED], since, code):
        found[one.day, one.kind, one.purpose] += one.answers
    return found


def clients(desk: Desk, visit: Visit) -> Answer:
    own, said = own_of(desk, visit), Speech(visit.language, desk.exchange)
    rows: list[Row] = [
        {
            "client_id": c.client_id, "scopes": " ".join(c.scopes), "purposes": " ".join(c.purposes),
            "disabled": c.disabled, "by": _who_switched(c), "switch": _switch(said, c),
        }
        for c in desk.clients(own.code)
    ]  # fmt: skip
    shown = table("clients", _CLIENTS, rows, visit.query, shown=said.shown)
    return Page("own/clients.html", {"own": own, "clients": shown})


def _who_switched(client: Registered) -> str:
    if client.disabled is None:
        return "–"
    return _("your organization") if client.ours else _("the exchange")


def _switch(said: Speech, client: Registered) -> Press | str:
    """What the exchange switched off, the exchange lets in again."""
    if client.disabled is not None and not client.ours:
        return said.say(_("ask the exchange"))
    words = said.say(_("Switch off") if client.disabled is None else _("Let it in again"))
    to = "/own/clients/ended" if client.disabled is None else "/own/clients/again"
    return Press(to, words, f"{words}: {client.client_id}", {"client_id": client.client_id})


def add_client(desk: Desk, visit: Visit) -> Answer:
    own, given = own_of(desk, visit), visit.files.get("jwks")
    try:
        keys: dict[str, Any] = json.loads(given.content if given else visit.form.get("keys", ""))
    except ValueError:
        raise Unusable(_("The public keys are not a JSON Web Key Set."), "jwks") from None
    if not isinstance(keys, dict):
        raise Unusable(_("The public keys are not a JSON Web Key Set."), "jwks")
    name = visit.form.get("client_id", "").strip()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{2,99}", name):
        raise Unusable(
            _("A client id is 3 to 100 letters, digits, dots, hyphens and underscores."), "client_id"
        )
    off = [one for one in desk.clients(own.code) if one.client_id == name and one.disabled]
    if any(not one.ours for one in off):
        raise Unusable(
            _("That client was switched off. Register another one, or ask the exchange to let it in again."),
            "client_id",
        )
    desk.register(own.code, visit.person.login, name, keys)
    if off:
        return Redirect("/own/clients", told=_("It has new keys, and is still switched off."))
    return Redirect("/own/clients", told=_("The client is registered."))


def end_client(desk: Desk, visit: Visit) -> Answer:
    if not desk.disable(own_of(desk, visit).code, visit.person.login, visit.form.get("client_id", "")):
        raise NotFound
    return Redirect("/own/clients", told=_("The client is switched off; its tokens are refused from now on."))


def let_in(desk: Desk, visit: Visit) -> Answer:
    if not desk.let_in(own_of(desk, visit).code, visit.person.login, visit.form.get("client_id", "")):
        raise NotFound
    return Redirect(
        "/own/clients", told=_("The client may ask for tokens again; those from before stay refused.")
    )


def downloads(desk: Desk, visit: Visit) -> Answer:
    own = own_of(desk, visit)
    with desk.exchange.work.connect() as connection:
        waiting = ready(connection, own.code, visit.at)
    rows: list[Row] = [
        {
            "delivery": one.delivery,
            "name": one.name,
            "form": one.form,
            "since": one.since,
            "expires": one.expires,
        }
        for one in waiting
    ]  # fmt: skip
    shown = table("downloads", _DOWNLOADS, rows, visit.query)
    return Page("own/downloads.html", {"own": own, "downloads": shown, "waiting": rows})


def download(desk: Desk, visit: Visit) -> Answer:
    """Read, decided and recorded now, and once."""
    own = own_of(desk, visit)
    try:
        wanted = UUID(visit.form.get("delivery", ""))
    except ValueError:
        raise NotFound from None
    office = post_of(desk.exchange).office
    with desk.exchange.work.connect() as connection:
        found = fetch(connection, office, own.code, wanted, visit.person.login)
        connection.commit()
    if found is None:
        return Redirect("/own/downloads", told=_("There is nothing to fetch there any more."))
    return Download(f"mosaic-{found.delivery}.{found.suffix}", found.media, found.body)


def ask_page(desk: Desk, visit: Visit) -> Answer:
    own = own_of(desk, visit)
    target, chosen = visit.form.get("target", "Patient?_count=5"), visit.form.get("purpose", "")
    return Page("own/ask.html", {"own": own, "target": target, "chosen": chosen, "status": None})


def ask(desk: Desk, visit: Visit) -> Answer:
    """As us, for a purpose: through the API's own code, recorded like any other question."""
    own = own_of(desk, visit)
    purpose, role = visit.form.get("purpose", ""), visit.form.get("role", "organization")
    target = visit.form.get("target", "").strip()
    if purpose not in own.requests.purposes or role not in own.requests.roles:
        raise Unusable(_("Choose a purpose and a role of your agreement."), "purpose")
    if not target or len(target) > 2_000 or not target.isascii():
        raise Unusable(_("Write a path such as Patient?name=lopez."), "target")
    status, body = desk.ask(Viewer(own.code, role, purpose), visit.person.login, target)
    shown = json.dumps(json.loads(body), indent=2, ensure_ascii=False) if body else ""
    values = {"own": own, "target": target, "chosen": purpose, "status": status, "body": shown[:200_000]}
    return Page("own/ask.html", {**values, "total": json.loads(body).get("total") if body else None})


PLACES = (
    Place("/own", start, _ROLES),
    Place("/own/waiting", which, _ROLES),
    Place("/own/clients", clients, _ROLES),
    Place("/own/clients", add_client, _ROLES, "POST", form=clients),
    Place("/own/clients/ended", end_client, _ROLES, "POST"),
    Place("/own/clients/again", let_in, _ROLES, "POST"),
    Place("/own/downloads", downloads, _ROLES),
    Place("/own/downloads", download, _ROLES, "POST", purpose="TREAT"),
    Place("/own/ask", ask_page, _ROLES),
    Place("/own/ask", ask, _ROLES, "POST", form=ask_page),
)
