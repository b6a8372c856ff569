import os
from pathlib import Path

import pytest

from exchange.formats import split
from exchange.model.errors import RecordRejected
from exchange.model.records import Document
from tests.content.mapping import codes, errors, mapped, maps_of, of_type, the

SERVICE = {
    "id": "s1",
    "name": "Mobile pantry",
    "status": "active",
    "last_modified": "2026-10-31T09:00:00-06:00",
    "eligibility_description": "Residents of the county",
    "organization": {
        "id": "o1",
        "name": "Good Table",
        "tax_id": "12-3456789",
        "website": "https://a.example",
    },
    "service_at_locations": [
        {
            "location": {
                "id": "l1",
                "location_type": "physical",
                "name": "Hall",
                "latitude": 39.8,
                "longitude": -89.7,
                "addresses": [
                    {
                        "address_1": "1 Hall Rd",
                        "city": "Springfield",
                        "state_province": "IL",
                        "postal_code": "62701",
                        "country": "US",
                        "address_type": "physical",
                    }
                ],
            }
        }
    ],
    "schedules": [{"byday": "MO,WE", "opens_at": "09:00", "closes_at": "16:00"}],
    "attributes": [
        {
            "taxonomy_term": {
                "code": "food-insecurity",
                "name": "Food Insecurity",
                "taxonomy": {"name": "Gravity SDOH"},
            }
        }
    ],
}


def test_a_service_brings_its_organization_and_locations():
    found = mapped("service_directory", "services", SERVICE)

    service, location = the(found, "HealthcareService"), the(found, "Location")
    assert service["providedBy"] == {"reference": f"Organization/{the(found, 'Organization')['id']}"}
    assert service["location"] == [{"reference": f"Location/{location['id']}"}]
    assert service["category"][0]["coding"][0]["code"] == "food-insecurity"
    assert service["availableTime"][0]["daysOfWeek"] == ["mon", "wed"]
    assert location["address"]["line"] == ["1 Hall Rd"]
    assert errors(found) == []


@pytest.mark.parametrize("status", ["inactive", "defunct", "temporarily closed"])
def test_a_service_is_active_only_when_it_says_so(status):
    found = mapped("service_directory", "services", {**SERVICE, "status": status})

    assert the(found, "HealthcareService")["active"] is False


@pytest.mark.parametrize("where", ["service", "location"])
def test_a_confidential_place_keeps_city_and_state_only(where):
    location = SERVICE["service_at_locations"][0]["location"]
    said = {**location, "description": "Confidential location"} if where == "location" else location
    shelter = {**SERVICE, "service_at_locations": [{"location": said}]}
    if where == "service":
        shelter["description"] = "A confidential shelter"

    found = mapped("service_directory", "services", shelter)

    assert the(found, "Location")["address"] == {"city": "Springfield", "state": "IL"}
    assert "position" not in the(found, "Location")
    assert "Hall Rd" not in repr(found)
    assert errors(found) == []


def test_a_service_without_a_name_is_rejected():
    with pytest.raises(RecordRejected, match="name"):
        mapped("service_directory", "services", {**SERVICE, "name": ""})


def test_a_service_without_locations_is_still_a_service():
    found = mapped("service_directory", "services", {**SERVICE, "service_at_locations": []})

    assert of_type(found, "Location") == []
    assert errors(found) == []


def test_hours_of_a_place_and_what_a_service_asks_for_are_kept():
    place = {**SERVICE["service_at_locations"][0]["location"], "schedules": SERVICE["schedules"]}
    asking = {"cost_options": [{"option": "Free"}], "required_documents": [{"document": "Proof of address"}]}
    sent = {
        **SERVICE,
        **asking,
        "program": {"name": "Pantries"},
        "service_at_locations": [{"location": place}],
    }

    found = mapped("service_directory", "services", sent)

    (hours,) = the(found, "Location")["hoursOfOperation"]
    service = the(found, "HealthcareService")
    assert (hours["daysOfWeek"], hours["openingTime"]) == (["mon", "wed"], "09:00:00")
    assert [item["text"] for item in service["characteristic"]] == ["Free", "Proof of address"]
    assert service["program"] == [{"text": "Pantries"}]
    assert errors(found) == []


SHARED = os.environ.get("EXCHANGE_SHARED", Path(__file__).parents[3] / "shared")
EXAMPLES = Path(SHARED) / "data/hsds/examples"
published = pytest.mark.skipif(not EXAMPLES.exists(), reason="the published examples are not here")


def example(name):
    feed = maps_of("service_directory").partner.feeds["services"]
    document = Document("services", name, (EXAMPLES / name).read_bytes())
    return [
        mapped("service_directory", "services", piece.payload)
        for piece in split(document, feed, maps_of("service_directory").partner)
    ]


@published
def test_the_published_service_keeps_what_it_says():
    (found,) = example("service_full.json")
    service, there = of_type(found, "HealthcareService")
    place, area = of_type(found, "Location")
    organization = the(found, "Organization")
    assert service["providedBy"]["reference"] == f"Organization/{organization['id']}"
    assert service["extension"][0]["valueDate"] == "2005-06-30"
    assert service["coverageArea"] == [{"reference": f"Location/{area['id']}"}]
    assert [part["comment"] for part in service["eligibility"]][1:] == ["Minimum age 12", "Maximum age 100"]
    assert [codes(language) for language in service["communication"]] == [["ur"]]
    assert service["availableTime"][0] == {
        "daysOfWeek": ["thu", "fri"],
        "availableStartTime": "10:00:00",
        "availableEndTime": "18:00:00",
    }
    assert "public holidays" in service["availabilityExceptions"]
    assert "Under 18s and Over 60s 35 gbp per 1 hour session" in [
        c["text"] for c in service["characteristic"]
    ]
    assert service["type"][0]["coding"][0] == {
        "system": "http://example.com",
        "code": "code",
        "display": "name",
    }
    assert service["telecom"][0]["value"] == "+44 1234 234567"
    assert there["location"] == [{"reference": f"Location/{place['id']}"}]
    assert there["availableTime"] == service["availableTime"]
    assert "induction loops" in place["description"]
    assert organization["identifier"][1]["value"] == "1234567"
    assert organization["partOf"]
    assert errors(found) == []


@published
def test_the_published_organization_brings_its_services_and_places():
    itself, service = example("organization_full.json")
    organization = the(itself, "Organization")
    assert (organization["name"], organization["contact"][0]["name"]["text"]) == (
        "Example Organization Inc.",
        "Ann Persona",
    )
    assert [r["resourceType"] for r in itself.resources] == ["Organization", "Location"]
    assert of_type(service, "HealthcareService")[0]["providedBy"]["reference"].endswith(organization["id"])
    assert errors(itself) == errors(service) == []


@published
def test_the_published_service_at_a_location_is_the_same_as_within_its_service():
    (found,) = example("service_at_location_full.json")
    (within,) = example("service_full.json")
    ids = {(r["resourceType"], r["id"]) for r in found.resources}
    assert ids < {(r["resourceType"], r["id"]) for r in within.resources}
    assert {kind for kind, _ in ids} == {"HealthcareService", "Location", "Organization"}
    assert errors(found) == []


@published
@pytest.mark.parametrize("name", ["taxonomy.json", "taxonomy_term.json"])
def test_what_is_neither_service_nor_organization_is_refused(name):
    with pytest.raises(RecordRejected, match="makes nothing"):
        example(name)


def test_days_of_a_month_are_told_in_words_and_hidden_places_stay_hidden_at_a_location():
    monthly = {"freq": "MONTHLY", "byday": "2MO", "opens_at": "09:00", "description": "Second Monday"}
    found = mapped("service_directory", "services", {**SERVICE, "schedules": [monthly]})
    service = of_type(found, "HealthcareService")[0]
    assert "availableTime" not in service
    assert service["availabilityExceptions"] == "Second Monday"
    there = {
        "id": "sl",
        "location": SERVICE["service_at_locations"][0]["location"],
        "service": {"id": "s1", "name": "Confidential shelter", "status": "active"},
    }
    place = the(mapped("service_directory", "services", there), "Location")
    assert place["address"] == {"city": "Springfield", "state": "IL"}
    assert "position" not in place


@pytest.mark.parametrize(
    ("schedule", "weekly", "told"),
    [
        ({"freq": "WEEKLY", "interval": 1, "byday": "MO"}, True, None),
        (
            {"freq": "WEEKLY", "interval": 2, "byday": "MO", "description": "Every second Monday"},
            False,
            "Every second Monday",
        ),
        (
            {"freq": "MONTHLY", "byday": "MO", "opens_at": "09:00", "closes_at": "12:00"},
            False,
            "MONTHLY MO 09:00 - 12:00",
        ),
        (
            {"byday": "MO", "valid_from": "2026-06-01", "valid_to": "2026-08-31", "notes": "Summer"},
            True,
            "Summer Valid from 2026-06-01 Valid to 2026-08-31",
        ),
    ],
)
def test_hours_are_weekly_only_where_the_schedule_is(schedule, weekly, told):
    found = mapped("service_directory", "services", {**SERVICE, "schedules": [schedule]})
    service = of_type(found, "HealthcareService")[0]
    assert ("availableTime" in service) == weekly
    assert service.get("availabilityExceptions") == told
