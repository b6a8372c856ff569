"""FHIR R4 Consent in normal form: what a person decided, without the paper it came on.

https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from exchange.consent.dates import Span

Verdict = Literal["permit", "deny"]

UNRESOLVED = "?"
"""Stands for an actor, code or reference that could not be read: no permit matches it, every deny does."""


@dataclass(frozen=True, slots=True)
class Data:
    """`provision.data`: `meaning` instance | related | dependents | authoredby, `reference` Type/id."""

    meaning: str
    reference: str


@dataclass(frozen=True, slots=True)
class Provision:
    """One node of the tree; an empty tuple or None is no constraint.

    `actors` are participant codes, `group:<name>` or `role:<name>`; `purposes` v3-ActReason codes;
    `labels` v3-ActCode codes; `classes` and `codes` are `system|code`.
    """

    type: Verdict
    period: Span | None = None
    actors: tuple[str, ...] = ()
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

    `categories` and `policies` decide its domain; `organizations` are participant codes of the disclosers.
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
            "written": self.written,
            "zone": self.zone,
            "root": provision_to_json(self.root) if self.root else None,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Directive:
        lists = {name: tuple(body[name]) for name in ("categories", "policies", "organizations")}
        signed = datetime.fromisoformat(body["signed"]) if body["signed"] else None
        root = provision_from_json(body["root"]) if body["root"] else None
        return cls(**{**body, **lists, "signed": signed, "root": root})


_LISTS = ("actors", "actions", "purposes", "confidentiality", "labels", "classes", "codes")


def provision_to_json(provision: Provision) -> dict[str, Any]:
    """Only what constrains is written."""
    body: dict[str, Any] = {"type": provision.type}
    body |= {name: list(getattr(provision, name)) for name in _LISTS if getattr(provision, name)}
    for name in ("period", "data_period"):
        span: Span | None = getattr(provision, name)
        if span:
            body[name] = [bound.isoformat() if bound else None for bound in (span.start, span.end)]
    if provision.data:
        body["data"] = [[data.meaning, data.reference] for data in provision.data]
    if provision.provisions:
        body["provisions"] = [provision_to_json(child) for child in provision.provisions]
    return body


def provision_from_json(body: dict[str, Any]) -> Provision:
    values: dict[str, Any] = {name: tuple(body[name]) for name in _LISTS if name in body}
    for name in ("period", "data_period"):
        if name in body:
            start, end = (datetime.fromisoformat(bound) if bound else None for bound in body[name])
            values[name] = Span(start, end)
    return Provision(
        type=body["type"],
        **values,
        data=tuple(Data(*pair) for pair in body.get("data", ())),
        provisions=tuple(provision_from_json(child) for child in body.get("provisions", ())),
    )
