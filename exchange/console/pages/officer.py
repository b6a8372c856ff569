"""The privacy officer's pages on people and disclosures: who may see what, why, and who did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain

from exchange.app.privacy.accountings import Asked, account, as_pdf
from exchange.app.privacy.capturing import taken_here
from exchange.app.privacy.explaining import Explained, explain_person, rule_titles
from exchange.app.privacy.persons import Said, find_persons, person_of, said_by, shares_of
from exchange.app.privacy.shares import (
    count_shares,
    counted_shares,
    purposes_of,
    reasons_of_all,
    shares_of_all,
)
from exchange.app.privacy.subjects import subject_of
from exchange.app.privacy.suspending import accountable
from exchange.audit.days import records_kept
from exchange.audit.report import YEARS
from exchange.consent.proof.words import answer_words
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.given import uuid_of
from exchange.console.marking import _
from exchange.console.matrix import matrix
from exchange.console.messages import Answer, Download, NotFound, Page, Redirect, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import MANY, Column, Row, export, table
from exchange.model.records import Decision, Viewer
from exchange.pipeline.ledger import Connection

_ROLES: tuple[Role, ...] = ("privacy-officer",)
_MOST = 5_000
_REASONS = 40  # cards on a page


_FOUND = (
    Column("names", _("Names"), "text", lambda row: f"/privacy/people/{row['person']}"),
    Column("born", _("Born")),
    Column("partners", _("Records from"), "participants"),
)
_SAID = (
    Column("stored", _("Stored"), "moment"),
    Column("ended", _("Until"), "moment"),
    Column("status", _("Status"), "word:consent-status"),
    Column("kind", _("What it is"), "text", lambda row: str(row["at"])),
    Column("effect", _("Says"), "mark"),
    Column("until", _("Ends")),
    Column("partner", _("From"), "participant"),
    Column("version", _("Version"), "number"),
)
_DISCLOSURES = (
    Column("at", _("When"), "moment"),
    Column("recipient", _("To whom"), "participant"),
    Column("role", _("Role"), "say"),
    Column("purpose", _("Purpose"), "purpose"),
    Column("records", _("Records"), "number"),
    Column("because", _("Under which rules"), "rules"),
    Column("sequence", _("In the log"), "number", lambda row: f"/privacy/audit/{row['sequence']}"),
)


def start(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        counts = {name: _up_to(connection, what) for name, what in _WAITING.items()}
        (sealed,) = connection.execute("SELECT max(sequence) FROM audit_seal").fetchone() or (None,)
        events = records_kept(connection)
    return Page("officer/start.html", {**counts, "events": events, "sealed": sealed})


_WAITING = {
    "late": "late_disclosure WHERE decision IS NULL",
    "emergencies": "emergency_access WHERE decision IS NULL",
    "unusual": "access_watch WHERE decision IS NULL",
    "recalls": "recall_task WHERE outcome IS NULL",
    "waiting": "waiting_directive",
}


def _up_to(connection: Connection, what: str) -> int:
    """How many wait; what is more than `MANY` is not counted on."""
    row = connection.execute(f"SELECT count(*) FROM (SELECT FROM {what} LIMIT {MANY + 1}) AS w").fetchone()
    return int(row[0]) if row else 0


def overall(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        counted = counted_shares(connection, visit.at)
        purposes = purposes_of(connection)
        chosen = _chosen(purposes, visit)
        shares = shares_of_all(connection, chosen, visit.at)
    said = Speech(visit.language, desk.exchange)
    shown = matrix(shares, "/privacy/matrix/why", visit.query, said)
    values = {"purposes": purposes, "chosen": chosen, "counted": counted, "matrix": shown}
    return Page("officer/overall.html", values)


def count_again(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        count_shares(connection, visit.at)
        connection.commit()
    return Redirect("/privacy/matrix")


def overall_why(desk: Desk, visit: Visit) -> Answer:
    """Every reason for one cell of everybody's matrix; whose records these are is not shown."""
    viewer, kind = _asked(desk, visit)
    with desk.exchange.work.connect() as connection:
        found = reasons_of_all(desk.exchange.context, connection, viewer, kind, visit.at)
    rules, said = desk.exchange.context.rules, Speech(visit.language, desk.exchange)
    shown = found[:_REASONS]
    answers = [
        {"reason": one, "words": answer_words(_of_anybody(one.decision), rules, (), said.say)}
        for one in shown
    ]
    titles = rule_titles(desk.exchange.context)
    named = sorted({name for one in shown for name in one.decision.because if name in titles})
    values = {"answers": answers, "more": len(found) - len(shown)}
    values |= {"viewer": viewer, "kind": kind, "rules": [(name, *titles[name]) for name in named]}
    return Page("officer/overall_why.html", values)


def _of_anybody(decision: Decision) -> Decision:
    """Which consent of a person it was tells nothing of everybody: it is said once that it was one."""
    because = dict.fromkeys("consent" if one.startswith("consent:") else one for one in decision.because)
    return replace(decision, because=tuple(because))


def _asked(desk: Desk, visit: Visit) -> tuple[Viewer, str]:
    """Who would ask, and of which label the records are; `` for none."""
    viewer = Viewer(
        visit.query.get("participant", ""),
        visit.query.get("role", "organization"),
        visit.query.get("purpose", ""),
    )
    if viewer.participant not in desk.exchange.partners:
        raise NotFound
    return viewer, visit.query.get("kind", "")


def _chosen(purposes: Sequence[str], visit: Visit) -> str:
    """The purpose that the address names, or treatment."""
    return visit.query.get("purpose", "TREAT" if "TREAT" in purposes else next(iter(purposes), ""))


def search(desk: Desk, visit: Visit) -> Answer:
    """By POST: a name is not put into an address."""
    words = visit.form.get("words", "")
    found = find_persons(desk.exchange, words)
    patients = [fhir_id for person in found for fhir_id in person.ids]
    said = Speech(visit.language, desk.exchange)
    rows: list[Row] = [
        {
            "names": " / ".join(one.names) or said.say(_("(no name)")),
            "born": ", ".join(one.born), "person": one.person,
            "partners": tuple(dict.fromkeys(partner for partner, _id in one.patients)),
        }
        for one in found
    ]  # fmt: skip
    shown = table("found", _FOUND, rows, visit.form, shown=said.shown)
    return Page("officer/found.html", {"found": shown, "words": words}, patients=patients)


def person(desk: Desk, visit: Visit) -> Answer:
    key = uuid_of(visit.path["person"])
    with desk.exchange.work.connect() as connection:
        known = person_of(connection, key)
        if not known.patients:
            raise NotFound
        shares = shares_of(connection, key, visit.at)
        here = taken_here(connection, known)
        said: list[Row] = [
            {
                **asdict(one),
                "kind": _kind(desk, visit, one),
                "at": f"/privacy/people/{key}/consents/{one.consent}" if one.consent in here else "",
            }
            for one in said_by(connection, key)
        ]
        disclosures = accountable(connection, known.ids[0], visit.at)
    purposes = sorted({share.purpose for share in shares})
    chosen = _chosen(purposes, visit)
    rows: list[Row] = [
        {
            "at": d.at, "recipient": d.recipient, "role": d.role, "purpose": d.purpose,
            "records": len(d.resources), "because": d.because, "sequence": d.sequence,
        }
        for d in reversed(disclosures)
    ]  # fmt: skip
    if visit.query.get("format") == "csv":
        file = export("accounting-of-disclosures", _DISCLOSURES, rows)
        return type(file)(file.name, file.media, file.content, known.ids)
    if visit.query.get("format") == "pdf":
        return _paper(desk, visit, known.ids)
    spoken = Speech(visit.language, desk.exchange)
    shown, chosen_shares = spoken.shown, [share for share in shares if share.purpose == chosen]
    return Page(
        "officer/person.html",
        {
            "person": known,
            "said": table("said", _SAID, said, visit.query, shown=shown),
            "disclosures": table("disclosures", _DISCLOSURES, rows, visit.query, shown=shown),
            "purposes": purposes,
            "chosen": chosen,
            "matrix": matrix(chosen_shares, f"/privacy/people/{key}/why", visit.query, spoken),
        },
        patients=known.ids,
    )  # fmt: skip


def _kind(desk: Desk, visit: Visit, one: Said) -> str:
    """Of which kinds the rules take it to be; else what it calls itself."""
    said, vocabulary = Speech(visit.language, desk.exchange), desk.exchange.context.rules.vocabulary
    categories, *rest = one.told or ((),)
    kinds = vocabulary.domains_of(categories, tuple(chain.from_iterable(rest)))
    return ", ".join(said.word("domain", kind) for kind in kinds) or one.kind


def _paper(desk: Desk, visit: Visit, ids: Sequence[str]) -> Download:
    """The accounting for the person, in the person's own language; that it was made is recorded."""
    reader, asked = visit.person.login, visit.query.get("law", "hipaa")
    law = next((known for known in YEARS if known == asked), None)
    if law is None:
        raise NotFound
    found = account(desk.exchange, Asked(ids[0], law), reader)
    with desk.exchange.work.connect() as connection:
        subject = subject_of(connection, ids[0])
    content = as_pdf(found, subject.language, subject, reader)
    return Download("accounting-of-disclosures.pdf", "application/pdf", content, ids)


def why(desk: Desk, visit: Visit) -> Answer:
    """Every reason for one cell of a person's matrix, with the rules' titles and citations."""
    key = uuid_of(visit.path["person"])
    viewer, kind = _asked(desk, visit)
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
    rules, say = desk.exchange.context.rules, Speech(visit.language, desk.exchange).say
    answers = [
        {
            "visible": group[0].visible, "type": group[0].type, "source": group[0].source,
            "count": len(group), "labels": group[0].labels, "related": group[0].related,
            "needs": group[0].decision.needs_relationship,
            "words": answer_words(
                group[0].decision, rules, tuple(", ".join(c) for c in group[0].consents), say
            ),
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


PLACES = (
    Place("/privacy", start, _ROLES),
    Place("/privacy/matrix", overall, _ROLES),
    Place("/privacy/matrix", count_again, _ROLES, "POST"),
    Place("/privacy/matrix/why", overall_why, _ROLES),
    Place("/privacy/people", search, _ROLES, "POST", purpose="HCOMPL"),
    Place("/privacy/people/{person}", person, _ROLES, purpose="HCOMPL"),
    Place("/privacy/people/{person}/why", why, _ROLES, purpose="HCOMPL"),
)
