"""The search parameters served: a table of data, and the hashes under which their values are indexed."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from exchange.model.fhir_types import element_at, value_set

Kind = Literal["token", "string", "date", "reference", "quantity", "uri", "composite"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter finds values: JSON path, datatype there, and a condition.

    Conditions: `system=phone` of a ContactPoint, `url=…` of the extension the path begins with,
    `type=Practitioner` of the resource referred to, `exists`. `codes`: value set of a required binding.
    """

    path: tuple[str, ...]
    datatype: str
    where: str
    codes: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type; `key` identifies both in the index tables.

    `subject`: it leads to the person the record is about, whom the column `patient` names. `unites`: names
    of parameters of which it finds what either finds. `parts`: names of the two parameters a composite
    pairs, below `base` (empty: of the resource itself).
    https://hl7.org/fhir/R4/searchparameter-registry.html
    """

    name: str
    kind: Kind
    key: int
    places: tuple[Place, ...] = ()
    targets: tuple[str, ...] = ()
    subject: bool = False
    unites: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    base: str = ""

    @property
    def leads_to_others(self) -> bool:
        """Whether a record that it is served of may be about a place or a device instead of a person."""
        return self.subject and self.name == "subject" and self.targets != ("Patient",)


@cache
def parameters() -> Mapping[str, Mapping[str, Parameter]]:
    """Parameters by resource type and name.

    >>> parameters()["Patient"]["birthdate"].kind
    'date'
    """
    table = files("exchange.repository.storage").joinpath("search_parameters.csv").read_text("utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    types = sorted({row["type"] for row in rows} - {_EVERY_TYPE})
    found: dict[str, dict[str, Parameter]] = {name: {} for name in types}
    for row in rows:
        for name in types if row["type"] == _EVERY_TYPE else [row["type"]]:
            known = found[name].get(row["parameter"])
            found[name][row["parameter"]] = _parameter(name, row, known)
    return MappingProxyType({name: MappingProxyType(of_type) for name, of_type in found.items()})


_EVERY_TYPE = "Resource"


def _parameter(type_: str, row: Mapping[str, str], known: Parameter | None) -> Parameter:
    """What a row of the table says, together with what the rows before it said."""
    name, kind, path, where = row["parameter"], row["kind"], row["path"], row["where"]
    plain = Parameter(name, kind, hash32(f"{type_}.{name}"))  # type: ignore[arg-type]
    if where == "union":
        return replace(plain, unites=tuple(path.split("$")))
    if kind == "composite":
        return replace(plain, parts=tuple(path.split("$")), base=where)
    element = element_at(f"{type_}.{path}")
    if element is None:
        raise KeyError(f"{type_}.{path} of search_parameters.csv is not in FHIR R4")
    place = Place(tuple(path.split(".")), element.type, where, element.codes or "")
    targets = (where.removeprefix("type="),) if where.startswith("type=") else element.targets
    before = known or plain
    return replace(
        plain,
        places=(*before.places, place),
        targets=tuple(dict.fromkeys((*before.targets, *targets))),
        subject=where == "patient",
    )


def part_of(type_: str) -> Parameter | None:
    """By which a record is part of another of its type, and of no other.

    >>> part_of("Location").name, part_of("Patient")
    ('partof', None)
    """
    own = parameters().get(type_, {})
    found = (own[name] for name in ("partof", "part-of") if name in own)
    return next((parameter for parameter in found if parameter.targets == (type_,)), None)


def implied_codes(parameter: Parameter) -> Mapping[str, frozenset[str]]:
    """Codes by the system that is meant where a resource has room for the code alone.

    https://hl7.org/fhir/R4/search.html#token

    >>> "male" in implied_codes(parameters()["Patient"]["gender"])["http://hl7.org/fhir/administrative-gender"]
    True
    """
    found: dict[str, frozenset[str]] = {}
    for place in parameter.places:
        if place.datatype == "code" and place.codes:
            for system, codes in value_set(place.codes).items():
                found[system] = found.get(system, frozenset()) | codes
    return found


def paired_key(type_: str, composite: Parameter, token: str) -> int:
    """Key of values that stand beside a code, `code` or `system|code`, in one element of a composite."""
    return hash32(f"{type_}.{'$'.join(composite.parts)}#{token}")


def several_key(date: int) -> int:
    """Key of the span from the first to the last of several dates of one record, found by this key."""
    return ~date


def identifier_key(reference: int) -> int:
    """Key of the identifiers by which a reference, itself of this key, names what it leads to."""
    return hash32(f"{reference}:identifier")


@lru_cache(maxsize=100_000)
def hash32(text: str) -> int:
    """Signed 32 bits; 0 stands for nothing.

    >>> hash32(""), hash32("Patient.name") == hash32("Patient.gender")
    (0, False)
    """
    if not text:
        return 0
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big", signed=True)


@lru_cache(maxsize=200_000)
def token_key(parameter: int, code: str) -> int:
    """Signed 64 bits under which a token is found: collisions do not happen by chance."""
    digest = blake2b(code.encode(), digest_size=8, salt=parameter.to_bytes(4, "big", signed=True)).digest()
    return int.from_bytes(digest, "big", signed=True)


def fold(text: str) -> str:
    """How strings are compared: without case, diacritics and surplus space.

    >>> fold("  Muñoz-ÁLVAREZ  Pérez ")
    'munoz-alvarez perez'
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.casefold().split())
