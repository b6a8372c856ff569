"""A record of the audit log in words: who did what, to whose data, when, for what, and how it ended."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Mapping, Sequence
from typing import Any

from exchange.console.marking import _
from exchange.console.speech import Speech

_RULE = "urn:mosaic:rule:"
UNKNOWN = _("somebody")
"""Who could not sign in: the log keeps no login that was tried."""
_OUTCOMES = {"0": _("it succeeded"), "4": _("not done"), "8": _("refused"), "12": _("it failed")}

_BY_PEOPLE = ("client.changed", "subscription.changed")
"""What an account of a participant does at the console: the record names both."""
_DONE = {
    ("client.changed", "C"): _("registered, or let in again"),
    ("client.changed", "U"): _("given other keys"),
    ("client.changed", "D"): _("switched off"),
    ("subscription.changed", "C"): _("begun"),
    ("subscription.changed", "D"): _("ended"),
}


def event_words(
    event: Mapping[str, Any], kind: str, participant: str | None, said: Speech
) -> list[tuple[str, Sequence[str]]]:
    """(what is told, lines), without what the record does not tell; its own codes stand as they are."""
    told = [
        (_("Who"), [*_who(event, participant, said), *_account(event, kind, said)]),
        (_("What"), [said.word("event", kind), *_done(event, kind, said)]),
        (_("Whose data"), _named(event, patients=True)),
        (_("Which records or page"), _named(event, patients=False)),
        (_("What was asked"), _asked(event)),
        (_("Purpose"), [said.purpose(code) for code in _purposes(event)]),
        (_("Under which rules"), _rules(event, said)),
        (_("Outcome"), _ended(event, said)),
    ]
    return [(said.say(title), lines) for title, lines in told if lines]


def _done(event: Mapping[str, Any], kind: str, said: Speech) -> list[str]:
    words = _DONE.get((kind, event.get("action", "")))
    return [said.say(words)] if words else []


def _account(event: Mapping[str, Any], kind: str, said: Speech) -> list[str]:
    if kind not in _BY_PEOPLE:
        return []
    logins = [agent.get("who", {}).get("display", "") for agent in event.get("agent", ())]
    return [said.participant(one if one == "exchange" else f"account {one}") for one in logins if one]


def _who(event: Mapping[str, Any], participant: str | None, said: Speech) -> list[str]:
    """Whoever asked for it, in which role, and the software that was used."""
    agents = event.get("agent", [])
    asking = next((agent for agent in agents if agent.get("requestor")), agents[0] if agents else {})
    login = asking.get("who", {}).get("display", "")
    who = login if login == UNKNOWN else f"account {login}"
    name = said.participant(participant or who)
    roles = ", ".join(said.say(role["text"]) for role in asking.get("role", ()) if "text" in role)
    software = [
        value for agent in agents if (value := agent.get("who", {}).get("identifier", {}).get("value"))
        and not agent.get("requestor") and not value.startswith("http")
    ]  # fmt: skip
    return [f"{name} ({roles})" if roles else name, *software]


def _named(event: Mapping[str, Any], patients: bool) -> list[str]:
    """References of the entities that are patients, or of the others and the names of pages."""
    found = []
    for entity in event.get("entity", ()):
        reference = entity.get("what", {}).get("reference", "")
        if reference and reference.startswith("Patient/") == patients:
            found.append(reference)
        elif not patients and not reference and entity.get("name"):
            found.append(entity["name"])
    return list(dict.fromkeys(found))


def _asked(event: Mapping[str, Any]) -> list[str]:
    """Requests are kept in base64, as they came."""
    found = [entity["query"] for entity in event.get("entity", ()) if "query" in entity]
    try:
        return [b64decode(text).decode() for text in found]
    except (Error, UnicodeDecodeError):
        return found


def _purposes(event: Mapping[str, Any]) -> list[str]:
    return [coding["code"] for one in event.get("purposeOfEvent", ()) for coding in one.get("coding", ())]


def _rules(event: Mapping[str, Any], said: Speech) -> list[str]:
    policies = (policy for agent in event.get("agent", ()) for policy in agent.get("policy", ()))
    rules = (policy.removeprefix(_RULE) for policy in policies if policy.startswith(_RULE))
    return list(dict.fromkeys(_rule(name, said) for name in rules))


def _rule(name: str, said: Speech) -> str:
    """A consent with its id, version and provision; the log of before names none."""
    words, (_kind, *where) = said.rule(name), name.split(":", 2)
    named = _kind == "consent" and "/" in "".join(where[:1])
    return f"{words} (Consent/{', '.join(where)})" if named else words


def _ended(event: Mapping[str, Any], said: Speech) -> list[str]:
    outcome = event.get("outcome", "")
    words, why = said.say(_OUTCOMES.get(outcome, outcome)), event.get("outcomeDesc")
    return [f"{words}: {said.say(why)}" if why else words]
