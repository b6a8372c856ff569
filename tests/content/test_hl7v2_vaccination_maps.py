"""What the shared HL7 v2 maps make of doses and of what is observed with them."""

from __future__ import annotations

import pytest

from exchange.model.records import Mapped
from tests.content.mapping import codes, errors, mapped, of_type, the


def vaccinated(*segments: str) -> Mapped:
    header = r"MSH|^~\&|IIS|COUNTY|||2026||VXU^V04|1|P|2.5.1"
    message = "\r".join([header, "PID|1||C1^^^COUNTY^SR||Doe^Ann", *segments])
    return mapped("county_health", "immunizations", message.encode())


def dose(rxa: str) -> dict:
    return the(vaccinated("ORC|RE||I1^IIS", rxa), "Immunization")


@pytest.mark.parametrize(
    ("completion", "action", "status"),
    [
        *[("CP", "A", "completed"), ("PA", "A", "completed"), ("RE", "A", "not-done")],
        *[("NA", "A", "not-done"), ("CP", "D", "entered-in-error")],
    ],
)
def test_a_dose_is_given_or_not(completion, action, status):
    fields = {3: "20240909", 5: "208^COVID-19^CVX", 20: completion, 21: action}
    rxa = "RXA|" + "|".join(fields.get(number, "") for number in range(1, 22))
    assert dose(rxa)["status"] == status


@pytest.mark.parametrize(("source", "primary"), [("00", True), ("01", False), ("", None)])
def test_a_dose_told_by_others_is_no_primary_source(source, primary):
    assert dose(f"RXA|0|1|20240909||208^x^CVX|999|||{source}^x^NIP001").get("primarySource") is primary


def test_a_dose_without_a_vaccine_is_made_and_is_not_valid():
    found = vaccinated("ORC|RE||I1^IIS", "RXA|0|1|20240909")
    assert [expression for expression, _ in errors(found)] == ["Immunization.vaccineCode"]


def test_doses_that_a_registry_sends_under_one_number_stay_apart():
    """Seen with a registry that gives every ORC the same filler number."""

    def order(day: str, vaccine: str) -> tuple[str, str]:
        return "ORC|RE||65930^DCS", f"RXA|0|1|{day}||{vaccine}^{vaccine}^CVX|0.5|mL^^UCUM||01^x^NIP001"

    given = [("20040315", "08"), ("20040515", "08"), ("20040515", "116"), ("20040515", "116")]
    found = vaccinated(*(segment for dose in given for segment in order(*dose)))
    doses = of_type(found, "Immunization")
    assert [(d["occurrenceDateTime"], codes(d["vaccineCode"])) for d in doses] == [
        ("2004-03-15", ["08"]),
        ("2004-05-15", ["08"]),
        ("2004-05-15", ["116"]),
    ]
    alone = vaccinated(*order("20040315", "08"))
    assert the(alone, "Immunization")["id"] == doses[0]["id"]


def test_what_is_observed_with_a_dose_is_an_observation_of_it():
    found = vaccinated(
        "ORC|RE||9999^DCS",
        "RXA|0|1|20090412|20090412|998^No vaccine administered^CVX|999||||||||||||||NA",
        "OBX|1|CE|59784-9^Disease with presumed immunity^LN|1|66071002^Hepatitis B^SCT||||||F|||20090412",
        "OBX|2|CE|64994-7^Eligibility^LN|1|V02^Medicaid^HL70064||||||F",
        "ORC|RE||7^DCS",
        "RXA|0|1|20090412|20090412|08^Hep B^CVX|0.5|mL^^UCUM",
    )
    immunity = the(found, "Observation")
    assert codes(immunity["valueCodeableConcept"]) == ["66071002"]
    assert immunity["partOf"] == [{"reference": f"Immunization/{of_type(found, 'Immunization')[0]['id']}"}]
    assert [dose["status"] for dose in of_type(found, "Immunization")] == ["not-done", "completed"]
    assert errors(found) == []


def test_where_a_dose_was_given_is_told_as_since_version_2_6():
    found = dose("RXA|0|1|20260102||08^HepB^CVX|1|mL||||" + "|" * 16 + "WARD^^^NORTH CLINIC")

    assert found["location"] == {"display": "NORTH CLINIC"}
