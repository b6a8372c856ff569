"""The partners' own keys and namespaces: where the truth and the feeds agree on what a record is called."""

from __future__ import annotations

from exchange.model.ids import resource_id

# A multiplier without a common factor with ten million scatters the numbers, so that no key
# of one partner resembles the same person's key at another.
_SCATTER = {
    "lakeside_hospital": (7_368_787, "LAKESIDE|L{:07d}"),
    "prairie_clinic": (4_256_233, "pc-{:07d}"),
    "harbor_recovery": (6_128_071, "hr-{:07d}"),
    "willow_nursing": (3_571_429, "2.16.840.1.113883.19.20.1|W{:07d}"),
    "county_health": (9_142_913, "COUNTY|C{:07d}"),
    "hearth_housing": (5_741_503, "H{:07d}"),
    "good_table": (8_233_481, "GT-{:07d}"),
}
PARTNERS = tuple(_SCATTER)

NPIS = {
    "lakeside_hospital": "1999999901",
    "prairie_clinic": "1999999919",
    "harbor_recovery": "1999999927",
    "willow_nursing": "1999999935",
    "county_health": "1999999943",
    "hearth_housing": "1999999950",
    "good_table": "1999999968",
    "service_directory": "1999999976",
    "north_shelter": "1999999984",
    "southside_clinic": "1999999992",
}
NAMES = {
    "lakeside_hospital": "Lakeside Hospital",
    "prairie_clinic": "Prairie Community Clinic",
    "harbor_recovery": "Harbor Recovery Center",
    "willow_nursing": "Willow Nursing Home",
    "county_health": "County Health Department",
    "hearth_housing": "Hearth Housing Agency",
    "good_table": "Good Table Food Bank",
    "service_directory": "Prairie State Service Directory",
    "north_shelter": "North Shelter",
    "southside_clinic": "Southside Clinic",
}


def patient_key(partner: str, number: int, registration: int = 0) -> str:
    """The partner's key for the person's first, second, … registration with it."""
    factor, pattern = _SCATTER[partner]
    return pattern.format((((number + 1) * 2 + min(registration, 1)) * factor) % 10_000_000)


def namespace(partner: str) -> str:
    """The partner's namespace, as its partner.yaml declares it."""
    return f"https://{partner.replace('_', '-')}.example/"


def fhir_id(partner: str, resource_type: str, key: str) -> str:
    """The id the exchange gives to a partner's record."""
    return resource_id(namespace(partner), resource_type, key)
