"""A label that comes late reaches history, and what had gone out before waits for the privacy officer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

import orjson
import pytest

from exchange.app import Exchange, find_partner
from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries, read_entry
from exchange.model.errors import Conflict
from exchange.model.ids import golden_id
from exchange.pipeline.balance import balance_of
from exchange.pipeline.steps import (
    link_step,
    map_step,
    pull_step,
    run_partner,
    safeguard_step,
    waiting_chunks,
)
from exchange.pipeline.sweep import stale_partners, sweep
from exchange.repository import close_late_disclosure, late_disclosures, publish, version_id
from tests.pipeline.coalition import CLINIC, observation, patient, write_ndjson
from tests.pipeline.pantry import make_pantry, open_pantry

HOSPITAL = """\
namespace: https://dunes.example/
organization: {name: Dunes Hospital, type: hospital, covered_entity: true, state: IN}
agreement: {type: BAA, signed: 2020-01-01}
requests: {purposes: [TREAT, HPAYMT]}
"""
ROW = "http://loinc.org,exact,4548-4,HIV,strong,,,a list that was corrected,ours\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_pantry(tmp_path)
    hospital = tmp_path / "home/mappings/dunes_hospital"
    hospital.mkdir()
    (hospital / "partner.yaml").write_text(HOSPITAL)
    return tmp_path


def send(folder: Path, exchange: Exchange, name: str, *resources: dict[str, object]) -> None:
    write_ndjson(folder / "records" / name, list(resources))
    run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic"))


def correct_list(folder: Path) -> None:
    file = folder / "home/consent/labels/hiv-sti.csv"
    file.write_text(file.read_text() + ROW)


def register_program(folder: Path, agreement: str) -> None:
    text = CLINIC.format(folder=folder / "records").replace(
        "type: clinic,", "type: clinic, part2_program: true,"
    )
    (folder / "home/mappings/elm_clinic/partner.yaml").write_text(text.replace("BAA", agreement))


def labels(exchange: Exchange, table: str, kind: str = "Observation") -> list[list[str]]:
    with exchange.work.connect() as connection:
        rows = connection.execute(
            f"SELECT labels FROM {table} t JOIN disclosure_class USING (class) WHERE t.type = %s", [kind]
        ).fetchall()
    return [row[0] for row in rows]


def ids(exchange: Exchange, kind: str) -> list[str]:
    with exchange.work.connect() as connection:
        rows = connection.execute("SELECT fhir_id::text FROM resource WHERE type = %s", [kind]).fetchall()
    return [row[0] for row in rows]


def disclose(exchange: Exchange, purpose: str = "TREAT") -> None:
    """The hospital read one Observation and found all by a search."""
    who = Requester("ehr", "dunes_hospital", "Dunes Hospital", "organization", purpose, "t")
    how = Circumstances(datetime.now(UTC), "https://hie.example", "192.0.2.7", "r")
    person = golden_id(ids(exchange, "Patient")[0])
    first = ids(exchange, "Observation")[0]
    observations = tuple(f"Observation/{key}" for key in ids(exchange, "Observation"))
    other = ("Condition/00000000-0000-4000-8000-000000000001",)
    with exchange.work.connect() as connection:
        append(connection, [read_entry(who, how, f"Observation/{first}", Disclosed(person))])
        append(connection, query_entries(who, how, "Observation", [Disclosed(person, observations)]))
        append(connection, query_entries(who, how, "Condition", [Disclosed(person, other)]))
        connection.commit()


def test_a_corrected_list_relabels_what_is_stored_and_its_history(folder: Path, database: str) -> None:
    before = open_pantry(folder, database)
    send(folder, before, "1.ndjson", patient(1), observation(1, of=1))
    send(folder, before, "2.ndjson", observation(1, of=1, value=7.5))
    assert sweep(before.work)[0].relabelled == 0
    correct_list(folder)
    after = open_pantry(folder, database)

    (done,) = sweep(after.work)

    assert (done.partner, done.relabelled, done.withdrawn) == ("elm_clinic", 2, 0)
    assert labels(after, "resource") == labels(after, "resource_history") == [["HIV"]]
    assert labels(after, "resource", "Patient") == [[]]
    with after.work.connect() as connection:
        body, updated = (
            connection.execute("SELECT body, updated FROM resource WHERE type = 'Observation'").fetchone()
            or ()
        )
        (found,) = connection.execute("SELECT count(*) FROM index_token JOIN resource USING (rid)"
                                      " WHERE type = 'Observation'").fetchone() or ()  # fmt: skip
    resource = orjson.loads(body)
    assert [c["code"] for c in resource["meta"]["security"]] == ["R", "HIV"]
    assert (resource["meta"]["versionId"], resource["valueQuantity"]["value"]) == (version_id(updated), 7.5)
    assert found > 0
    assert sweep(after.work) == []


def test_what_a_corrected_list_finds_of_a_minor_is_the_minors_own_care(folder: Path, database: str) -> None:
    before = open_pantry(folder, database)
    minor = {**patient(1), "birthDate": "2012-01-15"}
    send(folder, before, "1.ndjson", minor, patient(2), observation(1, of=1), observation(2, of=2))
    send(folder, before, "2.ndjson", observation(1, of=1, value=7.5))
    correct_list(folder)
    after = open_pantry(folder, database)
    sweep(after.work, batch=1)
    assert sorted(labels(after, "resource")) == [["ADOL", "HIV"], ["HIV"]]
    assert labels(after, "resource_history") == [["ADOL", "HIV"]]


def test_a_pass_ends_when_whoever_is_publishing_has_ended(folder: Path, database: str) -> None:
    """What he publishes may refer to what was labelled meanwhile, in the records of somebody else."""
    before = open_pantry(folder, database)
    send(folder, before, "1.ndjson", patient(1), observation(1, of=1))
    correct_list(folder)
    after = open_pantry(folder, database)
    with after.work.connect() as publishing, ThreadPoolExecutor(1) as threads:
        publish(publishing, [], (), after.context, datetime.now(UTC))
        sweeping = threads.submit(sweep, after.work)
        deadline = monotonic() + 20
        while labels(after, "resource") != [["HIV"]] and monotonic() < deadline:
            sleep(0.02)
        assert labels(after, "resource") == [["HIV"]]
        sleep(0.3)
        assert not sweeping.done()
        publishing.commit()
        assert sweeping.result(timeout=30)[0].relabelled == 1


def test_what_was_labelled_again_is_unchanged_when_it_is_sent_again(folder: Path, database: str) -> None:
    before = open_pantry(folder, database)
    send(folder, before, "1.ndjson", patient(1), observation(1, of=1))
    correct_list(folder)
    after = open_pantry(folder, database)
    sweep(after.work)
    send(folder, after, "2.ndjson", {**observation(1, of=1), "meta": {"source": "urn:x:again"}})
    with after.work.connect() as connection:
        for run in (1, 2):
            assert balance_of(connection, run).balanced
    assert labels(after, "resource") == [["HIV"]]


def test_what_went_out_and_would_be_denied_now_waits_for_one_decision(folder: Path, database: str) -> None:
    before = open_pantry(folder, database)
    send(folder, before, "1.ndjson", patient(1), observation(1, of=1), observation(2, of=1))
    disclose(before)
    correct_list(folder)
    after = open_pantry(folder, database)

    (done,) = sweep(after.work)

    with after.work.connect() as connection:
        found = late_disclosures(connection)
        assert done.late_disclosures == len(found) == 2
        assert {(d.participant, d.purpose, tuple(d.labels)) for d in found} == {
            ("dunes_hospital", "TREAT", ("HIV",))
        }
        assert sorted(d.times for d in found) == [1, 2]
        assert {d.because[0] for d in found} == {"in-communicable-disease-recipient"}
        entry = found[0].entry
        close_late_disclosure(connection, entry, "recall", "sent by mistake", "anna", after.work.now())
        with pytest.raises(Conflict):
            close_late_disclosure(connection, entry, "no-action", "again", "anna", after.work.now())
        assert [d.entry for d in late_disclosures(connection)] == [found[1].entry]
        decided = late_disclosures(connection, closed=True)[0]
        assert (decided.decision, decided.decided_by, decided.reason) == ("recall", "anna", "sent by mistake")


def test_a_disclosure_that_would_still_be_permitted_is_no_work(folder: Path, database: str) -> None:
    hospital = folder / "home/mappings/dunes_hospital/partner.yaml"
    hospital.write_text(HOSPITAL.replace("state: IN", "state: IL"))
    before = open_pantry(folder, database)
    send(folder, before, "1.ndjson", patient(1), observation(1, of=1))
    disclose(before)
    correct_list(folder)
    after = open_pantry(folder, database)
    assert sweep(after.work)[0].late_disclosures == 0
    assert labels(after, "resource") == [["HIV"]]


def test_a_sweep_that_was_killed_goes_on_where_it_was(folder: Path, database: str) -> None:
    before = open_pantry(folder, database)
    send(folder, before, "1.ndjson", patient(1), *(observation(n, of=1) for n in range(1, 6)))
    correct_list(folder)
    after = open_pantry(folder, database)

    class Killed(Exception):
        pass

    def kill(partner: str, records: int) -> None:
        if records == 4:
            raise Killed

    with pytest.raises(Killed):
        sweep(after.work, batch=2, progress=kill)
    assert sum(found == ["HIV"] for found in labels(after, "resource")) == 2
    assert stale_partners(after.work) == ["elm_clinic"]
    seen: list[int] = []
    sweep(after.work, batch=2, progress=lambda partner, records: seen.append(records))
    assert seen[:2] == [2, 3]  # of seven records three were left; a second pass follows
    assert labels(after, "resource") == [["HIV"]] * 5
    assert stale_partners(after.work) == []


def test_a_registered_program_makes_its_history_part_2_records(folder: Path, database: str) -> None:
    before = open_pantry(folder, database)
    send(folder, before, "1.ndjson", patient(1), observation(1, of=1))
    disclose(before, "HPAYMT")
    register_program(folder, "QSOA")
    after = open_pantry(folder, database)

    (done,) = sweep(after.work)

    assert labels(after, "resource") == [["42CFRPart2", "SUD"]]
    assert labels(after, "resource", "Patient") == [["42CFRPart2", "SUD"]]
    assert (done.withdrawn, done.late_disclosures) == (0, 1)


def test_records_of_a_program_without_a_service_agreement_leave_the_repository(
    folder: Path, database: str
) -> None:
    before = open_pantry(folder, database)
    send(folder, before, "1.ndjson", patient(1), observation(1, of=1))
    register_program(folder, "BAA")
    after = open_pantry(folder, database)
    (done,) = sweep(after.work)
    assert done.withdrawn == 2
    assert labels(after, "resource") == []
    assert labels(after, "withheld") == [["42CFRPart2", "SUD"]]


def test_what_was_labelled_before_a_list_changed_and_published_after_is_swept(
    folder: Path, database: str
) -> None:
    before = open_pantry(folder, database)
    send(folder, before, "1.ndjson", patient(1))
    sweep(before.work)
    write_ndjson(folder / "records/2.ndjson", [observation(1, of=1)])
    clinic = find_partner(before.partners, "elm_clinic")
    run = pull_step(before.work, clinic)
    for step in (map_step, safeguard_step, link_step):
        for chunk in waiting_chunks(before.work, run, "published"):
            step(before.work, clinic, run, chunk)
    correct_list(folder)
    after = open_pantry(folder, database)
    sweep(after.work)
    run_partner(after.work, find_partner(after.partners, "elm_clinic"))
    assert labels(after, "resource") == [[]]
    sweep(after.work)
    assert labels(after, "resource") == [["HIV"]]
