"""What a viewer may not see changes no byte of what he gets: results, totals, order, pages, versions, ids."""

from __future__ import annotations

from random import Random
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from repository_world import BASE, CLINIC, HOSPITAL, KEY, SHELTER, World, observation

from exchange.model.records import Labels
from exchange.repository import everything, history, read, search, searchset

OPEN, HIDDEN = Labels(), Labels("R", frozenset({"HIV"}))
NAMES = ("Rivera", "Rivers", "Shevchenko", "Álvarez")
CODES = ("2345-7", "4548-4")
SEARCHES = [
    "Patient?",
    "Patient?_total=accurate&_count=2",
    "Patient?family=riv",
    "Patient?gender:not=male&_sort=-_lastUpdated&_count=3",
    "Patient?birthdate=ge1980&_summary=count",
    "Patient?identifier:missing=true",
    "Patient?_revinclude=Provenance:target&_count=2",
    "Patient?_revinclude=Observation:patient",
    "Observation?",
    "Observation?_sort=date&_count=4",
    "Observation?_sort=-date&_count=3&_total=accurate",
    "Observation?_sort=-_lastUpdated&_count=5",
    "Observation?code=2345-7&_summary=count",
    "Observation?code:not=2345-7",
    "Observation?value-quantity=gt100",
    "Observation?date=ge2026-11-10&_include=Observation:subject",
    "Observation?_lastUpdated=ge2026-01-01&_elements=status",
    "Observation?status:missing=true",
]


def _populate(world: World, random: Random) -> list[tuple[str, str]]:
    """Open records of three partners, some linked, some said twice."""
    people = []
    for n in range(9):
        partner = random.choice(("hospital", "clinic", "shelter"))
        name = [{"family": random.choice(NAMES)}]
        birth = f"19{random.randrange(70, 99)}-0{random.randrange(1, 9)}-11"
        people.append(
            (partner, world.patient(partner, f"open-{n}", name=name, birthDate=birth, gender="female"))
        )
    for _ in range(3):
        (_, a), (_, b) = random.sample(people, 2)
        world.link(a, b, random.choice(("certain", "probable")))
    for n in range(25):
        partner, patient = random.choice(people)
        item = _measure(world, random, partner, patient, f"open-{n}", OPEN)
        if n % 4 == 0:
            labels = HIDDEN if partner == "hospital" and n % 8 == 0 else OPEN
            for status, by in (("amended", labels), ("corrected", OPEN)):
                world.publish(world.item(partner, {**item.resource, "status": status}, labels=by))
        if n % 6 == 5:
            world.publish(deleted=(f"Observation/{item.resource['id']}",))
    return people


def drawn(random, partner, patient, key):
    """A measurement of some kind, day and value."""
    return observation(
        partner,
        patient,
        key,
        code={"coding": [{"system": "http://loinc.org", "code": random.choice(CODES)}]},
        effectiveDateTime=f"2026-11-{random.randrange(1, 22):02}",
        valueQuantity={"value": random.randrange(80, 130), "code": "mg/dL"},
    )


def _measure(world, random, partner, patient, key, labels):
    cluster = random.choice((None, b"one", b"two"))
    body = drawn(random, partner, patient, key)
    item = world.item(partner, body, labels=labels, cluster=cluster, trust=random.randrange(20))
    world.publish(item)
    return item


def _hide_more(world: World, random: Random, people: list[tuple[str, str]]) -> None:
    """Adds, links, changes and deletes records that only their source may see."""
    secret = []
    for n in range(4):
        fhir_id = world.patient(
            "hospital", f"hidden-{n}", name=[{"family": random.choice(NAMES)}], labels=HIDDEN
        )
        secret.append(fhir_id)
        for _, other in random.sample(people, 2):
            world.link(fhir_id, other, "probable")
    for n in range(12):
        patient = random.choice([p for partner, p in people if partner == "hospital"] + secret)
        item = _measure(world, random, "hospital", patient, f"hidden-{n}", HIDDEN)
        if n % 3 == 0:
            world.publish(deleted=(f"Observation/{item.resource['id']}",))
        elif n % 3 == 1:
            changed = {**item.resource, "status": "amended"}
            world.publish(world.item("hospital", changed, labels=HIDDEN))


def _answers(world: World, viewer, people) -> list[bytes]:
    """Every search to its last page, every person's everything, every visible id read."""
    found = []
    for asked in SEARCHES:
        kind, _, query = asked.partition("?")
        while query is not None:
            with world.as_viewer(viewer) as view:
                page = search(view, kind, parse_qsl(query), BASE, KEY)
            why = repr((page.patients, page.because, page.obligations))
            found.append(searchset(page, BASE) + why.encode())
            query = urlsplit(page.next).query if page.next else None
    shown = [e["resource"] for bundle in found for e in _entries(bundle)]
    ids = sorted({r["id"] for r in shown if r["resourceType"] == "Patient"})
    for patient in [*ids, *(p for _, p in people)]:
        with world.as_viewer(viewer) as view:
            found.append(repr(read(view, "Patient", patient)).encode())
            found.append(repr(everything(view, patient, [("_count", "5")], BASE, KEY)).encode())
            found.append(repr(history(view, "Patient", patient, [], BASE, KEY)).encode())
    for kind in ("Patient", "Observation"):
        query = "_count=4"
        while query is not None:
            with world.as_viewer(viewer) as view:
                page = history(view, kind, "", parse_qsl(query), BASE, KEY)
            found.append(repr(page).encode())
            query = urlsplit(page.next).query if page.next else None
    return found


def _entries(bundle: bytes) -> list:
    return orjson.loads(bundle[: bundle.rindex(b"}") + 1]).get("entry", [])


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
@pytest.mark.parametrize("viewer", [SHELTER, CLINIC], ids=["shelter", "clinic"])
def test_hidden_records_that_come_change_and_go_leave_every_answer_as_it_was(world, seed, viewer):
    random = Random(seed)
    people = _populate(world, random)
    before = _answers(world, viewer, people)
    _hide_more(world, random, people)
    assert _answers(world, viewer, people) == before
    assert any(b'"entry"' in answer for answer in before)


def test_the_source_itself_does_see_the_difference(world):
    random = Random(7)
    people = _populate(world, random)
    before = _answers(world, HOSPITAL, people)
    _hide_more(world, random, people)
    assert _answers(world, HOSPITAL, people) != before


@pytest.mark.parametrize("seed", [3, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("viewer", [SHELTER, CLINIC, HOSPITAL], ids=["shelter", "clinic", "hospital"])
def test_a_repository_without_what_a_viewer_may_not_see_answers_him_the_same(world, seed, viewer):
    random = Random(seed)
    people = _populate(world, random)
    _hide_more(world, random, people)
    before = _answers(world, viewer, people)
    with world.as_viewer(viewer) as view:
        seen = [row[0] for row in view.conn.execute("SELECT rid FROM resource").fetchall()]
        past = [row[0] for row in view.conn.execute("SELECT ctid::text FROM resource_history").fetchall()]
        known = [row[0] for row in view.conn.execute("SELECT patient FROM patient").fetchall()]
    _keep_only(world, seen, known, past)
    assert _answers(world, viewer, people) == before


def _keep_only(world: World, rids: list[int], patients: list[int], past: list[str]) -> None:
    for table in (
        "resource",
        "index_token",
        "index_date",
        "index_string",
        "index_quantity",
        "index_reference",
    ):
        world.conn.execute(f"DELETE FROM {table} WHERE rid <> ALL(%s)", (rids,))
    world.conn.execute("DELETE FROM patient_edge WHERE a <> ALL(%(p)s) OR b <> ALL(%(p)s)", {"p": patients})
    world.conn.execute("DELETE FROM resource_history WHERE ctid <> ALL(%s::tid[])", (past,))
    world.conn.execute("TRUNCATE withheld")
    world.conn.commit()
