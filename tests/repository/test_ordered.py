"""A page found along an index is the page that sorting everything gives, to the last byte and cursor."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from repository_world import BASE, CLINIC, HOSPITAL, KEY, SHELTER, observation

from exchange.model.ids import resource_id
from exchange.model.records import Labels
from exchange.repository import everything
from exchange.repository.reading import finding, lastn, totals, where
from exchange.repository.reading.ordered import Range, is_ordered
from exchange.repository.reading.query import parse_query
from exchange.repository.reading.windows import begins_late
from exchange.repository.storage.index import index_rows
from exchange.repository.storage.parameters import parameters, several_key

HALF = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
HIV = Labels("R", frozenset({"HIV"}))
TIMES = [
    {"effectiveDateTime": "2026-01-01"},
    {"effectiveDateTime": "2026-01-01"},
    {"effectiveDateTime": "2026"},
    {"effectiveDateTime": "2025-07-01T10:00:00Z"},
    {"effectivePeriod": {"end": "2026-02-01"}},  # begins before all times, as what has none is told
    {"effectivePeriod": {"start": "2024-02-01"}},
    {"effectiveTiming": {"event": ["2023-01-01", "2027-01-01", "2026-01-01"]}},
    {"effectiveTiming": {"event": ["2026-01-01", "2026"]}},  # two that begin at once
    {},
    {},
]
AMOUNTS = [
    {"valueQuantity": {"value": value, "unit": unit, "code": "mg/dL"}} if value else {}
    for value, unit in [(98, "mg/dL"), (98, "milligrams"), (5, "mg/dL"), (-1, ""), (None, ""), (0.5, "")]
]


@pytest.fixture(scope="module")
def stocked(shared_world):
    """Results of two linked Patients and a third: some are hidden, some told twice, some without a time."""
    world = shared_world
    told = {partner: world.patient(partner, f"o-{partner}") for partner in ("hospital", "clinic", "shelter")}
    world.link(told["hospital"], told["clinic"])
    for partner, patient in told.items():
        for n in range(30):
            plain = observation(partner, patient, f"o-{n}", **({"code": HALF} if n % 3 else {}))
            kept = {k: v for k, v in plain.items() if k not in ("effectiveDateTime", "valueQuantity")}
            body = {**kept, **TIMES[n % len(TIMES)], **AMOUNTS[n % len(AMOUNTS)]}
            world.publish(
                world.item(
                    partner,
                    body,
                    labels=HIV if n % 7 == 0 else Labels(),
                    cluster=b"o-%d" % n if n % 4 != 1 else None,
                )
            )
    return world


def _pages(world, viewer, asked):
    """Everything of every page, and the totals that were told."""
    pages = world.pages(viewer, "Observation", asked)
    return [([(e.full_url, e.body) for e in page.entries], page.total, page.next) for page in pages]


@pytest.mark.parametrize("viewer", [HOSPITAL, CLINIC, SHELTER], ids=lambda v: v.participant)
@pytest.mark.parametrize(
    "asked",
    [
        "_sort=date&_count=4",
        "_sort=-date&_count=4",
        "_sort=-date&_count=3&code=718-7",
        "_sort=-date&_count=3&code:not=718-7",
        "_sort=date&_count=5&date=ge2026&date=lt2027",
        "_sort=-date&_count=50&_total=accurate",
        "_sort=value-quantity&_count=4",
        "_sort=-value-quantity,date&_count=4",
        "_sort=date,-_id&_count=4",
        "_sort=-date,_lastUpdated&_count=7",
        "_sort=_lastUpdated&_count=6",
        "_sort=-_lastUpdated&_count=6&status=final",
        "_sort=-date&code=nowhere",
    ],
)
@pytest.mark.parametrize(("first", "second"), [(1, 20), (256, 4096)])
def test_the_way_changes_no_page(stocked, monkeypatch, viewer, asked, first, second):
    monkeypatch.setattr(finding, "is_ordered", lambda query: False)
    monkeypatch.setattr(finding, "walks", lambda query: False)
    sorted_pages = _pages(stocked, viewer, asked)
    monkeypatch.setattr(finding, "page_sql", finding.sorted_sql)
    assert _pages(stocked, viewer, asked) == sorted_pages
    monkeypatch.undo()
    monkeypatch.setattr(finding, "FIRST", first)
    monkeypatch.setattr(finding, "SECOND", second)
    assert _pages(stocked, viewer, asked) == sorted_pages
    # Also where there are so many that the way goes on whatever is met.
    monkeypatch.setattr(finding, "stored_records", lambda reader: 1_000_000)
    assert _pages(stocked, viewer, asked) == sorted_pages


@pytest.mark.parametrize("viewer", [HOSPITAL, CLINIC, SHELTER], ids=lambda v: v.participant)
@pytest.mark.parametrize("asked", ["", "code=718-7", "date=ge2026", "_lastUpdated=gt2020", "code=nowhere"])
def test_however_they_are_counted_there_are_as_many_as_are_shown(stocked, monkeypatch, viewer, asked):
    shown = sum(len(page.entries) for page in stocked.pages(viewer, "Observation", f"{asked}&_count=50"))
    counted = set()
    for much in (False, True):
        monkeypatch.setattr(totals, "_is_much", lambda *given, much=much: much)
        (page,) = stocked.pages(viewer, "Observation", f"{asked}&_summary=count")
        counted.add(page.total)
    assert counted == {shown}


@pytest.mark.parametrize(("asked", "much"), [("", True), ("code=718-7", True), ("code=nowhere", False)])
def test_what_most_of_a_type_are_is_counted_without_asking_each(stocked, asked, much):
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", parse_qsl(asked), view.at)
        assert totals._is_much(view, query, finding.statement_of(view, query)) is much


@pytest.fixture
def ranges(monkeypatch):
    """What is looked at of the index."""
    seen = []
    whole = finding.ordered_sql

    def noted(reader, query, statement, key, within):
        seen.append(within)
        return whole(reader, query, statement, key, within)

    monkeypatch.setattr(finding, "ordered_sql", noted)
    monkeypatch.setattr(finding, "FIRST", 8)
    return seen


def test_the_newest_are_found_without_the_others(stocked, ranges):
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", parse_qsl("_sort=-date&_count=3"), view.at)
        finding.found_rows(view, query, finding.statement_of(view, query), b"")
    assert [type(each) for each in ranges] == [Range]
    assert ranges[0].until.year == 2026


def test_those_without_a_value_are_found_by_id(stocked, ranges, monkeypatch):
    def refused(*given, **more):
        raise AssertionError("all that match were sorted")

    monkeypatch.setattr(finding, "sorted_sql", refused)
    monkeypatch.setattr(finding, "FIRST", 1000)
    assert len(stocked.pages(HOSPITAL, "Observation", "_sort=-date&_count=6")) > 5


@pytest.mark.parametrize(
    ("asked", "ordered"),
    [
        ("_sort=-date", True),
        ("_sort=_lastUpdated&code=718-7", True),
        ("_sort=-value-quantity,date", True),
        ("_sort=-_id", False),
        ("code=718-7", False),
        ("_sort=-date&patient=5d0e6c4a-6a57-5b64-9d3a-0d4a3f2b7e11", False),
        ("_sort=-date&_id=5d0e6c4a-6a57-5b64-9d3a-0d4a3f2b7e11", False),
    ],
)
def test_what_names_few_records_is_found_by_them(stocked, asked, ordered):
    with stocked.as_viewer(HOSPITAL) as view:
        assert is_ordered(parse_query("Observation", parse_qsl(asked), view.at)) is ordered


@pytest.mark.parametrize("viewer", [HOSPITAL, CLINIC, SHELTER], ids=lambda v: v.participant)
@pytest.mark.parametrize(
    "asked", ["patient._lastUpdated=gt2000", "patient._lastUpdated=gt2000&max=3&status=final"]
)
def test_the_latest_of_many_people_are_those_of_some_at_a_time(stocked, monkeypatch, viewer, asked):
    answers = []
    for first in (1, 100):
        monkeypatch.setattr(lastn, "_FIRST", first)
        with stocked.as_viewer(viewer) as view:
            page = lastn.lastn(view, parse_qsl(asked), BASE)
        answers.append([(entry.full_url, entry.body) for entry in page.entries])
    assert answers[0] == answers[1]
    assert answers[0]
    monkeypatch.setattr(lastn, "_MOST", 2)
    with stocked.as_viewer(viewer) as view:
        page = lastn.lastn(view, parse_qsl(asked), BASE)
    assert [(entry.full_url, entry.body) for entry in page.entries] == answers[0][:2]


_RANGES = [
    "date=ge2026-01-01&date=lt2026-01-02",
    "date=ge2026&date=lt2027",
    "date=ge2024-01-01&date=le2024-12-31",
    "date=gt2025-12-31",
    "date=ge2023&date=lt2023-06",
    "date=gt2026-06&date=lt2024",  # met by two dates of one record
    "date=sa2026-01-01",
    "date=ge2025,lt2020",
    "date=ge2025,sa2024&date=lt2027,eb2026",
    "date=eq2026&date=ge2025-12",
    "date=ap2026&date=ge2020",
    "date=ne2026&date=ge2020",
    "date=lt2026-02",
    "date=le2026-01-01&date=ge2026-01-01",
    "date=eb2026-01-01&date=ge2024",
]


@pytest.mark.parametrize("asked", _RANGES)
@pytest.mark.parametrize("sort", ["_id", "date", "-date"])
def test_where_a_range_of_time_is_looked_for_changes_no_page(stocked, monkeypatch, asked, sort):
    asked = f"{asked}&_sort={sort}&_count=9&_total=accurate"
    with monkeypatch.context() as plainly:
        plainly.setattr(where, "windows", lambda *given: [])
        plainly.setattr(finding, "begins_late", lambda *given: None)
        plain = _pages(stocked, HOSPITAL, asked)
    monkeypatch.setattr(finding, "FIRST", 1)
    assert _pages(stocked, HOSPITAL, asked) == plain


@pytest.mark.parametrize(
    ("kind", "asked", "year"),
    [
        ("Observation", "_sort=-date&date=lt2026", None),  # one of several dates may be earlier
        ("Condition", "_sort=-onset-date&onset-date=lt2026", 2026),
        ("Condition", "_sort=-onset-date&onset-date=ge2025", None),
        ("Condition", "_sort=onset-date&onset-date=ge2026&onset-date=lt2027", 2025),
        ("Condition", "_sort=onset-date&recorded-date=ge2026", None),
        ("Condition", "_sort=_lastUpdated&onset-date=ge2026", None),
        ("Observation", "_sort=date&date=ge2027", None),  # a span that began long before reaches into it
    ],
)
def test_what_stands_before_the_time_asked_for_is_passed_over(stocked, kind, asked, year):
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query(kind, parse_qsl(asked), view.at)
        begin = begins_late(view, query.where.criteria, query.sort[0])
    assert (begin and begin.year) == year


def test_from_the_first_to_the_last_of_several_dates_is_a_span_of_its_own():
    told = {"resourceType": "Observation", "effectiveTiming": {"event": ["2023-01-01", "2027-01-01", "2025"]}}
    key = parameters()["Observation"]["date"].key
    spans = {
        (low.year, high.year) for low, high, own in index_rows(told, []).dates if own == several_key(key)
    }
    assert spans == {(2023, 2027)}
    alone = {"resourceType": "Observation", "effectiveDateTime": "2023", "issued": "2024-01-01T00:00:00Z"}
    assert several_key(key) not in {own for _, _, own in index_rows(alone, []).dates}


def test_what_is_dated_at_the_end_of_time_is_within_what_has_no_end(stocked):
    patient = resource_id("https://hospital.example/", "Patient", "o-hospital")
    condition = {
        "resourceType": "Condition",
        "id": resource_id("https://hospital.example/", "Condition", "o-never"),
        "subject": {"reference": f"Patient/{patient}"},
        "recordedDate": "9999-12-31",
    }
    stocked.publish(stocked.item("hospital", condition))
    for asked in ("recorded-date=ge2026", "recorded-date=sa2026&_sort=recorded-date"):
        for form in ("_total=accurate", "_summary=count"):
            (page,) = stocked.pages(HOSPITAL, "Condition", f"{asked}&{form}")
            assert page.total == 1


def test_it_is_no_date_of_care(stocked):
    """Between two of its dates a record was not made, though some other may have been."""
    patient, told = resource_id("https://hospital.example/", "Patient", "o-hospital"), []
    for day in ("2023-06-01", "2023-01-01"):
        with stocked.as_viewer(HOSPITAL) as view:
            page = everything(view, patient, [("start", day), ("end", day), ("_count", "999")], BASE, KEY)
        told.append(any(b'"2023-01-01"' in entry.body for entry in page.entries))
    assert told == [False, True]
