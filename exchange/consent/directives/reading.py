"""From a FHIR R4 Consent resource to its normal form, or a refusal: nothing is guessed.

https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from exchange.consent.dates import EXCHANGE_ZONE, Span, read_date, read_period
from exchange.consent.directives.codings import (
    ACT_REASONS,
    ACTIONS,
    LEVELS,
    base_of,
    security_label,
    short,
    spelled,
)
from exchange.consent.directives.normal_form import (
    UNRESOLVED,
    Data,
    Directive,
    Grantor,
    Member,
    Provision,
)
from exchange.consent.directives.shape import check_provision, check_shape
from exchange.model.errors import RecordRejected
from exchange.model.records import Resource

Team = Sequence[Member | None]
Resolve = Callable[[dict[str, Any]], str | Team | None]
"""A Reference's participant code or `group:<name>`; the members of a Group or CareTeam, among them None for
one who cannot be told; None for anything else."""

GROUPS = "https://mosaic-exchange.example/groups"
"""System of the identifiers of the groups `consent/vocabulary.yaml` defines."""

SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"

_DISCLOSING_SCOPES = ("patient-privacy", "research")
_MEANINGS = {"instance", "related", "dependents", "authoredby"}
_RECIPIENT_ROLES = {"IRCP", "PRCP"}
_DEEPEST = 32
_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?\Z")


def directive(
    consent: Resource, *, resolve: Resolve, recorded_by: str | None = None, zone: tzinfo = EXCHANGE_ZONE
) -> Directive:
    """Normal form of one Consent; `resolve` says whom a Reference means.

    `recorded_by` is the participant that sent it: the discloser where the Consent names no organization.
    Partial dates are read in `zone`. Raises RecordRejected: `not-supported` when it cannot be computed,
    `invalid` or `required` when it is no valid Consent.
    """
    try:
        return _directive(consent, resolve, recorded_by, zone)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecordRejected("not the shape of a Consent", expression="Consent") from error
    except RecursionError as error:
        raise RecordRejected(
            "provisions nested too deeply", code="not-supported", expression="Consent"
        ) from error


def _directive(consent: Resource, resolve: Resolve, recorded_by: str | None, zone: tzinfo) -> Directive:
    check_shape(consent)
    resolve = _with_contained(consent, resolve)
    status, scope = consent["status"], _scope(consent.get("scope"))
    if status == "active" and not _codings(consent.get("scope")):
        raise RecordRejected("its scope has no code", code="required", expression="Consent.scope")
    binds = status == "active" and scope in _DISCLOSING_SCOPES
    named = {_discloser(reference, resolve) for reference in _dicts(consent, "organization")}
    organizations = named or ({recorded_by} if recorded_by else set())
    categories, policies, rules = domain_of(consent)
    signed = signature_of(consent, zone)
    return Directive(
        consent=str(consent.get("id", "")),
        version=str((consent.get("meta") or {}).get("versionId", "")),
        patient=bare_reference(consent["patient"]),
        status=status,
        scope=scope,
        categories=categories,
        policies=policies,
        organizations=tuple(sorted(organizations)),
        signed=signed.start if signed else None,
        signed_until=signed.end if signed else None,
        written="sourceReference" in consent or "sourceAttachment" in consent,
        zone=str(zone),
        root=_root(consent, resolve, zone) if binds else None,
        rules=rules,
        teams=_sorted(_teams(consent.get("provision"))) if binds else (),
        by=_grantor(consent),
    )


def _grantor(consent: Resource) -> Grantor:
    """Consent.performer may also name who receives (R4): only a person can have given it."""
    patient, performers = bare_reference(consent["patient"]), _dicts(consent, "performer")
    if patient != UNRESOLVED and patient in map(bare_reference, performers):
        return "self"
    inner = {f"#{one.get('id')}": one.get("resourceType") for one in _dicts(consent, "contained")}
    kinds = {_type_of(one, inner) for one in performers}
    return "other" if kinds & {"Patient", "RelatedPerson"} else ""


def _type_of(reference: dict[str, Any], inner: Mapping[str, Any]) -> object:
    """Of what a Reference names: literally, in the Consent itself, or by an identifier with its type."""
    name = bare_reference(reference)
    if name != UNRESOLVED:
        return name.partition("/")[0]
    return inner.get(str(reference.get("reference"))) or reference.get("type")


def domain_of(consent: Resource) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Categories, policy URIs and policyRule codings: what decides in which domains it speaks."""
    categories, rules = (_sorted(_concepts(consent.get(name))) for name in ("category", "policyRule"))
    return categories, _policies(consent), rules


def is_about_disclosure(consent: Resource) -> bool:
    """Its scope is privacy or research, or says nothing."""
    return _scope(consent.get("scope")) in _DISCLOSING_SCOPES or not _codings(consent.get("scope"))


def _discloser(reference: dict[str, Any], resolve: Resolve) -> str:
    found = resolve(reference)
    return found if isinstance(found, str) else f"{UNRESOLVED}{bare_reference(reference)}"


def _teams(node: object) -> list[str]:
    """Groups and CareTeams anywhere in the tree: who belongs to them may change."""
    if isinstance(node, list):
        return [name for item in node for name in _teams(item)]
    if not isinstance(node, dict):
        return []
    actors = [bare_reference(actor.get("reference")) for actor in _dicts(node, "actor")]
    own = [name for name in actors if name.startswith(("Group/", "CareTeam/"))]
    return [*own, *_teams(node.get("provision"))]


def _root(consent: Resource, resolve: Resolve, zone: tzinfo) -> Provision:
    provision = consent.get("provision", {})
    if not isinstance(provision, dict):
        raise RecordRejected("`provision` is one element in R4, not a list", expression="Consent.provision")
    check_provision(provision, "Consent.provision")
    base = provision.get("type") or base_of(_codings(consent.get("policyRule")))
    if base is None:
        raise RecordRejected(
            "neither a root type nor a policyRule of OPTIN, OPTINR, OPTOUT, OPTOUTE says permit or deny",
            code="not-supported",
            expression="Consent.provision.type",
        )
    return _provision({**provision, "type": base}, _Reader(resolve, zone), "Consent.provision", 0)


class _Reader:
    """What reading a provision needs from outside: how to resolve an actor, and where midnight is."""

    __slots__ = ("resolve", "zone")

    def __init__(self, resolve: Resolve, zone: tzinfo) -> None:
        self.resolve, self.zone = resolve, zone


def _provision(node: dict[str, Any], reader: _Reader, path: str, depth: int) -> Provision:
    if node.get("type") not in ("permit", "deny"):
        code = "not-supported" if "type" not in node else "invalid"
        raise RecordRejected("a provision is permit or deny", code=code, expression=f"{path}.type")
    check_provision(node, path)
    if depth > _DEEPEST:
        raise RecordRejected("provisions nested too deeply", code="not-supported", expression=path)
    labels = _sorted(security_label(coding) for coding in _dicts(node, "securityLabel"))
    named = [_actor(actor, reader.resolve) for actor in _dicts(node, "actor")]
    zone = reader.zone
    return Provision(
        type=node["type"],
        period=read_period(node["period"], zone, f"{path}.period") if "period" in node else None,
        actors=_sorted(name for names, _ in named for name in names),
        members=_members(member for _, members in named for member in members),
        actions=_sorted(_concepts(node.get("action"), lambda coding: short(coding, ACTIONS))),
        purposes=_sorted(short(coding, ACT_REASONS) for coding in _dicts(node, "purpose")),
        confidentiality=tuple(label for label in labels if label in LEVELS),
        labels=tuple(label for label in labels if label not in LEVELS),
        classes=_sorted(spelled(coding) for coding in _dicts(node, "class")),
        codes=_sorted(_concepts(node.get("code"))),
        data_period=read_period(node["dataPeriod"], zone, f"{path}.dataPeriod")
        if "dataPeriod" in node
        else None,
        data=_data(node, path),
        provisions=tuple(
            _provision(child, reader, f"{path}.provision[{position}]", depth + 1)
            for position, child in enumerate(_dicts(node, "provision"))
        ),
    )


def _with_contained(consent: Resource, resolve: Resolve) -> Resolve:
    """Also tells whom an Organization means that the Consent itself contains: by its identifiers."""
    inner = {f"#{one.get('id')}": one for one in _dicts(consent, "contained")}

    def resolve_here(reference: dict[str, Any]) -> str | Team | None:
        named = inner.get(str(reference.get("reference")))
        if named is None:
            return resolve(reference)
        if named.get("resourceType") != "Organization":
            return None
        found = {resolve({"identifier": one}) for one in _dicts(named, "identifier")} - {None}
        only = found.pop() if len(found) == 1 else None
        return only if isinstance(only, str) else None

    return resolve_here


def _actor(actor: dict[str, Any], resolve: Resolve) -> tuple[list[str], list[Member]]:
    """What one actor is called, and the members of a team; what cannot be told is UNRESOLVED."""
    roles = {coding.get("code") for coding in _codings(actor.get("role"))}
    reference = actor.get("reference")
    if not isinstance(reference, dict) or (roles and not roles & _RECIPIENT_ROLES):
        return [UNRESOLVED], []
    found = _class_of_recipients(reference) or resolve(reference)
    if isinstance(found, str):
        return [found], []
    members = [member for member in found or () if member is not None]
    whole = bool(found) and len(members) == len(found or ())
    return [] if whole else [UNRESOLVED], members


def _members(members: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(sorted(set(members), key=lambda member: (member.code, str(member.during))))


def _class_of_recipients(reference: dict[str, Any]) -> str | None:
    """A group the exchange itself defines, named by its identifier."""
    identifier = reference.get("identifier") or {}
    return f"group:{identifier['value']}" if identifier.get("system") == GROUPS else None


def _data(node: dict[str, Any], path: str) -> tuple[Data, ...]:
    found = set()
    for position, item in enumerate(_dicts(node, "data")):
        if item.get("meaning") not in _MEANINGS:
            raise RecordRejected("not a data meaning", expression=f"{path}.data[{position}].meaning")
        found.add((item["meaning"], bare_reference(item.get("reference"))))
    return tuple(Data(*pair) for pair in sorted(found))


def _scope(scope: object) -> str:
    codes = {coding.get("code") for coding in _codings(scope) if coding.get("system") == SCOPE}
    return next((code for code in _DISCLOSING_SCOPES if code in codes), "other")


def _policies(consent: Resource) -> tuple[str, ...]:
    """URIs alone: what is said by the policyRule does not keep a newer consent from taking its place."""
    uris = (policy.get("uri") for policy in _dicts(consent, "policy"))
    return _sorted(uri for uri in uris if isinstance(uri, str))


def signature_of(consent: Resource, zone: tzinfo) -> Span | None:
    """When it was signed, as far as it says."""
    attachment = consent.get("sourceAttachment")
    if isinstance(attachment, dict) and "creation" in attachment:
        return read_date(attachment["creation"], zone, "Consent.sourceAttachment.creation")
    return read_date(consent["dateTime"], zone, "Consent.dateTime") if "dateTime" in consent else None


def _concepts(concepts: object, spell: Callable[[dict[str, Any]], str] = spelled) -> list[str]:
    """Every coding of every CodeableConcept; a concept without codes could not be read."""
    items = concepts if isinstance(concepts, list) else [concepts] if concepts else []
    return [text for item in items for text in ([spell(c) for c in _codings(item)] or [UNRESOLVED])]


def _codings(concept: object) -> list[dict[str, Any]]:
    if concept is None:
        return []
    if not isinstance(concept, dict):
        raise RecordRejected("a CodeableConcept belongs here", expression="coding")
    return _dicts(concept, "coding")


def _dicts(node: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = node.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RecordRejected("a list of elements belongs here", expression=name)
    return items


def bare_reference(reference: object) -> str:
    """`Type/id` of a literal reference, without base and version."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    found = _REFERENCE.match(text) if isinstance(text, str) else None
    return f"{found[1]}/{found[2]}" if found else UNRESOLVED


def _sorted(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts)))
