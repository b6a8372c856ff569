"""What JSON Schema cannot say: order of dates, ranges, UCUM units, containment, active content in narrative.

Keys such as `per-1` are R4's invariants (https://hl7.org/fhir/R4/conformance-rules.html#constraints).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from exchange.model.hl7_tables import is_listed
from exchange.model.records import Issue, Resource
from exchange.model.terms import SYSTEMS
from exchange.model.ucum import is_ucum

_ACTIVE = re.compile(
    r"<\s*(?:script|iframe|object|embed|form|link|meta|base|input)\b|\son\w+\s*=|javascript:", re.I
)
TABLE = "http://terminology.hl7.org/CodeSystem/v2-"
OLDEST, LATEST = "1850", "2099"
HAPPENED = frozenset(
    (
        "birthDate",
        "deceasedDateTime",
        "effectiveDateTime",
        "effectiveInstant",
        "issued",
        "onsetDateTime",
        "abatementDateTime",
        "recordedDate",
        "performedDateTime",
        "occurrenceDateTime",
        "authoredOn",
        "date",
        "created",
        "dateAsserted",
    )
)
"""Elements that tell when something was: a year in which nobody lives is a slip, or stands for `unknown`."""
CONTACT = frozenset(("phone", "fax", "email", "pager", "url", "sms", "other"))
"""What ContactPoint.system says: all others are URIs, https://hl7.org/fhir/R4/datatypes.html#Identifier"""
_RELATIVE = "is no absolute URI: nobody else can tell whose it is"
# https://hl7.org/fhir/R4/datatypes.html#string
_NUL = "holds a NUL character, which text may not"


def sanity_issues(resource: Resource) -> Iterator[Issue]:
    """Errors and warnings of a resource whose structure is already valid."""
    where = resource["resourceType"]
    inner = frozenset(str(each.get("id")) for each in resource.get("contained", ()))
    yield from _walk(resource, where, inner)
    yield from _lifetime(resource, where)
    if "contained" in resource:
        yield from _containment(resource, where)


def of_object(node: dict[str, Any], where: str, inner: frozenset[str]) -> Iterator[Issue]:
    """The checks of one object; `inner` are the ids of contained resources."""
    if "start" in node and "end" in node:
        yield from _period(node, where)
    elif "low" in node and "high" in node:
        yield from _range(node, where)
    elif "system" in node:
        if "code" in node and (words := _miscoded(node["system"], node["code"])):
            yield Issue("warning", "code-invalid", words, f"{where}.code")
        if ":" not in node["system"] and node["system"] not in CONTACT:
            yield Issue("warning", "value", _RELATIVE, f"{where}.system")
    elif "div" in node and _ACTIVE.search(node["div"]):
        yield Issue("error", "invariant", "txt-1: narrative may not hold active content", f"{where}.div")
    elif "reference" in node and _dangles(node["reference"], inner):
        yield Issue("error", "invariant", "ref-1: no contained resource has this id", f"{where}.reference")


def _walk(node: dict[str, Any], where: str, inner: frozenset[str]) -> Iterator[Issue]:
    """The checks of an object, then of every object below it."""
    yield from of_object(node, where, inner)
    for name, value in node.items():
        if isinstance(value, str):
            if "\0" in value:
                yield Issue("error", "invalid", _NUL, f"{where}.{name}")
        elif isinstance(value, dict):
            yield from _walk(value, f"{where}.{name}", inner)
        elif not isinstance(value, list):
            continue
        elif any(isinstance(item, str) and "\0" in item for item in value):
            yield Issue("error", "invalid", _NUL, f"{where}.{name}")
        else:
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _walk(item, f"{where}.{name}[{index}]", inner)


@lru_cache(maxsize=4096)
def _miscoded(system: str, code: str) -> str:
    """What is wrong with a code of UCUM or of one of HL7's tables; `` if nothing."""
    if system == SYSTEMS["ucum"]:
        return "" if is_ucum(code) else "is not a UCUM unit"
    number = system.removeprefix(TABLE)
    return "" if number == system or is_listed(number, code) else f"is not a code of HL7's table {number}"


def _period(node: dict[str, Any], where: str) -> Iterator[Issue]:
    start, end = node["start"], node["end"]
    if isinstance(start, str) and isinstance(end, str) and is_after(start, end):
        yield Issue("error", "invariant", "per-1: start is after end", where)


def _range(node: dict[str, Any], where: str) -> Iterator[Issue]:
    low, high = node["low"], node["high"]
    if not isinstance(low, dict) or not isinstance(high, dict) or low.get("code") != high.get("code"):
        return
    if "value" in low and "value" in high and low["value"] > high["value"]:
        if ".referenceRange[" in where and where.endswith("]"):
            # It is no Range: R4 allows it there, and a result is not kept out for what was meant by normal.
            yield Issue("warning", "value", "low is above high", where)
        else:
            yield Issue("error", "invariant", "rng-2: low is above high", where)


def is_after(first: str, second: str) -> bool:
    """Whether one FHIR date or dateTime is later than another, as far as both are precise.

    >>> is_after("2024-05", "2024-04-30"), is_after("2024-05", "2024-05-01")
    (True, False)
    >>> is_after("2024-05-01T10:00:00+02:00", "2024-05-01T09:30:00Z")
    False
    """
    if "T" in first and "T" in second:
        return _moment(first) > _moment(second)
    shared = min(len(first), len(second), 10)
    return first[:shared] > second[:shared]


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value.replace(":60", ":59"))


def _lifetime(resource: Resource, where: str) -> Iterator[Issue]:
    """When things were: within some lives of today, and birth before death."""
    for name in HAPPENED & resource.keys():
        told = resource[name]
        if isinstance(told, str) and not OLDEST <= told[:4] <= LATEST:
            limit = f"before {OLDEST}" if told < OLDEST else f"after {LATEST}"
            yield Issue("warning", "value", f"is {limit}", f"{where}.{name}")
    born, died = resource.get("birthDate"), resource.get("deceasedDateTime")
    if isinstance(born, str) and isinstance(died, str) and is_after(born, died):
        yield Issue("warning", "value", "is before birthDate", f"{where}.deceasedDateTime")


def _containment(resource: Resource, where: str) -> Iterator[Issue]:
    for index, inner in enumerate(resource.get("contained", ())):
        place = f"{where}.contained[{index}]"
        if "contained" in inner:
            yield Issue("error", "invariant", "dom-2: a contained resource may not contain another", place)
        if {"versionId", "lastUpdated", "security"} & inner.get("meta", {}).keys():
            text = "dom-4, dom-5: a contained resource has no version, update time or security label"
            yield Issue("error", "invariant", text, place)


def _dangles(reference: Any, inner: frozenset[str]) -> bool:
    return (
        isinstance(reference, str)
        and len(reference) > 1
        and reference[0] == "#"
        and reference[1:] not in inner
    )
