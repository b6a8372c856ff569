"""Is nothing at all to be told of a resource? Nearly all are so, and one walk in compiled code says it.

Structure, what `exchange.validation.sanity` looks for and what US Core demands are one schema here. It may
refuse what is good, never pass what is not: what it refuses is read again by those that tell what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache, partial
from typing import Any, TypeGuard

import jsonschema_rs

from exchange.model.fhir import references
from exchange.model.fhir_types import fhir_type, type_names
from exchange.model.records import Resource
from exchange.model.terms import SYSTEMS
from exchange.validation.sanity import CONTACT, HAPPENED, LATEST, OLDEST, TABLE, of_object
from exchange.validation.schema import BESIDE, ELE_1, NULL_BESIDE, OR_NULL, Schema, schema_of
from exchange.validation.us_core import DAY, Demand, demands, is_dated, is_npi, profiles_of

_MOST_PROFILES = 2
"""Of a resource that claims more at once US Core's demands are read one by one: each set is compiled."""
_HOLDERS = frozenset(("Bundle", "Parameters"))
_NOT_INSIDE = frozenset(("versionId", "lastUpdated", "security"))
_CODED = f"^(?:{re.escape(SYSTEMS['ucum'])}$|{re.escape(TABLE)})"
_SYSTEM = f":|^(?:{'|'.join(sorted(CONTACT))})$"
_TOLD = ({"start", "end"}, {"low", "high"}, {"div"})
"""Elements that together may have something to tell (`of_object`)."""


class _Untold:
    """Keyword: the sanity checks of one object have nothing to tell."""

    def __init__(self, _parent: Schema, _value: Any, _path: list[str | int]) -> None:
        pass

    def validate(self, node: Any) -> None:
        """Raises ValueError where they have."""
        if not isinstance(node, dict) or any(of_object(node, "", frozenset())):
            raise ValueError("has something to tell")


class _TrueNpi:
    """Keyword: an Identifier's value has the form of an NPI."""

    def __init__(self, _parent: Schema, _value: Any, _path: list[str | int]) -> None:
        pass

    def validate(self, node: Any) -> None:
        """Raises ValueError where it has not."""
        if not is_npi(node.get("value", "")):
            raise ValueError("is no NPI")


_KEYWORDS: dict[str, type[jsonschema_rs.KeywordValidator]] = {"untold": _Untold, "trueNpi": _TrueNpi}


def is_sound(resource: Resource) -> bool:
    """Whether certainly nothing is to be told, of its profiles neither."""
    try:
        check = _check_of(resource.get("resourceType"), tuple(resource.get("meta", {}).get("profile", ())))
    except (AttributeError, TypeError):
        return False  # a meta or profile of another form than R4's
    return check is not None and check(resource)


def is_sound_whatever_it_claims(resource: Resource) -> bool:
    """Whether certainly nothing is to be told but what its profiles demand."""
    type_ = resource.get("resourceType")
    return _is_readable(type_) and _passes(resource, type_, ())


@lru_cache(maxsize=512)
def _check_of(type_: Any, declared: tuple[str, ...]) -> Callable[[Resource], bool] | None:
    """The check of resources of a type that claim profiles; none where one schema cannot read them whole."""
    if not _is_readable(type_):
        return None
    profiles = profiles_of(type_, declared)
    return partial(_passes, type_=type_, profiles=profiles) if len(profiles) <= _MOST_PROFILES else None


def _passes(resource: Resource, type_: str, profiles: tuple[str, ...]) -> bool:
    """What it contains is read by itself: a schema of all types that may stand there would be too large."""
    if "contained" not in resource:
        return _compiled(type_, profiles, False).is_valid(resource)
    return _compiled(type_, profiles, True).is_valid(resource) and _is_closed(resource)


def _is_closed(resource: Resource) -> bool:
    """Whether what it contains is sound, and each reference within it leads to something that is there."""
    inner = resource["contained"]
    known = {f"#{each.get('id')}" for each in inner}
    local = (reference for reference in references(resource) if reference[:1] == "#")
    return all(map(_is_inner, inner)) and all(each in known or each == "#" for each in local)


def _is_inner(resource: Resource) -> bool:
    type_ = resource.get("resourceType")
    return (
        "contained" not in resource
        and _is_readable(type_)
        and _compiled(type_, (), True).is_valid(resource)
        and _NOT_INSIDE.isdisjoint(resource.get("meta", ()))
    )


def _is_readable(type_: Any) -> TypeGuard[str]:
    """Whether one schema can read resources of the type whole."""
    return isinstance(type_, str) and type_ in type_names("resource") and type_ not in _HOLDERS


@cache
def _compiled(type_: str, profiles: tuple[str, ...], holding: bool) -> jsonschema_rs.Draft202012Validator:
    """For resources that hold others or are held, or for those that do not."""
    schema = schema_of(type_)
    unfit = r"\x00" if holding else r"\x00|^#[\s\S]"
    definitions = {name: _sound(_quick(name, rule), unfit) for name, rule in schema["$defs"].items()}
    wanted = [*_of_type(type_), *_of_profiles(type_, profiles)]
    whole = {**schema, "$defs": definitions} | ({"allOf": wanted} if wanted else {})
    return jsonschema_rs.Draft202012Validator(
        whole, pattern_options=jsonschema_rs.RegexOptions(), offline=True, keywords=_KEYWORDS
    )


def _quick(name: str, rule: Schema) -> Schema:
    """What is rare is not asked for, and refused: an id alone beside a value, null in a list, `_name` alone.

    What is asked is asked so that little is looked up in an object.
    """
    told = [each for each in rule.get("allOf", ()) if each is not ELE_1 and not _is_rare(each)]
    needed = [name for each in told for name in _needed(each)]
    out = {k: v for k, v in rule.items() if k != "allOf"}
    if name.endswith(OR_NULL):
        out["type"] = rule["type"][0]
    if needed:
        out["required"] = needed
    if name == BESIDE or ELE_1 in rule.get("allOf", ()):
        out["dependentSchemas"] = {"id": {"minProperties": 2}}
    if rules := [each for each in told if not _needed(each)]:
        out["allOf"] = rules
    return out


def _is_rare(rule: Schema) -> bool:
    """Whether it is about ids alone, or about null in a list: where there is neither it says nothing."""
    return "dependentSchemas" in rule or NULL_BESIDE in rule.get("$comment", "")


def _needed(rule: Schema) -> list[str]:
    """The element that must be there, as a value."""
    first: list[str] = rule.get("anyOf", [rule])[0].get("required", [])
    return first if rule.get("$comment") == f"{''.join(first)} is required" else []


def _sound(rule: Schema, unfit: str) -> Schema:
    """A definition of `schema_of` that has nothing to tell besides; no reference is `unfit`."""
    if "properties" not in rule:
        return {**rule, "not": {"pattern": r"\x00"}} if "pattern" in rule else rule
    properties = rule["properties"]
    names = properties.keys()
    added = [_unless_there(told, {"untold": True}) for told in _TOLD if told <= names]
    if {"code", "system"} <= names:
        others = {"properties": {"system": {"not": {"pattern": _CODED}}}}
        added.append({"anyOf": [_lacking(("code", "system")), others, {"untold": True}]})
    if "system" in names:
        properties = {**properties, "system": {**properties["system"], "pattern": _SYSTEM}}
    if "reference" in names:
        properties = {**properties, "reference": {**properties["reference"], "not": {"pattern": unfit}}}
    asked = {"allOf": [*rule.get("allOf", ()), *added]} if added else {}
    return {**rule, "properties": properties, **asked}


def _lacking(names: Iterable[str]) -> Schema:
    return {"not": {"required": sorted(names)}}


def _unless_there(names: Iterable[str], rule: Schema) -> Schema:
    return {"anyOf": [_lacking(names), rule]}


def _of_type(type_: str) -> Iterator[Schema]:
    """What is asked of every resource of a type, as `sanity` and `us_core` have it."""
    when = {"pattern": f"^(?:{OLDEST[:2]}[{OLDEST[2]}-9]|19|{LATEST[:2]})"}
    elements = fhir_type(type_).elements.keys()
    if there := sorted(HAPPENED & elements):
        yield {"properties": dict.fromkeys(there, when)}
    if {"birthDate", "deceasedDateTime"} <= elements:
        yield _lacking(("birthDate", "deceasedDateTime"))
    if type_ in ("Practitioner", "Organization"):
        npi = {"required": ["system"], "properties": {"system": {"const": SYSTEMS["npi"]}}}
        item = {"anyOf": [{"not": npi}, {"trueNpi": True}]}
        yield {"properties": {"identifier": {"items": item}}}


def _of_profiles(type_: str, profiles: tuple[str, ...]) -> Iterator[Schema]:
    known: Mapping[str, tuple[Demand, ...]] = demands().get(type_, {})
    for profile in profiles:
        yield from map(_demanded, known[profile])
    if is_dated(profiles):
        yield {"properties": {"effectiveDateTime": {"minLength": len(DAY)}}}


def _demanded(demand: Demand) -> Schema:
    names = sorted(demand.any_of)
    if demand.codes:
        inner: Schema = {"anyOf": [_with_code(name, demand) for name in names]}
    else:
        inner = {"anyOf": [{"required": [each]} for name in names for each in (name, f"_{name}")]}
    for step in reversed(demand.within):
        # What is said of objects says nothing of lists, and the other way round.
        inner = {"properties": {step: {"allOf": [inner], "items": inner}}}
    if demand.when is None:
        return inner
    name, values = demand.when
    meant = {"required": [name], "properties": {name: {"enum": sorted(values)}}}
    return {"anyOf": [{"not": meant}, inner]}


def _with_code(name: str, demand: Demand) -> Schema:
    codings = [
        {"required": ["system", "code"], "properties": {"system": {"const": system}, "code": {"const": code}}}
        for system, code in sorted(demand.codes)
    ]
    concept = {"required": ["coding"], "properties": {"coding": {"contains": {"anyOf": codings}}}}
    listed = {"type": "array", "contains": {"type": "object", **concept}}
    return {"required": [name], "properties": {name: {"anyOf": [{"type": "object", **concept}, listed]}}}
