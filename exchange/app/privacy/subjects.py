"""Whom a page is made for: the name that may stand on paper, and the language that is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from exchange.pipeline.ledger import Connection

Language = Literal["en", "es", "uk"]
_LANGUAGES: tuple[Language, ...] = ("en", "es", "uk")
_ORDINARY = ("U", "L", "M", "N")


@dataclass(frozen=True, slots=True)
class Subject:
    """`name` and `born` as a record without any label has them, `` when there is none; `language` to read."""

    name: str
    born: str
    language: Language


def subject_of(connection: Connection, patient: str) -> Subject:
    """The person one of whose Patients has this id.

    What a protected record calls the person stays off paper: it may be a name used there alone, and paper is
    read over shoulders.
    """
    rows = connection.execute(
        "SELECT r.body, cardinality(c.labels) = 0 AND c.confidentiality = ANY(%s) FROM resource r"
        " JOIN patient p ON r.fhir_id = p.fhir_id AND r.type = 'Patient'"
        " JOIN disclosure_class c USING (class)"
        " WHERE r.rendition = 0 AND p.person = (SELECT person FROM patient"
        "  WHERE %s::uuid IN (fhir_id, golden_id) LIMIT 1) ORDER BY r.updated DESC, p.fhir_id",
        (list(_ORDINARY), patient),
    ).fetchall()
    bodies = [(orjson.loads(body), open_) for body, open_ in rows]
    name, born = _named(body for body, open_ in bodies if open_)
    return Subject(name, born, _language(body for body, _ in bodies))


def _named(records: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    """The official name of the newest record that has one, else its first; the date of birth beside it."""
    found = [
        (name.get("use") != "official", place, text, str(record.get("birthDate", "")))
        for place, record in enumerate(records)
        for name in record.get("name", ())
        if name.get("use") != "old" and (text := _text(name))
    ]
    return min(found)[2:] if found else ("", "")


def _text(name: Mapping[str, Any]) -> str:
    parts = [*name.get("prefix", ()), *name.get("given", ()), name.get("family", ""), *name.get("suffix", ())]
    return " ".join(filter(None, parts)) or str(name.get("text", ""))


def _language(records: Iterable[Mapping[str, Any]]) -> Language:
    """The language the person prefers, as far as there are words in it; English else."""
    spoken = [each for record in records for each in record.get("communication", ())]
    for each in sorted(spoken, key=lambda one: not one.get("preferred", False)):
        for coding in each.get("language", {}).get("coding", ()):
            code = str(coding.get("code", ""))[:2].lower()
            for language in _LANGUAGES:
                if code == language:
                    return language
    return "en"
