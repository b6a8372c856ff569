"""What a requester may not see changes no byte and no header of what he gets, whichever way he asks."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from urllib.parse import urlsplit

import pytest

from exchange.api.export.produce import work_once
from exchange.api.messages import Refusal
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


EXPORTS = (
    "$export",
    "$export?_type=Observation,Patient",
    "$export?_type=Observation&_typeFilter=Observation%3Fcode%3D7918-6",
    "$export?_since=2020-01-01T00:00:00Z",
    "Patient/$export",
    "Patient/$export?_type=Observation&_since=2020-01-01T00:00:00Z",
    "Group/{group}/$export",
    "Group/{group}/$export?_typeFilter=Observation%3Fcode:not%3D2345-7",
    f"Group/{ABSENT}/$export",
)


@pytest.fixture
def exporter(api, register, token_of, world):
    """Asks with scopes for exports and panels; gives the id of a panel of everybody."""
    scopes = ["system/*.rs", "system/Group.cud"]
    token = token_of(register("lakeside_hospital", scopes=scopes), scope=" ".join(scopes))
    api.headers.update({"Authorization": f"Bearer {token}", "X-Request-Id": "same"})
    members = [{"entity": {"reference": f"Patient/{one}"}} for one in world]
    panel = {"resourceType": "Group", "type": "person", "actual": True, "member": members}
    return api.post("/fhir/Group", json=panel).json()["id"]


def exported(api, service, group):
    """Kick-off, status before and after, manifest and files of every export; what is its own taken out."""
    found = []
    for asked in EXPORTS:
        begun = api.get(f"/fhir/{asked.format(group=group)}", headers={"Prefer": "respond-async"})
        answers_ = [begun]
        if place := urlsplit(begun.headers.get("content-location", "")).path:
            answers_.append(api.get(place))
            assert work_once(service)
            answers_.append(api.get(place))
            manifest = answers_[-1].json()
            files = [urlsplit(file["url"]).path for k in ("output", "deleted") for file in manifest[k]]
            answers_ += [api.get(file) for file in files]
        job = place.rpartition("/")[2] or "none"
        found += [(asked, number, *_without(job, answer)) for number, answer in enumerate(answers_)]
    return found


def _without(job, answer):
    """Status, headers and bytes without the job's number and its times."""
    headers = [
        (name, value.replace(job, "job")) for name, value in answer.headers.items() if name != "expires"
    ]
    body = answer.content.replace(job.encode(), b"job")
    return answer.status_code, sorted(headers), re.sub(rb'(?<="transactionTime":")[^"]+', b"then", body)


def compared(api, service, records, world, group):
    """The answers before and after records come that may not be seen, and one of them is deleted again."""
    records.delete(f"Observation/{records.observation('prairie_clinic', world[0], 'gone')}")
    before = exported(api, service, group)
    hide(records, world)
    records.delete(f"Observation/{records.observation('prairie_clinic', world[0], 'never', 'HIV')}")
    return before, exported(api, service, group)


def test_hidden_records_change_no_byte_of_an_export(api, service, records, world, exporter):
    before, after = compared(api, service, records, world, exporter)
    assert [a[:2] for a, b in zip(before, after, strict=True) if a != b] == []
    assert {status for _, _, status, *_ in before} == {200, 202, 404}
    files = [body for _, number, status, _, body in before if number > 2 and status == 200]
    assert any(b'"DELETE"' in body for body in files)
    assert len(files) > 15


def _refuses(asked):
    raise Refusal(400, "invalid", "no")


@pytest.mark.parametrize(
    ("module", "name", "leaks"),
    [
        pytest.param("kickoff", "_try_filters", lambda honest, *asked: _refuses(asked), id="kick-off"),
        pytest.param(
            "jobs",
            "files_of",
            lambda honest, *asked: honest(*asked)[:-1],
            id="manifest",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "deliver",
            "_ranged",
            lambda honest, asked, body, why: honest(asked, body + b" ", why),
            id="file",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "produce",
            "bulk_slice",
            lambda honest, view, portion, *rest: honest(view, replace(portion, search=()), *rest),
            id="production",
        ),
    ],
)
def test_an_export_that_knows_of_what_is_hidden_is_noticed(
    api, service, records, world, exporter, monkeypatch, module, name, leaks
):
    """The comparison can fail at each step: one byte, file or refusal depends on rows nobody may see."""
    at = import_module(f"exchange.api.export.{module}")
    honest = getattr(at, name)
    seen = "SELECT count(*) FROM resource WHERE type = 'Observation'"
    (known,) = records.conn.execute(seen).fetchone()

    def leaking(*asked):
        more = records.conn.execute(seen).fetchone()[0] > known
        records.conn.commit()
        return leaks(honest, *asked) if more else honest(*asked)

    monkeypatch.setattr(at, name, leaking)
    before, after = compared(api, service, records, world, exporter)
    assert before != after
