"""Versions belong to what the viewer sees: history, vread, deletions. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import orjson
import pytest
from repository_world import AT, BASE, CLINIC, HOSPITAL, KEY, SHELTER, observation
from test_reprofile import consent

from exchange.model.ids import golden_id
from exchange.model.records import Labels
from exchange.repository import history, is_gone, read, read_version
from exchange.repository.reading.persons import find_person
from exchange.repository.storage.moments import stored_name, version_id

HIV = Labels("R", frozenset({"HIV"}))


@pytest.fixture
def person(world):
    return world.patient("hospital", "1", name=[{"family": "Ames"}])


@pytest.fixture
def send(world, person):
    """Publishes a version of one record, a second later than the one before, and gives its id."""

    def send(status, labels=None, days=0, effectiveDateTime="2026-11-20", **changes):  # noqa: N803
        world.at += timedelta(seconds=1)
        body = observation("hospital", person, "a", status=status, effectiveDateTime=effectiveDateTime)
        if labels:
            changes["labels"] = labels
        world.publish(world.item("hospital", body, event_time=AT + timedelta(days=days), **changes))
        return body["id"]

    return send


def seconds(version):
    """After AT, of the moment that a version is named by."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(stored_name(version)))
    return (moment - AT) // timedelta(seconds=1)


@pytest.fixture
def told(world):
    """The whole history of a record as (seconds after AT, status), (seconds, None) for a deletion."""

    def told(key, viewer=HOSPITAL, kind="Observation", query=""):
        found, more = [], True
        while more:
            with world.as_viewer(viewer) as view:
                page = history(view, kind, key, parse_qsl(query), BASE, KEY)
            if page is None:
                return None
            found += [
                (seconds(e.version), orjson.loads(e.body).get("status", "") if e.body else None)
                for e in page.entries
            ]
            query, more = (urlsplit(page.next).query, True) if page.next else ("", False)
        return found

    return told


def test_versions_go_from_the_newest_to_the_oldest(send, told):
    key = send("preliminary")
    send("final")
    send("amended")
    whole = [(3, "amended"), (2, "final"), (1, "preliminary")]
    assert told(key) == told(key, query="_count=1") == whole
    assert told(key, query="_since=2026-11-23T09:00:02Z") == whole[:2]


def test_each_version_can_be_read_as_it_was(world, send):
    key = send("preliminary")
    send("final")
    with world.as_viewer(HOSPITAL) as view:
        names = [version_id(AT + timedelta(seconds=n)) for n in (1, 2)]
        old, now = (read_version(view, "Observation", key, name) for name in names)
        assert stored_name(orjson.loads(old.body)["meta"]["versionId"]) == names[0]
        assert old == read_version(view, "Observation", key, old.version)
        assert orjson.loads(old.body)["status"] == "preliminary"
        assert orjson.loads(old.body)["subject"]["reference"] == f"Patient/{golden_id(world_patient(world))}"
        assert now.body == read(view, "Observation", key).body
        assert not any(read_version(view, "Observation", key, number) for number in "123")


def world_patient(world):
    return str(world.conn.execute("SELECT fhir_id FROM patient").fetchone()[0])


def test_a_version_that_was_protected_is_shown_to_no_one_else_nor_that_there_was_one(send, told):
    key = send("preliminary")
    send("final", HIV)
    send("amended")
    assert [status for _, status in told(key)] == ["amended", "final", "preliminary"]
    assert told(key, SHELTER) == told("", SHELTER) == [(3, "amended")]


def test_a_denial_that_reaches_an_old_version_alone_ends_the_history_there(world, person, send, told):
    """It is about when things happened, and the source corrected that meanwhile."""
    for day in ("2025-06-01", "2026-06-01", "2026-07-01"):
        key = send("final", effectiveDateTime=day)
    assert len(told(key, SHELTER)) == 3
    reading = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "access"}]}
    ]
    denied = {"type": "deny", "dataPeriod": {"start": "2025", "end": "2025"}, "action": reading}
    world.publish(
        world.item("hospital", consent(person, provision={"type": "permit", "provision": [denied]}))
    )
    assert told(key, SHELTER) == [(3, "final"), (2, "final")]
    with world.as_viewer(SHELTER) as view:
        assert read_version(view, "Observation", key, version_id(AT + timedelta(seconds=1))) is None


def test_who_may_not_see_the_record_of_today_sees_none_of_its_versions(send, told):
    key = send("preliminary")
    send("final", HIV)
    assert told(key, SHELTER) is None
    assert (2, "final") not in told("", SHELTER)


def test_who_saw_a_record_sees_that_it_was_deleted(world, send, told):
    key = send("final")
    world.at += timedelta(seconds=1)
    world.publish(deleted=(f"Observation/{key}",))
    assert told(key) == told(key, SHELTER) == [(2, None), (1, "final")]
    assert told("", SHELTER) == [(2, None), (1, "final")]
    with world.as_viewer(SHELTER) as view:
        assert is_gone(view, "Observation", key)
        assert not read_version(view, "Observation", key, version_id(world.at)).body


def test_who_did_not_see_it_does_not_see_that_it_was_deleted(world, send, told):
    key = send("preliminary")
    send("final", HIV)
    world.publish(deleted=(f"Observation/{key}",))
    assert told(key, HOSPITAL)[0] == (2, None)
    assert told(key, SHELTER) is None
    assert told("", SHELTER) == []
    with world.as_viewer(SHELTER) as view:
        assert not is_gone(view, "Observation", key)


@pytest.mark.parametrize("labels", [None, HIV])
def test_an_export_is_told_of_deletions_as_of_records(world, send, labels):
    key = send("final", labels)
    world.at += timedelta(seconds=1)
    world.publish(deleted=(f"Observation/{key}",))
    for viewer, seen in ((HOSPITAL, True), (SHELTER, labels is None)):
        with world.as_viewer(viewer) as view:
            since = view.conn.execute(
                "SELECT fhir_id::text FROM deleted_since(%s, '{Observation}', '', %s, 9)", (AT, UUID(int=0))
            ).fetchall()
            among = view.conn.execute(
                "SELECT fhir_id::text FROM deletions_told('{Observation}', ARRAY[%s]::uuid[])", (key,)
            ).fetchall()
        assert since == among == ([(key,)] if seen else [])


def test_what_was_withdrawn_and_never_deleted_is_no_deletion(world, send):
    """A row of the past alone: no tombstone says that its source took it back."""
    key = send("preliminary")
    send("final")
    world.conn.execute("DELETE FROM resource WHERE fhir_id = %s", (key,))
    world.conn.execute("UPDATE resource_history SET gone = true WHERE fhir_id = %s", (key,))
    world.conn.commit()
    with world.as_viewer(HOSPITAL) as view:
        for asked in (
            "SELECT * FROM deleted_since('2020-01-01', '{Observation}', '', %s, 9)",
            "SELECT * FROM deletions_told('{Observation}', ARRAY[%s]::uuid[])",
        ):
            given = UUID(int=0) if "since" in asked else UUID(key)
            assert view.conn.execute(asked, (given,)).fetchall() == []


def test_a_version_about_somebody_the_viewer_does_not_care_for_ends_the_history_there(world, send, told):
    """All have one class; only whom they are about differs."""
    key = send("preliminary")
    send("amended")
    send("final")
    other = world.patient("hospital", "2")
    world.conn.execute(
        "UPDATE resource_history h SET patient = p.patient FROM patient p"
        " WHERE p.fhir_id = %s AND h.fhir_id = %s AND convert_from(h.body, 'UTF8') LIKE '%%amended%%'",
        (other, key),
    )
    world.conn.execute(
        "INSERT INTO relationship (participant, patient, basis, until)"
        " SELECT 'clinic', patient, 'attestation', 'infinity' FROM patient WHERE fhir_id <> %s",
        (other,),
    )
    world.conn.commit()
    assert told(key, CLINIC) == [(3, "final")]
    assert told(key, HOSPITAL) == [(3, "final"), (2, "amended"), (1, "preliminary")]


def test_what_comes_again_after_it_was_deleted_goes_on(world, send, told):
    key = send("final")
    world.publish(deleted=(f"Observation/{key}",))
    send("amended")
    assert told(key, SHELTER) == [(2, "amended"), (1, None), (1, "final")]
    send("entered-in-error", HIV)
    assert told(key, SHELTER) is None


def test_what_came_late_was_never_current(send, told):
    key = send("final")
    send("preliminary", days=-2)
    assert told(key) == [(1, "final")]


def test_of_a_redacted_record_only_its_own_form_is_told(world, person, told):
    whole = observation("hospital", person, "r", note=[{"text": "secret"}])
    plain = observation("hospital", person, "r")
    for status in ("preliminary", "final"):
        world.at += timedelta(seconds=1)
        forms = [{**form, "status": status} for form in (whole, plain)]
        world.publish(world.item("hospital", forms[0], labels=HIV, redacted=(forms[1], Labels())))
    changed = {**whole, "status": "final", "note": [{"text": "another"}]}
    world.publish(world.item("hospital", changed, labels=HIV, redacted=(forms[1], Labels())))
    assert told(whole["id"], SHELTER) == [(2, "final"), (1, "preliminary")]
    assert len(told(whole["id"])) == 3
    with world.as_viewer(SHELTER) as view:
        page = history(view, "Observation", whole["id"], [], BASE, KEY)
    assert all(b"note" not in entry.body for entry in page.entries)


def test_a_golden_patient_has_the_versions_of_all_his_sources(world, person):
    world.at += timedelta(seconds=1)
    other = world.patient("hospital", "2", name=[{"family": "Ames"}], birthDate="1980")
    world.link(person, other)
    world.at += timedelta(seconds=1)
    world.patient("hospital", "2", name=[{"family": "Ames"}], birthDate="1981")
    with world.as_viewer(HOSPITAL) as view:
        golden = str(find_person(view, UUID(person)).golden_id)
        page = history(view, "Patient", golden, [], BASE, KEY)
        bodies = [orjson.loads(entry.body) for entry in page.entries]
        assert [body.get("birthDate") for body in bodies] == ["1981", "1980", None]
        assert {body["id"] for body in bodies} == {golden}
        assert page.entries[0].body == read(view, "Patient", golden).body
        for entry in page.entries:
            assert read_version(view, "Patient", golden, entry.version).body == entry.body
        assert [e.version for e in history(view, "Patient", "", [], BASE, KEY).entries] == [
            e.version for e in page.entries
        ]
        own = history(view, "Patient", other, [], BASE, KEY)
        assert [seconds(e.version) for e in own.entries] == [2, 1]


def test_a_page_stays_where_it_was_while_records_come(world, person, send, told):
    for status in ("preliminary", "final"):
        send(status)
    with world.as_viewer(HOSPITAL) as view:
        first = history(view, "Observation", "", [("_count", "1")], BASE, KEY)
    send("amended")
    with world.as_viewer(HOSPITAL) as view:
        second = history(view, "Observation", "", parse_qsl(urlsplit(first.next).query), BASE, KEY)
    assert [seconds(e.version) for e in (*first.entries, *second.entries)] == [2, 1]


def test_a_page_goes_on_with_what_is_older_when_the_version_it_follows_is_told_no_more(world, person):
    """A link that is taken back leaves other versions of the golden Patient: the rest is not passed over."""
    world.at += timedelta(seconds=1)
    other = world.patient("hospital", "2", name=[{"family": "Ames"}], birthDate="1980")
    world.link(person, other)
    world.at += timedelta(seconds=1)
    world.patient("hospital", "2", name=[{"family": "Ames"}], birthDate="1981")
    with world.as_viewer(HOSPITAL) as view:
        golden = str(find_person(view, UUID(person)).golden_id)
        first = history(view, "Patient", golden, [("_count", "1")], BASE, KEY)
    world.unlink(person, other)
    with world.as_viewer(HOSPITAL) as view:
        left = history(view, "Patient", golden, [], BASE, KEY).entries
        second = history(view, "Patient", golden, parse_qsl(urlsplit(first.next).query), BASE, KEY)
    assert first.entries[0].version not in [entry.version for entry in left]
    older = [entry.version for entry in left if entry.updated < first.entries[0].updated]
    assert [entry.version for entry in second.entries] == older[:1] != []
