"""Other people's data: a folder and `exchange partner new` are enough, and every record is accounted for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from exchange.app import Exchange, balance, open_exchange
from exchange.app.partners.partners import new_partner
from exchange.pipeline import quarantine
from exchange.pipeline.steps import run_partner
from exchange.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EXCHANGE_SHARED", ROOT.parent / "shared")) / "data"

pytestmark = pytest.mark.external

# The last number is the least share that must be published: most HL7 v2 files of that set are of message
# types that have no map, and are quarantined by name of the type.
SETS = [
    pytest.param("fhir_json", "synthea_fhir_blaze", "*.json.bz2", 4, 0.9, id="Synthea bundles"),
    pytest.param("hl7v2", "hl7v2_fhir_converter/input", "*.hl7", 200, 0.1, id="HL7 v2 messages"),
    pytest.param("ccda", "ccda_fhir_converter/input", "*.ccda", 30, 0.9, id="C-CDA documents"),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A content home of this project's shared maps and rules, with nobody in it."""
    shutil.copytree(ROOT / "mappings" / "_shared", tmp_path / "home" / "mappings" / "_shared")
    shutil.copytree(ROOT / "consent", tmp_path / "home" / "consent")
    return tmp_path / "home"


def some_files(source: Path, match: str, most: int, folder: Path) -> Path:
    """A folder with the smallest files of a set, reference data first."""
    if not source.is_dir():
        pytest.skip(f"{source.name} is not here")
    folder.mkdir()
    found = sorted(source.glob(match), key=lambda path: (not path.name.startswith("0-"), path.stat().st_size))
    for path in found[:most]:
        shutil.copy(path, folder)
    return folder


def with_partner(home: Path, kind: str, files: Path, match: str, database: str) -> Exchange:
    """The exchange with one partner, made as `exchange partner new` makes it."""
    new_partner(home / "mappings", "maple", kind, str(files), "2026-01-01", match)  # type: ignore[arg-type]
    variables = {
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(home.parent / "data"),
        "EXCHANGE_DATABASE_URL": database,
    }
    return open_exchange(load_settings(variables))


@pytest.mark.parametrize(("kind", "folder", "match", "most", "least"), SETS)
def test_every_record_of_a_folder_is_published_withheld_or_quarantined_with_a_reason(
    kind: str, folder: str, match: str, most: int, least: float, home: Path, tmp_path: Path, database: str
) -> None:
    files = some_files(SHARED / folder, match, most, tmp_path / "files")
    exchange = with_partner(home, kind, files, match, database)
    run = run_partner(exchange.work, exchange.partners["maple"])
    counts = balance(exchange, run.run)
    with exchange.work.connect() as connection:
        reasons = {finding.record for finding in quarantine.open_findings(connection, "maple", 10_000)}
    assert run.status == "balanced"
    assert counts.records["published"] > counts.pulled * least
    assert len(reasons) >= counts.records["quarantined"]


@pytest.mark.parametrize(("kind", "folder", "match", "most", "least"), SETS[1:2])
def test_a_second_run_finds_nothing_new(
    kind: str, folder: str, match: str, most: int, least: float, home: Path, tmp_path: Path, database: str
) -> None:
    files = some_files(SHARED / folder, match, most, tmp_path / "files")
    exchange = with_partner(home, kind, files, match, database)
    first = balance(exchange, run_partner(exchange.work, exchange.partners["maple"]).run)
    again = balance(exchange, run_partner(exchange.work, exchange.partners["maple"]).run)
    assert first.records["published"] >= first.pulled * least
    assert again.records["published"] == 0
