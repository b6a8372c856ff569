"""Search finds what the standard says, in pages that hold together."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from repository_world import BASE, CLINIC, HOSPITAL, KEY, SHELTER, observation

from exchange.model.ids import resource_id
from exchange.model.records import Labels
from exchange.repository import CursorRefused, everything, read, search, searchset
from exchange.repository.reading.persons import find_person


def _ids(page, mode="match"):
    return [orjson.loads(entry.body)["id"] for entry in page.entries if entry.mode == mode]


@pytest.fixture
def ask(world):
    def ask(kind, query="", viewer=HOSPITAL):
        with world.as_viewer(viewer) as view:
            return search(view, kind, parse_qsl(query, keep_blank_values=True), BASE, KEY)

    return ask


@pytest.fixture
def people(world):
    """Two Patients of the hospital."""
    maria = world.patient(
        "hospital",
        "1",
        name=[{"family": "Muñoz-Álvarez", "given": ["María"]}],
        birthDate="1980-03-04",
        gender="female",
        identifier=[{"system": "urn:mrn", "value": "77"}],
    )
    john = world.patient("hospital", "2", name=[{"family": "Muller"}], birthDate="1980", gender="male")
    return maria, john


def test_pages_follow_each_other_without_gap_or_repetition(world, ask, people):
    items = [
        world.item(
            "hospital", observation("hospital", people[0], str(n), effectiveDateTime=f"2026-10-{n + 1:02}")
        )
        for n in range(7)
    ]
    world.publish(*items)
    seen, query = [], "_sort=-date&_count=3"
    while query:
        page = ask("Observation", query)
        seen += _ids(page)
        query = urlsplit(page.next).query if page.next else ""
    assert seen == [item.resource["id"] for item in reversed(items)]


def test_a_cursor_is_refused_to_another_viewer_and_for_another_search(world, ask, people):
    world.publish(*(world.item("hospital", observation("hospital", people[0], k)) for k in "abc"))
    query = urlsplit(ask("Observation", "_count=1").next).query
    with pytest.raises(CursorRefused):
        ask("Observation", query, CLINIC)
    with pytest.raises(CursorRefused):
        ask("Observation", query.replace("_count=1", "_count=2"))


def test_totals_are_given_when_asked_for_or_known(world, ask, people):
    world.publish(*(world.item("hospital", observation("hospital", people[0], k)) for k in "abc"))
    assert ask("Observation", "_count=1").total is None
    assert ask("Observation", "_count=1&_total=accurate").total == 3
    assert ask("Observation", "_summary=count").total == 3
    assert ask("Observation").total == 3


def test_a_parameter_nobody_serves_is_reported_and_not_applied(ask, people):
    page = ask("Patient", "shoe-size=44&gender=male")
    assert (page.unknown, len(page.entries)) == (("shoe-size",), 1)


def test_linked_patients_are_one_golden_patient_and_their_records_lead_to_it(world, ask, people):
    other = world.patient("hospital", "3", name=[{"family": "Munoz"}], telecom=[{"value": "555"}])
    world.link(people[0], other)
    item = world.item("hospital", observation("hospital", other, "a"))
    world.publish(item)
    golden = _ids(ask("Patient", "family=munoz"))
    assert len(golden) == 1
    found = ask("Observation", f"patient={golden[0]}&_include=Observation:subject")
    assert orjson.loads(found.entries[0].body)["subject"]["reference"] == f"Patient/{golden[0]}"
    assert _ids(found, "include") == golden
    assert found.patients == tuple(golden)


def test_a_contribution_refers_to_the_golden_patient_which_points_back(world, people):
    with world.as_viewer(HOSPITAL) as view:
        own = orjson.loads(read(view, "Patient", people[0]).body)
        golden = orjson.loads(read(view, "Patient", own["link"][0]["other"]["reference"][8:]).body)
    assert own["link"][0]["type"] == "refer"
    assert golden["link"] == [{"other": {"reference": f"Patient/{people[0]}"}, "type": "seealso"}]


def test_of_duplicates_the_best_is_shown_and_all_can_be_read(world, ask, people):
    best = world.item("hospital", observation("hospital", people[0], "a"), cluster=b"fact", trust=1)
    other = world.item("hospital", observation("hospital", people[0], "b"), cluster=b"fact", trust=5)
    stranger = world.item("hospital", observation("hospital", people[1], "c"), cluster=b"fact", trust=9)
    world.publish(best, other, stranger)
    assert set(_ids(ask("Observation"))) == {best.resource["id"], stranger.resource["id"]}
    with world.as_viewer(HOSPITAL) as view:
        assert read(view, "Observation", other.resource["id"])


def _visit(patient, key):
    return {
        "resourceType": "Encounter",
        "id": resource_id("https://example.example/", "Encounter", key),
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def test_what_refers_to_a_duplicate_is_found_by_the_one_that_is_shown(world, ask, people):
    shown, other, stranger = (_visit(people[n], key) for n, key in ((0, "a"), (0, "b"), (1, "c")))
    for trust, visit in enumerate((shown, other, stranger)):
        world.publish(world.item("hospital", visit, cluster=b"visit", trust=trust))
    in_visit = {"encounter": {"reference": f"Encounter/{other['id']}"}}
    result = world.item("hospital", observation("hospital", people[0], "r", **in_visit))
    world.publish(result)
    for named in (shown, other):
        for asked in (f"encounter={named['id']}", f"encounter=Encounter/{named['id']}"):
            assert _ids(ask("Observation", asked)) == [result.resource["id"]]
    assert _ids(ask("Observation", f"encounter={stranger['id']}")) == []


def test_a_duplicate_that_is_hidden_leads_nowhere(world, ask, people):
    """Who sees only the shown visit is told nothing by what refers to the other."""
    shown, other = (_visit(people[0], key) for key in "ab")
    hidden = Labels("R", frozenset({"PDS"}))
    world.publish(world.item("hospital", shown, cluster=b"visit", trust=1))
    result = world.item(
        "hospital",
        observation("hospital", people[0], "r", encounter={"reference": f"Encounter/{other['id']}"}),
    )
    world.publish(world.item("hospital", other, cluster=b"visit", trust=2, labels=hidden), result)
    asked = ("Observation", f"encounter={shown['id']}")
    assert _ids(ask(*asked)) == [result.resource["id"]]
    assert _ids(ask(*asked, viewer=SHELTER)) == []
    assert _ids(ask("Observation", viewer=SHELTER)) == [result.resource["id"]]


def _found_from(ask, asked, viewer=HOSPITAL):
    """Ids of matches, and of what came with them."""
    page = ask("Encounter", asked, viewer=viewer)
    ids = {mode: sorted(e.full_url.rsplit("/", 1)[1] for e in page.entries if e.mode == mode)
           for mode in ("match", "include")}  # fmt: skip
    return ids["match"], ids["include"]


def test_the_one_that_is_shown_has_what_refers_to_its_duplicate(world, ask, people):
    shown, other, stranger = (_visit(people[n], key) for n, key in ((0, "a"), (0, "b"), (1, "c")))
    hidden = Labels("R", frozenset({"PDS"}))
    for trust, visit in enumerate((shown, other, stranger)):
        labels = hidden if visit is other else Labels()
        world.publish(world.item("hospital", visit, cluster=b"visit", trust=trust, labels=labels))
    in_visit = {"encounter": {"reference": f"Encounter/{other['id']}"}}
    result = world.item("hospital", observation("hospital", people[0], "r", **in_visit))
    world.publish(result)
    code, own = "_has:Observation:encounter:code=2345-7", [shown["id"]]
    for order in (
        "",
        "&_sort=-_lastUpdated",
    ):  # asked of each on the way, or found first
        assert _found_from(ask, code + order) == (own, [])
        assert _found_from(ask, code + order, SHELTER) == ([], [])
    with_it = f"_id={shown['id']}&_revinclude=Observation:encounter"
    assert _found_from(ask, with_it) == (own, [result.resource["id"]])
    assert _found_from(ask, with_it, SHELTER) == (own, [])
    report = {
        "resourceType": "DiagnosticReport",
        "id": resource_id("https://example.example/", "DiagnosticReport", "d"),
        "status": "final",
        "code": {"text": "Glucose"},
        "subject": {"reference": f"Patient/{people[0]}"},
        "result": [{"reference": f"Observation/{result.resource['id']}"}],
    }
    world.publish(world.item("hospital", report))
    within = "_has:Observation:encounter:_has:DiagnosticReport:result:status=final"
    for order in ("", "&_sort=-_lastUpdated"):
        assert _found_from(ask, within + order) == (own, [])
        assert _found_from(ask, within + order, SHELTER) == ([], [])


def test_what_two_say_who_are_only_probably_one_person_is_shown_twice(world, ask, people):
    said = [
        world.item("hospital", observation("hospital", who, key), cluster=b"fact", trust=trust)
        for who, key, trust in ((people[0], "a", 1), (people[1], "b", 5))
    ]
    world.publish(*said)
    for grade, shown in (("probable", 2), ("certain", 1)):
        world.link(people[0], people[1], grade)
        assert len(_ids(ask("Observation"))) == shown
        world.unlink(people[0], people[1])


def test_provenance_comes_with_what_was_found_and_can_be_read(world, ask, people):
    world.publish(world.item("hospital", observation("hospital", people[0], "a")))
    page = ask("Observation", "_revinclude=Provenance:target")
    included = orjson.loads(page.entries[-1].body)
    assert included["target"] == [{"reference": f"Observation/{_ids(page)[0]}"}]
    assert included["agent"][0]["who"]["identifier"]["value"] == "hospital"
    with world.as_viewer(HOSPITAL) as view:
        assert read(view, "Provenance", included["id"]).body == page.entries[-1].body


def test_elements_leaves_what_was_asked_for_and_says_so(world, ask, people):
    world.publish(world.item("hospital", observation("hospital", people[0], "a")))
    body = orjson.loads(ask("Observation", "_elements=status").entries[0].body)
    assert body.keys() == {"resourceType", "id", "meta", "status", "code"}
    assert body["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_everything_is_the_patient_his_records_and_what_they_refer_to_in_pages(world, people):
    doctor = {"resourceType": "Practitioner", "id": "5d0e6c4a-6a57-5b64-9d3a-0d4a3f2b7e11"}
    performer = [{"reference": f"Practitioner/{doctor['id']}"}]
    records = [observation("hospital", people[0], k, performer=performer) for k in "abc"]
    world.publish(*(world.item("hospital", r) for r in [doctor, *records]))
    with world.as_viewer(HOSPITAL) as view:
        golden = str(find_person(view, _uuid(people[0])).golden_id)
        first = everything(view, golden, [("_count", "2")], BASE, KEY)
        rest = everything(view, golden, parse_qsl(urlsplit(first.next).query), BASE, KEY)
    assert {golden, doctor["id"]} < set(_ids(first))
    assert {r["id"] for r in records} < {*_ids(first), *_ids(rest)}
    assert rest.next is None


def test_a_page_becomes_a_bundle_of_the_bytes_stored(ask, people):
    page = ask("Patient", "gender=male")
    bundle = orjson.loads(searchset(page, BASE))
    assert bundle["total"] == 1
    assert bundle["entry"][0]["resource"] == orjson.loads(page.entries[0].body)


def _uuid(text):
    from uuid import UUID

    return UUID(text)
