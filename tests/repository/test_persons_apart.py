"""A viewer's person never joins records that a steward or the model keeps apart."""

from __future__ import annotations

import orjson
import pytest
from repository_world import AT, BASE, CLINIC, KEY, SHELTER, observation

from exchange.model.records import Labels
from exchange.repository import fold_new_classes, search


def persons(world) -> list[int]:
    """How many contributions each person has that the clinic sees."""
    with world.as_viewer(CLINIC) as view:
        page = search(view, "Patient", [("family", "Rivera")], BASE, KEY)
    return sorted(len(orjson.loads(entry.body).get("link", [])) for entry in page.entries)


def test_a_chain_joins_all_until_its_ends_are_kept_apart(world):
    ids = chain(world)
    joined = persons(world)
    keep_apart(world, ids[0], ids[2])
    assert len(joined) == 1
    assert len(persons(world)) == 2


def test_of_two_people_both_facts_are_told_though_a_certain_link_lies_between_them(world):
    """The link is passed over where persons are formed: it hides nothing either."""
    ids = chain(world)
    said = [
        world.item("clinic", observation("clinic", who, key), cluster=b"fact", trust=trust)
        for trust, (who, key) in enumerate(zip(ids, "abc", strict=True))
    ]
    world.publish(*said)
    before = facts(world)
    keep_apart(world, ids[0], ids[2])
    assert before == {said[0].resource["id"]}, "the middle one hides the third, the first the middle one"
    assert facts(world) == {item.resource["id"] for item in said}


@pytest.mark.parametrize(
    ("grade", "hidden", "apart", "one"),
    [
        ("certain", (), False, True),
        ("probable", (), False, False),
        ("certain", (0,), False, False),
        ("certain", (1,), False, False),
        ("certain", (), True, False),
        ("certain", (2,), True, True),
    ],
)
def test_two_are_one_as_far_as_the_viewer_sees_all_of_them(world, grade, hidden, apart, one):
    """The third is linked to the second and kept apart from the first, if anybody."""
    closed = Labels("R", frozenset({"HIV"}))
    ids = [
        world.patient("hospital", f"one-{n}", labels=closed if n in hidden else Labels()) for n in range(3)
    ]
    world.link(ids[0], ids[1], grade)
    world.link(ids[1], ids[2])
    if apart:
        keep_apart(world, ids[0], ids[2])
    rows = dict(world.conn.execute("SELECT fhir_id::text, patient FROM patient").fetchall())
    with world.as_viewer(SHELTER) as view:
        found = [
            view.conn.execute(
                "SELECT certainly_one(%(a)s, %(b)s), %(b)s = ANY(same_people(%(a)s))",
                {"a": rows[a], "b": rows[b]},
            ).fetchone()
            for a, b in ((ids[0], ids[1]), (ids[1], ids[0]))
        ]
    assert found == [(one, one), (one, one)]


def test_who_is_certainly_one_is_found_out_once_for_all_records_of_a_person_and_anew_in_each_answer(world):
    """It took most of an answer about somebody of whom two sources know, record by record."""
    ids = [world.patient("clinic", f"two-{n}", name=[{"family": "Rivera"}]) for n in range(2)]
    world.link(*ids)
    world.publish(
        *(
            world.item("clinic", observation("clinic", who, f"{who}-{n}"), cluster=b"%d" % n)
            for who in ids
            for n in range(_SAID)
        )
    )
    fold_new_classes(world.conn, AT)
    fetched = (
        "SELECT coalesce(idx_scan, 0) + seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'disclosure'"
    )
    with world.as_viewer(CLINIC) as view:
        (before,) = view.conn.execute(fetched).fetchone()
        page = search(view, "Observation", [("patient", ids[0]), ("_summary", "count")], BASE, KEY)
        (after,) = view.conn.execute(fetched).fetchone()
        view.conn.execute("RESET ROLE")
    assert page.total == _SAID
    assert after - before <= _SAID
    world.unlink(*ids)
    assert len(facts(world)) == 2 * _SAID


_SAID = 20


def chain(world) -> list[str]:
    ids = [world.patient("clinic", f"chain-{n}", name=[{"family": "Rivera"}]) for n in range(3)]
    world.link(ids[0], ids[1])
    world.link(ids[1], ids[2])
    return ids


def keep_apart(world, one: str, other: str) -> None:
    world.conn.execute(
        "INSERT INTO patient_apart SELECT least(a.patient, c.patient), greatest(a.patient, c.patient),"
        " 'steward' FROM patient a, patient c WHERE a.fhir_id = %s AND c.fhir_id = %s",
        (one, other),
    )
    world.conn.commit()


def facts(world) -> set[str]:
    with world.as_viewer(CLINIC) as view:
        page = search(view, "Observation", [], BASE, KEY)
    return {orjson.loads(entry.body)["id"] for entry in page.entries}
