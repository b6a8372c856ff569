"""What an export says was deleted: transaction Bundles, and what of one may still be told when it leaves."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from exchange.api.scopes import Scope
from exchange.model.ids import golden_id
from exchange.repository import Line, Reader, deletions_told
from exchange.repository.reading.reader import act


def bundle_of(gone: Sequence[tuple[str, str]]) -> Line:
    """One Bundle of deleted (type, id). Who was composed is known by another id too."""
    people = [("Patient", golden_id(fhir_id)) for kind, fhir_id in gone if kind == "Patient"]
    entries = [
        {"request": {"method": "DELETE", "url": f"{kind}/{fhir_id}"}} for kind, fhir_id in [*gone, *people]
    ]
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
    asked = [deletions_told(view, gone) for gone in reached]
    act(view, "disclose")
    sent = [deletions_told(view, gone) for gone in asked]
    return [bundle_of(gone) for gone in sent if gone]
