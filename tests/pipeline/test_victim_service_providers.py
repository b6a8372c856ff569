"""What a victim service provider wrote into an HMIS export stays out, row by row (34 USC 12291(b)(2))."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from exchange.app import Exchange, find_partner, replay_quarantine
from tests.pipeline.pantry import held, make_pantry, open_pantry, run, write

PARTNER = """\
namespace: https://pantry.example/
organization: {{name: Continuum of Care, type: housing}}
agreement: {{type: DUA, signed: 2020-01-01}}
connector: {{type: folder, options: {{path: {folder}, settle_seconds: 0}}}}
feeds:
  clients: {{like: hmis/client, match: "*/Client.csv", program: {{}}}}
  stays: {{like: hmis/enrollment, match: "*/Enrollment.csv", program: {{}}}}
  projects: {{like: hmis/project, match: "*/Project.csv"}}
  providers: {{like: hmis/organization, match: "*/Organization.csv"}}
"""
KEPT = "DateCreated,DateUpdated,UserID,DateDeleted,ExportID"
TABLES = {
    "Client": (
        "PersonalID,FirstName,MiddleName,LastName,NameSuffix,NameDataQuality,SSN,SSNDataQuality,DOB,DOBDataQuality,"
        "Sex,AmIndAKNative,Asian,BlackAfAmerican,HispanicLatinao,MidEastNAfrican,NativeHIPacific,White,RaceNone,"
        f"AdditionalRaceEthnicity,VeteranStatus,{KEPT}\n"
        "C1,Ana,,Roe,,1,,99,1980-01-02,1,0,0,0,0,0,0,0,1,,,0,,,,,\n"
        "C2,Bea,,Doe,,1,,99,1981-01-02,1,0,0,0,0,0,0,0,1,,,0,,,,,\n"
        "C3,Cyd,,Poe,,1,,99,1982-01-02,1,0,0,0,0,0,0,0,1,,,0,,,,,\n"
        "C4,Dee,,Noe,,1,,99,1983-01-02,1,0,0,0,0,0,0,0,1,,,0,,,,,\n"
    ),
    "Enrollment": (
        "EnrollmentID,PersonalID,ProjectID,EntryDate,HouseholdID,LivingSituation,LengthOfStay,"
        f"TimesHomelessPastThreeYears,MonthsHomelessPastThreeYears,DisablingCondition,{KEPT}\n"
        "E1,C1,P1,2025-01-01,,,,,,,,,,,\n"
        "E2,C2,P2,2025-01-01,,,,,,,,,,,\n"
        "E3,C3,P1,2025-01-01,,,,,,,,,,,\n"
        "E4,C3,P2,2025-02-01,,,,,,,,,,,\n"
        "E5,C4,P7,2025-02-01,,,,,,,,,,,\n"
    ),
    "Exit": f"ExitID,EnrollmentID,PersonalID,ExitDate,Destination,OtherDestination,{KEPT}\n",
    "Project": (
        f"ProjectID,OrganizationID,ProjectName,ProjectCommonName,OperatingEndDate,ProjectType,{KEPT}\n"
        "P1,O1,North Side,,,0,,,,,\nP2,O2,The refuge,,,0,,,,,\n"
    ),
    "Organization": (
        f"OrganizationID,OrganizationName,VictimServiceProvider,OrganizationCommonName,{KEPT}\n"
        "O1,North Side Housing,0,,,,,,\nO2,A refuge,1,,,,,,\n"
    ),
}


def export(files: Path, day: str, tables: dict[str, str]) -> None:
    (files / day).mkdir()
    for name, text in tables.items():
        write(files, f"{day}/{name}.csv", text)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    files = make_pantry(tmp_path)
    shared = Path(__file__).parents[2] / "mappings/_shared"
    shutil.copytree(shared, tmp_path / "home/mappings/_shared", dirs_exist_ok=True)
    return files


def refused(exchange: Exchange) -> set[str]:
    with exchange.work.connect() as connection:
        rows = connection.execute(
            "SELECT s.key FROM quarantine q JOIN source_record s USING (record)"
            " WHERE q.code = 'forbidden' AND q.detail LIKE '%%34 USC 12291(b)(2)%%' AND q.replayed_by IS NULL"
        )
        return {row[0] for row in rows}


def test_rows_of_a_victim_service_provider_are_refused_one_by_one(
    files: Path, tmp_path: Path, database: str
) -> None:
    export(files, "day1", TABLES)
    exchange = open_pantry(tmp_path, database, PARTNER)
    done = run(exchange)
    assert done.balanced
    # C3 has been with the provider as well, C4 and E5 are of a project that the export does not know.
    assert refused(exchange) == {"C2", "C3", "C4", "E2", "E4", "E5", "P2", "O2"}
    assert (held(exchange, "Patient"), held(exchange, "EpisodeOfCare")) == (1, 1)
    replay_quarantine(exchange, find_partner(exchange.partners, "pantry"))
    assert refused(exchange) == {"C2", "C3", "C4", "E2", "E4", "E5", "P2", "O2"}
    assert held(exchange, "Patient") == 1


def test_what_turns_out_to_be_a_victim_service_providers_is_taken_back(
    files: Path, tmp_path: Path, database: str
) -> None:
    export(files, "day1", TABLES)
    exchange = open_pantry(tmp_path, database, PARTNER)
    run(exchange)
    assert held(exchange, "Patient") == 1
    export(
        files, "day2", {**TABLES, "Organization": TABLES["Organization"].replace("Housing,0", "Housing,1")}
    )
    assert run(exchange).balanced
    assert {"C1", "E1", "P1", "O1"} <= refused(exchange)
    assert (held(exchange, "Patient"), held(exchange, "EpisodeOfCare")) == (0, 0)


def test_without_the_files_that_tell_whose_rows_they_are_nothing_comes_in(
    files: Path, tmp_path: Path, database: str
) -> None:
    export(files, "day1", {name: text for name, text in TABLES.items() if name != "Organization"})
    exchange = open_pantry(tmp_path, database, PARTNER)
    assert run(exchange).balanced
    assert held(exchange, "Patient") == 0
    # The missing file comes late: the others are looked at again with it.
    write(files, "day1/Organization.csv", TABLES["Organization"])
    assert run(exchange).balanced
    assert held(exchange, "Patient") == 1
