"""The privacy officer's pages on people and disclosures: who may see what, why, and who did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain

from exchange.app.privacy.accountings import Asked, account, as_pdf
from exchange.app.privacy.capturing import taken_here
from exchange.app.privacy.persons import Person, Said, find_persons, person_of, said_by, shares_of
from exchange.app.privacy.shares import count_shares, counted_shares, purposes_of, shares_of_all
from exchange.app.privacy.subjects import subject_of
from exchange.app.privacy.suspending import accountable
from exchange.audit.days import records_kept
from exchange.audit.report import YEARS
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.exports import export
from exchange.console.given import uuid_of
from exchange.console.marking import _
from exchange.console.matrix import matrix
from exchange.console.messages import Answer, Download, NotFound, Page, Redirect, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import MANY, Column, Row, table
from exchange.pipeline.ledger import Connection

_ROLES: tuple[Role, ...] = ("privacy-officer",)
_MOST = 5_000


_FOUND = (
    Column("names", _("Names"), "text", lambda row: f"/privacy/people/{row['person']}"),
    Column("born", _("Born"), "days"),
    Column("partners", _("Records from"), "participants"),
)
SAID = (
    Column("stored", _("Stored"), "moment"),
    Column("ended", _("Until"), "moment"),
    Column("status", _("Status"), "word:consent-status"),
    Column("kind", _("What it is"), "text", lambda row: str(row["at"])),
    Column("effect", _("Says"), "mark"),
    Column("until", _("Ends"), "day"),
    Column("partner", _("From"), "participant"),
    Column("version", _("Version")),
)
_DISCLOSURES = (
    Column("at", _("When"), "moment"),
    Column("recipient", _("To whom"), "participant"),
    Column("role", _("Role"), "say"),
    Column("purpose", _("Purpose"), "purpose"),
    Column("records", _("Records"), "number"),
    Column("because", _("Under which rules"), "rules"),
    Column("sequence", _("In the log"), "id", lambda row: f"/privacy/audit/{row['sequence']}"),
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
            "born": tuple(one.born), "person": one.person,
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
        said = consents_said(desk, visit, connection, known)
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
    spoken = Speech(visit.language, desk.exchange)
    if visit.query.get("format") == "csv":
        file = export("accounting-of-disclosures", _DISCLOSURES, rows, spoken)
        return replace(file, patients=known.ids)
    if visit.query.get("format") == "pdf":
        return _paper(desk, visit, known.ids)
    shown, chosen_shares = spoken.shown, [share for share in shares if share.purpose == chosen]
    return Page(
        "officer/person.html",
        {
            "person": known,
            "said": table("said", SAID, said, visit.query, shown=shown),
            "disclosures": table("disclosures", _DISCLOSURES, rows, visit.query, shown=shown),
            "purposes": purposes,
            "chosen": chosen,
            "matrix": matrix(chosen_shares, f"/privacy/people/{key}/why", visit.query, spoken),
        },
        patients=known.ids,
    )  # fmt: skip


def patient(desk: Desk, visit: Visit) -> Answer:
    """To the person that a Patient belongs to now: entries of the log and of worklists know the Patient."""
    with desk.exchange.work.connect() as connection:
        row = connection.execute(
            "SELECT person FROM patient WHERE fhir_id = %s", [uuid_of(visit.path["patient"])]
        ).fetchone()
    if row is None:
        raise NotFound
    return Redirect(f"/privacy/people/{row[0]}")


def consents_said(desk: Desk, visit: Visit, connection: Connection, known: Person) -> list[Row]:
    """A row for each version of a Consent of the person; one taken from a form leads to its page."""
    here = taken_here(connection, known)
    address = f"/privacy/people/{known.person}/consents"
    return [
        {
            **asdict(one),
            "kind": _kind(desk, visit, one),
            "at": f"{address}/{one.consent}" if one.consent in here else "",
        }
        for one in said_by(connection, known.person)
    ]


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


PLACES = (
    Place("/privacy", start, _ROLES),
    Place("/privacy/matrix", overall, _ROLES),
    Place("/privacy/matrix", count_again, _ROLES, "POST"),
    Place("/privacy/patients/{patient}", patient, _ROLES),
    Place("/privacy/people", search, _ROLES, "POST", purpose="HCOMPL"),
    Place("/privacy/people/{person}", person, _ROLES, purpose="HCOMPL"),
)
