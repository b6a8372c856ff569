"""Which provisions of a profile a record's content matches: class, code, clinical date, data by meaning."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from exchange.consent.clinical_dates import Reading, record_span
from exchange.consent.dates import Span
from exchange.consent.directives.certainty import Match, all_of, any_of, reaches, uncertain
from exchange.consent.directives.codings import unspelt
from exchange.consent.directives.normal_form import UNRESOLVED, Data, Provision
from exchange.consent.directives.profiles import Profile
from exchange.consent.directives.reading import bare_reference
from exchange.consent.directives.trees import content_nodes
from exchange.model.fhir_types import type_names
from exchange.model.records import Resource

Look = Callable[[str], Collection[str] | None]
"""For a `Type/id`, other ones; None when the first is not known."""

EDITION = 7
"""Raised when a Consent may be read or match otherwise than before: stored ones are then asked again."""

_TYPES = "http://hl7.org/fhir/resource-types"
_BASE = "http://hl7.org/fhir/StructureDefinition/"
_WHOLES = ("Encounter", "EpisodeOfCare", "CarePlan")
_AUTHORS = ("author", "recorder", "asserter", "performer")
_NOT_ITS_OWN = frozenset(("contained", "extension", "modifierExtension", "meta"))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies around a record and is not written in it.

    `referred`: what a resource refers to; `agents`: whom Provenance names for it; `reading`: which date.
    """

    referred: Look
    agents: Look
    reading: Reading = "clinical"


def _unknown(reference: str) -> None:
    return None


ALONE = Surroundings(_unknown, _unknown)


def matched(profile: Profile, resource: Resource, around: Surroundings = ALONE) -> tuple[int, ...]:
    """Numbers of the content-dependent provisions that match; the rest of each provision is decided later.

    What is not known matches denials and no permit; beside the number of such a denial stands `uncertain()`
    of it, if it has exceptions.
    """
    return tuple(sorted(_matched(profile, resource, around)))


def _matched(profile: Profile, resource: Resource, around: Surroundings) -> Iterator[int]:
    for statement, node in content_nodes(profile):
        matches = _matches(node.provision, resource, ZoneInfo(statement.zone), around)
        if node.number is not None and reaches(matches, node.provision.type == "deny"):
            yield node.number
            if matches is None and node.children:
                yield uncertain(node.number)


def by_content(profile: Profile) -> bool:
    """Whether any provision has to be held against what a record says."""
    return bool(content_nodes(profile))


def meant(profile: Profile) -> frozenset[str]:
    """The `Type/id` whose own references decide a match: `data` with meaning `related`."""
    return frozenset(
        data.reference
        for _, node in content_nodes(profile)
        for data in node.provision.data
        if data.meaning == "related"
    )


def by_author(profile: Profile) -> bool:
    """Whether somebody chose by who wrote a record, so that Provenance counts."""
    return any(
        data.meaning == "authoredby" for _, node in content_nodes(profile) for data in node.provision.data
    )


def _matches(provision: Provision, resource: Resource, zone: ZoneInfo, around: Surroundings) -> Match:
    return all_of(_answers(provision, resource, zone, around))


def _answers(
    provision: Provision, resource: Resource, zone: ZoneInfo, around: Surroundings
) -> Iterator[Match]:
    """One for each element that looks at the record."""
    denies = provision.type == "deny"
    if provision.classes:
        yield _has_class(provision.classes, resource, denies)
    if provision.codes:
        yield _has_code(provision.codes, resource, denies)
    if provision.data_period is not None:
        yield _in_period(provision.data_period, record_span(resource, zone, around.reading), denies)
    if provision.data:
        yield any_of(_is_meant(data, resource, around) for data in provision.data)


def _has_class(classes: tuple[str, ...], resource: Resource, denies: bool) -> Match:
    inside = resource.get("contained", ()) if denies else ()
    if any(_is_class(name, one) for one in (resource, *inside) for name in classes):
        return True
    return False if all(map(_readable_class, classes)) else None


def _is_class(name: str, resource: Resource) -> bool:
    system, code = _parts(name)
    if _is_type(system, code):
        return bool(resource.get("resourceType") == code)
    if code.startswith(_BASE):
        kind = code.partition("|")[0].removeprefix(_BASE)
        return bool(resource.get("resourceType") == kind) or _claims(code, resource)
    if code.startswith("http"):
        return _claims(code, resource)
    return "/" in code and any(node.get("contentType") == code for node in _nodes(resource))


def _parts(name: str) -> tuple[str, str]:
    """System and code; a canonical address keeps its version behind another bar."""
    system, _, code = name.partition("|")
    return system, code


def _is_type(system: str, code: str) -> bool:
    """Whether it names a resource type and not a profile or a kind of content; those need no system."""
    return not code.startswith("http") and (system == _TYPES or (not system and "/" not in code))


def _claims(profile: str, resource: Resource) -> bool:
    claimed = (resource.get("meta") or {}).get("profile") or ()
    return any(name.partition("|")[0] == profile.partition("|")[0] for name in claimed)


def _readable_class(name: str) -> bool:
    """A type FHIR does not have, like a misspelt one, is none that can be told apart from another."""
    system, code = _parts(name)
    if code.startswith("http"):
        return True
    if _is_type(system, code):
        return code in type_names("resource")
    return name != UNRESOLVED and "/" in code


def _has_code(codes: tuple[str, ...], resource: Resource, denies: bool) -> Match:
    """A permit looks at the record's own codes, a denial also at contained ones and those in extensions.

    A code without its system, here or there, may be that of any: only a denial matches it, and only a denial
    overlooks how a system is spelt and whether the code has its dot.
    """
    if not denies:
        wanted = set(codes)
        return any(code in wanted for code in _codes_in(_own(resource)) if not code.startswith("|"))
    wanted = {unspelt(code) for code in codes}
    found = set(map(unspelt, _codes_in(resource)))
    if any(code in wanted for code in found if not code.startswith("|")):
        return True
    return None if UNRESOLVED in codes or _may_be_one(found, wanted) else False


def _may_be_one(found: Collection[str], wanted: Collection[str]) -> bool:
    """Whether a code of no system, on either side, would be one of the other."""
    bare = {code.partition("|")[2] for code in wanted}
    nameless = {code.partition("|")[2] for code in wanted if code.startswith("|")}
    return any(code.partition("|")[2] in (bare if code.startswith("|") else nameless) for code in found)


def _codes_in(node: Any) -> Iterator[str]:
    """`system|code` of every coding; one without a system begins with the bar."""
    for one in _nodes(node):
        if isinstance(one.get("code"), str):
            yield f"{one.get('system', '')}|{one['code']}"


def _own(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _own(value) for name, value in node.items() if name not in _NOT_ITS_OWN}
    return [_own(item) for item in node] if isinstance(node, list) else node


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


def _in_period(period: Span, when: Span | None, denies: bool) -> Match:
    if when is None:
        return None
    return when.overlaps(period) if denies else when.within(period)


def _is_meant(data: Data, resource: Resource, around: Surroundings) -> Match:
    if data.reference == UNRESOLVED:
        return None
    own = f"{resource.get('resourceType')}/{resource.get('id')}"
    if data.meaning == "authoredby":
        return _authored_by(data.reference, resource, around.agents(own) or ())
    if own == data.reference:
        return True
    whole = data.reference.partition("/")[0] in _WHOLES
    depends = data.meaning == "dependents" or (data.meaning == "related" and whole)
    if depends and data.reference in references_in(resource):
        return True
    if data.meaning != "related":
        return False
    reached = around.referred(data.reference)
    if reached is None:
        return False if whole else None
    return own in reached


def references_in(node: Any) -> set[str]:
    """`Type/id` of every literal reference in it."""
    return {bare_reference(item) for item in _nodes(node) if isinstance(item.get("reference"), str)}


def _authored_by(author: str, resource: Resource, agents: Collection[str]) -> Match:
    """Who is named in words alone, or is contained, may be anybody."""
    entries = [entry for name in _AUTHORS for entry in _each(resource.get(name))]
    named = set(agents).union(*map(references_in, entries))
    if author in named:
        return True
    told = named and UNRESOLVED not in named and all(references_in(one.get("actor", one)) for one in entries)
    return False if told else None


def _each(authors: Any) -> list[dict[str, Any]]:
    found = authors if isinstance(authors, list) else [authors]
    return [one for one in found if isinstance(one, dict)]
