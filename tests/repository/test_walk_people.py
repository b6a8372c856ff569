"""A page of Patients found by walking is the page that looking at everybody gives."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from repository_world import BASE, CLINIC, HOSPITAL, KEY, SHELTER

from exchange.model.records import Labels
from exchange.repository import search
from exchange.repository.reading import patients as searching
from exchange.repository.reading import where
from exchange.repository.reading.query import parse_query
from exchange.repository.reading.walk import walks_people

_HIV = Labels("R", frozenset({"HIV"}))


@pytest.fixture(scope="module")
def crowd(shared_world):
    """Forty Patients of two sources, some hidden from some viewers, some linked, one chain of three."""
    world = shared_world
    people = [
        world.patient(
            ("hospital", "clinic")[n % 2], f"w{n}", _HIV if n % 7 == 0 else Labels(),
            name=[{"family": f"Family{n % 3}"}], gender=("female", "male", "other")[n % 3], active=n % 5 != 0,
        )
        for n in range(40)
    ]  # fmt: skip
    for a, b in ((0, 1), (1, 2), (5, 6), (7, 8), (20, 21)):
        world.link(people[a], people[b])
    world.conn.execute("ANALYZE patient")
    world.conn.commit()
    return world


def pages(world, viewer, asked):
    """Every page of golden Patients, with the totals that were told."""
    found = world.pages(viewer, "Patient", asked)
    return [(page.total, [(entry.full_url, entry.body) for entry in page.entries]) for page in found]


@pytest.mark.parametrize("viewer", [HOSPITAL, CLINIC, SHELTER], ids=lambda v: v.participant)
@pytest.mark.parametrize(
    "asked",
    [
        "_count=7",
        "_count=50",
        "_count=9&_total=accurate",
        "active=true&_count=9&_total=accurate",
        "active=false&_count=9&_total=accurate",
        "gender=female&_count=3",
        "gender:not=female&_count=4",
        "active=false&_count=2",
        "gender=unknown&_count=4",
        "_lastUpdated=gt2020&_count=6",
    ],
)
@pytest.mark.parametrize("first", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (5, 64))])
def test_walking_changes_no_page(crowd, monkeypatch, viewer, asked, first):
    monkeypatch.setattr(searching, "walks_people", lambda query: False)
    whole = pages(crowd, viewer, asked)
    monkeypatch.undo()
    monkeypatch.setattr(searching, "FIRST_PEOPLE", first)
    assert pages(crowd, viewer, asked) == whole


@pytest.mark.parametrize(
    "asked",
    ["", "gender=male", "active=true", "active=false", "family=Family1", "_lastUpdated=lt2020"],
)
@pytest.mark.parametrize("viewer", [HOSPITAL, CLINIC, SHELTER], ids=lambda v: v.participant)
def test_people_are_counted_as_they_are_shown(crowd, viewer, asked):
    (shown,) = pages(crowd, viewer, f"{asked}&_count=100")
    ((total, nobody),) = pages(crowd, viewer, f"{asked}&_summary=count")
    assert (total, nobody) == (len(shown[1]), [])


@pytest.fixture
def looked_at(monkeypatch):
    """How many contributions were looked at, each time."""
    seen = []
    whole = where.persons_seen

    def noted(reader, rows):
        seen.append(len(rows))
        return whole(reader, rows)

    monkeypatch.setattr(where, "persons_seen", noted)
    return seen


def test_a_page_of_everybody_looks_at_a_few(crowd, monkeypatch, looked_at):
    monkeypatch.setattr(searching, "FIRST_PEOPLE", 8)
    with crowd.as_viewer(HOSPITAL) as view:
        page = search(view, "Patient", [("_count", "3")], BASE, KEY)
    assert len(page.entries) == 3
    assert sum(looked_at) < 20  # twice those of a stretch of eight, and not all that the viewer sees


def test_what_must_not_be_said_is_asked_of_those_who_are_meant_alone(crowd, looked_at):
    """And not of everybody whom it holds for, who may be half of all people."""
    with crowd.as_viewer(HOSPITAL) as view:
        page = search(view, "Patient", [("family", "Family0"), ("gender:not", "male")], BASE, KEY)
    assert page.entries
    assert looked_at[1] == 1  # of that family, one of whom another source calls male


@pytest.mark.parametrize(
    ("asked", "walked"),
    [
        ("", True),
        ("gender=female", True),
        ("deceased=false&active=true", True),
        ("family=Family1", False),
        ("birthdate=1980", False),
        ("identifier=7", False),
        ("phone=555", False),
        ("_sort=family", False),
        ("_sort=-_id", False),
        ("_total=accurate", True),
        ("_has:Observation:patient:code=1", False),
        ("_id=5d0e6c4a-6a57-5b64-9d3a-0d4a3f2b7e11", False),
    ],
)
def test_what_tells_people_apart_is_not_walked_for(crowd, asked, walked):
    assert walks_people(parse_query("Patient", parse_qsl(asked), crowd.at)) is walked
