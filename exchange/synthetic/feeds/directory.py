"""service_directory: services in the Human Services Data Specification 3.0: https://docs.openreferral.org"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from exchange.synthetic.tables import places, rows

PARTNER = "service_directory"
Service = dict[str, Any]


def services(today: datetime) -> list[Service]:
    """Every service of the directory, with its organization and locations; a second site for every third."""
    found = [_service(number, row, today) for number, row in enumerate(rows("services"))]
    broken = {name: value for name, value in found[0].items() if name != "name"} | {
        "id": _id("service", "unnamed")
    }
    return [*found, broken]


def _id(kind: str, name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"https://service-directory.example/{kind}/{name}"))


def _service(number: int, row: dict[str, str], today: datetime) -> Service:
    name = f"{row['organization']}/{row['name']}"
    checked = today - timedelta(days=20 + 37 * (number % 7))
    return {
        "id": _id("service", name),
        "organization_id": _id("organization", row["organization"]),
        "name": row["name"],
        "description": row["description"],
        "email": "info@services.example",
        "status": "inactive" if row["name"] == "Bus passes" and today.day % 2 else "active",
        "application_process": "Call or walk in",
        "fees_description": row["fees"],
        "eligibility_description": row["eligibility"],
        "assured_date": checked.date().isoformat(),
        "last_modified": f"{checked.date().isoformat()}T09:00:00-06:00",
        "organization": _organization(row),
        "service_at_locations": [
            _at_location(row, name, site) for site in range(2 if number % 3 == 0 else 1)
        ],
        "phones": [{"id": _id("phone", name), "number": f"217555{7000 + number}", "type": "voice"}],
        "schedules": [_schedule(row, name)],
        "languages": [{"id": _id("language", name), "name": "Spanish", "code": "es"}] if number % 2 else [],
        "attributes": [_category(row, name)],
    }


def _organization(row: dict[str, str]) -> Service:
    name = row["organization"]
    slug = name.lower().replace(" ", "-")
    return {
        "id": _id("organization", name),
        "name": name,
        "description": f"{name} serves the county.",
        "website": f"https://{slug}.example",
        "legal_status": "nonprofit",
    }


def _at_location(row: dict[str, str], name: str, site: int) -> Service:
    place = places()[(len(name) + site * 3) % len(places())]
    hidden = row["confidential"] == "yes"
    address = {
        "id": _id("address", f"{name}/{site}"),
        "address_1": f"{100 + 7 * len(name) + site} Service Rd",
        "city": place.city,
        "state_province": place.state,
        "postal_code": place.zip,
        "country": "US",
        "address_type": "physical",
    }
    location: Service = {
        "id": _id("location", f"{name}/{site}"),
        "location_type": "physical",
        "name": f"{row['organization']}, site {site + 1}",
        "description": "Confidential location" if hidden else "",
        "addresses": [] if hidden else [address],
    }
    if not hidden:
        location |= {"latitude": 39.78 + site / 50, "longitude": -89.65 - site / 50}
    return {"id": _id("service-at-location", f"{name}/{site}"), "location": location}


def _schedule(row: dict[str, str], name: str) -> Service:
    hours = {"byday": row["byday"], "opens_at": row["opens"], "closes_at": row["closes"]}
    return {"id": _id("schedule", name), "freq": "WEEKLY", **hours}


def _category(row: dict[str, str], name: str) -> Service:
    taxonomy = {"id": _id("taxonomy", "gravity"), "name": "Gravity SDOH"}
    term = {"id": _id("term", row["category"]), "code": row["category"], "name": row["category_display"]}
    return {"id": _id("attribute", name), "taxonomy_term": term | {"taxonomy": taxonomy}}
