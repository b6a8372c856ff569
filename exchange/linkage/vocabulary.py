"""What is known about values: which stand for nothing, which names are forms of one name."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from io import StringIO
from typing import Any

import yaml

from exchange.linkage.names import fold, sound
from exchange.linkage.values import Address, electronic_mail, postal_address, telephone
from exchange.model.errors import ContentError
from exchange.model.records import Files

FOLDER = "_shared/identity"
_PLACEHOLDERS = f"{FOLDER}/placeholders.yaml"
_GIVEN_NAMES = f"{FOLDER}/given_names.yaml"
_EXISTING = f"{FOLDER}/existing_names.csv"
_PATHS = (_PLACEHOLDERS, _GIVEN_NAMES, _EXISTING)
_EXISTING_COLUMNS = ["kind", "name"]
_PLACEHOLDER_FIELDS = (
    "given", "surname", "full_name", "birth_date", "ssn", "phone", "email", "street", "address", "identifier"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Values that never count as evidence, the groups a given name belongs to (by word and by sound), and
    names that people are known to bear."""

    given: frozenset[str] = frozenset()
    surname: frozenset[str] = frozenset()
    full_name: frozenset[str] = frozenset()
    birth_date: frozenset[str] = frozenset()
    ssn: frozenset[str] = frozenset()
    phone: frozenset[str] = frozenset()
    email: frozenset[str] = frozenset()
    street: frozenset[str] = frozenset()
    building: frozenset[tuple[str, str]] = frozenset()
    identifier: frozenset[str] = frozenset()
    forms: Mapping[str, frozenset[int]] = field(default_factory=dict)
    existing_given: frozenset[str] = frozenset()
    existing_surname: frozenset[str] = frozenset()

    def is_placeholder(self, address: Address) -> bool:
        street = f" {address.street} "
        return (
            any(f" {place} " in street for place in self.street)
            or (address.building, address.postal_code) in self.building
            or (address.building, "") in self.building
        )


def parse_vocabulary(files: Files) -> Vocabulary:
    """From `placeholders.yaml`, `given_names.yaml` and `existing_names.csv`; raises ContentError."""
    return _parsed(tuple((path, files[path]) for path in _PATHS if path in files))


@lru_cache(maxsize=4)
def _parsed(texts_of_files: tuple[tuple[str, str], ...]) -> Vocabulary:
    """Of twenty thousand names: made once, however often an exchange is opened by the same content."""
    files = dict(texts_of_files)
    known = _mapping(files, _PLACEHOLDERS)
    for name in known:
        if name not in _PLACEHOLDER_FIELDS:
            raise ContentError(
                "unknown field",
                file=_PLACEHOLDERS,
                field=str(name),
                valid=_PLACEHOLDER_FIELDS,
            )
    existing = _existing(files)
    texts = {name: [str(value) for value in known.get(name) or ()] for name in _PLACEHOLDER_FIELDS[:-2]}
    return Vocabulary(
        given=frozenset(map(fold, texts["given"])),
        surname=frozenset(map(fold, texts["surname"])),
        full_name=frozenset(map(fold, texts["full_name"])),
        birth_date=frozenset(texts["birth_date"]),
        ssn=frozenset("".join(filter(str.isdigit, text)) for text in texts["ssn"]),
        phone=frozenset(map(telephone, texts["phone"])) - {""},
        email=frozenset(map(electronic_mail, texts["email"])) - {""},
        street=frozenset(texts["street"]),
        building=frozenset(_buildings(known.get("address") or ())),
        identifier=frozenset(str(value).lower() for value in known.get("identifier") or ()),
        forms=_forms(_mapping(files, _GIVEN_NAMES)),
        existing_given=frozenset(name for kind, name in existing if kind == "given"),
        existing_surname=frozenset(name for kind, name in existing if kind == "surname"),
    )


def _buildings(entries: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    for entry in entries:
        address = postal_address([str(entry["line"])], str(entry.get("postal_code", "")))
        yield address.building, address.postal_code


def _forms(groups: Mapping[str, Any]) -> dict[str, frozenset[int]]:
    forms: dict[str, set[int]] = {}
    for number, (name, others) in enumerate(sorted(groups.items())):
        for word in (name, *others):
            folded = fold(str(word)).replace(" ", "")
            forms.setdefault(folded, set()).add(number)
            forms.setdefault(f"~{sound(folded)}", set()).add(number)
    return {word: frozenset(numbers) for word, numbers in forms.items()}


def _existing(files: Files) -> list[tuple[str, str]]:
    if _EXISTING not in files:
        raise ContentError("file is missing", file=_EXISTING)
    rows = csv.DictReader(StringIO(files[_EXISTING]))
    if rows.fieldnames != _EXISTING_COLUMNS:
        raise ContentError("columns differ", file=_EXISTING, line=1, valid=_EXISTING_COLUMNS)
    return [(row["kind"], row["name"]) for row in rows]


def _mapping(files: Files, path: str) -> Mapping[str, Any]:
    if path not in files:
        raise ContentError("file is missing", file=path)
    try:
        content = yaml.load(files[path], Loader=yaml.CSafeLoader) or {}
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise ContentError("not YAML", file=path, line=None if line is None else line + 1) from error
    if not isinstance(content, dict):
        raise ContentError("a mapping of names to lists is expected", file=path)
    return content
