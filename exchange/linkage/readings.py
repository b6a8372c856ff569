"""How one element of a resource is read into the key of the fact it states; nothing read, no key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from exchange.linkage.names import fold
from exchange.linkage.values import postal_address
from exchange.model.records import Resource

Coding = tuple[str, str]
_NPI = "http://hl7.org/fhir/sid/us-npi"
_WORLDWIDE = "urn:ietf:rfc:3986"
_CHOICES = ("DateTime", "Period", "Date", "Instant", "CodeableConcept", "Reference")
_STRENGTH = re.compile(
    r"\b(\d+(?:[.,]\d+)?(?:\s*-\s*\d+(?:[.,]\d+)?)?)\s*(mg|mcg|ug|g|ml|unt|units?|iu|meq|%)", re.I
)
_OVER = frozenset({"inactive", "remission", "resolved"})
_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Codes:
    """What codings mean: `equivalent` ones, and the systems that speak first."""

    equivalent: Mapping[Coding, Coding]
    systems: tuple[str, ...]


def codes_of(value: Any) -> frozenset[str]:
    if isinstance(value, dict):
        return frozenset(coding.get("code", "") for coding in value.get("coding", []))
    return frozenset({value}) if isinstance(value, str) else frozenset()


def _element(resource: Resource, name: str) -> Any:
    """The element itself, or whichever type of a choice element is there."""
    if name in resource:
        return resource[name]
    return next((resource[name + kind] for kind in _CHOICES if name + kind in resource), None)


def _code(resource: Resource, element: str, rules: Codes) -> str:
    value = _element(resource, element)
    codings = [
        rules.equivalent.get(coding, coding)
        for coding in ((part.get("system", ""), part.get("code", "")) for part in _codings(value))
        if all(coding)
    ]
    for system in rules.systems:
        if same := sorted(coding for coding in codings if coding[0] == system):
            return "|".join(same[0])
    return "|".join(min(codings)) if codings else ""


def _codings(value: Any) -> list[dict[str, Any]]:
    return list(value.get("coding", [])) if isinstance(value, dict) else []


def _start(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("start", ""))
    return value if isinstance(value, str) else ""


def _day(resource: Resource, element: str, rules: Codes) -> str:
    text = _start(_element(resource, element))
    return text[:10] if len(text) >= 10 else ""


def _minute(resource: Resource, element: str, rules: Codes) -> str:
    return _utc_minute(_start(_element(resource, element)))


def _begin(resource: Resource, element: str, rules: Codes) -> str:
    return _bound(resource, element, "start")


def _end(resource: Resource, element: str, rules: Codes) -> str:
    return _bound(resource, element, "end")


def _bound(resource: Resource, element: str, name: str) -> str:
    value = _element(resource, element)
    text = str(value.get(name, "")) if isinstance(value, dict) else ""
    return _utc_minute(text) if len(text) > 10 else ""


@lru_cache(maxsize=4096)
def _utc_minute(text: str) -> str:
    if len(text) <= 10:
        return text if len(text) == 10 else ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M")


def _value(resource: Resource, element: str, rules: Codes) -> str:
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


def _asked(resource: Resource, element: str, rules: Codes) -> str:
    """The day a prescription was written, or from which on it is to be taken."""
    starts = (
        dosage.get("timing", {}).get("repeat", {}).get("boundsPeriod", {}).get("start", "")
        for dosage in resource.get("dosageInstruction", [])
    )
    text = resource.get(element) or min(filter(None, starts), default="")
    return text[:10] if len(text) >= 10 else ""


def _strength(resource: Resource, element: str, rules: Codes) -> str:
    """The amounts a medication's own words name; one that names none is not one that names another.

    >>> drug = {"medicationCodeableConcept": {"text": "amoxicillin 250 MG / clavulanate 62.5 MG Oral Tablet"}}
    >>> _strength(drug, "medication", Codes({}, ()))
    '250 mg 62.5 mg'
    """
    value = _element(resource, element)
    texts = [value.get("text", "")] if isinstance(value, dict) else []
    texts += [coding.get("display", "") for coding in _codings(value)]
    said = next((found for found in map(_STRENGTH.findall, texts) if found), [])
    return " ".join(sorted(f"{_number(amount)} {unit.lower()}" for amount, unit in said)) or _UNKNOWN


def _state(resource: Resource, element: str, rules: Codes) -> str:
    """Whether it is over: what one says is over and another not are two statements."""
    return "over" if codes_of(resource.get(element)) & _OVER else "current"


def _teller(resource: Resource, element: str, rules: Codes) -> str:
    """Whether the patient or somebody near tells it, or it was measured."""
    tellers = (str(performer.get("reference", "")) for performer in resource.get(element, []))
    return "told" if any(t.startswith(("Patient/", "RelatedPerson/")) for t in tellers) else "measured"


def _worldwide(resource: Resource, element: str, rules: Codes) -> str:
    """An identifier that is one everywhere: an OID or a UUID."""
    value = resource.get(element)
    known = isinstance(value, dict) and value.get("system") == _WORLDWIDE
    return str(value.get("value", "")).lower() if known and value else ""


def _name(resource: Resource, element: str, rules: Codes) -> str:
    value = resource.get(element)
    return fold(value) if isinstance(value, str) else ""


def _place(resource: Resource, element: str, rules: Codes) -> str:
    """House, street, unit and postal code of an address that has them all."""
    value = resource.get(element)
    address = (value or [{}])[0] if isinstance(value, list) else value
    parsed = postal_address(address.get("line", []), address.get("postalCode", "")) if address else None
    if parsed is None or not parsed.building or not parsed.postal_code:
        return ""
    return f"{parsed.building} {parsed.unit} {parsed.postal_code}"


def _word(resource: Resource, element: str, rules: Codes) -> str:
    value = resource.get(element, "")
    return value if isinstance(value, str) else ""


def _npi(resource: Resource, element: str, rules: Codes) -> str:
    return min(
        (
            str(identifier.get("value", ""))
            for identifier in resource.get(element, [])
            if identifier.get("system") == _NPI
        ),
        default="",
    )


def _hash(resource: Resource, element: str, rules: Codes) -> str:
    hashes = sorted(part.get("attachment", {}).get("hash", "") for part in resource.get(element, []))
    return "|".join(filter(None, hashes))


READINGS: Mapping[str, Callable[[Resource, str, Codes], str]] = {
    "code": _code,
    "day": _day,
    "minute": _minute,
    "begin": _begin,
    "end": _end,
    "value": _value,
    "word": _word,
    "npi": _npi,
    "hash": _hash,
    "asked": _asked,
    "strength": _strength,
    "state": _state,
    "teller": _teller,
    "worldwide": _worldwide,
    "name": _name,
    "place": _place,
}
