import pytest

from exchange.model.errors import RecordRejected
from tests.content.mapping import errors, mapped, of_type, the

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
