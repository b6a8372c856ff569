"""Who asks for what changed since learns that two people are one, or are not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exchange.api.export import produce
from exchange.model.ids import golden_id
from exchange.repository.identity.edges import Verdict, write_events

LONG_AGO = datetime(2026, 11, 22, tzinfo=UTC)
SINCE = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def two(records):
    """Two Patients of long ago, in the order of their golden ids' contributions."""
    ids = [records.patient(code, "x", name=[{"family": "Rivera"}]) for code in
           ("lakeside_hospital", "prairie_clinic")]  # fmt: skip
    records.conn.execute("UPDATE resource SET updated = %s", [LONG_AGO])
    records.conn.commit()
    return sorted(ids)


@pytest.fixture
def say(records):
    """A steward's word on two Patients, as it stands in the record of links."""

    def write(kind, one, other, at=None):
        numbers = [
            records.conn.execute("SELECT patient FROM patient WHERE fhir_id = %s", [each]).fetchone()[0]
            for each in (one, other)
        ]
        at = at or datetime.now(UTC)
        write_events(records.conn, [(kind, *numbers, Verdict("certain", 1.0, "steward", {}))], at)
        if kind == "linked":
            records.link(one, other)
        else:
            records.conn.execute("DELETE FROM patient_edge")
        records.conn.commit()

    return write


@pytest.fixture
def since(export, download):
    def ask(path="$export?_type=Patient", **options):
        manifest = export(f"{path}&_since={SINCE.isoformat()}", **options)
        came = {one["id"]: [link["other"]["reference"] for link in one["link"]] for one in download(manifest)}
        gone = [entry["request"]["url"] for bundle in download(manifest, "deleted")
                for entry in bundle["entry"]]  # fmt: skip
        return came, gone, manifest

    return ask


def test_nothing_is_told_of_whom_nothing_changed(since, two):
    assert since()[:2] == ({}, [])


def test_a_link_brings_the_one_person_and_ends_the_other_id(since, say, two):
    say("linked", *two)
    came, gone, _ = since()
    assert came == {golden_id(two[0]): [f"Patient/{one}" for one in two]}
    assert gone == [f"Patient/{golden_id(two[1])}"]


def test_a_filter_finds_who_was_linked_too(since, say, two, records):
    filtered = "$export?_type=Patient&_typeFilter=Patient?family=rivera"
    assert since(filtered)[:2] == ({}, [])
    say("linked", *two)
    assert since(filtered)[0].keys() == {golden_id(two[0])}
    assert since(f"{filtered},Patient?family=nobody")[0].keys() == {golden_id(two[0])}
    records.publish_patient("prairie_clinic", records.patient("prairie_clinic", "new"))
    assert since("$export?_type=Patient&_typeFilter=Patient?active:missing=true")[0].keys() > {
        golden_id(two[0])
    }


def test_a_link_taken_back_brings_both_people(since, say, two):
    say("linked", *two, LONG_AGO)
    assert since()[:2] == ({}, [])
    say("unlinked", *two)
    came, gone, _ = since()
    assert came == {golden_id(one): [f"Patient/{one}"] for one in two}
    assert gone == []


def test_a_link_with_somebody_who_is_hidden_is_no_change(since, say, two, records):
    hidden = records.patient("prairie_clinic", "h")
    records.publish_patient("prairie_clinic", hidden, "HIV")
    records.conn.execute("UPDATE resource SET updated = %s", [LONG_AGO])
    say("linked", two[0], hidden)
    assert since()[:2] == ({}, [])


def test_a_group_is_told_of_its_members_alone(since, say, two):
    say("linked", *two)
    assert since(f"Patient/$export?_type=Patient&patient={two[1]}")[0].keys() == {golden_id(two[0])}


def test_a_link_taken_back_before_the_file_is_fetched_ends_no_id(since, say, two, download):
    say("linked", *two)
    manifest = since()[2]
    say("unlinked", *two)
    assert download(manifest, "deleted") == []


def test_an_id_that_ended_is_not_told_of_somebody_hidden_since(since, say, two, download, records):
    say("linked", *two)
    manifest = since()[2]
    assert len(download(manifest, "deleted")) == 1
    records.publish_patient("prairie_clinic", two[1], "HIV")
    records.publish_patient("prairie_clinic", two[0], "HIV")
    assert download(manifest, "deleted") == []


def test_another_process_tells_them_once(since, say, two, monkeypatch, records):
    whole, calls = produce._Production._note, []

    def note(self, state, *rest):
        if state == "done" and not calls:
            calls.append(state)
            raise RuntimeError
        return whole(self, state, *rest)

    monkeypatch.setattr(produce._Production, "_note", note)
    once = produce.work_once

    def twice(given):
        once(given)
        records.conn.execute("UPDATE export_job SET lease = '2026-01-01'")
        records.conn.commit()
        return once(given)

    monkeypatch.setattr("tests.api.export.conftest.work_once", twice)
    say("linked", *two)
    _, gone, manifest = since()
    assert calls
    assert gone == [f"Patient/{golden_id(two[1])}"]
    assert len(manifest["deleted"]) == 1
