"""The person the demo asks about: known to several partners, seen differently by each requester."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from exchange.app import Exchange
from exchange.app.explaining import explain_person
from exchange.model.errors import ExchangeError
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection


@dataclass(frozen=True, slots=True)
class Chosen:
    """A person, and the search parameters that find him."""

    person: str
    search: dict[str, str]


def choose_person(exchange: Exchange, connection: Connection, viewers: Sequence[Viewer]) -> Chosen:
    """The person known to most partners about whom the requesters see most different amounts."""
    candidates = connection.execute(
        "SELECT person::text FROM patient GROUP BY person"
        " ORDER BY bool_or(partner = 'harbor_recovery') DESC, count(DISTINCT partner) DESC, person LIMIT 60"
    ).fetchall()
    best, most = None, (-1, -1)
    for (person,) in candidates:
        seen = [
            sum(
                item.visible
                for item in explain_person(exchange, connection, person, viewer, exchange.work.now())
            )
            for viewer in viewers
        ]
        score = (len(set(seen)), min(seen[:2]))
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
