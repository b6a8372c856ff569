"""Makes `fhir_r4.json` and `hl7_tables.json` of `exchange/model` from the R4 core package and its expansions.

The packages are HL7's `hl7.fhir.r4.core` 4.0.1 and `hl7.fhir.r4.expansions` 4.0.1 (CC0)::

    python -m exchange.validation.generate core/package expansions/package > exchange/model/fhir_r4.json
    python -m exchange.validation.generate core/package > exchange/model/hl7_tables.json

The table is R4's own. `fhir.resources` has R4B models only, and R4B renamed, dropped and added types;
`tests/model/test_fhir_types.py` lists every difference between the two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_FHIR_TYPE = f"{_CORE}structuredefinition-fhir-type"
_SYSTEM_TYPES = "http://hl7.org/fhirpath/System."
_KINDS = {"resource": "resource", "complex-type": "datatype", "primitive-type": "primitive"}
_UNBOUNDED = {"mimetypes", "ucum-units", "all-languages"}
"""Required value sets that are grammars (BCP 13, UCUM, BCP 47), not lists of codes."""
_NUBC = ("0153", "0350", "0351")
"""Value, occurrence and occurrence span codes: NUBC's, of which HL7's tables are an old part."""


def element_table(definitions: Iterable[Json], expansions: Iterable[Json]) -> Json:
    """`{"types": {name: {kind, base, elements}}, "codes": {value set: {system: [codes]}}}`, sorted."""
    own = [d for d in definitions if _is_type(d)]
    types = {name: body for d in own for name, body in _types_of(d)}
    used = {e["codes"] for t in types.values() for e in t.get("elements", {}).values() if "codes" in e}
    codes = {name: body for name, body in map(_codes_of, expansions) if name in used and body}
    for body in types.values():
        for element in body.get("elements", {}).values():
            if element.get("codes") not in codes:
                element.pop("codes", None)
    return {"types": dict(sorted(types.items())), "codes": dict(sorted(codes.items()))}


def render(table: Json) -> bytes:
    """One line per type and value set, so that a change reads as a diff."""
    sections = (
        f'"{section}":{{\n' + ",\n".join(f'"{k}":{orjson.dumps(v).decode()}' for k, v in rows.items()) + "\n}"
        for section, rows in table.items()
    )
    return ("{\n" + ",\n".join(sections) + "\n}\n").encode()


def _is_type(definition: Json) -> bool:
    return (
        definition["resourceType"] == "StructureDefinition"
        and definition["kind"] in _KINDS
        and definition.get("derivation") != "constraint"
        and definition["url"] == _CORE + definition["name"]
    )


def _types_of(definition: Json) -> Iterator[tuple[str, Json]]:
    """The type itself and one type per backbone element, named by its path."""
    name = definition["name"]
    head: Json = {"kind": _KINDS[definition["kind"]]}
    if base := definition.get("baseDefinition"):
        head["base"] = base.removeprefix(_CORE)
    if definition.get("abstract"):
        head["abstract"] = True
    if head["kind"] == "primitive":
        yield name, head
        return
    rows = [e for e in definition["snapshot"]["element"][1:] if e["max"] != "0"]
    nested = [e for e in rows if _codes_named(e) in (["BackboneElement"], ["Element"])]
    yield name, head | {"elements": _elements(name, rows)}
    for element in nested:
        body = {"kind": "backbone", "base": _codes_named(element)[0]}
        yield element["path"], body | {"elements": _elements(element["path"], rows)}


def _elements(parent: str, rows: Iterable[Json]) -> dict[str, Json]:
    return {
        row["path"].rpartition(".")[2]: _element(row)
        for row in rows
        if row["path"].rpartition(".")[0] == parent and row["base"]["path"] == row["path"]
    }


def _element(row: Json) -> Json:
    names = _codes_named(row)
    out: Json = {"type": row["path"] if names in (["BackboneElement"], ["Element"]) else names[0]}
    if row["path"] == "Resource.id":
        out = {"type": "id"}  # the package says string; the specification says id
    if row["path"].endswith("[x]"):
        out = {"choice": names}
    if "contentReference" in row:
        out = {"type": row["contentReference"].removeprefix("#")}
    if row["max"] == "*":
        out["list"] = True
    if row["min"] > 0:
        out["required"] = True
    binding: Mapping[str, Any] = row.get("binding", {})
    if binding.get("strength") == "required":
        out["codes"] = _value_set(binding["valueSet"])
    if targets := _targets(row):
        out["targets"] = targets
    return out


def _codes_named(row: Json) -> list[str]:
    return [_type_name(t) for t in row.get("type", [])] or [""]


def _type_name(type_: Json) -> str:
    if not type_["code"].startswith(_SYSTEM_TYPES):
        return str(type_["code"])
    return next(str(e["valueUrl"]) for e in type_["extension"] if e["url"] == _FHIR_TYPE)


def _targets(row: Json) -> list[str]:
    """Resource types a Reference may point to; empty when any may."""
    profiles = {
        p for t in row.get("type", []) if t["code"] == "Reference" for p in t.get("targetProfile", [])
    }
    names = sorted(p.removeprefix(_CORE) for p in profiles)
    return [] if "Resource" in names else names


def _value_set(url: str) -> str:
    return url.partition("|")[0].rpartition("/")[2]


def _codes_of(value_set: Json) -> tuple[str, dict[str, list[str]]]:
    name = _value_set(value_set.get("url", ""))
    codes: dict[str, list[str]] = {}
    if name not in _UNBOUNDED:
        for entry in _contained(value_set.get("expansion", {}).get("contains", [])):
            codes.setdefault(entry["system"], []).append(entry["code"])
    return name, {system: sorted(set(values)) for system, values in sorted(codes.items())}


def _contained(entries: Iterable[Json]) -> Iterator[Json]:
    for entry in entries:
        if not entry.get("abstract") and "code" in entry:
            yield entry
        yield from _contained(entry.get("contains", ()))


def read_package(folder: Path) -> Iterator[Json]:
    """The resources of an unpacked FHIR package."""
    for file in sorted(folder.glob("*.json")):
        resource = orjson.loads(file.read_bytes())
        if "resourceType" in resource and not file.name.startswith("."):
            yield resource


def hl7_tables(definitions: Iterable[Json]) -> dict[str, list[str]]:
    """Codes of HL7's tables by number, every edition that R4 was published with taken together."""
    out: dict[str, set[str]] = {}
    for definition in definitions:
        if definition["resourceType"] == "CodeSystem" and "/v2-" in definition["url"]:
            number = definition["url"].rpartition("/v2-")[2].partition("|")[0]
            out.setdefault(number, set()).update(_concepts(definition.get("concept", ())))
    for number in _NUBC:
        out.pop(number, None)
    return {number: sorted(codes) for number, codes in sorted(out.items())}


def _concepts(concepts: Iterable[Json]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _concepts(concept.get("concept", ()))


def main() -> None:
    core, *expansions = map(Path, sys.argv[1:3])
    if expansions:
        written = render(element_table(read_package(core), read_package(expansions[0])))
    else:
        lines = (f'"{n}":{orjson.dumps(c).decode()}' for n, c in hl7_tables(read_package(core)).items())
        written = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    sys.stdout.buffer.write(written)


if __name__ == "__main__":
    main()
