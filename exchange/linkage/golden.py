"""The golden Patient: one person told from the contributions somebody may see, and from nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from exchange.linkage.features import fold_identifier
from exchange.linkage.names import fold, given_words, surname_words
from exchange.linkage.values import electronic_mail, postal_address, telephone
from exchange.model.records import Resource

US_CORE_PATIENT = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
OTHER_VALUE = "urn:mosaic:other-value"
"""Extension holding a value that another contribution says; two different values are not made one."""

SURVIVED_BY = "urn:mosaic:survived-by"
"""Extension beside other values: why the first is shown, most-partners | most-complete | first-in-order."""

_SINGLE = {"gender": "valueCode", "birthDate": "valueDate", "maritalStatus": "valueCodeableConcept"}
_DECEASED = {"deceasedDateTime": "valueDateTime", "deceasedBoolean": "valueBoolean"}
_NAME_USES = ("official", "usual", "", "maiden", "nickname", "anonymous", "temp", "old")


def compose(contributions: Sequence[tuple[str, Resource]]) -> Resource:
    """A Patient without id and link, from (partner, Patient); no order of contributions changes a byte.

    Single values survive by number of partners, then by completeness; identifiers, names, addresses and
    telecoms are united; a contribution that is no longer in use counts only where nothing else speaks.
    """
    ordered = sorted(contributions, key=lambda entry: (entry[0], _text(entry[1])))
    current = [entry for entry in ordered if entry[1].get("active", True)] or ordered
    golden: Resource = {"resourceType": "Patient", "meta": {"profile": [US_CORE_PATIENT]}}
    golden |= _extensions(current)
    golden["active"] = any(patient.get("active", True) for _, patient in ordered)
    golden["identifier"] = _identifiers(ordered)
    golden["name"] = sorted(_union(current, "name", _name_key), key=_name_order)
    golden["telecom"] = _union(current, "telecom", _telecom_key)
    golden["address"] = _union(current, "address", _address_key)
    golden["communication"] = _union(current, "communication", _text)
    golden["contact"] = _union(current, "contact", _text)
    for element, kind in _SINGLE.items():
        golden |= _single(current, element, kind)
    golden |= _deceased(current)
    golden |= _multiple_birth(current)
    return {element: value for element, value in golden.items() if value not in ([], {})}


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


class _Vote(NamedTuple):
    value: Any
    partners: int
    length: int


def _votes(contributions: Iterable[tuple[str, Resource]], element: str) -> list[_Vote]:
    """Different values, the best first: most partners, most complete, then smallest."""
    said = {
        (partner, _text(patient[element])): patient[element]
        for partner, patient in contributions
        if element in patient
    }
    partners = Counter(text for _, text in said)
    values = {text: value for (_, text), value in said.items()}
    order = sorted(values, key=lambda text: (-partners[text], -len(text), text))
    return [_Vote(values[text], partners[text], len(text)) for text in order]


def _single(contributions: Sequence[tuple[str, Resource]], element: str, kind: str) -> Resource:
    votes = _votes(contributions, element)
    known = [vote for vote in votes if vote.value != "unknown"] or votes
    return _with_others(known, element, kind) if known else {}


def _with_others(votes: list[_Vote], element: str, kind: str) -> Resource:
    first, *others = votes
    if not others:
        return {element: first.value}
    extensions = [{"url": OTHER_VALUE, kind: other.value} for other in others]
    extensions.append({"url": SURVIVED_BY, "valueCode": _reason(first, others[0])})
    if isinstance(first.value, dict):
        return {element: {**first.value, "extension": [*first.value.get("extension", []), *extensions]}}
    return {element: first.value, f"_{element}": {"extension": extensions}}


def _reason(first: _Vote, second: _Vote) -> str:
    if first.partners > second.partners:
        return "most-partners"
    return "most-complete" if first.length > second.length else "first-in-order"


def _deceased(contributions: Sequence[tuple[str, Resource]]) -> Resource:
    dates = _votes(contributions, "deceasedDateTime")
    if dates:
        return _with_others(dates, "deceasedDateTime", _DECEASED["deceasedDateTime"])
    said = [vote.value for vote in _votes(contributions, "deceasedBoolean")]
    return {"deceasedBoolean": True in said} if said else {}


def _multiple_birth(contributions: Sequence[tuple[str, Resource]]) -> Resource:
    orders = _votes(contributions, "multipleBirthInteger")
    if orders:
        return _with_others(orders, "multipleBirthInteger", "valueInteger")
    said = [vote.value for vote in _votes(contributions, "multipleBirthBoolean")]
    return {"multipleBirthBoolean": True in said} if said else {}


def _extensions(contributions: Sequence[tuple[str, Resource]]) -> Resource:
    """For each extension (race, ethnicity, birth sex) the one that most partners send."""
    by_url: dict[str, list[tuple[str, Resource]]] = {}
    for partner, patient in contributions:
        for extension in patient.get("extension", []):
            by_url.setdefault(extension["url"], []).append((partner, {"extension": extension}))
    chosen = [_votes(said, "extension")[0].value for _, said in sorted(by_url.items())]
    return {"extension": chosen} if chosen else {}


def _identifiers(contributions: Sequence[tuple[str, Resource]]) -> list[Any]:
    """All of them; those only an inactive contribution carries are marked as old."""
    current = _union(
        [entry for entry in contributions if entry[1].get("active", True)], "identifier", _identifier_key
    )
    known = {_identifier_key(identifier) for identifier in current}
    former = _union(contributions, "identifier", _identifier_key)
    old = [{**identifier, "use": "old"} for identifier in former if _identifier_key(identifier) not in known]
    return [*current, *old]


def _union(
    contributions: Iterable[tuple[str, Resource]], element: str, key: Callable[[Mapping[str, Any]], str]
) -> list[Any]:
    """One value per key, the one with most to say, in the order of the keys."""
    best: dict[str, Any] = {}
    for _, patient in contributions:
        for value in patient.get(element, []):
            known = best.setdefault(key(value), value)
            if (-len(_text(value)), _text(value)) < (-len(_text(known)), _text(known)):
                best[key(value)] = value
    return [best[found] for found in sorted(best)]


def _identifier_key(identifier: Mapping[str, Any]) -> str:
    return f"{identifier.get('system', '')}|{fold_identifier(identifier.get('value', ''))}"


def _name_key(name: Mapping[str, Any]) -> str:
    given, last = given_words(list(name.get("given", []))), surname_words(name.get("family", ""))
    return " ".join((*given, *last)) or fold(name.get("text", ""))


def _name_order(name: Mapping[str, Any]) -> tuple[int, str]:
    use = name.get("use", "")
    return (_NAME_USES.index(use) if use in _NAME_USES else len(_NAME_USES)), _name_key(name)


def _telecom_key(contact: Mapping[str, Any]) -> str:
    value = contact.get("value", "")
    normal = telephone(value) if contact.get("system") in ("phone", "sms", "fax") else electronic_mail(value)
    return f"{contact.get('system', '')}|{normal or value}"


def _address_key(address: Mapping[str, Any]) -> str:
    parsed = postal_address(list(address.get("line", [])), address.get("postalCode", ""))
    place = parsed.building or parsed.street
    return f"{place}|{parsed.unit}|{parsed.postal_code or fold(address.get('city', ''))}"
