"""The FHIR R4 (4.0.1) element table: what types there are and which elements each one has.

`fhir_r4.json` holds R4's own definitions and is written by `python -m exchange.validation.generate`.
R4B, the nearest release that `fhir.resources` models, is not the same: it lacks 18 of R4's resource types,
has 14 of its own and changed Evidence, EvidenceVariable and the forms of Extension.value; the tests list it.
https://hl7.org/fhir/R4/resourcelist.html, https://hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

import orjson

Kind = Literal["resource", "datatype", "backbone", "primitive"]


@dataclass(frozen=True, slots=True)
class Element:
    """One JSON property of a type.

    `choice` is the group's name when the property is one form of `value[x]`; `required` then means that
    one property of the group must be there. `codes` names the value set of a required binding; `targets`
    are the resource types a Reference may point to (empty: any).
    """

    name: str
    type: str
    list: bool = False
    required: bool = False
    choice: str | None = None
    codes: str | None = None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FhirType:
    """A type with inherited elements and every form of its choices; `name` of a backbone is its path."""

    name: str
    kind: Kind
    base: str | None
    abstract: bool
    elements: Mapping[str, Element]


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = orjson.loads(files("exchange.model").joinpath("fhir_r4.json").read_bytes())
    return table


@cache
def fhir_type(name: str) -> FhirType:
    """The type by name or backbone path (`Patient.contact`); KeyError when R4 has no such type.

    >>> fhir_type("Patient").elements["deceasedBoolean"].choice
    'deceased'
    """
    row = _table()["types"][name]
    base = row.get("base")
    inherited = fhir_type(base).elements if base and row["kind"] != "primitive" else {}
    own = {e.name: e for spec in row.get("elements", {}).items() for e in _forms(*spec)}
    return FhirType(
        name, row["kind"], base, row.get("abstract", False), MappingProxyType({**inherited, **own})
    )


def _forms(name: str, spec: Mapping[str, Any]) -> Iterator[Element]:
    """The property itself, or one property for each type of a choice."""
    group = name.removesuffix("[x]") if "choice" in spec else None
    for type_ in spec.get("choice") or [spec["type"]]:
        yield Element(
            name=name if group is None else group + type_[0].upper() + type_[1:],
            type=type_,
            list=spec.get("list", False),
            required=spec.get("required", False),
            choice=group,
            codes=spec.get("codes"),
            targets=tuple(spec.get("targets", ())) if type_ == "Reference" else (),
        )


@cache
def type_names(kind: Kind) -> frozenset[str]:
    """The concrete types of a kind.

    >>> "Observation" in type_names("resource"), "DomainResource" in type_names("resource")
    (True, False)
    """
    rows = _table()["types"].items()
    return frozenset(name for name, row in rows if row["kind"] == kind and not row.get("abstract"))


def is_primitive(name: str) -> bool:
    """Whether a value of the type is a JSON string, number or boolean."""
    return name in type_names("primitive")


@cache
def value_set(name: str) -> Mapping[str, frozenset[str]]:
    """Codes by system of a required binding.

    >>> sorted(value_set("administrative-gender")["http://hl7.org/fhir/administrative-gender"])
    ['female', 'male', 'other', 'unknown']
    """
    systems = _table()["codes"][name]
    return MappingProxyType({system: frozenset(codes) for system, codes in systems.items()})


def element_at(path: str) -> Element | None:
    """The element at a dotted path from a type (`Patient.name.family`); None when there is none.

    >>> element_at("Observation.component.valueQuantity.unit").type
    'string'
    >>> element_at("Patient.colour") is None
    True
    """
    name, *steps = path.split(".")
    element: Element | None = None
    for step in steps:
        parent = element.type if element else name
        if parent not in _table()["types"]:
            return None
        element = fhir_type(parent).elements.get(step)
        if element is None:
            return None
    return element
