"""The single cases of `consent/cases/*.yaml`: decisions the rules must give, labels that must be found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.content import Content, load
from exchange.consent.dates import EXCHANGE_ZONE, read_date
from exchange.consent.decision import applying, decide
from exchange.consent.directives.matching import matched
from exchange.consent.directives.profiles import profile
from exchange.consent.directives.proxies import until_of_age
from exchange.consent.directives.reading import directive
from exchange.consent.labels.labelling import Source, label
from exchange.consent.labels.own_care import with_own_care
from exchange.consent.participants import Participant
from exchange.consent.proof.case_consents import ConsentForm, consent_of, resolve_case
from exchange.consent.rules.ruleset import Rules
from exchange.consent.standing import REPOSITORY
from exchange.model.partner import OrganizationType
from exchange.model.records import Decision, Files, Resource, Viewer

PARTICIPANTS = "cases/participants.yaml"
TABLES = "cases/tables.yaml"


class CaseParticipant(Content):
    """Somebody who plays in the cases; without `agreement` nothing was signed."""

    type: OrganizationType
    covered_entity: bool = False
    part2_program: bool = False
    part_of: str | None = None
    state: str = "IL"
    roles: tuple[str, ...] = ("organization",)
    groups: tuple[str, ...] = ()
    agreement: str | None = "participation"
    signed: date = date(2025, 1, 1)
    ends: date | None = None


class ParticipantsFile(Content):
    """Everybody who plays in the cases, by code."""

    participants: dict[str, CaseParticipant]


class CaseRecord(Content):
    """The record as it is classed; `content` is what content-dependent provisions look at.

    `born`: the person's birth date, which says when a consent of the parents ends.
    """

    source: str
    type: str
    labels: tuple[str, ...] = ()
    confidentiality: str = "N"
    about: Literal["person", "nobody"] = "person"
    content: dict[str, Any] = Field(default_factory=dict)
    born: str | None = None


class CaseRequest(Content):
    """Who asks, why, and to do what."""

    participant: str
    purpose: str
    role: str = "organization"
    action: Literal["access", "disclose", "collect"] = "access"


class Case(Content):
    """One decision. `because` and `obligations` must be among the reasons and obligations given."""

    case: str
    record: CaseRecord
    consents: tuple[ConsentForm, ...] = ()
    request: CaseRequest
    at: str = "2026-06-01"
    expect: Literal["permit", "deny"]
    because: tuple[str, ...] = ()
    relationship: bool | None = None
    obligations: tuple[str, ...] = ()


class CasePatient(Content):
    """Who the record is about; `born` None is not known, `state` is where the care was given."""

    born: str | None = None
    state: str = "IL"


class LabelCase(Content):
    """What labelling must find in a resource, exactly; with `patient` also a minor's own care."""

    case: str
    part2_program: bool = False
    program_labels: tuple[str, ...] = ()
    resource: dict[str, Any]
    patient: CasePatient | None = None
    labels: tuple[str, ...] = ()
    confidentiality: str = "N"


class CaseFile(Content):
    """Cases of one kind of rule."""

    cases: tuple[Case, ...] = ()
    labels: tuple[LabelCase, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that did not come out; `problem` says what was expected and what was answered."""

    case: str
    problem: str


def read_cases(files: Files) -> tuple[dict[str, Participant], list[Case], list[LabelCase]]:
    """Who plays, and all single cases under `cases/`. Raises ContentError."""
    cast, _ = load(ParticipantsFile, PARTICIPANTS, files[PARTICIPANTS])
    names = sorted(name for name in files if name.startswith("cases/") and name not in (PARTICIPANTS, TABLES))
    read = [load(CaseFile, name, files[name])[0] for name in names]
    people = {code: _participant(code, facts) for code, facts in cast.participants.items()}
    return (
        people,
        [case for file in read for case in file.cases],
        [case for file in read for case in file.labels],
    )


def _participant(code: str, facts: CaseParticipant) -> Participant:
    signed = _moment(facts.signed, time()) if facts.agreement else None
    ends = _moment(facts.ends, time.max) if facts.ends else None
    shared = facts.model_dump(exclude={"agreement", "signed", "ends"})
    return Participant(
        code=code, **shared, agreement=facts.agreement or "", agreement_from=signed, agreement_until=ends
    )


def _moment(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, EXCHANGE_ZONE)


def run(cases: Iterable[Case], context: Context) -> Iterator[Failure]:
    """The cases that do not come out as written."""
    for case in cases:
        for problem in problems(case, answer(case, context)):
            yield Failure(case.case, problem)


def holds(case: Case, context: Context) -> bool:
    return not problems(case, answer(case, context))


def flipped(case: Case) -> Case:
    """The same case expecting the opposite."""
    return case.model_copy(update={"expect": "deny" if case.expect == "permit" else "permit"})


def answer(case: Case, context: Context) -> Decision:
    """What the rules decide."""
    request = case.request
    viewer = Viewer(request.participant, request.role, request.purpose)
    return decide(
        disclosure_class(case.record, case.consents), viewer, context, moment(case.at), request.action
    )


def speaking(case: Case, context: Context) -> set[str]:
    """The rules that speak of its request."""
    request = case.request
    viewer = Viewer(request.participant, request.role, request.purpose)
    action = request.action or ("collect" if viewer == REPOSITORY else "access")
    return applying(disclosure_class(case.record, ()), viewer, context, moment(case.at), action)


@lru_cache(maxsize=256)
def moment(at: str) -> datetime:
    """The first moment of a FHIR date or dateTime. Raises RecordRejected."""
    start = read_date(at, EXCHANGE_ZONE, "at").start
    if start is None:
        raise ValueError("a date always begins")
    return start


def disclosure_class(record: CaseRecord, consents: Sequence[ConsentForm]) -> DisclosureClass:
    """The class of the record under these consents."""
    born = [record.born] if record.born else []
    read = [
        (until_of_age(directive(consent_of(form, number), resolve=resolve_case), born), form.certain)
        for number, form in enumerate(consents)
    ]
    chosen = profile(read) if record.about == "person" else None
    content: Resource = {"resourceType": record.type, "id": "case", **record.content}
    return DisclosureClass(
        source=record.source,
        type=record.type,
        confidentiality=record.confidentiality,
        labels=tuple(sorted(record.labels)),
        profile=chosen,
        matched=matched(chosen, content) if chosen else (),
    )


def problems(case: Case, given: Decision) -> list[str]:
    """Where the decision differs from the case."""
    found = []
    if given.effect != case.expect:
        found.append(f"expected {case.expect}, got {given.effect} because of {', '.join(given.because)}")
    if missing := set(case.because) - set(given.because):
        found.append(f"missing reason {', '.join(sorted(missing))}; given {', '.join(given.because)}")
    if missing := set(case.obligations) - given.obligations:
        found.append(f"missing obligation {', '.join(sorted(missing))}")
    if case.relationship is not None and case.relationship is not given.needs_relationship:
        found.append(f"relationship needed: expected {case.relationship}, got {given.needs_relationship}")
    return found


def run_labels(cases: Iterable[LabelCase], rules: Rules) -> Iterator[Failure]:
    """The label cases that do not come out as written."""
    for case in cases:
        source = Source("case", "clinic", case.part2_program, "case", case.program_labels)
        given = label(case.resource, source, rules)
        if case.patient:
            born = [case.patient.born] if case.patient.born else []
            given = with_own_care(case.resource, given, born, case.patient.state, rules)
        if (given.codes, given.confidentiality) != (frozenset(case.labels), case.confidentiality):
            problem = f"expected {sorted(case.labels)} {case.confidentiality}"
            yield Failure(case.case, f"{problem}, got {sorted(given.codes)} {given.confidentiality}")
