"""A Patient reduced to what identity is decided from: normalised once, compared many times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import orjson

from exchange.linkage.names import fold, generation, given_words, surname_words
from exchange.linkage.values import (
    Address,
    calendar_date,
    electronic_mail,
    postal_address,
    social_security_number,
    telephone,
)
from exchange.linkage.vocabulary import Vocabulary
from exchange.model.records import Resource

HashIdentifier = Callable[[str], str]
"""A keyed hash: the same text gives the same digest, and nothing can be guessed without the key."""

SSN_SYSTEMS = frozenset({"http://hl7.org/fhir/sid/us-ssn", "urn:oid:2.16.840.1.113883.4.1"})
_SSN_TYPES = frozenset({"SS", "SB"})
_PERSON_TYPES = frozenset({"MA", "MC", "DL", "PPN", "NI", "NIIP"})
_RECORD_TYPES = frozenset({"MR", "PI", "PT", "PN", ""})
_SEXES = frozenset({"male", "female", "other"})


@dataclass(frozen=True, slots=True)
class Name:
    given: tuple[str, ...] = ()
    surname: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """`record`: an assigner's number of one chart; `person`: a number a person carries along."""

    kind: Literal["record", "person"]
    system: str
    digest: str


@dataclass(frozen=True, slots=True)
class Features:
    """Normalised; placeholders are gone, numbers of persons are keyed hashes, absent is empty."""

    names: tuple[Name, ...] = ()
    generation: str = ""
    sex: str = ""
    birth_date: str = ""
    death_date: str = ""
    birth_order: int = 0
    multiple_birth: bool = False
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    identifiers: tuple[Identifier, ...] = ()
    ssn: str = ""
    ssn_last4: str = ""
    links: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Only what is known, as JSON values; the same features give equal values."""
        known = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        plain = {name: value for name, value in known.items() if value}
        for name, parts in _PARTS.items():
            if name in plain:
                plain[name] = [[_listed(getattr(part, key)) for key in parts] for part in plain[name]]
        return {name: _listed(value) for name, value in plain.items()}

    def to_text(self) -> str:
        """`to_json` as text."""
        return orjson.dumps(self.to_json()).decode()

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Features:
        """The inverse of `to_json`."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
        }
        if "names" in known:
            known["names"] = tuple(Name(tuple(given), tuple(last)) for given, last in known["names"])
        if "addresses" in known:
            known["addresses"] = tuple(Address(*parts) for parts in known["addresses"])
        if "identifiers" in known:
            known["identifiers"] = tuple(Identifier(*parts) for parts in known["identifiers"])
        return Features(**known)


_PARTS = {
    "names": ("given", "surname"),
    "addresses": ("number", "street", "unit", "postal_code"),
    "identifiers": ("kind", "system", "digest"),
}


def features(patient: Resource, hash_identifier: HashIdentifier, vocabulary: Vocabulary) -> Features:
    """What `compare` may know of a Patient (https://hl7.org/fhir/R4/patient.html)."""
    names = patient.get("name", [])
    ssn, last4 = _social_security(patient, vocabulary)
    birth = calendar_date(patient.get("birthDate", ""))
    order = patient.get("multipleBirthInteger", 0) or _letter_order(names, vocabulary)
    return Features(
        names=_names(names, vocabulary),
        generation=next(filter(None, map(_generation, names)), ""),
        sex=patient.get("gender", "") if patient.get("gender") in _SEXES else "",
        birth_date="" if birth in vocabulary.birth_date else birth,
        death_date=calendar_date(patient.get("deceasedDateTime", "")),
        birth_order=order,
        multiple_birth=bool(order or patient.get("multipleBirthBoolean")),
        phones=_contacts(patient, ("phone", "sms"), telephone, vocabulary.phone),
        emails=_contacts(patient, ("email",), electronic_mail, vocabulary.email),
        addresses=_addresses(patient, vocabulary),
        identifiers=_identifiers(patient, hash_identifier, vocabulary),
        ssn=hash_identifier(f"ssn|{ssn}") if ssn else "",
        ssn_last4=hash_identifier(f"ssn-last4|{last4}") if last4 else "",
        links=_links(patient),
    )


def _sorted_set(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(set(values), key=repr))


def _names(names: list[Any], vocabulary: Vocabulary) -> tuple[Name, ...]:
    found = []
    for name in names:
        given = list(name.get("given", []))
        last = name.get("family", "")
        if not given and not last and name.get("text"):
            last, comma, first = name["text"].partition(",")
            given = [first] if comma else name["text"].split()[:-1]
            last = last if comma else name["text"].split()[-1]
        found.append(_named(given, last, vocabulary))
    return _sorted_set(name for name in found if name.given or name.surname)


def _named(given: list[str], last: str, vocabulary: Vocabulary) -> Name:
    first, surname = given_words(given), surname_words(last)
    if len(first) > 1 and len("".join(surname)) == 1:
        # "Francisco Anaya A.": what was cut is the second surname.
        first, surname = first[:-1], first[-1:]
    if f"{' '.join(first)} {' '.join(surname)}" in vocabulary.full_name:
        return Name()
    phrase = re.sub(r" [a-z]$", "", " ".join(first))
    if phrase in vocabulary.given or (first and first[0] in vocabulary.given):
        first = ()
    if " ".join(surname) in vocabulary.surname:
        surname = ()
    return Name(first, surname)


def _letter_order(names: list[Any], vocabulary: Vocabulary) -> int:
    """The place in birth order that a nursery writes as a letter: "Baby Girl B"."""
    for name in names:
        *words, letter = given_words(list(name.get("given", []))) or ("",)
        if letter in ("a", "b", "c", "d", "e") and " ".join(words) in vocabulary.given:
            return ord(letter) - ord("a") + 1
    return 0


def _generation(name: Mapping[str, Any]) -> str:
    _, *others = " ".join(name.get("given", [])).split() or [""]
    return generation([*name.get("suffix", []), name.get("family", ""), *others])


def _contacts(
    patient: Resource, systems: tuple[str, ...], normalise: Callable[[str], str], placeholders: frozenset[str]
) -> tuple[str, ...]:
    values = (
        normalise(contact.get("value", ""))
        for contact in patient.get("telecom", [])
        if contact.get("system") in systems
    )
    return _sorted_set(value for value in values if value and value not in placeholders)


def _addresses(patient: Resource, vocabulary: Vocabulary) -> tuple[Address, ...]:
    parsed = (
        postal_address(address.get("line", []), address.get("postalCode", ""))
        for address in patient.get("address", [])
    )
    return _sorted_set(
        address
        for address in parsed
        if (address.building or address.postal_code) and not vocabulary.is_placeholder(address)
    )


def _type_code(identifier: Mapping[str, Any]) -> str:
    codings = identifier.get("type", {}).get("coding", [])
    return next((str(coding["code"]) for coding in codings if coding.get("code")), "")


def _is_ssn(identifier: Mapping[str, Any]) -> bool:
    return identifier.get("system") in SSN_SYSTEMS or _type_code(identifier) in _SSN_TYPES


def _social_security(patient: Resource, vocabulary: Vocabulary) -> tuple[str, str]:
    for identifier in patient.get("identifier", []):
        if _is_ssn(identifier):
            full, last4 = social_security_number(identifier.get("value", ""))
            if last4 and full not in vocabulary.ssn:
                return full, last4
    return "", ""


def _identifiers(
    patient: Resource, hash_identifier: HashIdentifier, vocabulary: Vocabulary
) -> tuple[Identifier, ...]:
    found = []
    for identifier in patient.get("identifier", []):
        system, value = identifier.get("system", ""), fold_identifier(identifier.get("value", ""))
        code = _type_code(identifier)
        if not system or not value or value in vocabulary.identifier or _is_ssn(identifier):
            continue
        if code in _PERSON_TYPES or "medicaid" in system or "medicare" in system or "us-mbi" in system:
            found.append(Identifier("person", system, hash_identifier(f"{system}|{value}")))
        elif code in _RECORD_TYPES:
            found.append(Identifier("record", system, hash_identifier(f"{system}|{value}")))
    return _sorted_set(found)


def fold_identifier(value: str) -> str:
    """
    >>> fold_identifier(" MRN-00042 ")
    'mrn00042'
    """
    return re.sub(r"[\s.\-/]", "", value).lower()


def _links(patient: Resource) -> tuple[str, ...]:
    references = (link.get("other", {}).get("reference", "") for link in patient.get("link", []))
    return _sorted_set(
        reference.removeprefix("Patient/") for reference in references if reference.startswith("Patient/")
    )


def _listed(value: Any) -> Any:
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


def name_key(name: Name) -> str:
    """One text per name, for grouping."""
    return fold(" ".join((*name.given, *name.surname)))
