"""Putting rules into force: what waits, what it would change, and a signature made where the key is."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from datetime import datetime, timedelta
from functools import lru_cache

from exchange.app import Exchange
from exchange.app.privacy.activation import append, standing, store_ruleset, to_sign
from exchange.app.privacy.rulesets import read_rules
from exchange.app.privacy.simulating import simulate
from exchange.consent import parse_rules
from exchange.consent.activation import Act
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.effects import effects
from exchange.console.marking import _
from exchange.console.messages import Answer, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.model.errors import ContentError, DecisionFailed

_ROLES: tuple[Role, ...] = ("privacy-officer",)
_FRESH = timedelta(days=1)
"""How long a statement may wait for its signature."""


def activation(desk: Desk, visit: Visit) -> Answer:
    exchange = desk.exchange
    with exchange.work.connect() as connection:
        found = standing(connection, exchange.signing_key)
        acts = connection.execute(
            "SELECT number, kind, subject, officer, at FROM officer_act ORDER BY number DESC"
        ).fetchall()
    values = {
        "standing": found,
        "acts": acts,
        "mode": exchange.settings.activation,
        "digest": exchange.context.rules.digest,
        "written": _written(exchange),
    }
    return Page("officer/activation.html", values)


def _written(exchange: Exchange) -> str:
    """The digest of the rules as they lie in the folder; none while they cannot be read."""
    try:
        return _digest(tuple(sorted(read_rules(exchange.settings).items())))
    except ContentError:
        return ""


@lru_cache(maxsize=2)
def _digest(files: tuple[tuple[str, str], ...]) -> str:
    return parse_rules(dict(files)).digest


def prepare(desk: Desk, visit: Visit) -> Answer:
    """Keeps the rules of the folder and shows what they change, and what an officer signs for them."""
    exchange, files = desk.exchange, read_rules(desk.exchange.settings)
    with exchange.work.connect() as connection:
        officer = visit.form.get("officer", "")
        if officer not in standing(connection, exchange.signing_key).officers:
            raise Unusable(_("Choose an officer whose key is known here."), "officer")
        rules = store_ruleset(connection, files, visit.at)
        act = Act("ruleset-activated", rules.digest, "", officer, _stated(visit) or visit.at)
        text = to_sign(connection, exchange.signing_key, act)
        connection.commit()
    found, said = simulate(exchange, files, None), Speech(visit.language, exchange)
    values = {"act": act, "text": text, "simulated": found, "effects": effects(found, visit.form, said)}
    return Page("officer/signing.html", values)


def _stated(visit: Visit) -> datetime | None:
    """The moment of the statement that the form was about, while it may still be signed.

    Officers say when they signed; the log of acts and the audit log tell it as the moment it happened.
    """
    try:
        at = datetime.fromisoformat(visit.form.get("at", ""))
    except ValueError:
        return None
    return at if at.tzinfo is not None and timedelta() <= visit.at - at <= _FRESH else None


def signed(desk: Desk, visit: Visit) -> Answer:
    """Takes the signature; that it is the officer's, over this act and all before it, is proven by itself."""
    exchange, form = desk.exchange, visit.form
    at = _stated(visit)
    try:
        given = b64decode(form.get("signature", "").strip(), validate=True)
    except (ValueError, Error):
        raise Unusable(_("That is no signature: paste what the command printed."), "signature") from None
    if at is None:
        raise Unusable(_("That statement is older than a day: take a new one."))
    act = Act("ruleset-activated", form.get("subject", ""), "", form.get("officer", ""), at)
    with exchange.work.connect() as connection:
        try:
            after = append(connection, exchange.signing_key, act, lambda _statement: given)
        except DecisionFailed:
            raise Unusable(
                _("The signature does not fit, or somebody signed meanwhile: nothing was signed."),
                "signature",
            ) from None
        connection.commit()
    desk.opened.look()
    in_force = after.active == act.subject
    told = _("The rules are signed by two.") if in_force else _("Signed. A second officer signs now.")
    return Redirect("/privacy/activation", told=told)


PLACES = (
    Place("/privacy/activation", activation, _ROLES),
    Place("/privacy/activation", prepare, _ROLES, "POST", form=activation),
    Place("/privacy/activation/signed", signed, _ROLES, "POST", form=prepare),
)
