"""The same fact sent twice: keys that two resources of one person share when they say one thing."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from io import StringIO
from typing import Any

import yaml

from exchange.linkage.names import fold
from exchange.linkage.vocabulary import FOLDER
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.model.records import Files, Resource

DUPLICATES_FILE = f"{FOLDER}/duplicates.yaml"
_FIELDS = ("equivalent_codes", "code_systems", "same_fact", "never", "trust", "status_order")
_NPI = "http://hl7.org/fhir/sid/us-npi"
_CODE_COLUMNS = ["system", "code", "canonical_system", "canonical_code", "source"]
_CHOICES = ("DateTime", "Period", "Date", "Instant", "CodeableConcept", "Reference")

Coding = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DuplicateRules:
    """`ways`: by resource type, lists of (reading, element); `equivalent`: coding to canonical coding."""

    ways: Mapping[str, tuple[tuple[tuple[str, str], ...], ...]]
    equivalent: Mapping[Coding, Coding]
    code_systems: tuple[str, ...]
    never: Mapping[str, frozenset[str]]
    trust: Mapping[str, tuple[str, ...]]
    status_order: tuple[str, ...]


def duplicate_key(resource: Resource, rules: DuplicateRules) -> bytes | None:
    """Sixteen bytes naming the fact without the person, or None when no duplicate is possible."""
    if any(_codes(resource.get(element)) & states for element, states in rules.never.items()):
        return None
    for way in rules.ways.get(resource["resourceType"], ()):
        parts = [_READINGS[reading](resource, element, rules) for reading, element in way]
        if all(parts):
            text = "|".join((resource["resourceType"], *map(str, way), *parts))
            return blake2b(text.encode(), digest_size=16).digest()
    return None


def trust_rank(resource: Resource, partner: Partner, rules: DuplicateRules) -> int:
    """Smaller is shown first: the kind of organization decides, then how finished the statement is."""
    kinds = rules.trust.get(resource["resourceType"], ()) + rules.trust["default"]
    kind = partner.organization.type
    place = kinds.index(kind) if kind in kinds else len(kinds)
    status = min(
        (
            rules.status_order.index(code)
            for code in _codes(resource.get("status", resource.get("clinicalStatus")))
            if code in rules.status_order
        ),
        default=len(rules.status_order),
    )
    return place * 100 + status


def parse_duplicates(files: Files) -> DuplicateRules:
    """From `_shared/identity/duplicates.yaml` and the table it names; raises ContentError."""
    content = _content(files)
    codes_file = str(content["equivalent_codes"])
    if codes_file not in files:
        raise ContentError("file is missing", file=codes_file)
    return DuplicateRules(
        ways={kind: tuple(map(_way, ways)) for kind, ways in content["same_fact"].items()},
        equivalent=_equivalent(files[codes_file], codes_file),
        code_systems=tuple(content["code_systems"]),
        never={element: frozenset(states) for element, states in content["never"].items()},
        trust={kind: tuple(kinds) for kind, kinds in content["trust"].items()},
        status_order=tuple(content["status_order"]),
    )


def _content(files: Files) -> dict[str, Any]:
    if DUPLICATES_FILE not in files:
        raise ContentError("file is missing", file=DUPLICATES_FILE)
    try:
        content = yaml.load(files[DUPLICATES_FILE], Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ContentError("not YAML", file=DUPLICATES_FILE) from error
    if not isinstance(content, dict):
        raise ContentError("a mapping is expected", file=DUPLICATES_FILE, valid=_FIELDS)
    for name in content:
        if name not in _FIELDS:
            raise ContentError("unknown field", file=DUPLICATES_FILE, field=name, valid=_FIELDS)
    for name in _FIELDS:
        if name not in content:
            raise ContentError("is missing", file=DUPLICATES_FILE, field=name)
    if "default" not in content["trust"]:
        raise ContentError("is missing", file=DUPLICATES_FILE, field="trust.default")
    return content


def _way(parts: list[str]) -> tuple[tuple[str, str], ...]:
    way = []
    for part in parts:
        reading, _, element = part.partition(" ")
        if reading not in _READINGS or not element:
            raise ContentError(
                "a reading and an element are expected",
                file=DUPLICATES_FILE,
                field=f"same_fact.{part}",
                valid=_READINGS,
            )
        way.append((reading, element))
    return tuple(way)


def _equivalent(text: str, file: str) -> dict[Coding, Coding]:
    rows = csv.DictReader(StringIO(text))
    if rows.fieldnames != _CODE_COLUMNS:
        raise ContentError("columns differ", file=file, line=1, valid=_CODE_COLUMNS)
    return {(row["system"], row["code"]): (row["canonical_system"], row["canonical_code"]) for row in rows}


def _codes(value: Any) -> frozenset[str]:
    if isinstance(value, dict):
        return frozenset(coding.get("code", "") for coding in value.get("coding", []))
    return frozenset({value}) if isinstance(value, str) else frozenset()


def _element(resource: Resource, name: str) -> Any:
    """The element itself, or whichever type of a choice element is there."""
    if name in resource:
        return resource[name]
    return next((resource[name + kind] for kind in _CHOICES if name + kind in resource), None)


def _code(resource: Resource, element: str, rules: DuplicateRules) -> str:
    value = _element(resource, element)
    codings = [
        rules.equivalent.get(coding, coding)
        for coding in ((part.get("system", ""), part.get("code", "")) for part in _codings(value))
        if all(coding)
    ]
    for system in rules.code_systems:
        if same := sorted(coding for coding in codings if coding[0] == system):
            return "|".join(same[0])
    return "|".join(min(codings)) if codings else ""


def _codings(value: Any) -> list[dict[str, Any]]:
    return list(value.get("coding", [])) if isinstance(value, dict) else []


def _start(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("start", ""))
    return value if isinstance(value, str) else ""


def _day(resource: Resource, element: str, rules: DuplicateRules) -> str:
    text = _start(_element(resource, element))
    return text[:10] if len(text) >= 10 else ""


def _minute(resource: Resource, element: str, rules: DuplicateRules) -> str:
    return _utc_minute(_start(_element(resource, element)))


def _begin(resource: Resource, element: str, rules: DuplicateRules) -> str:
    return _bound(resource, element, "start")


def _end(resource: Resource, element: str, rules: DuplicateRules) -> str:
    return _bound(resource, element, "end")


def _bound(resource: Resource, element: str, name: str) -> str:
    value = _element(resource, element)
    text = str(value.get(name, "")) if isinstance(value, dict) else ""
    return _utc_minute(text) if len(text) > 10 else ""


def _utc_minute(text: str) -> str:
    if len(text) <= 10:
        return text if len(text) == 10 else ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M")


def _value(resource: Resource, element: str, rules: DuplicateRules) -> str:
    quantity = resource.get("valueQuantity")
    if quantity:
        unit = quantity.get("code") or quantity.get("unit", "")
        return f"{quantity.get('comparator', '')}{_number(quantity.get('value'))} {unit}"
    if "valueCodeableConcept" in resource:
        concept = resource["valueCodeableConcept"]
        return _code(resource, "value", rules) or fold(concept.get("text", ""))
    plain = next((resource[name] for name in sorted(resource) if re.fullmatch(r"value[A-Z]\w+", name)), None)
    return fold_text(plain) if isinstance(plain, str) else "" if plain is None else repr(plain)


def _number(value: Any) -> str:
    try:
        return format(Decimal(str(value)).normalize(), "f")
    except InvalidOperation:
        return ""


def fold_text(text: str) -> str:
    """
    >>> fold_text("  Not  Detected ")
    'not detected'
    """
    return " ".join(text.lower().split())


def _word(resource: Resource, element: str, rules: DuplicateRules) -> str:
    value = resource.get(element, "")
    return value if isinstance(value, str) else ""


def _npi(resource: Resource, element: str, rules: DuplicateRules) -> str:
    return min(
        (
            str(identifier.get("value", ""))
            for identifier in resource.get(element, [])
            if identifier.get("system") == _NPI
        ),
        default="",
    )


def _hash(resource: Resource, element: str, rules: DuplicateRules) -> str:
    hashes = sorted(part.get("attachment", {}).get("hash", "") for part in resource.get(element, []))
    return "|".join(filter(None, hashes))


_READINGS: Mapping[str, Callable[[Resource, str, DuplicateRules], str]] = {
    "code": _code,
    "day": _day,
    "minute": _minute,
    "begin": _begin,
    "end": _end,
    "value": _value,
    "word": _word,
    "npi": _npi,
    "hash": _hash,
}
