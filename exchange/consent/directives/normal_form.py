"""FHIR R4 Consent in normal form: what a person decided, without the paper it came on.

https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from exchange.consent.dates import Span

Verdict = Literal["permit", "deny"]
Grantor = Literal["self", "other", ""]
"""Who gave a consent: the person, somebody for the person, or it does not say."""

IDENTITY_HOLD = "identity-under-review"
"""In place of a Consent's id: nobody signed it, the exchange holds back what may be two people's."""

UNRESOLVED = "?"
"""Stands for an actor, code or reference that could not be read: no permit matches it, every deny does."""


@dataclass(frozen=True, slots=True)
class Data:
    """`provision.data`: `meaning` instance | related | dependents | authoredby, `reference` Type/id."""

    meaning: str
    reference: str


@dataclass(frozen=True, slots=True)
class Member:
    """A participant who belongs to a Group or CareTeam that was named, while `during`; None is always."""

    code: str
    during: Span | None = None

    def counts_at(self, at: datetime) -> bool:
        return self.during is None or self.during.contains(at)


@dataclass(frozen=True, slots=True)
class Provision:
    """One node of the tree; an empty tuple or None is no constraint.

    `actors` are participant codes, `group:<name>` or `role:<name>`; `members` those of its Groups
    and CareTeams; `purposes` v3-ActReason codes; `labels` v3-ActCode codes; `classes`
    and `codes` are `system|code`.
    """

    type: Verdict
    period: Span | None = None
    actors: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    actions: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    confidentiality: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    data_period: Span | None = None
    data: tuple[Data, ...] = ()
    provisions: tuple[Provision, ...] = ()


@dataclass(frozen=True, slots=True)
class Directive:
    """One Consent: who signed what when, for which discloser, and its provisions (None unless it binds).

    `categories`, `policies` (URIs) and `rules` (codings of policyRule) decide its domain; `organizations` are
    participant codes of the disclosers; it was signed from `signed` until before `signed_until`
    (a date says no hour); `teams` its Groups and CareTeams. From `opens_until` on its permits
    open nothing; that is known of the person, and not kept with the Consent.
    """

    consent: str
    version: str
    patient: str
    status: str
    scope: str
    categories: tuple[str, ...]
    policies: tuple[str, ...]
    organizations: tuple[str, ...]
    signed: datetime | None
    written: bool
    zone: str
    root: Provision | None
    rules: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    by: Grantor = ""
    opens_until: datetime | None = None
    signed_until: datetime | None = None

    @property
    def binds(self) -> bool:
        """Only an active privacy or research consent is ever evaluated; others are data."""
        return self.root is not None

    def to_json(self) -> dict[str, Any]:
        return {
            "consent": self.consent,
            "version": self.version,
            "patient": self.patient,
            "status": self.status,
            "scope": self.scope,
            "categories": list(self.categories),
            "policies": list(self.policies),
            "organizations": list(self.organizations),
            "signed": self.signed.isoformat() if self.signed else None,
            "signed_until": self.signed_until.isoformat() if self.signed_until else None,
            "written": self.written,
            "zone": self.zone,
            "root": provision_to_json(self.root) if self.root else None,
            "rules": list(self.rules),
            "teams": list(self.teams),
            "by": self.by,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Directive:
        names = ("categories", "policies", "organizations", "rules", "teams")
        lists = {name: tuple(body.get(name, ())) for name in names}
        signed = datetime.fromisoformat(body["signed"]) if body["signed"] else None
        before = body.get("signed_until")
        until = datetime.fromisoformat(before) if before else None
        root = provision_from_json(body["root"]) if body["root"] else None
        return cls(**{**body, **lists, "signed": signed, "signed_until": until, "root": root})


_LISTS = ("actors", "actions", "purposes", "confidentiality", "labels", "classes", "codes")


def provision_to_json(provision: Provision) -> dict[str, Any]:
    """Only what constrains is written."""
    body: dict[str, Any] = {"type": provision.type}
    body |= {name: list(getattr(provision, name)) for name in _LISTS if getattr(provision, name)}
    for name in ("period", "data_period"):
        if span := getattr(provision, name):
            body[name] = _span_to_json(span)
    if provision.members:
        body["members"] = [[member.code, _span_to_json(member.during)] for member in provision.members]
    if provision.data:
        body["data"] = [[data.meaning, data.reference] for data in provision.data]
    if provision.provisions:
        body["provisions"] = [provision_to_json(child) for child in provision.provisions]
    return body


def provision_from_json(body: dict[str, Any]) -> Provision:
    values: dict[str, Any] = {name: tuple(body[name]) for name in _LISTS if name in body}
    for name in ("period", "data_period"):
        if name in body:
            values[name] = _span_from_json(body[name])
    return Provision(
        type=body["type"],
        **values,
        members=tuple(Member(code, _span_from_json(during)) for code, during in body.get("members", ())),
        data=tuple(Data(*pair) for pair in body.get("data", ())),
        provisions=tuple(provision_from_json(child) for child in body.get("provisions", ())),
    )


def _span_to_json(span: Span | None) -> list[str | None] | None:
    return [bound.isoformat() if bound else None for bound in (span.start, span.end)] if span else None


def _span_from_json(bounds: list[str | None] | None) -> Span | None:
    if bounds is None:
        return None
    start, end = (datetime.fromisoformat(bound) if bound else None for bound in bounds)
    return Span(start, end)
