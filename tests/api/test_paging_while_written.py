"""Records come, change and go between two pages: what stayed as it was is met exactly once in any order."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

SEARCHES = (
    "Observation?_count=3",
    "Observation?_count=3&_sort=_id",
    "Observation?_count=3&_sort=-date",
    "Observation?_count=3&_sort=_lastUpdated",
    "Observation?_count=3&_sort=-_lastUpdated",
    "Observation?_count=3&code=2345-7&_sort=date,-_id",
    "Observation?_count=3&subject:Patient.family=Rivera&_include=Observation:subject",
    "Patient/{patient}/Observation?_count=3",
    "Patient/{patient}/$everything?_count=3",
)


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def patient(records):
    return records.patient("lakeside_hospital", "p", name=[{"family": "Rivera"}])


def published(records, patient, names):
    """Ids of Observations, by name."""
    return {name: records.observation("lakeside_hospital", patient, name) for name in names}


def pages(ask, software, token, path):
    """Ids of the Observations of each page."""
    while path:
        answer = ask(software, path, token=token)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        found = [entry["resource"] for entry in bundle.get("entry", ())]
        yield [one["id"] for one in found if one["resourceType"] == "Observation"]
        urls = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        path = (
            urlsplit(urls[0])._replace(scheme="", netloc="").geturl().removeprefix("/fhir/") if urls else ""
        )


@pytest.mark.parametrize("search", SEARCHES)
def test_what_stays_is_met_once_whatever_comes_and_goes(ask, software, token_of, records, patient, search):
    stays = published(records, patient, (f"stays-{n}" for n in range(8)))
    goes = published(records, patient, (f"goes-{n}" for n in range(8)))
    met = []
    for number, page in enumerate(pages(ask, software, token_of(software), search.format(patient=patient))):
        met += page
        assert number < 40, "pages come without end"
        last = page[-1] if page else None  # where the next page starts may be gone by then
        gone = [key for key in goes.values() if key == last] or list(goes.values())[:1]
        records.delete(*(f"Observation/{key}" for key in gone))
        goes = {name: key for name, key in goes.items() if key not in gone}
        if number < 4:
            published(records, patient, [f"comes-{number}-{n}" for n in range(2)])
    assert [key for key in stays.values() if met.count(key) != 1] == []
    assert len(met) == len(set(met))
