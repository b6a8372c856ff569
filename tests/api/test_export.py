"""Bulk export: what leaves is what its viewer may see when it leaves, whole, by range, and only to him."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from starlette.testclient import TestClient

from exchange.api import create_app
from exchange.api.export import produce
from exchange.api.export.produce import work_once
from exchange.app.partners.timeline import timeline
from exchange.audit import accounting
from exchange.audit.watch import look, unusual
from exchange.delivery.affected import sent_about
from exchange.repository.disclosure.late import Moved, late_disclosures, note_late_disclosures


@dataclass
class _Work:
    connect: Any
    now: Any


@dataclass
class _Exchange:
    work: _Work


ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}
SCOPES = "system/*.rs system/Group.cud"


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def hospital(register):
    return register("lakeside_hospital", scopes=SCOPES.split())


@pytest.fixture
def get(ask, hospital, token_of):
    """Asks at an absolute or relative address, as the hospital unless another is named."""

    def send(url, *, who=None, method="GET", scope=None, **headers):
        who = who or hospital
        path = urlsplit(url)._replace(scheme="", netloc="").geturl().removeprefix("/fhir/")
        return ask(who, path, method=method, token=token_of(who, scope=scope or SCOPES), headers=headers)

    return send


@pytest.fixture
def export(get, service):
    """Kicks off, works, and gives the manifest."""

    def run(path="$export", **options):
        accepted = get(path, **ASYNC, **options)
        assert accepted.status_code == 202, accepted.text
        assert work_once(service)
        options = {name: value for name, value in options.items() if name != "scope"}
        answer = get(accepted.headers["content-location"], **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return run


@pytest.fixture
def download(get):
    def read(manifest, kind="output", **options):
        found = []
        for file in manifest[kind]:
            answer = get(file["url"], **options)
            assert answer.status_code == 200, answer.text
            lines = [json.loads(line) for line in answer.text.splitlines()]
            found += lines
        return found

    return read


def names(resources):
    return {f"{r['resourceType']}/{r['id']}" for r in resources}


@pytest.fixture
def people(records):
    """Two Patients with an Observation each, one more that is hidden from the hospital, and a directory."""
    one = records.patient("lakeside_hospital", "a1", name=[{"family": "Rivera"}])
    other = records.patient("prairie_clinic", "p1", name=[{"family": "Okafor"}])
    return {
        "one": one,
        "other": other,
        "glucose": records.observation("lakeside_hospital", one, "o1"),
        "hemoglobin": records.observation("prairie_clinic", other, "o2", code="718-7"),
        "hidden": records.observation("prairie_clinic", other, "o3", "HIV"),
        "clinic": records.organization("prairie_clinic", "Prairie"),
    }


def test_an_export_holds_what_a_search_would_find(export, download, ask, hospital, people):
    exported = names(download(export()))
    searched = {
        f"{e['resource']['resourceType']}/{e['resource']['id']}"
        for kind in ("Patient", "Observation", "Organization")
        for e in ask(hospital, kind).json().get("entry", ())
    }
    assert exported == searched
    assert len(exported) == 5
    assert f"Observation/{people['hidden']}" not in exported


def test_a_manifest_says_what_was_asked_and_when(export, people):
    manifest = export("$export?_type=Patient")
    assert manifest["request"].endswith("/fhir/$export?_type=Patient")
    assert manifest["requiresAccessToken"] is True
    assert datetime.fromisoformat(manifest["transactionTime"]) <= datetime.now(UTC)
    assert [file.keys() for file in manifest["output"]] == [{"type", "url"}]
    assert (manifest["deleted"], manifest["error"]) == ([], [])


def test_a_job_that_waits_says_so(get, people):
    status = get(get("$export", **ASYNC).headers["content-location"])
    assert status.status_code == 202
    assert status.headers["x-progress"] == "0 resources"
    assert int(status.headers["retry-after"]) > 0


def test_what_is_revoked_after_kick_off_is_not_in_a_file_fetched_later(
    export, download, get, people, records
):
    """Also when the file was written and looked at before."""
    manifest = export("$export?_type=Observation")
    (file,) = manifest["output"]
    before = get(file["url"])
    assert f"Observation/{people['hemoglobin']}" in names(map(json.loads, before.text.splitlines()))
    records.observation("prairie_clinic", people["other"], "o2", "HIV", code="718-7")
    after = get(file["url"])
    assert names(map(json.loads, after.text.splitlines())) == {f"Observation/{people['glucose']}"}
    assert after.headers["etag"] != before.headers["etag"]


def test_what_is_revoked_while_a_job_waits_never_gets_into_a_file(get, service, people, records, tmp_path):
    place = get("$export?_type=Observation", **ASYNC).headers["content-location"]
    records.observation("prairie_clinic", people["other"], "o2", "HIV", code="718-7")
    work_once(service)
    (file,) = get(place).json()["output"]
    assert len(get(file["url"]).text.splitlines()) == 1


def test_a_patient_of_whom_a_part_is_revoked_is_left_out(export, download, people, records):
    records.link(people["one"], people["other"])
    manifest = export("$export?_type=Patient")
    assert len(download(manifest)) == 1
    records.publish_patient("prairie_clinic", people["other"], "HIV")
    assert download(manifest) == []


def test_files_are_unreadable_where_they_lie(export, people, tmp_path):
    export()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert b"Rivera" not in content
        assert people["one"].encode() not in content
        assert people["one"] not in str(path)


def test_every_patient_of_a_file_is_in_the_audit_log_when_it_leaves(export, download, people, audit_rows):
    manifest = export("$export?_type=Observation")
    assert [row[2] for row in audit_rows() if row[0] == "export" and row[2]] == []
    download(manifest)
    rows = [row for row in audit_rows() if row[0] == "export" and row[2]]
    assert len({row[2] for row in rows}) == len(rows) == 2
    told = {d["valueString"] for row in rows for e in row[3]["entity"] for d in e.get("detail", ())}
    assert {people["glucose"], people["hemoglobin"]} <= told


def test_a_range_is_of_the_same_bytes_and_only_its_patients_are_recorded(export, get, people, audit_rows):
    (file,) = export("$export?_type=Observation")["output"]
    whole = get(file["url"])
    half = len(whole.content.splitlines(keepends=True)[0])
    before = len([row for row in audit_rows() if row[2]])
    first = get(file["url"], Range=f"bytes=0-{half - 1}")
    assert (first.status_code, first.headers["content-range"]) == (
        206,
        f"bytes 0-{half - 1}/{len(whole.content)}",
    )
    assert len([row for row in audit_rows() if row[2]]) == before + 1
    rest = get(file["url"], Range=f"bytes={half}-", **{"If-Range": whole.headers["etag"]})
    assert first.content + rest.content == whole.content
    assert get(file["url"], Range="bytes=-10").content == whole.content[-10:]
    assert "content-encoding" not in rest.headers


def test_other_ranges_are_the_whole_file_or_none(export, get, people):
    (file,) = export("$export?_type=Observation")["output"]
    whole = (
        "bytes=5-2",
        "bytes=-",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=99999999999999999999-",
        "bytes=1",
        "x",
    )
    assert [get(file["url"], Range=range_).status_code for range_ in whole] == [200] * len(whole)
    none = [
        get(file["url"], Range=range_) for range_ in ("bytes=999999-", "bytes=-0", "bytes=999999-9999999")
    ]
    assert [(a.status_code, b"Observation" in a.content) for a in none] == [(416, False)] * 3
    assert none[0].headers["content-range"].startswith("bytes */")


def test_a_range_of_a_file_that_changed_is_the_whole_new_one(export, get, people, records):
    (file,) = export("$export?_type=Observation")["output"]
    etag = get(file["url"]).headers["etag"]
    records.observation("prairie_clinic", people["other"], "o2", "HIV", code="718-7")
    assert get(file["url"], Range="bytes=5-", **{"If-Range": etag}).status_code == 200


NOT_SERVED = (
    "_outputFormat=csv",
    "_since=yesterday",
    "_since=2026-01-01",
    "_type=Nothing",
    "_type=AuditEvent",
    "_typeFilter=Observation",
    "_typeFilter=Observation?_include=Observation:subject",
    "_typeFilter=Observation?nothing=1",
    "_typeFilter=Observation?date=x",
    "_typeFilter=Observation?code=%2500",
    "_typeFilter=Nothing?code=1",
    "includeAssociatedData=LatestProvenanceResources",
    "_elements=id",
    "patient=Patient/1",
)


def test_what_is_not_served_is_refused_and_nothing_begins(get, people, database):
    for query in NOT_SERVED:
        answer = get(f"$export?{query}", **ASYNC)
        assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome"), query
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT count(*) FROM export_job").fetchone()[0] == 0


def test_whom_no_run_has_taken_up_yet_begins_and_states_nothing(ask, register, token_of, database):
    """Reading shows such a participant nothing; what it wrote would be nobody's."""
    hospital = register("lakeside_hospital", scopes=["system/*.cruds"])
    token = token_of(hospital, scope="system/*.cruds")
    patient = "00000000-0000-4000-8000-000000000000"
    reason = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "ours"}]}
    panel = {"resourceType": "Group", "type": "person", "actual": True, "member": []}
    asked = [
        ("GET", "$export", {}),
        ("GET", "Patient/$export", {}),
        ("POST", "Group", {"json": panel}),
        ("PUT", f"Group/{patient}", {"json": panel}),
        ("POST", f"Patient/{patient}/$attest-relationship", {"json": reason}),
        ("DELETE", f"Patient/{patient}/$attest-relationship", {}),
    ]
    headers = {**ASYNC, "Content-Type": "application/fhir+json"}
    for method, path, options in asked:
        answer = ask(hospital, path, method=method, token=token, headers=headers, **options)
        issue = answer.json()["issue"][0]
        assert (answer.status_code, issue["code"]) == (403, "forbidden"), path
        assert "not taken up yet" in issue["diagnostics"]
    assert ask(hospital, f"Group/{patient}/$export", token=token, headers=ASYNC).status_code == 403
    assert ask(hospital, "Patient", token=token).json()["total"] == 0
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT count(*) FROM export_job").fetchone()[0] == 0


def test_an_export_is_asked_for_asynchronously(get, people):
    assert get("$export").status_code == 400


def test_since_brings_what_changed_and_what_was_deleted(export, download, people, records, connection):
    since = export("$export?_type=Observation")["transactionTime"]
    assert len(download(export(f"$export?_type=Observation&_since={since}"))) == 2  # margin: seconds ago
    later = (datetime.now(UTC) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    assert download(export(f"$export?_type=Observation&_since={later}")) == []
    records.delete(f"Observation/{people['glucose']}", f"Observation/{people['hidden']}")
    manifest = export(f"$export?_type=Observation&_since={since}")
    (bundle,) = download(manifest, "deleted")
    assert bundle["type"] == "transaction"
    assert [e["request"] for e in bundle["entry"]] == [
        {"method": "DELETE", "url": f"Observation/{people['glucose']}"}
    ]


def test_filters_of_one_type_add_up_and_bring_a_resource_once(export, download, people):
    manifest = export("$export?_type=Observation&_typeFilter=Observation?code=718-7")
    assert names(download(manifest)) == {f"Observation/{people['hemoglobin']}"}
    both = "_typeFilter=Observation?code=718-7&_typeFilter=Observation?status=final"
    found = download(export(f"$export?_type=Observation,Patient&{both}"))
    assert len(found) == len(names(found)) == 4


def test_a_group_export_is_about_its_members(export, download, get, hospital, people, ask, token_of):
    members = [{"entity": {"reference": f"Patient/{people['other']}"}}]
    body = {"resourceType": "Group", "type": "person", "actual": True, "member": members}
    token = token_of(hospital, scope=SCOPES)
    group = ask(hospital, "Group", method="POST", token=token, json=body).json()["id"]
    found = download(export(f"Group/{group}/$export"))
    assert {r["resourceType"] for r in found} == {"Patient", "Observation"}
    assert f"Observation/{people['hemoglobin']}" in names(found)
    assert f"Observation/{people['glucose']}" not in names(found)
    with_directory = download(export(f"Group/{group}/$export?_type=Organization"))
    assert names(with_directory) == {f"Organization/{people['clinic']}"}


@pytest.fixture
def panel(ask, hospital, token_of):
    """Uploads a panel of these Patients, under its id from the second time on."""

    def upload(*patients, group=""):
        members = [{"entity": {"reference": f"Patient/{one}"}} for one in patients]
        body = {"resourceType": "Group", "type": "person", "actual": True, "member": members}
        path, method = (f"Group/{group}", "PUT") if group else ("Group", "POST")
        answer = ask(hospital, path, method=method, token=token_of(hospital, scope=SCOPES), json=body)
        return answer.json()["id"]

    return upload


def test_who_joins_a_group_comes_whole_with_the_next_export_and_everybody_else_as_changed(
    export, download, get, panel, people, database
):
    """All that is stored lies before the first export; only the panel changes afterwards."""
    group = panel(people["one"])
    with psycopg.connect(database) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("UPDATE resource SET updated = updated - interval '1 day'")
        conn.execute("UPDATE panel SET joined = (SELECT jsonb_object_agg(key, '2026-01-01T00:00:00Z'::text)"
                     " FROM jsonb_each(joined))")  # fmt: skip
    first = export(f"Group/{group}/$export")
    assert f"Observation/{people['glucose']}" in names(download(first))
    since = first["transactionTime"]
    assert download(export(f"Group/{group}/$export?_since={since}")) == []

    assert panel(people["one"], people["other"], group=group) == group
    found = download(export(f"Group/{group}/$export?_since={since}"))
    assert names(found) >= {f"Observation/{people['hemoglobin']}"}
    assert "Patient" in {r["resourceType"] for r in found}
    assert not names(found) & {f"Observation/{people[name]}" for name in ("glucose", "hidden")}

    panel(people["one"], people["other"], group=group)  # uploaded again: nobody joins a second time
    later = (datetime.now(UTC) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    assert download(export(f"Group/{group}/$export?_since={later}")) == []
    with psycopg.connect(database) as conn:
        (joined,) = conn.execute("SELECT joined FROM panel").fetchone()
    assert joined[people["one"]] < joined[people["other"]]


def test_a_patient_export_is_about_people(export, download, people):
    assert "Organization" not in {r["resourceType"] for r in download(export("Patient/$export"))}


def test_an_export_reaches_what_the_token_reaches(export, download, get, people):
    narrow = "system/Observation.rs?code=718-7"
    manifest = export("$export", scope=narrow)
    assert names(download(manifest)) == {f"Observation/{people['hemoglobin']}"}
    assert get("$export?_type=Patient", scope=narrow, **ASYNC).status_code == 403


def test_a_narrower_token_fetches_less(export, download, people):
    manifest = export("$export?_type=Observation")
    found = download(manifest, scope="system/Observation.rs?code=718-7")
    assert names(found) == {f"Observation/{people['hemoglobin']}"}


def test_nobody_else_sees_a_job_or_its_files(export, get, register, hospital, people):
    manifest = export("$export?_type=Observation")
    file = manifest["output"][0]["url"]
    status = file.replace("$export-file", "$export-status").rsplit("/", 1)[0]
    others = [
        register("prairie_clinic"),
        register("lakeside_hospital", client_id="another-of-theirs"),
        replace(hospital, purpose="HOPERAT"),
    ]
    for other in others:
        scope = "system/*.rs"
        never = get(status[:-4] + "0000", who=other, scope=scope)
        for method, url in (("GET", file), ("GET", status), ("DELETE", status)):
            answer = get(url, who=other, method=method, scope=scope)
            assert (answer.status_code, answer.content) == (404, never.content)
    assert get(file).status_code == 200


def test_no_other_file_is_reached_by_its_name(export, get, people):
    url = export("$export?_type=Observation")["output"][0]["url"].rsplit("/", 1)[0]
    for name in (
        "1.ndjson",
        "00.ndjson",
        "-1.ndjson",
        "0.ndjson.key",
        "..%2F0.ndjson",
        "%2e%2e/0.ndjson",
        "0",
        "0%00.ndjson",
    ):
        assert get(f"{url}/{name}").status_code in (400, 404), name


def test_a_cancelled_export_is_gone_with_its_files(export, get, service, people, tmp_path):
    manifest = export()
    file = manifest["output"][0]["url"]
    status = file.replace("$export-file", "$export-status").rsplit("/", 1)[0]
    assert get(status, method="DELETE").status_code == 202
    assert get(status).status_code == get(file).status_code == 404
    work_once(service)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_expired_export_is_gone_with_its_key(export, get, service, people, tmp_path, database):
    export()
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE export_job SET expires = now() - interval '1 second'")
    work_once(service)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT count(*) FROM export_job").fetchone()[0] == 0


def test_a_participant_begins_only_so_many(get, service, people):
    answers = [get("$export", **ASYNC) for _ in range(service.limits.exports + 1)]
    assert [a.status_code for a in answers] == [202] * service.limits.exports + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert get(answers[0].headers["content-location"], method="DELETE").status_code == 202
    assert get("$export", **ASYNC).status_code == 202


def test_another_process_goes_on_after_the_last_file(get, service, people, records, monkeypatch, clock):
    """The first process dies in the midst of a type: nothing is missing, nothing comes twice."""
    for number in range(5):
        records.observation("lakeside_hospital", people["one"], f"more{number}")
    monkeypatch.setattr(produce, "_PAGE", 2)
    monkeypatch.setattr(produce, "_FILE_LINES", 2)
    place = get("$export?_type=Observation", **ASYNC).headers["content-location"]
    written = []
    write = type(service.exports).write

    def dies(self, job, ordinal, key, lines):
        if ordinal == 2 and not written:
            written.append(ordinal)
            raise KeyboardInterrupt
        write(self, job, ordinal, key, lines)

    monkeypatch.setattr(type(service.exports), "write", dies)
    with pytest.raises(KeyboardInterrupt):
        work_once(service)
    assert not work_once(service)  # the lease of the dead still holds
    clock.shift = timedelta(minutes=3)
    assert work_once(service)
    clock.shift = timedelta(0)
    with psycopg.connect(service.pool.conninfo.replace("exchange_api", "postgres")) as conn:
        conn.execute("SELECT setval('latest_instant', 0)")
    manifest = get(place).json()
    found = [json.loads(line) for file in manifest["output"] for line in get(file["url"]).text.splitlines()]
    assert len(found) == len(names(found)) == 7


@pytest.mark.parametrize(
    ("denied", "found_by_asking", "exported"),
    [("disclose", True, False), ("access", False, False), ("use", True, True)],
)
def test_a_file_is_a_disclosure_and_holds_what_may_be_asked_for_and_sent(
    export, download, get, records, people, denied, found_by_asking, exported
):
    records.consent("prairie_clinic", people["other"], "deny", denied)
    answer = get(f"Observation/{people['hemoglobin']}")
    assert (answer.status_code == 200) is found_by_asking
    found = names(download(export("$export?_type=Observation")))
    assert (f"Observation/{people['hemoglobin']}" in found) is exported
    assert f"Observation/{people['glucose']}" in found


@pytest.mark.parametrize("denied", ["disclose", "access"])
def test_a_denial_reaches_a_file_that_is_written_already(export, download, records, people, denied):
    manifest = export("$export?_type=Observation")
    assert f"Observation/{people['hemoglobin']}" in names(download(manifest))
    records.consent("prairie_clinic", people["other"], "deny", denied)
    assert names(download(manifest)) == {f"Observation/{people['glucose']}"}


def test_what_was_exported_is_known_wherever_disclosures_are(export, download, people, records, database):
    download(export("$export?_type=Observation"))
    result, whom = f"Observation/{people['hemoglobin']}", people["other"]
    with psycopg.connect(database) as conn:
        (told,) = accounting(conn, whom)
        assert (told.kind, told.given_as, told.participant) == ("export", "disclose", "lakeside_hospital")
        assert result in told.resources
        assert told.request.startswith("GET /fhir/")
        assert [one.record for one in sent_about(conn, [whom])] == [result]
        assert _late(conn, records, people) == [(result, told.sequence)]
        today = told.at.replace(hour=0, minute=0, second=0, microsecond=0)
        look(conn, today, told.at)
        assert [str(one.patient) for one in unusual(conn) if one.kind == "no-relationship"] == [told.about]
        exchange = _Exchange(_Work(lambda: psycopg.connect(database), lambda: told.at))
        moments = timeline(exchange, "lakeside_hospital", 1)
    assert ("asked: export TREAT", "answered") in [(one.what, one.outcome) for one in moments]


def _late(conn, records, people):
    """What the worklist says when the result turns out to be about HIV: (record, number in the log)."""
    classes = "SELECT class FROM resource WHERE type = 'Observation' AND fhir_id = %s"
    (old,) = conn.execute(classes, [people["hemoglobin"]]).fetchone()
    (new,) = conn.execute(classes, [people["hidden"]]).fetchone()
    (patient,) = conn.execute("SELECT patient FROM patient WHERE fhir_id = %s", [people["other"]]).fetchone()
    moved = Moved("Observation", UUID(people["hemoglobin"]), "prairie_clinic", patient, old, new)
    note_late_disclosures(conn, [moved], records.context, datetime.now(UTC))
    return [(f"{one.type}/{one.fhir_id}", one.first_event) for one in late_disclosures(conn)]


def test_the_capability_statement_names_it(api):
    rest = api.get("/fhir/metadata").json()["rest"][0]
    patient = next(r for r in rest["resource"] if r["type"] == "Patient")
    group = next(r for r in rest["resource"] if r["type"] == "Group")
    assert [o["name"] for o in rest["operation"]] == ["export"]
    assert "export" in {o["name"] for o in patient["operation"]}
    assert "export" in {o["name"] for o in group["operation"]}


def test_a_server_without_a_place_for_files_says_so(service, metrics, get, people, api):
    with TestClient(create_app(replace(service, exports=None), metrics), base_url=service.base_url) as client:
        assert "operation" not in client.get("/fhir/metadata").json()["rest"][0]


def test_a_kick_off_by_post_may_say_all_in_its_url(get, people):
    assert get("Patient/$export?_type=Observation", method="POST", **ASYNC).status_code == 202
