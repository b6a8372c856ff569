"""The same fact sent twice: keys that two resources of one person share when they say one thing."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from io import StringIO
from typing import Any

import yaml

from exchange.linkage.readings import READINGS, Codes, Coding, codes_of
from exchange.linkage.vocabulary import FOLDER
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.model.records import Files, Resource

DUPLICATES_FILE = f"{FOLDER}/duplicates.yaml"
_FIELDS = ("equivalent_codes", "code_systems", "same_fact", "never", "trust", "status_order")
_CODE_COLUMNS = ["system", "code", "canonical_system", "canonical_code", "source"]


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
    if any(codes_of(resource.get(element)) & states for element, states in rules.never.items()):
        return None
    codes = Codes(rules.equivalent, rules.code_systems)
    for way in rules.ways.get(resource["resourceType"], ()):
        parts = [READINGS[reading](resource, element, codes) for reading, element in way]
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
            for code in codes_of(resource.get("status", resource.get("clinicalStatus")))
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
        if reading not in READINGS or not element:
            raise ContentError(
                "a reading and an element are expected",
                file=DUPLICATES_FILE,
                field=f"same_fact.{part}",
                valid=READINGS,
            )
        way.append((reading, element))
    return tuple(way)


def _equivalent(text: str, file: str) -> dict[Coding, Coding]:
    rows = csv.DictReader(StringIO(text))
    if rows.fieldnames != _CODE_COLUMNS:
        raise ContentError("columns differ", file=file, line=1, valid=_CODE_COLUMNS)
    return {(row["system"], row["code"]): (row["canonical_system"], row["canonical_code"]) for row in rows}
