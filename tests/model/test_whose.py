"""Whom a resource is about."""

from __future__ import annotations

import pytest

from exchange.model.fhir import patient_of


@pytest.mark.parametrize(
    ("actors", "patient"),
    [
        (["Practitioner/3", "Patient/7"], "7"),
        (["Patient/7", "Patient/7/_history/2"], "7"),
        (["Patient/7", "Patient/8"], None),
        (["Practitioner/3"], None),
        (["#me", "Patient"], None),
        ([], None),
    ],
)
def test_an_appointment_is_about_the_one_patient_it_is_with(actors: list[str], patient: str | None) -> None:
    participants = [{"actor": {"reference": actor}} for actor in actors]
    assert patient_of({"resourceType": "Appointment", "participant": participants}) == patient


def test_taking_part_in_anything_else_makes_nobody_its_patient() -> None:
    asked = {"resourceType": "AppointmentResponse", "participant": [{"actor": {"reference": "Patient/7"}}]}
    assert patient_of(asked) is None
    assert patient_of({"resourceType": "Appointment", "participant": [None, {"status": "accepted"}]}) is None
