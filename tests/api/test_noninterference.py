"""What a requester may not see changes no byte and no header of what he gets, whichever way he asks."""

from __future__ import annotations

import pytest

from exchange.model.ids import golden_id

ABSENT = "00000000-0000-5000-8000-000000000000"
SEARCHES = [
    "Patient",
    "Patient?family=kowal&_sort=-_lastUpdated&_total=accurate",
    "Patient?name:exact=Kowalska",
    "Patient?gender=female&_summary=count",
    "Patient?gender:not=male&_count=1",
    "Patient?identifier:missing=true&_elements=name",
    "Patient?birthdate=ge1950&_revinclude=Observation:subject",
    "Patient?_revinclude=Provenance:target&_summary=data",
    "Patient?_lastUpdated=ge2020-01-01&_sort=_id",
    "Observation?_sort=date&_count=2",
    "Observation?_sort=-date&_count=1&_total=accurate",
    "Observation?code=2345-7&_summary=count",
    "Observation?code:not=2345-7&_total=accurate",
    "Observation?code=7918-6",
    "Observation?date=ge2026-01-01&_include=Observation:subject",
    "Observation?status:missing=true",
    "Observation?_count=0&_total=accurate",
    "Observation?_summary=text",
    "Observation?_lastUpdated=ge2020-01-01&_sort=-_lastUpdated&_count=2",
    "Organization?name=house&_total=accurate",
    "Provenance?_count=2",
]
EVERYTHING = ("", "?_count=2", "?_type=Observation", "?start=2026-01-01&end=2026-12-31")
REFUSED = [
    "Patient?colour=1",
    "Patient?birthdate=never",
    "Observation?_sort=colour",
    "Observation?_count=-1",
    "Observation?_cursor=x",
    "Nothing/1",
    f"Observation/{ABSENT}/_history",
]


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def hospital(register):
    return register("lakeside_hospital")


@pytest.fixture
def world(records):
    """Open people and records of two partners, some linked; `hidden` ids are of records still to come."""
    name = [{"family": "Kowalska"}]
    one = records.patient("prairie_clinic", "p1", name=name, gender="female", birthDate="1960-04-01")
    other = records.patient("lakeside_hospital", "p2", name=name, gender="female")
    records.link(one, other)
    third = records.patient("prairie_clinic", "p3", name=[{"family": "Kowalski"}], gender="male")
    for number, patient in enumerate([one, one, other, third]):
        partner = "lakeside_hospital" if patient == other else "prairie_clinic"
        records.observation(partner, patient, f"open-{number}")
    records.organization("prairie_clinic", "House")
    return one, other, third


def hide(records, people):
    """Records come that the hospital may not see: results, a whole person with results, a link to him."""
    one, _, third = people
    records.conn.execute("SELECT setval('latest_instant', 0)")  # what is published here is dated earlier
    for number in range(4):
        records.observation("prairie_clinic", one, f"hidden-{number}", "HIV", code="7918-6")
        records.observation("prairie_clinic", third, f"secret-{number}", "HIV")
    stranger = records.patient("prairie_clinic", "p4", name=[{"family": "Kowalska"}], gender="female")
    records.publish_patient("prairie_clinic", stranger, "HIV")
    records.observation("prairie_clinic", stranger, "theirs", "HIV")
    records.link(third, stranger)


def send(api, path, **headers):
    """Status, headers and bytes."""
    answer = api.get(path, headers=headers)
    return path, answer.status_code, sorted(answer.headers.multi_items()), answer.content


def answers(api, people, hidden):
    """Every search to its last page, every read conditional and not, $everything, refusals."""
    found = []
    for asked in SEARCHES:
        url = f"/fhir/{asked}"
        while url:
            found.append(send(api, url))
            links = api.get(url).json().get("link", [])
            url = next((link["url"] for link in links if link["relation"] == "next"), None)
    ids = [f"Patient/{key}" for one in people for key in (one, golden_id(one))]
    shown = api.get("/fhir/Observation?_count=100&_include=Observation:subject").json()["entry"]
    ids += [e["fullUrl"].partition("/fhir/")[2] for e in shown]
    ids += [f"Provenance/{reference.split('/')[1]}" for reference in ids]
    for reference in dict.fromkeys(ids):
        plain = send(api, f"/fhir/{reference}")
        held = dict(plain[2])
        found.append(plain)
        found.append(send(api, f"/fhir/{reference}", **{"If-None-Match": held.get("etag", 'W/"1"')}))
        found.append(send(api, f"/fhir/{reference}", **{"If-None-Match": 'W/"other"'}))
        since = held.get("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        found.append(send(api, f"/fhir/{reference}", **{"If-Modified-Since": since}))
    found += [send(api, f"/fhir/Patient/{one}/$everything{query}") for one in people for query in EVERYTHING]
    found += [send(api, f"/fhir/{path}") for path in [*REFUSED, *hidden]]
    return found


def test_hidden_records_change_no_byte_and_no_header(api, records, world, hospital, token_of):
    hidden_key = records.observation("prairie_clinic", world[0], "probe", "HIV")
    api.headers.update({"Authorization": f"Bearer {token_of(hospital)}", "X-Request-Id": "same"})
    hidden = [f"Observation/{hidden_key}", f"Observation/{ABSENT}", f"Observation?_id={hidden_key}"]
    before = answers(api, world, hidden)
    hide(records, world)
    after = answers(api, world, hidden)
    assert [path for path, *_ in before] == [path for path, *_ in after]
    assert [a[0] for a, b in zip(before, after, strict=True) if a != b] == []
    statuses = {status for _, status, *_ in before}
    assert {200, 304, 400, 404} <= statuses
    assert len(before) > 80


def test_hidden_and_absent_get_the_same_answer(api, records, world, hospital, token_of):
    hidden = records.observation("prairie_clinic", world[0], "probe", "HIV")
    api.headers.update({"Authorization": f"Bearer {token_of(hospital)}", "X-Request-Id": "same"})
    conditions = {"If-None-Match": 'W/"1"', "If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}
    for name in (None, *conditions):
        headers = {name: conditions[name]} if name else {}
        for way in ("Observation/{}", "Provenance/{}", "Patient/{}/$everything"):
            pair = [send(api, f"/fhir/{way.format(key)}", **headers)[1:] for key in (hidden, ABSENT)]
            assert pair[0] == pair[1], way


def test_the_source_itself_does_see_the_difference(api, records, world, register, token_of):
    clinic = register("prairie_clinic")
    api.headers.update({"Authorization": f"Bearer {token_of(clinic)}", "X-Request-Id": "same"})
    before = answers(api, world, [])
    hide(records, world)
    after = answers(api, world, [])
    assert [a for a in before if a not in after]
