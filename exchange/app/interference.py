"""Law 3 on live data: what a requester is answered must not depend on what he may not see.

The hidden rows are really removed, in a transaction that the caller rolls back.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

import orjson

from exchange.app.asking import Material, material_of
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection
from exchange.repository import Lent, everything, read, reader, remove_rows, search

_BASE = "https://exchange.example/fhir"
_KEY = b"interference"


@dataclass(frozen=True, slots=True)
class Question:
    """One request: `what` is an id for read and everything, empty for a search."""

    way: Literal["read", "search", "everything"]
    type: str
    what: str = ""
    parameters: tuple[tuple[str, str], ...] = ()


def sample_questions(connection: Connection, people: int = 6) -> list[Question]:
    """Requests about some people, seen or not, and about nobody in particular."""
    rows = connection.execute(
        "SELECT fhir_id::text, golden_id::text FROM patient ORDER BY md5(fhir_id::text) LIMIT %s", [people]
    ).fetchall()
    about = [
        question
        for source, golden in rows
        for question in (
            Question("read", "Patient", source),
            Question("read", "Patient", golden),
            Question("everything", "Patient", golden),
            Question("search", "Condition", "", (("patient", golden), ("_total", "accurate"))),
            Question("search", "Observation", "", (("patient", golden), ("_sort", "-date"), ("_count", "5"))),
        )
    ]
    at_large = [
        Question("search", kind, "", (("_summary", "count"),))
        for kind in ("Patient", "Encounter", "Condition", "Observation", "MedicationRequest", "Consent")
    ]
    pages = [
        Question("search", kind, "", (("_count", "20"),)) for kind in ("Patient", "Encounter", "Observation")
    ]
    return [*about, *at_large, *pages]


def answer(connection: Connection, viewer: Viewer, question: Question) -> bytes:
    """The whole answer as bytes, in the transaction that is open."""
    with reader(Lent(connection), viewer) as view:
        if question.way == "read":
            found = read(view, question.type, question.what)
            return b"nothing" if found is None else found.body + found.etag.encode()
        page = (
            everything(view, question.what, list(question.parameters), _BASE, _KEY)
            if question.way == "everything"
            else search(view, question.type, list(question.parameters), _BASE, _KEY)
        )
    if page is None:
        return b"nothing"
    head = f"{page.total} {page.next is None}".encode()
    return b"\n".join([head, *(e.mode.encode() + e.full_url.encode() + e.body for e in page.entries)])


def remove_hidden(connection: Connection, viewer: Viewer) -> int:
    """Removes every row of `resource` the viewer may not see, its past and the ledger of what is withheld.

    Returns how many rows.
    """
    _, hidden = _seen_and_hidden(connection, viewer)
    remove_rows(connection, hidden)
    connection.execute(
        "DELETE FROM patient_edge e WHERE NOT EXISTS (SELECT FROM resource r WHERE r.patient = e.a"
        " AND r.type = 'Patient') OR NOT EXISTS (SELECT FROM resource r WHERE r.patient = e.b"
        " AND r.type = 'Patient')"
    )
    connection.execute(
        "DELETE FROM resource_history h WHERE NOT EXISTS (SELECT FROM resource r"
        " WHERE (r.type, r.fhir_id, r.rendition) = (h.type, h.fhir_id, h.rendition))"
    )
    connection.execute("DELETE FROM withheld")
    return len(hidden)


def _seen_and_hidden(connection: Connection, viewer: Viewer) -> tuple[list[int], list[int]]:
    """Row numbers of `resource`, sorted."""
    with reader(Lent(connection), viewer) as view:
        seen = {row[0] for row in view.conn.execute("SELECT rid FROM resource")}
    every = {row[0] for row in connection.execute("SELECT rid FROM resource")}
    return sorted(seen), sorted(every - seen)


def sample_material(connection: Connection, viewer: Viewer, seed: int, size: int = 400) -> Material:
    """What may be asked for, drawn as much from what the viewer sees as from what is hidden from him."""
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    drawn = [
        rid
        for rows in _seen_and_hidden(connection, viewer)
        for rid in random.sample(rows, min(size, len(rows)))
    ]
    found = connection.execute(
        "SELECT type, r.fhir_id::text, updated, body, p.fhir_id::text, p.golden_id::text"
        " FROM resource r LEFT JOIN patient p USING (patient) WHERE rid = ANY(%s)",
        [drawn],
    ).fetchall()
    patients = {("Patient", key) for *_, source, golden in found for key in (source, golden) if key}
    resources = [orjson.loads(row[3]) for row in found]
    return material_of(resources, patients | {(row[0], row[1]) for row in found}, (row[2] for row in found))
