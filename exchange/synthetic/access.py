"""What each requester should be able to see, reckoned from what people decided and who treats them.

This is a second opinion: it knows the facts behind the records and nothing of labels, rules or links.
Questions on which the rules of a coalition may differ are left out rather than answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from exchange.synthetic.directives import GROUP, Directive
from exchange.synthetic.facts import History
from exchange.synthetic.feeds.fhir import local_id
from exchange.synthetic.feeds.good_table import referral_id
from exchange.synthetic.feeds.hearth import enrollment_id
from exchange.synthetic.feeds.lakeside import visit_number
from exchange.synthetic.keys import fhir_id

TREATING = ("lakeside_hospital", "prairie_clinic", "southside_clinic")
COMMUNITY = ("north_shelter", "good_table")

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Record:
    """One record and what it reveals: ordinary, part2, mental-health, hiv, referral, housing."""

    partner: str
    type: str
    key: str
    category: str


def expectations(history: History, now: datetime) -> Iterator[Row]:
    """One row per record of the sample and requester; the last column is the day after which it is stale."""
    stale = _last_day(history, now.date())
    for record in _sample(history, now):
        for requester, purpose in _questions(record):
            if _left_open(history, record, requester):
                continue
            visible, why = _answer(history, record, requester, now.date())
            ident = fhir_id(record.partner, record.type, record.key)
            yield (
                *(requester, purpose, record.partner, record.type, record.key, ident),
                *(history.person.id, record.category, "yes" if visible else "no", why),
                stale.isoformat() if stale else "",
            )


def _last_day(history: History, on: date) -> date | None:
    """The first day on which a form of the person ends by itself; nobody sends a message about that."""
    ends = [form.until for form in history.directives if form.until and form.in_force(on)]
    return min(ends, default=None)


def _questions(record: _Record) -> Iterator[tuple[str, str]]:
    if record.category not in {"referral", "housing"}:
        yield from ((requester, "TREAT") for requester in TREATING)
    yield from ((requester, "COC") for requester in COMMUNITY)


def _left_open(history: History, record: _Record, requester: str) -> bool:
    """Whether a release, or what it excepts, reaches further than its own form says is for the rules."""
    if record.partner != "harbor_recovery" and _excepted(history, record, requester):
        return True
    if record.category == "housing":
        return bool(_decided(history, "housing"))
    return record.category == "referral" and any(
        form.named == requester and form.custodian != record.partner for form in _decided(history, "referral")
    )


def _excepted(history: History, record: _Record, requester: str) -> bool:
    """Does a program's form except this requester, or mental health, in words that name no program?"""
    exceptions = {exception for form in _decided(history, "part2") for exception in form.except_for}
    return ("actor", requester) in exceptions or (
        record.category == "mental-health" and ("label", "PSYTHPN") in exceptions
    )


def _sample(history: History, now: datetime) -> Iterator[_Record]:
    """At most one or two records of each kind per person."""
    care = history.care
    clinic, program = history.contact("prairie_clinic"), history.contact("harbor_recovery")
    if clinic:
        seen: set[str] = set()
        for problem in care.problems:
            category = {"mental": "mental-health", "hiv": "hiv"}.get(problem.disorder.group, "ordinary")
            current = problem.recorded <= now and not problem.removed
            if "prairie_clinic" in problem.by and current and category not in seen:
                seen.add(category)
                yield _Record(
                    "prairie_clinic", "Condition", local_id(clinic.key, "c", problem.number), category
                )
    if program:
        for problem in care.problems:
            if "harbor_recovery" in problem.by and not problem.removed:
                yield _Record(
                    "harbor_recovery", "Condition", local_id(program.key, "c", problem.number), "part2"
                )
    for visit in care.visits:
        if (
            visit.partner == "lakeside_hospital"
            and visit.end <= now
            and visit.kind in {"emergency", "inpatient"}
        ):
            yield _Record(
                "lakeside_hospital", "Encounter", f"LAKESIDE|{visit_number(history, visit)}", "ordinary"
            )
            break
    yield from _social_sample(history, now)


def _social_sample(history: History, now: datetime) -> Iterator[_Record]:
    for referral in history.support.referrals:
        if referral.statuses[0][0] <= now.date():
            yield _Record("good_table", "ServiceRequest", referral_id(history, referral), "referral")
    if history.met("hearth_housing"):
        for enrollment in history.support.enrollments:
            yield _Record("hearth_housing", "EpisodeOfCare", enrollment_id(history, enrollment), "housing")


def _answer(history: History, record: _Record, requester: str, on: date) -> tuple[bool, str]:
    if _in_force(history, "opt-out", on):
        return False, "opted out of the exchange: the repository does not hold it"
    if record.category == "mental-health" and _in_force(history, "partial-opt-out", on):
        return False, "opted out for mental health: the repository does not hold it"
    if requester == record.partner:
        return True, "its own record"
    if record.category == "part2":
        return _part2(history, requester, on)
    if requester in COMMUNITY:
        return _community(history, record, requester, on)
    if requester == "southside_clinic" or not history.met(requester):
        return False, "does not treat the person"
    return True, "treats the person"


def _part2(history: History, requester: str, on: date) -> tuple[bool, str]:
    if requester in COMMUNITY:
        return False, "no consent names it"
    for form in _in_force(history, "part2", on):
        if ("actor", requester) in form.except_for:
            return False, "the consent excepts it"
        if form.named == requester and history.met(requester):
            return True, "the consent names it"
        if form.named == GROUP and history.met(requester):
            return True, "the consent names treating providers"
    return False, "no consent in force"


def _community(history: History, record: _Record, requester: str, on: date) -> tuple[bool, str]:
    kind = {"hiv": "hiv", "referral": "referral"}.get(record.category, "")
    if record.category == "referral":
        signed = [d for d in _in_force(history, kind, on) if d.named == requester]
        return (True, "the authorization names it") if signed else (False, "no authorization names it")
    if kind and any(form.named == requester for form in _in_force(history, kind, on)):
        return True, "the release names it"
    return False, "nothing allows it"


def _decided(history: History, kind: str) -> list[Directive]:
    return [directive for directive in history.directives if directive.kind == kind and directive.answer]


def _in_force(history: History, kind: str, on: date) -> list[Directive]:
    return [directive for directive in _decided(history, kind) if directive.in_force(on)]
