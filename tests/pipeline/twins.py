"""Two clinics, each with a record of one of two twins whose names are nearly the same."""

from __future__ import annotations

from pathlib import Path

from tests.pipeline.coalition import CLINIC, make_home, observation, write_ndjson

TWIN = {
    "resourceType": "Patient",
    "gender": "female",
    "birthDate": "2015-04-01",
    "multipleBirthBoolean": True,
    "telecom": [{"system": "phone", "value": "217-555-0147"}],
    "address": [{"line": ["12 Oak Street"], "postalCode": "62701"}],
}


def make_twins(folder: Path) -> Path:
    """The home of both clinics; what they send lies in `elm` and `oak` below the folder."""
    home = make_home(folder / "home", folder / "elm")
    oak = home / "mappings" / "oak_clinic"
    oak.mkdir()
    other = (
        CLINIC.replace("elm-clinic", "oak-clinic").replace("Elm", "Oak").replace("1999999901", "1999999919")
    )
    (oak / "partner.yaml").write_text(other.format(folder=folder / "oak"))
    for clinic, given in (("elm", "Xiomara"), ("oak", "Xiomora")):
        (folder / clinic).mkdir()
        system = f"https://{clinic}-clinic.example/mrn"
        person = {
            **TWIN,
            "id": "p1",
            "identifier": [{"system": system, "value": "M1"}],
            "name": [{"family": "Harding", "given": [given]}],
        }
        write_ndjson(folder / clinic / "one.ndjson", [person, observation(1, 1)])
    return home
