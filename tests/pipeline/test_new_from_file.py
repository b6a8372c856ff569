"""A partner proposed from a spreadsheet runs as it was written, from the file to the repository."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from exchange.app import balance, find_partner, open_exchange
from exchange.app.partners.partners import new_partner
from exchange.app.partners.proposing import propose
from exchange.formats.profile import profile_table
from exchange.formats.table_layout import layout
from exchange.model.errors import ContentError
from exchange.pipeline.steps import run_partner
from exchange.settings import load_settings
from tests.formats.test_recognise import HELD_BACK, table
from tests.mapping.support import mapped
from tests.pipeline.coalition import make_home
from tests.pipeline.pantry import held

SHEETS = {
    "cdc_vaccine_extract": ("Immunization", "utf-8", ","),
    "pharmacy": ("Immunization", "cp1252", ";"),
    "reference_lab": ("Observation", "utf-16", "\t"),
    "laboratorio_clinico": ("Observation", "cp1252", ";"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    make_home(folder / "home", folder / "records")
    for sheet, (_, encoding, delimiter) in SHEETS.items():
        payload = table(HELD_BACK[sheet]).decode().replace(",", delimiter).encode(encoding)
        files = folder / sheet
        files.mkdir()
        (files / "export.csv").write_bytes(payload)
        saved = layout(payload)
        proposal = propose(profile_table(payload, saved), "export.csv")
        new_partner(
            folder / "home/mappings",
            sheet,
            "delimited",
            str(files),
            "2020-01-01",
            proposal=proposal,
            saved=saved,
        )
    return folder


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_proposed_partner_runs_as_it_was_written(sheet: str, home: Path, database: str) -> None:
    environment = {
        "EXCHANGE_HOME": str(home / "home"),
        "EXCHANGE_DATA": str(home / f"data_{sheet}"),
        "EXCHANGE_DATABASE_URL": database,
    }
    exchange = open_exchange(load_settings(environment), None)
    done = balance(exchange, run_partner(exchange.work, find_partner(exchange.partners, sheet)).run)
    assert done.balanced
    assert done.records["quarantined"] == 0
    assert held(exchange, SHEETS[sheet][0]) == 3


def test_a_file_without_a_header_is_told_without_what_stands_in_it() -> None:
    payload = b"P1,Roe,1980-01-02\nP2,Poe,1981-02-03\n"
    with pytest.raises(ContentError, match="no names of columns") as told:
        propose(profile_table(payload), "export.csv")
    assert "Roe" not in str(told.value)


def test_a_workbook_is_told_as_that() -> None:
    with pytest.raises(ContentError, match="workbook"):
        profile_table(b"PK\x03\x04\x14\x00")


def test_decimals_with_a_comma_are_numbers() -> None:
    payload = "Expediente;Fecha de atención;Peso (kg)\nP1;13/02/2026;72,5\nP2;14/02/2026;61\n".encode(
        "cp1252"
    )
    text, _ = propose(profile_table(payload), "export.csv")
    found = mapped(
        "delimited",
        text,
        orjson.dumps({"Expediente": "P1", "Fecha de atención": "13/02/2026", "Peso (kg)": "72,5"}),
    )
    (weight,) = [each for each in found.resources if each["resourceType"] == "Observation"]
    assert weight["valueQuantity"] == {
        "value": 72.5,
        "unit": "kg",
        "system": "http://unitsofmeasure.org",
        "code": "kg",
    }
