"""HAPI FHIR as a target: it gets the view of the clinic, as labelled, and is kept to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from exchange.delivery.targets import pushing
from exchange.model.errors import PartnerUnavailable
from exchange.model.ids import golden_id
from exchange.model.records import Labels
from exchange.repository import wanted_of
from tests.delivery.test_targets import push, result
from tests.delivery.world import HIDDEN, Clinic
from tests.hapi.running import NotToBeHad, hapi_server
from tests.repository.repository_world import CLINIC

pytestmark = pytest.mark.external
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


@pytest.fixture(scope="module")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with hapi_server(tmp_path_factory.mktemp("hapi")) as url:
            yield url
    except NotToBeHad as reason:
        pytest.skip(str(reason))


def get(hapi: str, path: str) -> dict[str, Any]:
    return requests.get(f"{hapi}/{path}", timeout=60).json()


def ids(hapi: str, kind: str) -> set[str]:
    found = get(hapi, f"{kind}?_count=1000&_elements=id").get("entry", [])
    return {entry["resource"]["id"] for entry in found}


def versions(hapi: str) -> dict[str, str]:
    """The version of each resource that is there."""
    kinds = ("Patient", "Observation", "Provenance")
    pages = [get(hapi, f"{kind}?_count=1000").get("entry", []) for kind in kinds]
    found = [entry["resource"] for page in pages for entry in page]
    return {f"{one['resourceType']}/{one['id']}": one["meta"]["versionId"] for one in found}


def test_it_is_given_the_view_kept_to_it_and_relieved_of_the_rest(
    world: Clinic, hapi: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_PEOPLE_AT_ONCE", 3)
    options = {"url": hapi, "timeout_seconds": 60}
    labelled = {"meta": {"security": [{"system": _CONFIDENTIALITY, "code": "R"}]}}
    people = [world.person(str(number)) for number in range(8)]
    results = [
        result(world, hospital, str(n), HIDDEN if n == 3 else Labels(), **labelled)
        for n, (hospital, _) in enumerate(people)
    ]
    goldens = {golden_id(min(pair)) for pair in people}

    others = ids(hapi, "Patient")  # of another test
    push(world, hapi, options=options)
    assert ids(hapi, "Patient") - others == goldens
    assert ids(hapi, "Observation") & set(results) == set(results) - {results[3]}
    found = get(hapi, f"Observation/{results[0]}")
    assert found["meta"]["security"] == labelled["meta"]["security"]
    assert found["subject"]["reference"] == f"Patient/{golden_id(min(people[0]))}"
    about = get(hapi, f"Observation?patient={golden_id(min(people[0]))}&_security={_CONFIDENTIALITY}|R")
    assert [entry["resource"]["id"] for entry in about["entry"]] == [results[0]]

    before = versions(hapi)
    assert set(push(world, hapi, options=options)) == {"unchanged"}
    assert versions(hapi) == before

    world.later(minutes=1)
    world.publish(deleted=(f"Observation/{results[1]}",))
    result(world, people[2][0], "2", HIDDEN)  # revoked
    relabelled = {"meta": {"security": [{"system": _CONFIDENTIALITY, "code": "N"}]}}
    result(world, people[4][0], "4", **relabelled)
    world.link(people[5][0], people[6][0])
    push(world, hapi, options=options)
    gone = {results[1], results[2], results[3]}
    assert ids(hapi, "Observation") & set(results) == set(results) - gone
    assert requests.get(f"{hapi}/Observation/{results[2]}", timeout=60).status_code == 410
    assert get(hapi, f"Observation/{results[4]}")["meta"]["security"] == relabelled["meta"]["security"]
    merged = golden_id(min(*people[5], *people[6]))
    assert ids(hapi, "Patient") - others == goldens - {golden_id(min(people[n])) for n in (5, 6)} | {merged}
    assert get(hapi, f"Observation/{results[6]}")["subject"]["reference"] == f"Patient/{merged}"
    with world.as_viewer(CLINIC) as view:
        numbers = [row[0] for row in view.conn.execute("SELECT patient FROM patient").fetchall()]
        shown = {str(w.fhir_id) for w in wanted_of(view, numbers) if w.type == "Observation"}
    assert ids(hapi, "Observation") & set(results) == shown


def test_killed_after_it_was_given_it_goes_on_and_nothing_is_written_twice(
    world: Clinic, hapi: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_PEOPLE_AT_ONCE", 2)
    for number in range(20, 26):
        hospital, _ = world.person(str(number))
        result(world, hospital, str(number))
    noting = pushing.note_taken
    taken = iter([True])

    def killed(*arguments: Any) -> None:
        if next(taken, False):
            noting(*arguments)
        else:
            raise PartnerUnavailable("killed before the answer was noted")

    monkeypatch.setattr(pushing, "note_taken", killed)
    options = {"url": hapi, "timeout_seconds": 60}
    with pytest.raises(PartnerUnavailable):
        push(world, hapi, options=options)
    before = versions(hapi)
    monkeypatch.setattr(pushing, "note_taken", noting)
    push(world, hapi, options=options)
    after = versions(hapi)
    assert {name: after.get(name) for name in before} == before
    with world.as_viewer(CLINIC) as view:
        numbers = [row[0] for row in view.conn.execute("SELECT patient FROM patient").fetchall()]
        shown = {str(w.fhir_id) for w in wanted_of(view, numbers) if w.type == "Observation"}
    assert shown <= ids(hapi, "Observation")
    assert len(shown) == 6
