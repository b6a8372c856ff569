"""The data engineer's pages on what came in: partners, runs, records, quarantine."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

from exchange.app import Exchange, replay_quarantine, withheld_of
from exchange.app.partners.overview import glances, overdue
from exchange.app.records.journey import (
    STEPS,
    Journey,
    Stored,
    flow_of,
    journey_of,
    pretty,
    records_numbered,
    records_of,
)
from exchange.app.records.lineage import Lineage, trace
from exchange.console.accounts import Role
from exchange.console.codes import CODES
from exchange.console.desk import Desk
from exchange.console.flow import flow_chart
from exchange.console.given import REASON, reason_asked, whole
from exchange.console.language import catalogue
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.rendering import in_digits
from exchange.console.speech import Speech
from exchange.console.tables import LATEST, Column, Row, after, asked_for, stretch, table
from exchange.model.errors import Conflict, ContentError, RecordRejected
from exchange.pipeline import ledger, quarantine
from exchange.pipeline.balance import OUTCOMES, Balance, balance_from, left_of, outcomes_of

_ROLES: tuple[Role, ...] = ("data-engineer",)


_PARTNERS = (
    Column("name", _("Partner"), link=lambda row: f"/partners/{row['partner']}"),
    Column("sends", _("Sends"), "code"),
    Column("started", _("Last run"), "moment", lambda row: f"/runs/{row['run']}" if row["run"] else ""),
    Column("status", _("Balance"), "mark"),
    Column("fresh", _("Freshness"), "mark:fresh"),
    Column("pulled", _("Pulled"), "number"),
    Column("trend", _("Trend"), "trend"),
    Column("quarantined", _("Waiting"), "number", lambda row: f"/quarantine?waiting.filter={row['partner']}"),
)
_RUNS = (
    Column("run", _("Run"), "id", lambda row: f"/runs/{row['run']}"),
    Column("started", _("Started"), "moment"),
    Column("kind", _("Kind"), "translated"),
    Column("status", _("Balance"), "mark"),
    Column("seconds", _("Seconds"), "number"),
    Column("pulled", _("Pulled"), "number"),
    *(Column(outcome, outcome.capitalize(), "number") for outcome in OUTCOMES),
)
_RECORDS = (
    Column("record", _("Record"), "id", lambda row: f"/records/{row['record']}"),
    Column("feed", _("Feed"), "code"),
    Column("outcome", _("Outcome"), "mark"),
    Column("deleted", _("Deletion"), "translated"),
)
_LINEAGE = (
    Column("element", _("Element"), "code"),
    Column("source", _("Came from")),
    Column("row", _("Row of the map")),
    Column("functions", _("Functions and code maps")),
)
_FEEDS = (
    Column("name", _("Feed"), "code"),
    Column("format", _("Format"), "code"),
    Column("map", _("Map"), "code"),
    Column("labels", _("Labels of its program"), "labels"),
)
_WITHHELD = (
    Column("rule", _("Rule"), "code"),
    Column("title", _("In words"), "say"),
    Column("citation", _("Law"), "say"),
    Column("resources", _("Resources"), "number"),
)
_ISSUES = (
    Column("severity", _("Severity"), "mark"),
    Column("code", _("Kind"), "word:issue"),
    Column("expression", _("Element"), "code"),
    Column("detail", _("Reason"), "finding"),
    Column("position", _("Stands at"), "place"),
)
_STORED = (
    Column("reference", _("Resource"), "code"),
    Column("version", _("Version"), "number"),
    Column("rendition", _("Rendition"), "translated"),
    Column("labels", _("Labels")),
    Column("person", _("Person"), "code"),
    Column("cluster", _("Records of the same fact"), "number"),
    Column("viewers", _("Who may see it"), "lines"),
)
_OF_REASON = (
    Column("record", _("Record"), "id", lambda row: f"/records/{row['record']}"),
    Column("feed", _("Feed"), "code"),
    Column("run", _("Run"), "id", lambda row: f"/runs/{row['run']}"),
    Column("came", _("Came"), "moment"),
)
_FOUND = (
    *_OF_REASON,
    Column("outcome", _("Outcome"), "mark"),
)


def _asking(row: Row) -> str:
    """The reason of a line as a question: a kind, an element and a sentence, none of which names anybody."""
    return urlencode({name: row[name] for name in ("partner", *REASON)})


_WAITING = (
    Column("partner", _("Partner"), "participant", link=lambda row: f"/partners/{row['partner']}"),
    Column("code", _("Kind"), "word:issue"),
    Column("expression", _("Element"), "code"),
    Column("detail", _("Reason"), "finding"),
    Column("records", _("Records"), "number", lambda row: "/quarantine/records?" + _asking(row)),
    Column("example", _("Look at one"), "id", lambda row: f"/records/{row['example']}"),
)


def partners(desk: Desk, visit: Visit) -> Answer:
    rows = [asdict(glance) | {"status": glance.status or _("never")} for glance in glances(desk.exchange)]
    shown = table(
        "partners", _PARTNERS, rows, visit.query, "name", shown=Speech(visit.language, desk.exchange).shown
    )
    return Page("engineer/partners.html", {"partners": shown, "wrong": desk.opened.wrong})


def partner(desk: Desk, visit: Visit) -> Answer:
    code = visit.path["partner"]
    if code not in desk.exchange.partners:
        raise NotFound
    with desk.exchange.work.connect() as connection:
        found = ledger.recent_runs(connection, code, LATEST + 1)
        outcomes = outcomes_of(connection, found[:LATEST])
        rows = [
            {
                "run": run.run, "started": run.started, "kind": run.kind, "status": run.status,
                "seconds": round(sum(run.seconds.values()), 1), "pulled": run.pulled, **outcomes[run.run],
            }
            for run in found[:LATEST]
        ]  # fmt: skip
    found_partner, shown = desk.exchange.partners[code], Speech(visit.language, desk.exchange).shown
    last = next((run for run in found if run.kind == "pull"), None)
    feeds: list[Row] = [
        {"name": name, "format": feed.format, "map": feed.map, "labels": feed.program.labels}
        for name, feed in found_partner.feeds.items()
    ]
    return Page(
        "engineer/partner.html",
        {
            "partner": found_partner,
            "older": len(found) > LATEST,
            "late": overdue(found_partner, last.started, visit.at) if last else None,
            "open": next((run.run for run in found if run.status == "open"), None),
            "feeds": table("feeds", _FEEDS, feeds, visit.query, shown=shown),
            "runs": table("runs", _RUNS, rows, visit.query, shown=shown),
        },
    )


def run(desk: Desk, visit: Visit) -> Answer:
    number = whole(visit.path["run"])
    with desk.exchange.work.connect() as connection:
        try:
            found = ledger.get_run(connection, number)
        except Conflict as error:
            raise NotFound from error
        left = left_of(connection, number)
        balanced = balance_from(connection, number, left)
    flow = flow_of(found.pulled, left)
    kept_out: list[Row] = [asdict(one) for one in withheld_of(desk.exchange, number)]
    shown = Speech(visit.language, desk.exchange).shown
    return Page(
        "engineer/run.html",
        {
            "run": found,
            "balance": balanced,
            "records": table("balance", _balance_of(number), _lines(balanced), visit.query, shown=shown),
            "withheld": table("withheld", _WITHHELD, kept_out, visit.query, shown=shown),
            "draw": lambda label: flow_chart(
                flow,
                label,
                lambda what, value: f"/runs/{number}/records?{what}={value}",
                catalogue(visit.language).gettext,
                partial(in_digits, visit.language),
            ),
        },
    )


def _balance_of(run: int) -> tuple[Column, ...]:
    """Each count leads to its records."""

    def listed(row: Row) -> str:
        outcome = "" if row["outcome"] == "pulled" else f"?outcome={row['outcome']}"
        return f"/runs/{run}/records{outcome}" if row["records"] else ""

    return Column("outcome", _("Outcome"), "translated"), Column("records", _("Records"), "number", listed)


def _lines(balanced: Balance) -> list[Row]:
    counts = {"pulled": balanced.pulled, **balanced.records}
    return [{"outcome": outcome, "records": count} for outcome, count in counts.items()]


def records(desk: Desk, visit: Visit) -> Answer:
    number, outcome = whole(visit.path["run"]), visit.query.get("outcome")
    step = next((one for one in STEPS if one == visit.query.get("step", "pull")), None)
    if (outcome is not None and outcome not in OUTCOMES) or step is None:
        raise NotFound
    with desk.exchange.work.connect() as connection:
        found = records_of(
            connection,
            number,
            outcome,
            after("records", visit.query),
            asked_for("records", visit.query),
            step,
        )
    rows: list[Row] = [asdict(one) | {"deleted": _("yes") if one.deleted else _("no")} for one in found]
    shown = stretch("records", _RECORDS, rows, visit.query, "record")
    return Page("engineer/records.html", {"run": number, "outcome": outcome, "step": step, "records": shown})


def record(desk: Desk, visit: Visit) -> Answer:
    """Patient data: shown to find what went wrong, and recorded."""
    try:
        found = journey_of(desk.exchange, whole(visit.path["record"]))
    except ContentError as error:
        raise NotFound from error
    mapped = [
        {
            "json": pretty(resource),
            "reference": f"{resource['resourceType']}/{resource['id']}",
            "labels": labels,
        }
        for resource, labels in zip(found.resources, found.labels, strict=True)
    ]
    traced = None if found.unreadable else _traced(desk.exchange, found.record)
    names = ("element", "source", "row", "functions")
    lines = [dict(zip(names, values, strict=True)) for values in traced.values] if traced else []
    said = Speech(visit.language, desk.exchange)
    issues: list[Row] = [
        dict(zip(("severity", "code", "expression", "detail", "position"), one, strict=True))
        for one in found.issues
    ]
    return Page(
        "engineer/record.html",
        {
            "journey": found,
            "issues": table("issues", _ISSUES, issues, visit.query, shown=said.shown) if issues else None,
            "stored": table("stored", _STORED, _stored(said, found), visit.query, shown=said.shown),
            "evidence_words": CODES["evidence"],
            "mapped": mapped,
            "lineage": table("lineage", _LINEAGE, lines, visit.query) if lines else None,
            "traced": traced,
            "filled": [(field, datetime.fromisoformat(at), n) for field, at, n in traced.filled]
            if traced
            else [],
        },
        patients=found.patients,
    )


def _stored(said: Speech, found: Journey) -> list[Row]:
    return [
        {
            "reference": one.reference, "version": one.version,
            "rendition": _("redacted") if one.rendition else _("whole"),
            "labels": _revealing(said, one),
            "person": one.person[:8] if one.person else None, "cluster": one.cluster,
            "viewers": _who_may(said, one),
        }
        for one in found.stored
    ]  # fmt: skip


def _revealing(said: Speech, one: Stored) -> str:
    """How confidential it is in words, and its labels."""
    grade = f"{said.word('confidentiality', one.confidentiality)} ({one.confidentiality})"
    return f"{grade}; {said.labels(one.labels)}" if one.labels else grade


def _who_may(said: Speech, one: Stored) -> tuple[str, ...]:
    """A line for each organization with its purposes, or one that says why there is none."""
    if one.because:
        return (said.say(_("kept out by %(rules)s")) % {"rules": said.rules(one.because)},)
    purposes: dict[str, list[str]] = {}
    for viewer in one.viewers:
        participant, _space, purpose = viewer.partition(" ")
        purposes.setdefault(participant, []).append(said.purpose(purpose))
    lines = (f"{said.participant(code)}: {', '.join(why)}" for code, why in purposes.items())
    return tuple(lines) or (said.say(_("nobody else")),)


def _traced(exchange: Exchange, record: int) -> Lineage | None:
    """Nothing of a record that its map refuses whole: what was found says why."""
    try:
        return trace(exchange, str(record))
    except RecordRejected:
        return None


def of_reason(desk: Desk, visit: Visit) -> Answer:
    code, why = visit.query.get("partner", ""), reason_asked(visit)
    if code not in desk.exchange.partners:
        raise NotFound
    with desk.exchange.work.connect() as connection:
        found = quarantine.records_waiting(
            connection, code, why, after("records", visit.query), asked_for("records", visit.query)
        )
    rows: list[Row] = [{"record": w.record, "feed": w.feed, "run": w.run, "came": w.came} for w in found]
    shown = stretch("records", _OF_REASON, rows, visit.query, "record")
    return Page("engineer/waiting.html", {"partner": code, "why": why, "records": shown})


def find_records(desk: Desk, visit: Visit) -> Answer:
    """By the number a record has at its partner, which may be somebody's: it is in no address."""
    code, number = visit.path["partner"], visit.form.get("number", "").strip()
    if code not in desk.exchange.partners:
        raise NotFound
    if not number:
        raise Unusable(_("Write the number that the partner knows the record by."), "number")
    with desk.exchange.work.connect() as connection:
        rows: list[Row] = [asdict(one) for one in records_numbered(connection, code, number, LATEST + 1)]
    shown = Speech(visit.language, desk.exchange).shown
    found = table("found", _FOUND, rows[:LATEST], visit.form, shown=shown)
    return Page(
        "engineer/found.html",
        {"partner": code, "found": found, "number": number, "older": len(rows) > LATEST},
    )


def waiting(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        rows = [asdict(one) for one in quarantine.waiting_reasons(connection, desk.exchange.partners)]
    said = Speech(visit.language, desk.exchange).shown
    shown = table("waiting", _WAITING, rows, visit.query, "records", descending=True, shown=said)
    return Page(
        "engineer/quarantine.html", {"waiting": shown, "partners": sorted({r["partner"] for r in rows})}
    )


def replay(desk: Desk, visit: Visit) -> Answer:
    """By the maps of now; with content that cannot be used nothing would get better, and its flaw is told."""
    desk.opened.look()
    if desk.opened.wrong is not None:
        raise desk.opened.wrong
    code = visit.form.get("partner", "")
    if code not in desk.exchange.partners:
        raise NotFound
    runs = replay_quarantine(desk.exchange, desk.exchange.partners[code])
    return Redirect(f"/runs/{runs[-1]}", told=_("The quarantined records went through the steps again."))


PLACES = (
    Place("/partners", partners, _ROLES),
    Place("/partners/{partner}", partner, _ROLES),
    Place("/runs/{run}", run, _ROLES),
    Place("/runs/{run}/records", records, _ROLES),
    Place("/records/{record}", record, _ROLES, purpose="HSYSADMIN"),
    Place("/partners/{partner}/records", find_records, _ROLES, "POST", form=partner),
    Place("/quarantine", waiting, _ROLES),
    Place("/quarantine/records", of_reason, _ROLES),
    Place("/quarantine", replay, _ROLES, "POST"),
)
