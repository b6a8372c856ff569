"""The privacy officer's worklists: each entry is decided once, with a reason, by somebody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from exchange.app.privacy.deciding import (
    Verdict,
    consent_review,
    consent_reviews,
    decide_consent,
    decide_emergency,
    decide_late,
)
from exchange.app.privacy.explaining import rule_titles
from exchange.app.privacy.recalling import recall
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.given import decided_ones, reason_of, whole
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import Column, Row, after, asked_for, stretch, table
from exchange.delivery.recall import Cause, Kind, Outcome, close_task, items, tasks
from exchange.pipeline.ledger import Connection
from exchange.pipeline.quarantine import consent_waits, consents_waiting
from exchange.repository import (
    Closing,
    emergencies_by,
    emergency_access,
    late_disclosure,
    late_disclosures_by,
    patient_of_late,
)
from exchange.repository.disclosure.care import Finding

_ROLES: tuple[Role, ...] = ("privacy-officer",)
_Decide = Callable[[Connection, int, Any, str, str, datetime], None]  # entry, decision, reason, officer, when


_EMERGENCIES = (
    Column("entry", _("Entry"), "id", lambda row: f"/privacy/emergencies/{row['entry']}"),
    Column("at", _("When"), "moment"),
    Column("until", _("Until"), "moment"),
    Column("participant", _("Who"), "participant"),
    Column("nature", _("Nature of the emergency")),
    Column("decision", _("Review"), "say"),
)
_TASKS = (
    Column("recall", _("Recall"), "id", lambda row: f"/privacy/recalls/{row['recall']}"),
    Column("kind", _("Why"), "translated"),
    Column("participant", _("Asked of"), "participant"),
    Column("opened", _("Since"), "moment"),
    Column("items", _("Records"), "number"),
    Column("sent", _("Task sent"), "translated"),
    Column("outcome", _("Outcome"), "translated"),
)
_UNCOMPUTABLE = (
    Column("record", _("Record"), "id", lambda row: f"/privacy/consents/{row['record']}"),
    Column("partner", _("Partner"), "participant"),
    Column("expression", _("Element"), "code"),
    Column("detail", _("Reason"), "finding"),
)
_DECIDED = (
    Column("record", _("Record"), "id", lambda row: f"/privacy/consents/{row['record']}"),
    Column("decision", _("Decision"), "translated"),
    Column("reason", _("Reason")),
    Column("by", _("By")),
    Column("at", _("When"), "moment"),
)
_LATE = (
    Column("entry", _("Entry"), "id", lambda row: f"/privacy/late/{row['entry']}"),
    Column("resource", _("Kind of record"), "type"),
    Column("labels", _("Label that came late"), "labels"),
    Column("participant", _("Who got it"), "participant"),
    Column("purpose", _("Purpose"), "purpose"),
    Column("times", _("Times"), "number"),
    Column("because", _("Denied now by"), "rules"),
    Column("decision", _("Decision"), "say"),
)


def late(desk: Desk, visit: Visit) -> Answer:
    decided = decided_ones(visit)
    with desk.exchange.work.connect() as connection:
        found = late_disclosures_by(
            connection, decided, after("late", visit.query), asked_for("late", visit.query)
        )
    rows: list[Row] = [
        {
            "entry": d.entry, "resource": d.type, "labels": d.labels, "participant": d.participant,
            "purpose": d.purpose, "times": d.times, "because": d.because, "decision": d.decision,
        }
        for d in found
    ]  # fmt: skip
    shown = stretch("late", _LATE, rows, visit.query, "entry")
    return Page("officer/late.html", {"late": shown, "decided": decided})


def late_entry(desk: Desk, visit: Visit) -> Answer:
    number = whole(visit.path["entry"])
    with desk.exchange.work.connect() as connection:
        found = late_disclosure(connection, number)
        patient = patient_of_late(connection, found) if found else None
    if found is None:
        raise NotFound
    titles = rule_titles(desk.exchange.context)
    rules = [(name, *titles.get(name, ("", ""))) for name in found.because]
    values = {"late": found, "rules": rules, "closings": get_args(Closing)}
    return Page("officer/late_entry.html", values, patients=(patient,) if patient else ())


def decide_on_late(desk: Desk, visit: Visit) -> Answer:
    return _decided(desk, visit, get_args(Closing), decide_late, "/privacy/late")


def emergencies(desk: Desk, visit: Visit) -> Answer:
    decided = decided_ones(visit)
    with desk.exchange.work.connect() as connection:
        found = emergencies_by(
            connection, decided, after("emergencies", visit.query), asked_for("emergencies", visit.query)
        )
    rows: list[Row] = [
        {
            "entry": e.entry, "at": e.at, "until": e.until, "participant": e.participant,
            "nature": e.statement.get("emergency_nature", ""), "decision": e.decision,
        }
        for e in found
    ]  # fmt: skip
    shown = stretch("emergencies", _EMERGENCIES, rows, visit.query, "entry")
    # What is written about an emergency is in words: it may say who it was.
    about = tuple(sorted({e.patient for e in found[: asked_for("emergencies", visit.query) - 1]}))
    values = {"emergencies": shown, "decided": decided}
    return Page("officer/emergencies.html", values, patients=about)


def emergency(desk: Desk, visit: Visit) -> Answer:
    number = whole(visit.path["entry"])
    with desk.exchange.work.connect() as connection:
        found = emergency_access(connection, number)
    if found is None:
        raise NotFound
    values = {"found": found, "findings": get_args(Finding)}
    return Page("officer/emergency.html", values, patients=(found.patient,))


def review(desk: Desk, visit: Visit) -> Answer:
    return _decided(desk, visit, get_args(Finding), decide_emergency, "/privacy/emergencies")


def recalls(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        found = tasks(connection, closed=True)
    rows: list[Row] = [
        {
            "recall": t.recall, "kind": t.kind, "participant": t.participant, "opened": t.opened,
            "items": t.items, "sent": t.sent or _("no deliveries: tell them"),
            "outcome": t.outcome or _("open"),
        }
        for t in found
    ]  # fmt: skip
    said = Speech(visit.language, desk.exchange).shown
    shown = table("recalls", _TASKS, rows, visit.query, "recall", descending=True, shown=said)
    return Page("officer/recalls.html", {"recalls": shown, "kinds": get_args(Kind)})


def open_recall(desk: Desk, visit: Visit) -> Answer:
    kind, what = visit.form.get("kind", ""), visit.form.get("what", "").strip()
    if kind not in get_args(Kind):
        raise Unusable(_("Choose why something is asked back."), "kind")
    cause = Cause(kind, what, visit.person.login, reason_of(visit))  # type: ignore[arg-type]
    number = recall(desk.exchange, cause)
    if number is None:
        return Redirect("/privacy/recalls", told=_("Nobody got any of it: there is nothing to ask back."))
    return Redirect(f"/privacy/recalls/{number}", told=_("Every recipient is asked."))


def recalled(desk: Desk, visit: Visit) -> Answer:
    number = whole(visit.path["recall"])
    with desk.exchange.work.connect() as connection:
        asked = tasks(connection, number, closed=True)
        listed = items(connection, number)
    if not asked:
        raise NotFound
    people = tuple(sorted({str(item.about) for item in listed if item.about}))
    values = {"number": number, "tasks": asked, "items": listed, "outcomes": get_args(Outcome)}
    return Page("officer/recall.html", values, patients=people)


def close_recall(desk: Desk, visit: Visit) -> Answer:
    outcome = visit.form.get("outcome", "")
    if outcome not in get_args(Outcome):
        raise Unusable(_("Choose one of the decisions."), "outcome")
    try:
        task = UUID(visit.form.get("task", ""))
    except ValueError:
        raise NotFound from None
    with desk.exchange.work.connect() as connection:
        close_task(connection, task, outcome, visit.person.login, reason_of(visit), visit.at)  # type: ignore[arg-type]
        connection.commit()
    return Redirect(f"/privacy/recalls/{whole(visit.path['recall'])}", told=_("It is decided, and stands."))


def uncomputable(desk: Desk, visit: Visit) -> Answer:
    """Consents that wait in quarantine: nothing is guessed of them, so nothing is released by them."""
    decided = decided_ones(visit)
    if decided:
        return _decided_consents(desk, visit)
    with desk.exchange.work.connect() as connection:
        found = consents_waiting(
            connection, after("uncomputable", visit.query), asked_for("uncomputable", visit.query)
        )
    rows: list[Row] = [
        {"record": f.record, "partner": f.partner, "expression": f.expression, "detail": f.detail}
        for f in found
    ]
    shown = stretch("uncomputable", _UNCOMPUTABLE, rows, visit.query, "record")
    return Page("officer/uncomputable.html", {"uncomputable": shown, "decided": False})


def _decided_consents(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        found = consent_reviews(
            connection, after("uncomputable", visit.query), asked_for("uncomputable", visit.query)
        )
    rows: list[Row] = [
        {"record": d.record, "decision": d.decision, "reason": d.reason, "by": d.decided_by, "at": d.decided}
        for d in found
    ]
    shown = stretch("uncomputable", _DECIDED, rows, visit.query, "record")
    return Page("officer/uncomputable.html", {"uncomputable": shown, "decided": True})


def consent_entry(desk: Desk, visit: Visit) -> Answer:
    number = whole(visit.path["entry"])
    with desk.exchange.work.connect() as connection:
        found, decided = consent_waits(connection, number), consent_review(connection, number)
    if found is None and decided is None:
        raise NotFound
    values = {"number": number, "found": found, "review": decided, "decisions": get_args(Verdict)}
    return Page("officer/uncomputable_entry.html", values)


def decide_on_consent(desk: Desk, visit: Visit) -> Answer:
    return _decided(desk, visit, get_args(Verdict), decide_consent, "/privacy/consents")


def _decided(desk: Desk, visit: Visit, among: tuple[str, ...], decide: _Decide, back: str) -> Redirect:
    """Decides an entry with one of `among` and its reason, by whoever asks; it stands."""
    decision, why, entry = visit.form.get("decision", ""), reason_of(visit), whole(visit.path["entry"])
    if decision not in among:
        raise Unusable(_("Choose one of the decisions."), "decision")
    with desk.exchange.work.connect() as connection:
        decide(connection, entry, decision, why, visit.person.login, visit.at)
        connection.commit()
    return Redirect(back, told=_("It is decided, and stands."))


PLACES = (
    Place("/privacy/late", late, _ROLES),
    Place("/privacy/late/{entry}", late_entry, _ROLES, purpose="HCOMPL"),
    Place("/privacy/late/{entry}", decide_on_late, _ROLES, "POST", form=late_entry),
    Place("/privacy/emergencies", emergencies, _ROLES, purpose="HCOMPL"),
    Place("/privacy/emergencies/{entry}", emergency, _ROLES, purpose="HCOMPL"),
    Place("/privacy/emergencies/{entry}", review, _ROLES, "POST", form=emergency),
    Place("/privacy/recalls", recalls, _ROLES),
    Place("/privacy/recalls", open_recall, _ROLES, "POST", form=recalls),
    Place("/privacy/recalls/{recall}", recalled, _ROLES, purpose="HCOMPL"),
    Place("/privacy/recalls/{recall}", close_recall, _ROLES, "POST", form=recalled),
    Place("/privacy/consents", uncomputable, _ROLES),
    Place("/privacy/consents/{entry}", consent_entry, _ROLES),
    Place("/privacy/consents/{entry}", decide_on_consent, _ROLES, "POST", form=consent_entry),
)
