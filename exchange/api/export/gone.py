"""What an export says was deleted: transaction Bundles, and what of one may still be told when it leaves."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from exchange.api.scopes import Scope
from exchange.model.ids import golden_id
from exchange.repository import Line, Reader, deletions_told, still_absorbed
from exchange.repository.reading.reader import act


def bundle_of(gone: Sequence[tuple[str, str]], absorbed: Sequence[str] = ()) -> Line:
    """One Bundle of deleted (type, id). Who was composed is known by another id too.

    `absorbed`: ids of people who are part of others now.
    """
    people = [golden_id(fhir_id) for kind, fhir_id in gone if kind == "Patient"]
    every = [*gone, *(("Patient", one) for one in [*people, *absorbed])]
    entries = [{"request": {"method": "DELETE", "url": f"{kind}/{fhir_id}"}} for kind, fhir_id in every]
    body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return Line("Bundle", "", None, (), orjson.dumps(body) + b"\n")


def _named(bundle: bytes) -> list[tuple[str, str]]:
    """The (type, id) that a Bundle says are deleted: a file tells by itself, whichever release wrote it."""
    urls = [entry["request"]["url"].split("/") for entry in orjson.loads(bundle)["entry"]]
    return [(kind, fhir_id) for kind, fhir_id in urls]


def is_open(scopes: Sequence[Scope], kind: str) -> bool:
    """Whether all of a type is reached: of what is gone nobody can say which scope would have held."""
    return any("r" in scope.actions and scope.type in ("*", kind) and not scope.where for scope in scopes)


def still_gone(view: Reader, lines: Sequence[Line], scopes: Sequence[Scope]) -> list[Line]:
    """The Bundles with what may be asked for and sent now; one of which nothing is left is left out.

    An id of somebody composed was no record's: it goes, and comes again with the record's own.
    """
    reached = [[one for one in _named(line.body) if is_open(scopes, one[0])] for line in lines]
    asked = [_still(view, gone) for gone in reached]
    act(view, "disclose")
    sent = [_still(view, [*gone, *(("Patient", one) for one in absorbed)]) for gone, absorbed in asked]
    return [bundle_of(*told) for told in sent if any(told)]


def _still(view: Reader, named: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[str]]:
    people = [fhir_id for kind, fhir_id in named if kind == "Patient"]
    return deletions_told(view, named), still_absorbed(view, people) if people else []
