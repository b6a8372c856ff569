"""A small coalition of folders for tests: a clinic that sends FHIR and a food bank that sends CSV."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from exchange.app import Exchange, open_exchange
from exchange.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]

CLINIC = """\
namespace: https://elm-clinic.example/
organization: {{name: Elm Clinic, type: clinic, npi: "1999999901", covered_entity: true}}
agreement: {{type: BAA, signed: 2020-01-01}}
requests: {{purposes: [TREAT]}}
connector: {{type: folder, options: {{path: {folder}, settle_seconds: 0}}}}
chunk_records: 40
feeds:
  records: {{format: fhir_json, map: _shared/maps/fhir_r4.map.yaml, match: "*.ndjson"}}
"""


def make_home(folder: Path, records: Path) -> Path:
    """A content home with the shared maps, the real consent rules and one partner, `elm_clinic`."""
    shutil.copytree(ROOT / "mappings" / "_shared", folder / "mappings" / "_shared")
    shutil.copytree(ROOT / "consent", folder / "consent")
    clinic = folder / "mappings" / "elm_clinic"
    clinic.mkdir()
    (clinic / "partner.yaml").write_text(CLINIC.format(folder=records))
    return folder


def open_clinic(folder: Path, database: str) -> Exchange:
    """The exchange of a home with that clinic, whose files are in `records`."""
    home = make_home(folder, folder / "records")
    environment = {
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(folder / "data"),
        "EXCHANGE_DATABASE_URL": database,
    }
    return open_exchange(load_settings(environment))


def patient(number: int, family: str = "Rivera") -> dict[str, object]:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [{"system": "https://elm-clinic.example/mrn", "value": f"M{number:05}"}],
        "name": [{"family": f"{family}{_letters(number)}", "given": [f"Ana{_letters(number * 7 + 3)}"]}],
        "gender": "female",
        "birthDate": f"{1930 + number % 80}-{1 + number % 12:02}-{1 + number % 28:02}",
    }


def observation(number: int, of: int, value: float = 5.5) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
        "subject": {"reference": f"Patient/p{of}"},
        "effectiveDateTime": f"2026-03-{1 + number % 28:02}T08:00:00Z",
        "valueQuantity": {
            "value": value,
            "unit": "%",
            "system": "http://unitsofmeasure.org",
            "code": "%",
        },
    }


def write_ndjson(path: Path, resources: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(resource) + "\n" for resource in resources))
    part.rename(path)


def _letters(number: int) -> str:
    """Names that differ in letters, so that no two people of the test look like one.

    >>> _letters(3)
    'qhj'
    """
    number = (number * 7919 + 101) % 17576
    return "".join(chr(97 + number // 26**power % 26) for power in range(3))
