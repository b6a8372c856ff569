"""The short way cases write a consent, turned into the FHIR Consent it stands for."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field, model_validator

from exchange.consent.content import Content
from exchange.consent.directives.codings import ACT_CODE, ACT_REASON, ACTION, CONFIDENTIALITY
from exchange.consent.directives.reading import SCOPE
from exchange.model.records import Resource

_IRCP = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
_TYPES = "http://hl7.org/fhir/resource-types"
_CATEGORY = {
    "part2": {"system": ACT_CODE, "code": "42CFRPart2CD"},
    "authorization": {"system": ACT_CODE, "code": "IDSCL"},
    "research": {"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": "research"},
    "notice": {"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": "npp"},
    "unclassified": {"system": "http://example.org/categories", "code": "other"},
}
_GENERAL = {"system": "http://loinc.org", "code": "59284-0"}


class Terms(Content):
    """One provision: to whom, for what, what, when; `since` and `until` are days, `dated_…` clinical ones."""

    to: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    purpose: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    dated_since: date | None = None
    dated_until: date | None = None


class Branch(Content):
    """A provision below another one."""

    permit: Terms | None = None
    deny: Terms | None = None
    exceptions: tuple[Branch, ...] = Field(default=(), alias="except")

    @model_validator(mode="after")
    def _one_of_them(self) -> Branch:
        if (self.permit is None) == (self.deny is None):
            raise ValueError("write `permit` or `deny`, and not both")
        return self


class ConsentForm(Branch):
    """A consent of the kind (domain) named, given to the organization `of`.

    `certain`: the Patient it was given for is certainly the person of the record; `by`: who gave it,
    the person or another for the person.
    """

    kind: str = "general"
    of: str | None = None
    signed: date = date(2026, 3, 2)
    status: str = "active"
    scope: Literal["patient-privacy", "research", "treatment"] = "patient-privacy"
    written: bool = True
    certain: bool = True
    by: Literal["self", "other"] = "self"


def consent_of(form: ConsentForm, number: int) -> Resource:
    """The FHIR Consent; actors are written `Organization/<code>` and `Group/<name>`."""
    kind = form.kind
    consent: Resource = {
        "resourceType": "Consent",
        "id": f"case-{number}",
        "status": form.status,
        "scope": {"coding": [{"system": SCOPE, "code": form.scope}]},
        "category": [{"coding": [_CATEGORY.get(kind, _GENERAL)]}],
        "patient": {"reference": "Patient/case"},
        "dateTime": form.signed.isoformat(),
        "provision": _provision(form),
    }
    if kind != "unclassified":
        consent["policy"] = [{"uri": f"https://mosaic-exchange.example/policy/{kind}"}]
    if form.of:
        consent["organization"] = [{"reference": f"Organization/{form.of}"}]
    giver = "Patient" if form.by == "self" else "RelatedPerson"
    consent["performer"] = [{"reference": f"{giver}/case"}]
    if form.written:
        consent["sourceReference"] = {"reference": f"DocumentReference/case-{number}"}
    return consent


def _provision(node: Branch) -> dict[str, Any]:
    terms = node.permit or node.deny or Terms()
    body: dict[str, Any] = {"type": "permit" if node.permit is not None else "deny", **_terms(terms)}
    if node.exceptions:
        body["provision"] = [_provision(child) for child in node.exceptions]
    return body


def _terms(terms: Terms) -> dict[str, Any]:
    body: dict[str, Any] = {
        "period": _period(terms.since, terms.until),
        "actor": [{"role": _IRCP, "reference": {"reference": _actor(name)}} for name in terms.to],
        "action": [{"coding": [{"system": ACTION, "code": code}]} for code in terms.action],
        "purpose": [{"system": ACT_REASON, "code": code} for code in terms.purpose],
        "securityLabel": [_label(code) for code in terms.label],
        "class": [{"system": _TYPES, "code": name} for name in terms.type],
        "code": [{"coding": [_coding(code)]} for code in terms.code],
        "dataPeriod": _period(terms.dated_since, terms.dated_until),
    }
    return {name: value for name, value in body.items() if value}


def _actor(name: str) -> str:
    return f"Group/{name.removeprefix('group:')}" if name.startswith("group:") else f"Organization/{name}"


def _label(code: str) -> dict[str, str]:
    return {"system": CONFIDENTIALITY if code in "ULMNRV" else ACT_CODE, "code": code}


def _coding(code: str) -> dict[str, str]:
    system, _, value = code.rpartition("|")
    return {"system": system, "code": value}


def _period(start: date | None, end: date | None) -> dict[str, str]:
    bounds = {"start": start, "end": end}
    return {name: day.isoformat() for name, day in bounds.items() if day}


def resolve_case(reference: dict[str, Any]) -> str | None:
    """Actors as cases write them."""
    kind, _, name = str(reference.get("reference", "")).partition("/")
    return {"Organization": name, "Group": f"group:{name}"}.get(kind)
