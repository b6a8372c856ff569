"""A page found by walking is the page that sorting everything gives, to the last id and cursor."""

from __future__ import annotations

from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from repository_world import CLINIC, HOSPITAL, SHELTER, observation

from exchange.model.records import Labels
from exchange.repository.reading import finding as searching
from exchange.repository.reading.query import parse_query
from exchange.repository.reading.walk import START, Stretch, walks, wider

HALF = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}


@pytest.fixture(scope="module")
def stocked(shared_world):
    """Sixty results of two partners, some hidden from some viewers; every second one has another code."""
    world = shared_world
    for partner in ("hospital", "shelter"):
        patient = world.patient(partner, f"walk-{partner}")
        world.publish(
            *(
                world.item(
                    partner,
                    observation(partner, patient, f"walk-{n}", **({"code": HALF} if n % 2 else {})),
                    labels=Labels("R", frozenset({"HIV"})) if n % 5 == 0 else Labels(),
                )
                for n in range(30)
            )
        )
    return world


def _pages(world, viewer, asked):
    """Ids of every page, and the totals that were told."""
    pages = world.pages(viewer, "Observation", asked)
    return [[entry.full_url for entry in page.entries] for page in pages], [page.total for page in pages]


@pytest.mark.parametrize("viewer", [HOSPITAL, CLINIC, SHELTER], ids=lambda v: v.participant)
@pytest.mark.parametrize(
    "asked",
    [
        "code=718-7&_count=4",
        "status=final&_count=7",
        "status=final&_count=7&_total=accurate",
        "code=718-7,2345-7&_count=50",
        "code:not=718-7&_count=3",
        "code=nowhere&_count=3",
        "_lastUpdated=gt2020&_count=6",
    ],
)
@pytest.mark.parametrize(("first", "second"), [(1, 1), (9, 20), (256, 4096)])
def test_walking_changes_no_page(stocked, monkeypatch, viewer, asked, first, second):
    monkeypatch.setattr(searching, "walks", lambda query: False)
    sorted_pages = _pages(stocked, viewer, asked)
    monkeypatch.undo()
    monkeypatch.setattr(searching, "FIRST", first)
    monkeypatch.setattr(searching, "SECOND", second)
    assert _pages(stocked, viewer, asked) == sorted_pages


def _stretches(monkeypatch, first):
    """Each stretch that is looked at of 61 records; None for all that match."""
    stretches = []
    page, whole = searching.page_sql, searching.sorted_sql

    def walked(reader, query, statement, key, within=None):
        stretches.append(within)
        return page(reader, query, statement, key, within)

    def sorted_(reader, query, statement, key, *, by_index=False):
        stretches.append(None)
        return whole(reader, query, statement, key, by_index=by_index)

    monkeypatch.setattr(searching, "page_sql", walked)
    monkeypatch.setattr(searching, "sorted_sql", sorted_)
    monkeypatch.setattr(searching, "FIRST", first)
    monkeypatch.setattr(searching, "stored_records", lambda reader: 61)
    return stretches


@pytest.mark.parametrize(("second", "looked"), [(1, 2), (30, 3), (61, 2)])
def test_what_one_stretch_does_not_have_a_longer_one_may(stocked, monkeypatch, second, looked):
    stretches = _stretches(monkeypatch, 1)
    monkeypatch.setattr(searching, "SECOND", second)
    _pages(stocked, HOSPITAL, "code:not=718-7,2345-7&_count=3")
    assert len(stretches) == looked
    assert (stretches[-1] is None) == (second < 61)


def test_what_an_index_finds_is_looked_for_less_far_where_it_can_only_be_few(stocked, monkeypatch):
    stretches = _stretches(monkeypatch, 6)
    monkeypatch.setattr(searching, "SECOND", 30)
    _pages(stocked, HOSPITAL, "code=nowhere&_count=3")
    assert [stretch and round(stretch.share * 61) for stretch in stretches] == [6, 7, None]  # a quarter of 30


def test_what_is_common_is_answered_from_a_stretch_alone(stocked, monkeypatch):
    stretches = _stretches(monkeypatch, 6)
    _pages(stocked, HOSPITAL, "status=final&_count=3")
    assert None not in stretches
    assert len({stretch.share for stretch in stretches}) > 1  # some held too few, and were widened


@pytest.mark.parametrize(
    ("asked", "walked"),
    [
        ("code=718-7", True),
        ("code=718-7&_sort=_id", True),
        ("encounter.status=finished", True),
        ("code=718-7&_sort=-_id", False),
        ("code=718-7&_sort=date", False),
        ("code=718-7&patient=5d0e6c4a-6a57-5b64-9d3a-0d4a3f2b7e11", False),
        ("code=718-7&patient.family=Family3", False),
        ("code=718-7&_id=5d0e6c4a-6a57-5b64-9d3a-0d4a3f2b7e11", False),
        ("", False),
    ],
)
def test_what_names_few_records_or_another_order_is_not_walked(stocked, asked, walked):
    with stocked.as_viewer(HOSPITAL) as view:
        assert walks(parse_query("Observation", parse_qsl(asked), view.at)) is walked


def test_a_stretch_ends_with_the_last_id_there_can_be():
    begin = UUID("ffffffff-0000-5000-8000-000000000000")
    assert Stretch(begin, 0.5).until == UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")
    assert Stretch(START, 7).is_last
    assert not Stretch(START, 0.5).is_last


def test_seeking_costs_less_where_few_were_found_on_the_way():
    assert wider(Stretch(START, 0.001), 0, 21, 1_000_000) is None
    assert wider(Stretch(START, 0.000256), 1, 21, 1_000_000) is not None  # about 4,000 matches of a million
    assert wider(Stretch(START, 0.256), 2, 21, 1000) is None  # about eight of a thousand
