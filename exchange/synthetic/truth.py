"""What is true: who is who, which records state one fact, who may see what, what is wrong on purpose."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path

from exchange.synthetic import faults
from exchange.synthetic.access import expectations
from exchange.synthetic.facts import History
from exchange.synthetic.feeds.ccda import ENTRIES
from exchange.synthetic.feeds.county import dose_order, report
from exchange.synthetic.feeds.fhir import local_id
from exchange.synthetic.feeds.lakeside import filler, panel_of, visit_number
from exchange.synthetic.keys import fhir_id

_REPORTED_WITHIN = timedelta(hours=7)

Key = tuple[str, str]
"""(partner, key): what the partner calls the record."""

HEADERS = {
    "persons": ("partner", "key", "fhir_id", "person", "household", "kind"),
    "duplicates": ("type", "partner_a", "key_a", "fhir_id_a", "partner_b", "key_b", "fhir_id_b"),
    "access": (
        "requester",
        "purpose",
        "partner",
        "type",
        "key",
        "fhir_id",
        "person",
        "category",
        "expected",
        "why",
        "until",
    ),
    "rejected": ("partner", "feed", "where", "reason"),
    "hazards": ("hazard", "person", "partner", "key"),
}


class Truth:
    """Writes truth/*.csv; nothing of it reaches a partner's system."""

    def __init__(self, folder: Path, now: datetime) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.now = now
        self.files = {
            name: (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") for name in HEADERS
        }
        self.writers = {name: csv.writer(file, lineterminator="\n") for name, file in self.files.items()}
        for name, header in HEADERS.items():
            self.writers[name].writerow(header)
        self.people = 0
        self.clinic_key = ""

    def add(self, history: History) -> None:
        self.people += 1
        self.writers["persons"].writerows(persons(history, self.now))
        self.writers["duplicates"].writerows(duplicates(history, self.now))
        self.writers["hazards"].writerows(hazards(history))
        self.writers["access"].writerows(expectations(history, self.now) if self.people <= 20_000 else ())
        contact = history.contact("prairie_clinic")
        self.clinic_key = self.clinic_key or (contact.key if contact else "")

    def close(self) -> None:
        for fault in rejected(self.clinic_key, self.now):
            self.writers["rejected"].writerow((fault.partner, fault.feed, fault.where, fault.reason))
        for file in self.files.values():
            file.close()


def persons(history: History, now: datetime) -> Iterator[tuple[str, ...]]:
    """Each registration with the human being behind it."""
    person = history.person
    for contact in history.contacts:
        if contact.since <= now.date():
            ident = fhir_id(contact.partner, "Patient", contact.key)
            yield contact.partner, contact.key, ident, person.id, str(person.household), person.kind


def hazards(history: History) -> Iterator[tuple[str, ...]]:
    """Each difficulty a registration has, and those that lie in the person."""
    person = history.person
    inborn = {
        "twin": person.twin,
        "newborn": person.newborn,
        "died": person.died,
        "minor": person.age(history.today) < 18,
        "renamed": person.renamed,
        "double-surname": len(person.name.family) > 1,
        "ukrainian": person.naming.others,
    }
    for contact in history.contacts:
        for hazard in (*contact.hazards, *(name for name, holds in inborn.items() if holds)):
            yield hazard, person.id, contact.partner, contact.key
    for hazard, partner in _about_care(history):
        yield hazard, person.id, partner, _chart_key(history, partner)
    for directive in history.directives:
        for hazard in _about_consent(history, directive.number):
            yield hazard, person.id, directive.custodian, ""


def _about_care(history: History) -> Iterator[tuple[str, str]]:
    care = history.care
    yield from (("visit-cancelled", visit.partner) for visit in care.visits if visit.cancelled)
    for result in care.results:
        yield from (("result-corrected", partner) for partner in result.by if result.corrected)
        yield from (("record-removed", partner) for partner in result.by if result.removed)
    for problem in care.problems:
        yield from (("record-removed", partner) for partner in problem.by if problem.removed)
    for dose in care.doses:
        yield from (("record-removed", partner) for partner in dose.by if dose.removed)
        yield from (("vaccine-refused", partner) for partner in dose.by if dose.refused)


def _about_consent(history: History, number: int) -> Iterator[str]:
    found = next(d for d in history.directives if d.number == number)
    yield f"consent-{found.kind}"
    if found.revoked:
        yield "consent-revoked"
    if found.until and found.until < history.today:
        yield "consent-expired"
    if found.except_for:
        yield "consent-nested-deny"


def duplicates(history: History, now: datetime) -> Iterator[tuple[str, ...]]:
    """Pairs of records that state one fact, in two partners' words."""
    for kind, members in _facts(history, now):
        for (partner_a, key_a), (partner_b, key_b) in combinations(sorted(members), 2):
            first, second = fhir_id(partner_a, kind, key_a), fhir_id(partner_b, kind, key_b)
            yield kind, partner_a, key_a, first, partner_b, key_b, second


def _facts(history: History, now: datetime) -> Iterator[tuple[str, list[Key]]]:
    care = history.care
    for problem in care.problems:
        if problem.recorded <= now and not (problem.removed and problem.removed <= now):
            yield "Condition", [_simple(history, partner, "c", "p", problem.number) for partner in problem.by]
    for drug in care.prescriptions:
        if drug.when <= now and not drug.reason.removed:
            yield (
                "MedicationRequest",
                [_simple(history, partner, "m", "m", drug.number) for partner in drug.by],
            )
    for allergy in care.allergies:
        yield "AllergyIntolerance", [_allergy(history, partner, allergy.number) for partner in allergy.by]
    for dose in care.doses:
        if dose.when <= now.date() and not dose.removed and not dose.refused:
            yield "Immunization", [_dose(history, partner, dose.number) for partner in dose.by]
    for result in care.results:
        if result.when + _REPORTED_WITHIN <= now and not result.removed:
            yield "Observation", [_result(history, partner, result.number) for partner in result.by]
    for visit in care.visits:
        if visit.end <= now and visit.also:
            home = ("lakeside_hospital", f"LAKESIDE|{visit_number(history, visit)}")
            yield "Encounter", [home, _entry(history, "e", visit.number)]


def _chart_key(history: History, partner: str) -> str:
    contact = history.contact(partner)
    if contact is None:
        raise LookupError(f"{history.person.id} is unknown to {partner}")
    return contact.key


def _entry(history: History, letter: str, number: int) -> Key:
    resident = _chart_key(history, "willow_nursing").partition("|")[2]
    return "willow_nursing", f"{ENTRIES}|{resident}-{letter}{number}"


def _simple(history: History, partner: str, letter: str, entry_letter: str, number: int) -> Key:
    if partner == "willow_nursing":
        return _entry(history, entry_letter, number)
    return partner, local_id(_chart_key(history, partner), letter, number)


def _allergy(history: History, partner: str, number: int) -> Key:
    if partner != "lakeside_hospital":
        return _simple(history, partner, "a", "a", number)
    row = next(allergy.row for allergy in history.care.allergies if allergy.number == number)
    return partner, f"{_chart_key(history, partner)}|{row['code']}"


def _dose(history: History, partner: str, number: int) -> Key:
    if partner != "county_health":
        return _simple(history, partner, "i", "i", number)
    contact = history.contact(partner)
    dose = next(dose for dose in history.care.doses if dose.number == number)
    return partner, f"COUNTYIIS|{dose_order(history, contact, dose)}" if contact else ""


def _result(history: History, partner: str, number: int) -> Key:
    result = next(result for result in history.care.results if result.number == number)
    code = result.analyte.code.code
    if partner == "lakeside_hospital":
        return partner, f"LHLAB|{filler(history, panel_of(history, result)[0])}|{code}"
    if partner == "county_health":
        panel = [
            other
            for other in history.care.results
            if other.visit is result.visit
            and other.analyte.panel == result.analyte.panel
            and partner in other.by
        ]
        return partner, f"COUNTYLAB|{report(history, panel[0])}|{code}"
    return partner, local_id(_chart_key(history, partner), "v", number)


def rejected(clinic_key: str, now: datetime) -> Iterator[faults.Fault]:
    """Every record that must end in quarantine."""
    yield from (fault for fault, _ in faults.hospital(now))
    yield from (fault for fault, _ in faults.county(now))
    if clinic_key:
        yield from (fault for fault, _ in faults.clinic(clinic_key, now))
    yield faults.NURSING
    yield from faults.HOUSING
    yield from faults.FOOD
    yield faults.DIRECTORY
