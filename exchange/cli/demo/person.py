"""The person the demo asks about: known to several partners, seen differently by each requester."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from exchange.app import Exchange
from exchange.app.privacy.explaining import explain_person
from exchange.model.errors import ExchangeError
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection


@dataclass(frozen=True, slots=True)
class Chosen:
    """A person, and the search parameters that find him."""

    person: str
    search: dict[str, str]


def choose_person(exchange: Exchange, connection: Connection, viewers: Sequence[Viewer]) -> Chosen:
    """The person about whom the requesters see most different amounts; people with consents come first."""
    candidates = connection.execute(
        "SELECT p.person::text FROM patient p LEFT JOIN directive d USING (patient) GROUP BY p.person"
        " ORDER BY count(DISTINCT d.partner) FILTER (WHERE d.partner <> p.partner OR d.partner IN"
        " (SELECT code FROM participant WHERE NOT (facts->>'covered_entity')::bool)) DESC,"
        " count(DISTINCT p.partner) DESC, count(d.consent) DESC, p.person LIMIT 250"
    ).fetchall()
    best: str | None = None
    most: tuple[int, bool, int] = (-1, False, -1)
    for (person,) in candidates:
        seen = [
            sum(
                item.visible
                for item in explain_person(exchange, connection, person, viewer, exchange.work.now())
            )
            for viewer in viewers
        ]
        score = (len(set(seen)), min(seen[:2]) > 0, min(seen[:2]))
        if score > most:
            best, most = person, score
    if best is None:
        raise ExchangeError("there is nobody in the repository; look at the balance above")
    return Chosen(best, _search(connection, best))


def _search(connection: Connection, person: str) -> dict[str, str]:
    row = connection.execute(
        "SELECT r.body FROM resource r JOIN patient p USING (patient) WHERE p.person = %s::uuid"
        " AND r.type = 'Patient' AND r.rendition = 0"
        " ORDER BY p.partner = 'lakeside_hospital' DESC, r.rid LIMIT 1",
        [person],
    ).fetchone()
    patient = orjson.loads(row[0]) if row else {}
    name = (patient.get("name") or [{}])[0]
    found = {"family": name.get("family", ""), "birthdate": patient.get("birthDate", "")}
    return {key: value for key, value in found.items() if value}
