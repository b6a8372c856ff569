"""Which provisions of a profile a record's content matches: class, code, clinical date, data by meaning."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from exchange.consent.dates import Span, read_date, read_period
from exchange.consent.directives import UNRESOLVED, Data, Provision
from exchange.consent.profiles import Profile
from exchange.consent.reading import bare_reference
from exchange.consent.trees import content_nodes
from exchange.model.errors import RecordRejected
from exchange.model.records import Resource

Referred = Callable[[str], Collection[str] | None]
"""The `Type/id` a stored resource refers to, by its own `Type/id`; None when it is not known."""

_TYPES = "http://hl7.org/fhir/resource-types"
_WHOLES = ("Encounter", "EpisodeOfCare", "CarePlan")
_AUTHORS = ("author", "recorder", "asserter", "performer")
_DATES = {  # the clinical date of each type, the first that is there
    "Observation": ("effectiveDateTime", "effectivePeriod", "effectiveInstant"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod"),
    "Condition": ("onsetDateTime", "onsetPeriod", "recordedDate"),
    "Encounter": ("period",),
    "MedicationRequest": ("authoredOn",),
    "ServiceRequest": ("authoredOn",),
    "Task": ("authoredOn",),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "Immunization": ("occurrenceDateTime",),
    "AllergyIntolerance": ("onsetDateTime", "onsetPeriod", "recordedDate"),
    "DocumentReference": ("context.period", "date"),
    "QuestionnaireResponse": ("authored",),
    "MedicationDispense": ("whenHandedOver", "whenPrepared"),
    "CarePlan": ("period", "created"),
    "CareTeam": ("period",),
    "EpisodeOfCare": ("period",),
}


def _unknown(reference: str) -> None:
    return None


def matched(profile: Profile, resource: Resource, referred: Referred = _unknown) -> tuple[int, ...]:
    """Numbers of the content-dependent provisions that match; the rest of each provision is decided later.

    `referred` is asked for `data` with meaning `related`. What is not known matches denials and no permit.
    """
    return tuple(
        node.number
        for statement, node in content_nodes(profile)
        if node.number is not None and _matches(node.provision, resource, ZoneInfo(statement.zone), referred)
    )


def _matches(provision: Provision, resource: Resource, zone: ZoneInfo, referred: Referred) -> bool:
    denies = provision.type == "deny"
    return (
        (not provision.classes or _has_class(provision.classes, resource, denies))
        and (not provision.codes or _has_code(provision.codes, resource, denies))
        and (provision.data_period is None or _in_period(provision.data_period, resource, zone, denies))
        and (
            not provision.data or any(_is_meant(data, resource, referred, denies) for data in provision.data)
        )
    )


def _has_class(classes: tuple[str, ...], resource: Resource, denies: bool) -> bool:
    if any(_is_class(name, resource) for name in classes):
        return True
    return denies and (
        any(not _readable_class(name) for name in classes)
        or any(_is_class(name, inner) for inner in resource.get("contained", ()) for name in classes)
    )


def _is_class(name: str, resource: Resource) -> bool:
    system, _, code = name.rpartition("|")
    if system == _TYPES:
        return bool(resource.get("resourceType") == code)
    if code.startswith("http"):
        profiles = (resource.get("meta") or {}).get("profile") or ()
        return any(profile.partition("|")[0] == code.partition("|")[0] for profile in profiles)
    return "/" in code and any(node.get("contentType") == code for node in _nodes(resource))


def _readable_class(name: str) -> bool:
    system, _, code = name.rpartition("|")
    return system == _TYPES or "/" in code


def _has_code(codes: tuple[str, ...], resource: Resource, denies: bool) -> bool:
    wanted = set(codes)
    if denies and UNRESOLVED in wanted:
        return True
    return any(
        f"{node.get('system', '')}|{node['code']}" in wanted
        for node in _nodes(resource)
        if isinstance(node.get("code"), str)
    )


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in the resource, contained ones and extensions too."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _in_period(period: Span, resource: Resource, zone: ZoneInfo, denies: bool) -> bool:
    when = clinical_span(resource, zone)
    if when is None:
        return denies
    return when.overlaps(period) if denies else when.within(period)


def clinical_span(resource: Resource, zone: ZoneInfo) -> Span | None:
    """When the record is about, None when it does not say."""
    for path in _DATES.get(resource.get("resourceType", ""), ()):
        value: Any = resource
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value:
            try:
                read = read_period if isinstance(value, dict) else read_date
                return read(value, zone, path)
            except RecordRejected:
                return None
    return None


def _is_meant(data: Data, resource: Resource, referred: Referred, denies: bool) -> bool:
    if data.reference == UNRESOLVED:
        return denies
    own = f"{resource.get('resourceType')}/{resource.get('id')}"
    if data.meaning == "authoredby":
        return _authored_by(data.reference, resource, denies)
    if own == data.reference:
        return True
    whole = data.reference.partition("/")[0] in _WHOLES
    depends = data.meaning == "dependents" or (data.meaning == "related" and whole)
    if depends and data.reference in _references(resource):
        return True
    if data.meaning != "related":
        return False
    reached = referred(data.reference)
    return denies and not whole if reached is None else own in reached


def _references(node: Any) -> set[str]:
    return {bare_reference(item) for item in _nodes(node) if isinstance(item.get("reference"), str)}


def _authored_by(author: str, resource: Resource, denies: bool) -> bool:
    named: set[str] = set()
    for name in _AUTHORS:
        named |= _references(resource.get(name))
    return author in named if named else denies
