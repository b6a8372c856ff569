"""The privacy officer's pages on people and disclosures: who may see what, why, and who did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

from exchange.app.auditing import verify_audit_log
from exchange.app.explaining import Explained, explain_person, rule_titles
from exchange.app.persons import Share, find_persons, kinds_of, person_of, said_by, shares_of
from exchange.audit import accounting
from exchange.audit.searching import Wanted, find_events, get_event
from exchange.consent.proof.words import answer_words
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.messages import Answer, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.tables import Column, Row, export, table
from exchange.model.records import Viewer
from exchange.repository import Closing, close_late_disclosure, late_disclosures

_ROLES: tuple[Role, ...] = ("privacy-officer",)
_MOST = 5_000


def _(text: str) -> str:
    """Marks a text for the catalogues."""
    return text


_SAID = (
    Column("stored", _("Stored"), "moment"),
    Column("ended", _("Until"), "moment"),
    Column("status", _("Status")),
    Column("kind", _("What it is")),
    Column("effect", _("Says"), "mark"),
    Column("until", _("Ends")),
    Column("partner", _("From")),
    Column("version", _("Version"), "number"),
)
_DISCLOSURES = (
    Column("at", _("When"), "moment"),
    Column("recipient", _("To whom")),
    Column("role", _("Role")),
    Column("purpose", _("Purpose")),
    Column("records", _("Records"), "number"),
    Column("because", _("Under which rules")),
    Column("sequence", _("In the log"), "number", lambda row: f"/privacy/audit/{row['sequence']}"),
)
_LATE = (
    Column("entry", _("Entry"), "number", lambda row: f"/privacy/late/{row['entry']}"),
    Column("resource", _("Kind of record")),
    Column("labels", _("Label that came late")),
    Column("participant", _("Who got it")),
    Column("purpose", _("Purpose")),
    Column("times", _("Times"), "number"),
    Column("because", _("Denied now by")),
    Column("decision", _("Decision")),
)
_EVENTS = (
    Column("sequence", _("Number"), "number", lambda row: f"/privacy/audit/{row['sequence']}"),
    Column("at", _("When"), "moment"),
    Column("kind", _("What")),
    Column("who", _("Who")),
    Column("purpose", _("Purpose")),
    Column("outcome", _("Outcome"), "mark"),
)


def start(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        late = len(late_disclosures(connection, False))
        (events,) = connection.execute("SELECT count(*) FROM audit_event").fetchone() or (0,)
        (sealed,) = connection.execute("SELECT max(sequence) FROM audit_seal").fetchone() or (None,)
        (waiting,) = connection.execute("SELECT count(*) FROM waiting_directive").fetchone() or (0,)
    values = {"late": late, "events": events, "sealed": sealed, "waiting": waiting}
    return Page("officer/start.html", values)


def overall(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        shares = shares_of(connection, None, visit.at)
    return Page("officer/overall.html", _chosen(shares, visit))


def _chosen(shares: Sequence[Share], visit: Visit) -> dict[str, object]:
    """The matrix of the purpose that the address names, or of treatment."""
    purposes = sorted({share.purpose for share in shares})
    chosen = visit.query.get("purpose", "TREAT" if "TREAT" in purposes else next(iter(purposes), ""))
    matrix = _matrix([share for share in shares if share.purpose == chosen])
    return {"purposes": purposes, "chosen": chosen, **matrix}


def _matrix(shares: Sequence[Share]) -> dict[str, object]:
    """Participants by kinds of information; a participant's roles are one line, its best."""
    cells: dict[str, dict[str, Share]] = defaultdict(dict)
    for share in shares:
        best = cells[share.participant].get(share.kind)
        if best is None or share.visible > best.visible:
            cells[share.participant][share.kind] = share
    return {"kinds": kinds_of(shares), "matrix": dict(sorted(cells.items()))}


def search(desk: Desk, visit: Visit) -> Answer:
    """By POST: a name is not put into an address."""
    words = visit.form.get("words", "")
    found = find_persons(desk.exchange, words)
    patients = [fhir_id for person in found for fhir_id in person.ids]
    return Page("officer/found.html", {"found": found, "words": words}, patients=patients)


def person(desk: Desk, visit: Visit) -> Answer:
    key = _uuid(visit.path["person"])
    with desk.exchange.work.connect() as connection:
        known = person_of(connection, key)
        if not known.patients:
            raise NotFound
        shares = shares_of(connection, key, visit.at)
        said: list[Row] = [asdict(one) for one in said_by(connection, key)]
        disclosures = accounting(connection, known.ids[0])
    rows: list[Row] = [
        {
            "at": d.at, "recipient": d.recipient, "role": d.role, "purpose": d.purpose,
            "records": len(d.resources), "because": ", ".join(d.because) or None, "sequence": d.sequence,
        }
        for d in reversed(disclosures)
    ]  # fmt: skip
    if visit.query.get("format") == "csv":
        file = export("accounting-of-disclosures", _DISCLOSURES, rows)
        return type(file)(file.name, file.media, file.content, known.ids)
    return Page(
        "officer/person.html",
        {
            "person": known,
            "said": table("said", _SAID, said, visit.query),
            "disclosures": table("disclosures", _DISCLOSURES, rows, visit.query),
            **_chosen(shares, visit),
        },
        patients=known.ids,
    )  # fmt: skip


def why(desk: Desk, visit: Visit) -> Answer:
    """Every reason for one cell of a person's matrix, with the rules' titles and citations."""
    key = _uuid(visit.path["person"])
    viewer = Viewer(
        visit.query.get("participant", ""),
        visit.query.get("role", "organization"),
        visit.query.get("purpose", ""),
    )
    kind = visit.query.get("kind", "")
    if viewer.participant not in desk.exchange.partners:
        raise NotFound
    with desk.exchange.work.connect() as connection:
        known = person_of(connection, key)
        if not known.patients:
            raise NotFound
        found = explain_person(desk.exchange, connection, key, viewer, visit.at)
    chosen = [one for one in found if (kind in one.labels if kind else not one.labels)]
    grouped: dict[tuple[object, ...], list[Explained]] = defaultdict(list)
    for one in chosen:
        reason = one.decision.effect, one.decision.because, one.visible, one.type, one.source, one.labels
        grouped[reason].append(one)
    rules = desk.exchange.context.rules
    answers = [
        {
            "visible": group[0].visible, "type": group[0].type, "source": group[0].source,
            "count": len(group), "labels": group[0].labels, "related": group[0].related,
            "needs": group[0].decision.needs_relationship,
            "words": answer_words(group[0].decision, rules, tuple(", ".join(c) for c in group[0].consents)),
        }
        for group in grouped.values()
    ]  # fmt: skip
    titles = rule_titles(desk.exchange.context)
    named = sorted({b for one in chosen for b in one.decision.because if b in titles})
    return Page(
        "officer/why.html",
        {
            "person": known,
            "viewer": viewer,
            "kind": kind,
            "answers": answers,
            "rules": [(n, *titles[n]) for n in named],
        },
        patients=known.ids,
    )


def late(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        found = late_disclosures(connection, True)
    rows: list[Row] = [
        {
            "entry": d.entry, "resource": d.type, "labels": ", ".join(d.labels), "participant": d.participant,
            "purpose": d.purpose, "times": d.times, "because": ", ".join(d.because), "decision": d.decision,
        }
        for d in found
    ]  # fmt: skip
    return Page("officer/late.html", {"late": table("late", _LATE, rows, visit.query, "decision")})


def late_entry(desk: Desk, visit: Visit) -> Answer:
    number = _whole(visit.path["entry"])
    with desk.exchange.work.connect() as connection:
        found = next((d for d in late_disclosures(connection, True) if d.entry == number), None)
    if found is None:
        raise NotFound
    titles = rule_titles(desk.exchange.context)
    rules = [(name, *titles.get(name, ("", ""))) for name in found.because]
    return Page("officer/late_entry.html", {"late": found, "rules": rules, "closings": get_args(Closing)})


def decide_late(desk: Desk, visit: Visit) -> Answer:
    decision, reason = visit.form.get("decision", ""), visit.form.get("reason", "").strip()
    if decision not in get_args(Closing):
        raise Unusable(_("Choose one of the decisions."))
    if not reason:
        raise Unusable(_("A decision needs its reason."))
    with desk.exchange.work.connect() as connection:
        number = _whole(visit.path["entry"])
        close_late_disclosure(connection, number, decision, reason, visit.person.login, visit.at)  # type: ignore[arg-type]
        connection.commit()
    return Redirect("/privacy/late", told=_("It is decided, and stands."))


def audit(desk: Desk, visit: Visit) -> Answer:
    wanted = Wanted(
        kind=visit.query.get("kind", ""),
        participant=visit.query.get("participant", ""),
        since=_day(visit.query.get("since", "")),
        until=_day(visit.query.get("until", "")),
    )
    with desk.exchange.work.connect() as connection:
        found = find_events(connection, wanted, _MOST)
        kinds = [row[0] for row in connection.execute("SELECT DISTINCT kind FROM audit_event ORDER BY 1")]
    outcomes = {"0": "good", "4": "warn", "8": "bad", "12": "bad"}
    rows: list[Row] = [asdict(e) | {"outcome": outcomes.get(e.outcome, e.outcome)} for e in found]
    if visit.query.get("format") == "csv":
        return export("audit", _EVENTS, rows)
    values = {"kinds": kinds, "wanted": wanted, "participants": sorted(desk.exchange.partners)}
    return Page("officer/audit.html", {**values, "events": table("events", _EVENTS, rows, visit.query)})


def audit_event(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        found = get_event(connection, _whole(visit.path["sequence"]))
        if found is None:
            raise NotFound
        about = connection.execute(
            "SELECT patient::text FROM audit_event WHERE sequence = %s AND patient IS NOT NULL",
            [_whole(visit.path["sequence"])],
        ).fetchall()
    event, previous, own = found
    values = {
        "sequence": visit.path["sequence"],
        "event": event,
        "previous": previous.hex(),
        "own": own.hex(),
    }
    return Page("officer/event.html", values, patients=tuple(row[0] for row in about))


def verify(desk: Desk, visit: Visit) -> Answer:
    findings = verify_audit_log(desk.exchange)
    return Page("officer/verified.html", {"findings": findings})


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Unusable(_("A day is written like 2026-11-26.")) from None


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise NotFound from None


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise NotFound
    return int(text)


PLACES = (
    Place("/privacy", start, _ROLES),
    Place("/privacy/matrix", overall, _ROLES),
    Place("/privacy/people", search, _ROLES, "POST", purpose="HCOMPL"),
    Place("/privacy/people/{person}", person, _ROLES, purpose="HCOMPL"),
    Place("/privacy/people/{person}/why", why, _ROLES, purpose="HCOMPL"),
    Place("/privacy/late", late, _ROLES),
    Place("/privacy/late/{entry}", late_entry, _ROLES),
    Place("/privacy/late/{entry}", decide_late, _ROLES, "POST"),
    Place("/privacy/audit", audit, _ROLES),
    Place("/privacy/audit/verified", verify, _ROLES, "POST"),
    Place("/privacy/audit/{sequence}", audit_event, _ROLES, purpose="HCOMPL"),
)
