"""Relationships stated over the API: each opens what it names, as long as it says, and tells nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from exchange.model.records import Viewer
from exchange.repository import emergency_accesses, read, reader, review_emergency

NOBODY = "00000000-0000-4000-8000-000000000000"
TOLD = {
    "recipient": "Dr. A. Example",
    "recipient_affiliation": "Lakeside Hospital, emergency department",
    "emergency_nature": "unconscious after a fall",
}
JSON = {"Content-Type": "application/fhir+json"}


def parameters(**told):
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, "valueString": text} for name, text in told.items()],
    }


def panel(*patients, **changes):
    members = [{"entity": {"reference": f"Patient/{patient}"}} for patient in patients]
    return {"resourceType": "Group", "type": "person", "actual": True, "member": members, **changes}


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def hospital(register):
    """Software that asks for a purpose that needs a relationship, and may state some."""
    scopes = ["system/*.rs", "system/Group.cud"]
    return replace(register("lakeside_hospital", scopes=scopes), purpose="COVERAGE")


@pytest.fixture
def emergency(hospital):
    return replace(hospital, purpose="BTG")


@pytest.fixture
def stranger(records):
    """A Patient of another participant, and an Observation about him."""
    patient = records.patient("prairie_clinic", "p1", name=[{"family": "Okafor"}])
    return patient, records.observation("prairie_clinic", patient, "o1")


@pytest.fixture
def act(ask, token_of):
    def send(software, method, path, body=None, **headers):
        token = token_of(software, scope="system/*.rs system/Group.cud")
        extra = {"json": body} if body is not None else {}
        return ask(software, path, method=method, token=token, headers={**JSON, **headers}, **extra)

    return send


def sees(act, software, observation):
    return act(software, "GET", f"Observation/{observation}").status_code == 200


@pytest.fixture
def sees_later(pool, database):
    """Whether the hospital would see an Observation after so long."""

    def ask(observation, after, purpose="COVERAGE"):
        viewer = Viewer("lakeside_hospital", "organization", purpose)
        with reader(pool, viewer, datetime.now(UTC) + after) as view:
            seen = read(view, "Observation", observation) is not None
        with psycopg.connect(database) as conn:
            conn.execute("SELECT setval('latest_instant', 0)")  # back to the present
        return seen

    return ask


def break_glass(act, software, patient, **changes):
    told = {name: text for name, text in {**TOLD, **changes}.items() if text is not None}
    return act(software, "POST", f"Patient/{patient}/$break-glass", parameters(**told))


def test_a_broken_glass_opens_one_person_for_an_hour(act, emergency, stranger, records, sees_later):
    patient, observation = stranger
    other = records.patient("prairie_clinic", "p2")
    others = records.observation("prairie_clinic", other, "o2")
    assert not sees(act, emergency, observation)
    answer = break_glass(act, emergency, patient)
    assert answer.status_code == 201, answer.text
    assert sees(act, emergency, observation)
    assert not sees(act, emergency, others)
    assert sees_later(observation, timedelta(minutes=59), "BTG")
    assert not sees_later(observation, timedelta(minutes=61), "BTG")


def test_a_broken_glass_opens_nothing_for_another_purpose_and_nobody_else(
    act, emergency, hospital, register, stranger
):
    break_glass(act, emergency, stranger[0])
    assert not sees(act, hospital, stranger[1])


def test_the_law_s_fields_are_written_down_before_anything_opens(act, emergency, stranger, database):
    break_glass(act, emergency, stranger[0])
    with psycopg.connect(database) as conn:
        (found,) = emergency_accesses(conn)
    assert found.statement.keys() == {*TOLD, "discloser", "datetime"}
    assert (found.participant, found.patient, found.decision) == ("lakeside_hospital", stranger[0], None)
    assert found.until - found.at == timedelta(hours=1)


@pytest.mark.parametrize(
    "changes",
    [{"recipient": None}, {"recipient_affiliation": " "}, {"emergency_nature": ""}, {"discloser": "nobody"}],
)
def test_an_emergency_that_leaves_out_what_the_law_asks_opens_nothing(act, emergency, stranger, changes):
    assert break_glass(act, emergency, stranger[0], **changes).status_code == 422
    assert not sees(act, emergency, stranger[1])


def test_whether_there_is_such_a_person_shows_nowhere(act, emergency, hospital, stranger):
    def shape(answer):
        names = [p["name"] for p in answer.json()["parameter"]]
        return answer.status_code, names, sorted(h for h in answer.headers if h != "x-request-id")

    known, unknown = (break_glass(act, emergency, patient) for patient in (stranger[0], NOBODY))
    assert shape(known) == shape(unknown)
    attested = [
        act(hospital, "POST", f"Patient/{patient}/$attest-relationship", parameters(reason="ours"))
        for patient in (stranger[0], NOBODY)
    ]
    assert shape(attested[0]) == shape(attested[1])


def test_another_purpose_breaks_no_glass_and_an_emergency_attests_nothing(act, emergency, hospital, stranger):
    assert break_glass(act, hospital, stranger[0]).status_code == 403
    reason = parameters(reason="ours")
    assert act(emergency, "POST", f"Patient/{stranger[0]}/$attest-relationship", reason).status_code == 403
    assert act(emergency, "PUT", f"Group/{NOBODY}", panel(stranger[0])).status_code == 403
    assert not sees(act, hospital, stranger[1])


def test_an_emergency_ends_no_relationship(act, emergency, hospital, stranger):
    own = f"Group/{act(hospital, 'POST', 'Group', panel(stranger[0])).json()['id']}"
    attested = f"Patient/{stranger[0]}/$attest-relationship"
    for path in (own, f"Group/{NOBODY}", attested):  # alike whether there is something to end
        assert act(emergency, "DELETE", path).status_code == 403
    assert sees(act, hospital, stranger[1])


def test_a_participant_has_only_so_many_emergencies_open(act, emergency, service, stranger, records):
    most = service.limits.emergencies
    answers = [break_glass(act, emergency, stranger[0]).status_code for _ in range(most + 1)]
    assert answers == [201] * most + [429]


def test_an_emergency_is_in_the_audit_log_and_waits_for_review(
    act, emergency, stranger, audit_rows, database
):
    break_glass(act, emergency, stranger[0])
    (found,) = [row for row in audit_rows() if row[0] == "care.emergency"]
    assert (found[1], found[2]) == ("lakeside_hospital", stranger[0])
    assert found[3]["subtype"][-1]["code"] == "110127"
    with psycopg.connect(database) as conn:
        (entry,) = emergency_accesses(conn)
        review_emergency(conn, entry.entry, "justified", "seen in the log", "officer", datetime.now(UTC))
        assert emergency_accesses(conn) == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("UPDATE emergency_access SET reason = 'other'")


def test_an_attested_relationship_opens_and_ends_by_itself_or_when_it_is_taken_back(
    act, hospital, stranger, sees_later, audit_rows
):
    path = f"Patient/{stranger[0]}/$attest-relationship"
    assert not sees(act, hospital, stranger[1])
    assert act(hospital, "POST", path, parameters(reason="new patient")).status_code == 201
    assert sees(act, hospital, stranger[1])
    assert act(hospital, "DELETE", path).status_code == 204
    assert not sees(act, hospital, stranger[1])
    act(hospital, "POST", path, parameters(reason="new patient"))
    assert sees_later(stranger[1], timedelta(days=89))
    assert not sees_later(stranger[1], timedelta(days=91))
    assert [row[0] for row in audit_rows()].count("care.stated") == 2


def test_a_panel_opens_its_members_and_ends_when_they_leave_it(act, hospital, stranger, records, sees_later):
    patient, observation = stranger
    created = act(hospital, "POST", "Group", panel(patient, NOBODY))
    assert created.status_code == 201, created.text
    assert sees(act, hospital, observation)
    path = f"Group/{created.json()['id']}"
    assert act(hospital, "PUT", path, panel(NOBODY)).status_code == 200
    assert not sees(act, hospital, observation)
    act(hospital, "PUT", path, panel(patient))
    assert sees(act, hospital, observation)
    assert sees_later(observation, timedelta(days=99))
    assert not sees_later(observation, timedelta(days=101))
    assert act(hospital, "DELETE", path).status_code == 204
    assert not sees(act, hospital, observation)


def test_a_panel_has_versions(act, hospital, stranger):
    path = f"Group/{NOBODY}"
    first = act(hospital, "PUT", path, panel(stranger[0]))
    assert (first.status_code, first.headers["etag"]) == (201, 'W/"1"')
    assert act(hospital, "PUT", path, panel(), **{"If-Match": 'W/"7"'}).status_code == 412
    second = act(hospital, "PUT", path, panel(), **{"If-Match": first.headers["etag"]})
    assert (second.status_code, second.headers["etag"]) == (200, 'W/"2"')
    assert act(hospital, "GET", path).json()["meta"]["versionId"] == "2"


@pytest.mark.parametrize(
    ("method", "conditions", "status"),
    [
        ("PUT", {"If-None-Match": "*"}, 412),
        ("PUT", {"If-None-Match": 'W/"1"'}, 400),
        ("PUT", {"If-Match": 'W/"0"'}, 400),
        ("PUT", {"If-Unmodified-Since": "Mon, 01 Jun 2026 17:00:00 GMT"}, 412),
        ("DELETE", {"If-Match": 'W/"7"'}, 412),
        ("DELETE", {"If-None-Match": "*"}, 412),
    ],
)
def test_a_condition_is_measured_or_nothing_is_changed(act, hospital, stranger, method, conditions, status):
    path = f"Group/{NOBODY}"
    made = act(hospital, "PUT", path, panel(stranger[0]), **{"If-None-Match": "*"})
    assert made.status_code == 201
    body = panel() if method == "PUT" else None
    assert act(hospital, method, path, body, **conditions).status_code == status
    assert act(hospital, "GET", path).headers["etag"] == made.headers["etag"]
    assert act(hospital, "GET", path, **{"If-None-Match": made.headers["etag"]}).status_code == 304
    assert act(hospital, "DELETE", path, **{"If-Match": made.headers["etag"]}).status_code == 204
    assert act(hospital, "DELETE", path, **{"If-Match": made.headers["etag"]}).status_code == 412


def test_what_was_kept_is_told_unless_the_asker_prefers_otherwise(act, hospital, stranger):
    quiet = act(hospital, "POST", "Group", panel(stranger[0]), Prefer="return=minimal")
    assert (quiet.status_code, quiet.content) == (201, b"")
    place = quiet.headers["location"].partition("/fhir/")[2].partition("/_history")[0]
    assert act(hospital, "GET", place).json()["quantity"] == 1


def test_a_conditional_create_makes_nothing(act, hospital, stranger, audit_rows):
    known = {"If-None-Exist": "name=asthma"}
    assert act(hospital, "POST", "Group", panel(stranger[0]), **known).status_code == 400
    assert not sees(act, hospital, stranger[1])


def test_the_address_of_a_panel_s_version_leads_to_it_while_it_stands(act, hospital, register, stranger):
    created = act(hospital, "POST", "Group", panel(stranger[0]))
    first = created.headers["location"].partition("/fhir/")[2]
    assert act(hospital, "GET", first).json() == created.json()
    clinic = register("prairie_clinic", scopes=["system/*.rs", "system/Group.cud"])
    assert act(clinic, "GET", first).status_code == 404
    updated = act(hospital, "PUT", first.partition("/_history")[0], panel())
    second = updated.headers["location"].partition("/fhir/")[2]
    answer = act(hospital, "GET", second)
    assert (answer.json(), answer.headers["etag"]) == (updated.json(), 'W/"2"')
    assert act(hospital, "GET", first).status_code == 404
    assert act(hospital, "PUT", second, panel()).status_code == 405


def test_a_panel_that_is_not_kept_is_recorded_as_refused(act, hospital, stranger, audit_rows):
    given = panel(stranger[0])
    assert act(hospital, "PUT", f"Group/{NOBODY}", given, **{"If-Match": 'W/"7"'}).status_code == 412
    kind, _, patient, body = audit_rows()[-1]
    assert (kind, patient, body["outcomeDesc"]) == ("denied", None, "412 conflict")
    assert not sees(act, hospital, stranger[1])


def test_another_s_panel_is_neither_read_nor_changed_nor_noticed(act, hospital, register, stranger):
    clinic = register("prairie_clinic", scopes=["system/*.rs", "system/Group.cud"])
    path = f"Group/{NOBODY}"
    act(hospital, "PUT", path, panel(stranger[0]))
    assert act(clinic, "GET", path).status_code == 404
    assert act(clinic, "DELETE", path).status_code == 204
    assert act(clinic, "PUT", path, panel()).status_code == 201  # as if there were none
    assert sees(act, hospital, stranger[1])
    assert act(hospital, "GET", path).json()["quantity"] == 1


@pytest.mark.parametrize(
    "body",
    [
        panel(type="animal"),
        panel(actual=False),
        panel(member={"entity": 1}),
        panel(member=[{"entity": {"identifier": {"value": "1"}}}]),
        panel(member=[{"entity": {"reference": f"Group/{NOBODY}"}}]),
        panel(member=[{"entity": {"reference": f"Patient/{NOBODY}"}, "inactive": True}]),
        {"resourceType": "Patient"},
    ],
)
def test_what_is_no_panel_is_refused(act, hospital, records, body):
    assert act(hospital, "POST", "Group", body).status_code == 422


def test_what_is_no_json_object_is_no_panel(act, hospital, records):
    assert act(hospital, "POST", "Group", []).status_code == 400


def test_stating_needs_a_scope(ask, hospital, stranger, token_of):
    token = token_of(hospital, scope="system/*.rs")
    for method, path, body in (
        ("POST", "Group", panel(stranger[0])),
        ("PUT", f"Group/{NOBODY}", panel(stranger[0])),
        ("DELETE", f"Group/{NOBODY}", None),
        ("POST", f"Patient/{stranger[0]}/$attest-relationship", parameters(reason="ours")),
    ):
        extra = {"json": body} if body else {}
        answer = ask(hospital, path, method=method, token=token, headers=JSON, **extra)
        assert (answer.status_code, "insufficient_scope" in answer.headers["www-authenticate"]) == (403, True)


@pytest.mark.parametrize(
    ("purpose", "basis", "hours"),
    [("TREAT", "break-glass", 1), ("BTG", "panel", 1), ("BTG", "break-glass", 2)],
)
def test_the_database_itself_lets_no_viewer_state_more_than_it_may(
    database, records, stranger, purpose, basis, hours
):
    """Even a mistake of the API opens no glass for another purpose, nor for longer than an hour."""
    with psycopg.connect(database) as conn:
        conn.execute("SET LOCAL ROLE exchange_api")
        conn.execute("SELECT enter_view('lakeside_hospital', 'organization', %s, now())", [purpose])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(
                "SELECT state_care(%s, 's', %s::uuid[], current_instant() + %s)",
                [basis, [stranger[0]], timedelta(hours=hours)],
            )
