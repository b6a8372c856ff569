"""The match steward's pages: the queue, two records side by side, the decision and what followed."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Literal, cast

from exchange.app.identity.golden import golden_of, in_words
from exchange.app.identity.matching import (
    Consequence,
    ask_about,
    decide_pair,
    fhir_ids_of,
    held_back,
    history_of,
    latest_changes,
    settle,
    side_by_side,
    steward_queue,
    waterfall,
)
from exchange.app.identity.side_by_side import lines_of
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.given import reason_of, whole
from exchange.console.kept import brought, keep
from exchange.console.marking import _
from exchange.console.messages import Answer, Fields, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.rendering import day
from exchange.console.speech import Speech
from exchange.console.tables import MANY, Column, Row, after, asked_for, stretch, table
from exchange.linkage import survivorship
from exchange.model.errors import Conflict, ContentError
from exchange.model.records import Resource
from exchange.repository import Word

_ROLES: tuple[Role, ...] = ("match-steward",)


HARM = {3: _("overlay"), 2: _("protected records"), 1: _("care on both sides"), 0: _("none known")}


REASONS = {
    survivorship.ALONE: _("no partner says otherwise"),
    survivorship.MOST: _("more partners say this than anything else"),
    survivorship.FULLER: _("as many partners say another, which says less"),
    survivorship.FIRST: _(
        "as many partners say another, as complete: the first in order, so that nothing changes with time"
    ),
    survivorship.KNOWN: _("what is known goes before “unknown”"),
    survivorship.DEATH: _("a death told by one partner counts"),
    survivorship.UNITED: _("every value is kept; of one value written in two ways the one that says more"),
    survivorship.CLOSED: _("only records that are closed have it: marked as old"),
}


def _pair_link(row: Row) -> str:
    return f"/matching/{row['pair']}"


def _held_link(row: Row) -> str:
    return f"/matching/held/{row['patient']}"


_PAIRS = (
    Column("pair", _("Pair"), link=_pair_link),
    Column("partners", _("Partners"), "participants"),
    Column("harm", _("Harm if wrong"), "translated"),
    Column("probability", _("Model says"), "percent"),
    Column("rule", _("Why not linked"), "word:link-rule"),
    Column("opened", _("Waits since"), "day"),
    Column("asked", _("Partners asked"), "day"),
)
_EVIDENCE = (
    Column("field", _("Field")),
    Column("level", _("Agreement")),
    Column("bits", _("Bits"), "number"),
    Column("sum", _("Sum"), "number"),
)
_RECIPIENTS = (
    Column("at", _("When"), "moment"),
    Column("recipient", _("To whom"), "participant"),
    Column("records", _("Records"), "number"),
)
_SURVIVORS = (
    Column("element", _("Element"), "code"),
    Column("value", _("Shown")),
    Column("partners", _("Said by"), "participants"),
    Column("reason", _("Why this one"), "translated"),
    Column("others", _("Others say")),
)
_OVERLAYS = (
    Column("patient", _("Record"), link=_held_link),
    Column("partner", _("Partner"), "participant"),
    Column("since", _("Since"), "day"),
    Column("rule", _("Why"), "word:link-rule"),
    Column("outcome", _("Settled as"), "say"),
)
_CHANGES = (
    Column("at", _("When"), "moment"),
    Column("kind", _("What"), "translated"),
    Column("pair", _("Pair"), link=_pair_link),
    Column("partners", _("Partners"), "participants"),
    Column("who", _("Who"), "participant"),
    Column("golden", _("Person now"), "translated", lambda row: f"/matching/person/{row['now']}"),
)


def queue(desk: Desk, visit: Visit) -> Answer:
    overlays, doubts, measured = steward_queue(desk.exchange, MANY + 1)
    held = [
        {"patient": o.patient, "partner": o.partner, "since": o.since, "rule": o.rule, "outcome": o.outcome}
        for o in overlays
    ]
    pairs = [
        {
            "pair": f"{d.a}-{d.b}", "partners": d.partners, "harm": HARM[d.harm],
            "probability": d.probability, "rule": d.rule or None, "opened": d.opened, "asked": d.asked,
        }
        for d in doubts
    ]  # fmt: skip
    shown = Speech(visit.language, desk.exchange).shown
    return Page(
        "steward/queue.html",
        {
            "overlays": table("held", _OVERLAYS, held, visit.query, shown=shown),
            "pairs": table("pairs", _PAIRS, pairs, visit.query, shown=shown),
            "measured": measured,
        },
    )


def pair(desk: Desk, visit: Visit) -> Answer:
    numbers = _numbers(visit)
    try:
        found = side_by_side(desk.exchange, numbers, visit.person.login)
    except ContentError as error:
        raise NotFound from error
    said = Speech(visit.language, desk.exchange)
    evidence = [
        (said.word("field", name), said.word("level", level) if level else "", bits, total)
        for name, level, bits, total in waterfall(found.evidence, found.prior)
    ]
    lines: list[Row] = [
        {"field": name, "level": level, "bits": round(bits, 1), "sum": round(total, 1)}
        for name, level, bits, total in evidence
    ]
    return Page(
        "steward/pair.html",
        {
            "pair": visit.path["pair"],
            "doubt": found.doubt,
            "partners": [
                said.participant(_partner_of(record)) if record else said.say(_("kept out of the repository"))
                for record in found.records
            ],
            "kept_out": None in found.records,
            "lines": _in_words(lines_of(found.records), said),
            "evidence": table("evidence", _EVIDENCE, lines, visit.query, shown=said.shown),
            "drawn": [
                (f"{name}: {level}" if level else name, bits, sum_) for name, level, bits, sum_ in evidence
            ],
            "events": found.events,
            "joined": found.joined,
        },
    )


def _in_words(lines: list[list[str]], said: Speech) -> list[list[str]]:
    """Without what the heads of the columns say; codes as words, days as the language writes them."""
    say = {
        "gender": partial(said.word, "gender"),
        "born": partial(day, said.language),
        "died": partial(day, said.language),
    }
    shown = [(part, values, say.get(part.split()[0], str)) for part, *values in lines]
    return [
        [part, *(in_words(one) if one else one for one in values)]
        for part, values, in_words in shown
        if part.split()[0] != "source"
    ]


def _partner_of(record: Resource | None) -> str:
    """Who sent a record, as its map wrote it down."""
    source: str = record.get("meta", {}).get("source", "") if record else ""
    return source.rpartition(":")[2]


_MEANWHILE = _(
    "Somebody decided about these two meanwhile: what was said stands below. Decide again if you still would."
)


def decide(desk: Desk, visit: Visit) -> Answer:
    numbers, decision = _numbers(visit), visit.form.get("decision", "")
    if decision == "ask":
        ask_about(desk.exchange, numbers)
        return Redirect("/matching", told=_("The question is noted for the partners."))
    if decision not in ("link", "keep-apart"):
        raise Unusable(_("Choose one of the decisions."))
    word = Word(
        decision=cast("Literal['link', 'keep-apart']", decision),
        steward=visit.person.login,
        reason=reason_of(visit),
    )
    seen = whole(visit.form["seen"]) if visit.form.get("seen") else None
    try:
        done = decide_pair(desk.exchange, numbers, word, seen)
    except Conflict:
        raise Unusable(_MEANWHILE) from None
    return _done(desk, visit, _told(visit, done, "keep-apart" if decision == "link" else "link"), {})


def _told(visit: Visit, done: Consequence, opposite: str) -> dict[str, Any]:
    """What a decision did, to be brought back when its table is asked for otherwise: it is done only once."""
    went = [
        {"at": one.at.isoformat(), "recipient": one.recipient, "records": len(one.resources)}
        for one in done.disclosed
    ]
    counts = {"patients": done.patients, "moved": done.moved, "withdrawn": done.withdrawn}
    return {
        "pair": visit.path["pair"], "opposite": opposite, "done": counts, "went": went, "seen": done.event,
    }  # fmt: skip


def _done(desk: Desk, visit: Visit, told: dict[str, Any], asked: Fields) -> Page:
    rows: list[Row] = [{**row, "at": datetime.fromisoformat(row["at"])} for row in told["went"]]
    fields = {**asked, "kept": keep(desk, visit, "decision", told)}
    shown = Speech(visit.language, desk.exchange).shown
    went = table("recipients", _RECIPIENTS, rows, fields, "at", shown=shown)
    return Page("steward/done.html", {**told, "recipients": went})


def recipients(desk: Desk, visit: Visit) -> Answer:
    """The same again, with its table as the form asks for it."""
    told = brought(desk, visit, "decision")
    if told is None or told["pair"] != visit.path["pair"]:
        raise NotFound
    return _done(desk, visit, told, visit.form)


def person(desk: Desk, visit: Visit) -> Answer:
    """Why each value of the golden record is shown."""
    try:
        found = golden_of(desk.exchange, whole(visit.path["patient"]), visit.person.login)
    except ContentError as error:
        raise NotFound from error
    said = Speech(visit.language, desk.exchange)
    rows = [
        {
            "element": one.element, "value": _value(said, one.element, one.value),
            "partners": one.partners, "reason": REASONS[one.reason],
            "others": "; ".join(
                f"{_value(said, one.element, value)} ({said.participants(by)})" for value, by in one.others
            )
            or None,
        }
        for one in found.survivors
    ]  # fmt: skip
    shown = table("golden", _SURVIVORS, rows, visit.query, "element", shown=said.shown)
    return Page("steward/person.html", {"golden": shown, "records": found.records})


def _value(said: Speech, element: str, value: object) -> str:
    words = in_words(value)
    return said.word("gender", words) if element == "gender" else words


def held(desk: Desk, visit: Visit) -> Answer:
    patient = whole(visit.path["patient"])
    if patient not in held_back(desk.exchange):
        raise NotFound
    try:
        events, ids = history_of(desk.exchange, patient), fhir_ids_of(desk.exchange, (patient,))
    except ContentError as error:
        raise NotFound from error
    return Page("steward/overlay.html", {"patient": patient, "events": events}, patients=ids)


def settle_held(desk: Desk, visit: Visit) -> Answer:
    outcome = visit.form.get("outcome", "")
    if outcome not in ("one-person", "two-people"):
        raise Unusable(_("Choose one of the decisions."))
    settle(
        desk.exchange,
        whole(visit.path["patient"]),
        cast("Literal['one-person', 'two-people']", outcome),
        visit.person.login,
        reason_of(visit),
    )
    return Redirect("/matching", told=_("It is settled."))


def changes(desk: Desk, visit: Visit) -> Answer:
    rows = [
        {
            "event": c.event, "at": c.at, "kind": c.kind, "golden": _("golden record"), "now": c.b,
            "pair": f"{c.a}-{c.b}", "partners": c.partners,
            "who": f"account {c.steward}" if c.steward else "exchange",
        }
        for c in latest_changes(
            desk.exchange, after("changes", visit.query), asked_for("changes", visit.query)
        )
    ]  # fmt: skip
    shown = stretch("changes", _CHANGES, rows, visit.query, "event")
    return Page("steward/changes.html", {"changes": shown})


def _numbers(visit: Visit) -> tuple[int, int]:
    first, _dash, second = visit.path["pair"].partition("-")
    return whole(first), whole(second)


PLACES = (
    Place("/matching", queue, _ROLES),
    Place("/matching/changes", changes, _ROLES),
    Place("/matching/held/{patient}", held, _ROLES, purpose="PATADMIN"),
    Place("/matching/held/{patient}", settle_held, _ROLES, "POST", form=held),
    # Recorded in the transaction that reads, as at the command line, hence without Page.patients.
    Place("/matching/person/{patient}", person, _ROLES),
    Place("/matching/{pair}", pair, _ROLES),
    Place("/matching/{pair}", decide, _ROLES, "POST", form=pair),
    Place("/matching/{pair}/recipients", recipients, _ROLES, "POST"),
)
