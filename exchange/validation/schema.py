"""The R4 element table as JSON Schema: what a resource of a type may look like, in one compiled check.

Every constraint carries a `$comment`: the words `exchange.validation.structure` uses when it fails.
https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from exchange.model.fhir_types import Element, FhirType, fhir_type, is_primitive, value_set
from exchange.model.primitives import ANY_REFERENCE, PRIMITIVES, reference_pattern

Schema = dict[str, Any]

_CROWDED = 8
"""From so many forms of a choice on, counting properties first is cheaper than asking for each form."""

ELE_1: Schema = {
    "$comment": "ele-1: an element has more than an id",
    "anyOf": [{"minProperties": 2}, {"not": {"required": ["id"]}}],
}
OR_NULL, NULL_BESIDE = " or null", "may hold null only where"
"""In the names of types and in the words of rules that let a list of primitives hold null."""
BESIDE = "Element"
"""What stands in `_name` beside a value: an id alone is enough there, where the value is."""


def schema_of(resource_type: str) -> Schema:
    """JSON Schema (draft 2020-12) of a resource type with every data type it reaches under `$defs`."""
    definitions: dict[str, Schema] = {}
    root = _reference(resource_type, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": definitions}


def _reference(name: str, definitions: dict[str, Schema]) -> Schema:
    """`$ref` to the definition of a type, adding it and what it reaches to `definitions`."""
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = PRIMITIVES[name] if is_primitive(name) else _object(fhir_type(name), definitions)
    return {"$ref": f"#/$defs/{name}"}


def _object(type_: FhirType, definitions: dict[str, Schema]) -> Schema:
    elements = type_.elements.values()
    properties: dict[str, Schema] = {e.name: _property(e, definitions) for e in elements}
    properties |= {f"_{e.name}": _sibling(e, definitions) for e in elements if is_primitive(e.type)}
    if type_.name == "Reference":
        properties["reference"] = ANY_REFERENCE
    if type_.kind == "resource":
        properties["resourceType"] = {"const": type_.name}
    out: Schema = {
        "$comment": f"must be a {type_.name} object with content",
        "type": "object",
        "minProperties": 1,
        "properties": properties,
        "additionalProperties": False,
    }
    rules = [] if type_.kind == "resource" or type_.name == BESIDE else [ELE_1]
    rules += [*_required(elements), *_choices(elements), *_gaps(elements), *_invariants(type_.name)]
    rules += _alone(elements)
    if rules:
        out["allOf"] = rules
    return out


def _property(element: Element, definitions: dict[str, Schema]) -> Schema:
    single = _value(element, definitions)
    if not element.list:
        return single
    return _list_of(_nullable(element, definitions) if is_primitive(element.type) else single)


def _nullable(element: Element, definitions: dict[str, Schema]) -> Schema:
    """A primitive of a list, where null keeps the place of a value that has extensions only."""
    name = f"{element.codes or element.type}{OR_NULL}"
    rule = _one_of_codes(element.codes) if element.codes else PRIMITIVES[element.type]
    definitions[name] = rule | {"type": [rule["type"], "null"]}
    if "enum" in rule:
        definitions[name]["enum"] = [*rule["enum"], None]
    return {"$ref": f"#/$defs/{name.replace(' ', '%20')}"}


def _list_of(items: Schema) -> Schema:
    return {"$comment": "must be a list that is not empty", "type": "array", "minItems": 1, "items": items}


def _value(element: Element, definitions: dict[str, Schema]) -> Schema:
    if element.type == "Resource":
        return {"$comment": "must be a resource", "type": "object", "required": ["resourceType"]}
    if element.type == "Reference" and element.targets:
        return _reference_to(element.targets, definitions)
    if element.codes:
        return _bound(element.type, element.codes, definitions)
    return _reference(element.type, definitions)


def _sibling(element: Element, definitions: dict[str, Schema]) -> Schema:
    """`_name`: id and extensions of a primitive; in a list, null where a value has none."""
    extended = _reference(BESIDE, definitions)
    if not element.list:
        return extended
    return _list_of({"anyOf": [{"type": "null"}, extended]})


def _reference_to(targets: tuple[str, ...], definitions: dict[str, Schema]) -> Schema:
    """A Reference whose literal reference, when it names a type, names one of `targets`."""
    name = f"Reference({','.join(targets)})"
    if name not in definitions:
        definitions[name] = {}
        body = _object(fhir_type("Reference"), definitions)
        body["properties"] |= {"reference": reference_pattern(targets)}
        definitions[name] = body
    return {"$ref": f"#/$defs/{name}"}


def _bound(type_: str, codes: str, definitions: dict[str, Schema]) -> Schema:
    """A required binding: the code, or one of the codings, is of the value set."""
    name = f"{type_}({codes})"
    if name not in definitions:
        rule = _one_of_codes(codes) if type_ == "code" else _one_of_codings(type_, codes)
        definitions[name] = rule if type_ == "code" else {"allOf": [_reference(type_, definitions), rule]}
    return {"$ref": f"#/$defs/{name}"}


def _one_of_codes(codes: str) -> Schema:
    values = sorted(code for system in value_set(codes).values() for code in system)
    return {"$comment": f"must be a code of {codes}: {_some(values)}", "type": "string", "enum": values}


def _one_of_codings(type_: str, codes: str) -> Schema:
    options = [
        {
            "required": ["system", "code"],
            "properties": {"system": {"const": system}, "code": {"enum": sorted(values)}},
        }
        for system, values in value_set(codes).items()
    ]
    values = sorted(code for system in value_set(codes).values() for code in system)
    comment = f"must have a code of {codes}: {_some(values)}"
    if type_ != "CodeableConcept":
        return {"$comment": comment, "anyOf": options}
    coded = {"required": ["coding"], "properties": {"coding": {"contains": {"anyOf": options}}}}
    absent = {"required": ["extension"], "not": {"anyOf": [{"required": ["coding"]}, {"required": ["text"]}]}}
    return {"$comment": comment, "anyOf": [coded, absent]}


def _some(values: list[str]) -> str:
    return ", ".join(values) if len(values) <= 25 else f"{', '.join(values[:25])} and {len(values) - 25} more"


def _present(element: Element) -> list[Schema]:
    """Ways of being there: the value, or for a primitive its extensions alone."""
    names = [element.name, f"_{element.name}"] if is_primitive(element.type) else [element.name]
    return [{"required": [name]} for name in names]


def _required(elements: Iterable[Element]) -> list[Schema]:
    return [
        {"$comment": f"{e.name} is required", "anyOf": _present(e)}
        if is_primitive(e.type)
        else {"$comment": f"{e.name} is required", "required": [e.name]}
        for e in elements
        if e.required and e.choice is None
    ]


def _alone(elements: Iterable[Element]) -> list[Schema]:
    """An id beside a value that is not there is an element with nothing but an id."""
    said = {
        f"_{e.name}": {"anyOf": [{"required": [e.name]}, {"properties": {f"_{e.name}": ELE_1}}]}
        for e in elements
        if is_primitive(e.type) and not e.list
    }
    return [{"$comment": ELE_1["$comment"], "dependentSchemas": said}] if said else []


def _choices(elements: Iterable[Element]) -> list[Schema]:
    groups: dict[str, list[Element]] = {}
    for element in elements:
        if element.choice:
            groups.setdefault(element.choice, []).append(element)
    return [_choice(group, forms) for group, forms in groups.items()]


def _choice(group: str, forms: list[Element]) -> Schema:
    """Exactly one form of a required choice, at most one of an optional one."""
    ways = [_present(form) for form in forms]
    one = {"oneOf": [way[0] if len(way) == 1 else {"anyOf": way} for way in ways]}
    if forms[0].required:
        return {"$comment": f"needs exactly one form of {group}[x]", **one}
    none = {"not": {"anyOf": [single for way in ways for single in way]}}
    few = [{"maxProperties": 2}] if len(forms) > _CROWDED else []
    return {"$comment": f"{group}[x] may have one form only", "anyOf": [*few, none, one]}


def _gaps(elements: Iterable[Element]) -> list[Schema]:
    """A list of primitives may hold null only beside `_name`, which is then as long."""
    return [_gap(e.name) for e in elements if e.list and is_primitive(e.type)]


def _gap(name: str) -> Schema:
    filled = {"not": {"properties": {name: {"contains": {"type": "null"}}}, "required": [name]}}
    comment = f"{name} {NULL_BESIDE} _{name} has something"
    return {"$comment": comment, "anyOf": [{"required": [f"_{name}"]}, filled]}


@cache
def _invariant_table() -> Mapping[str, Mapping[str, Schema]]:
    table: dict[str, dict[str, Schema]] = orjson.loads(
        files("exchange.validation").joinpath("invariants.json").read_bytes()
    )
    return table


def _invariants(type_name: str) -> list[Schema]:
    return [
        {"$comment": f"{key}: {rule['$comment']}", **{k: v for k, v in rule.items() if k != "$comment"}}
        for key, rule in _invariant_table().get(type_name, {}).items()
    ]
