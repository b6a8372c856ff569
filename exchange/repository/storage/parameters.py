"""The search parameters served: a table of data, and the hashes under which their values are indexed."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from exchange.model.fhir_types import element_at

Kind = Literal["token", "string", "date", "reference", "quantity"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter finds values: JSON path, datatype there, and a condition such as `system=phone`."""

    path: tuple[str, ...]
    datatype: str
    where: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type; `key` identifies both in the index tables.

    https://hl7.org/fhir/R4/searchparameter-registry.html
    """

    name: str
    kind: Kind
    key: int
    places: tuple[Place, ...]


@cache
def parameters() -> Mapping[str, Mapping[str, Parameter]]:
    """Parameters by resource type and name.

    >>> parameters()["Patient"]["birthdate"].kind
    'date'
    """
    found: dict[str, dict[str, Parameter]] = {}
    table = files("exchange.repository.storage").joinpath("search_parameters.csv").read_text("utf-8")
    for row in csv.DictReader(table.splitlines()):
        element = element_at(f"{row['type']}.{row['path']}")
        if element is None:
            raise KeyError(f"{row['type']}.{row['path']} of search_parameters.csv is not in FHIR R4")
        place = Place(tuple(row["path"].split(".")), element.type, row["where"])
        of_type = found.setdefault(row["type"], {})
        known = of_type.get(row["parameter"])
        places = (*known.places, place) if known else (place,)
        key = hash32(f"{row['type']}.{row['parameter']}")
        of_type[row["parameter"]] = Parameter(row["parameter"], row["kind"], key, places)  # type: ignore[arg-type]
    return MappingProxyType({name: MappingProxyType(of_type) for name, of_type in found.items()})


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
