"""Bulk export: what leaves is what its viewer may see when it leaves, whole, by range, and only to him."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
from starlette.testclient import TestClient

from exchange.api import create_app
from exchange.api.export.produce import work_once

from .exporting import ASYNC, names


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
