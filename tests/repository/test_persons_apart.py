"""A viewer's person never joins records that a steward or the model keeps apart."""

from __future__ import annotations

import orjson
from repository_world import BASE, CLINIC, KEY

from exchange.repository import search


def persons(world) -> list[int]:
    """How many contributions each person has that the clinic sees."""
    with world.as_viewer(CLINIC) as view:
        page = search(view, "Patient", [("family", "Rivera")], BASE, KEY)
    return sorted(len(orjson.loads(entry.body).get("link", [])) for entry in page.entries)


def test_a_chain_joins_all_until_its_ends_are_kept_apart(world):
    ids = [world.patient("clinic", f"chain-{n}", name=[{"family": "Rivera"}]) for n in range(3)]
    world.link(ids[0], ids[1])
    world.link(ids[1], ids[2])
    joined = persons(world)
    world.conn.execute(
        "INSERT INTO patient_apart SELECT least(a.patient, c.patient), greatest(a.patient, c.patient),"
        " 'steward' FROM patient a, patient c WHERE a.fhir_id = %s AND c.fhir_id = %s",
        (ids[0], ids[2]),
    )
    world.conn.commit()
    assert len(joined) == 1
    assert len(persons(world)) == 2
