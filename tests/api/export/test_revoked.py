"""Between the kick-off of an export and its download: revocations, tokens that end, jobs that are gone."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg
import pytest

from exchange.api.export.produce import work_once
from exchange.model.ids import golden_id

from .exporting import ASYNC

SCOPE = "system/*.rs"


@pytest.fixture
def get(ask, hospital, token_of):
    """Asks at an absolute or relative address, with one token unless another is given."""
    usual = token_of(hospital, scope=SCOPE)

    def send(url, token=usual, method="GET", **headers):
        path = urlsplit(url)._replace(scheme="", netloc="").geturl().removeprefix("/fhir/")
        return ask(hospital, path, method=method, token=token, headers=headers)

    return send


@pytest.fixture
def export(get, service):
    """Address of the status, and the manifest, once the work is done."""

    def run(path):
        place = get(path, **ASYNC).headers["content-location"]
        assert work_once(service)
        return place, get(place).json()

    return run


@pytest.fixture
def people(records):
    """Of the clinic's Patient one Observation goes and one stays; of the hospital's own likewise."""
    own = records.patient("lakeside_hospital", "a1")
    other = records.patient("prairie_clinic", "p1")
    return {
        "other": other,
        "own-stays": records.observation("lakeside_hospital", own, "o1"),
        "own-goes": records.observation("lakeside_hospital", own, "o2"),
        "stays": records.observation("prairie_clinic", other, "o3"),
        "goes": records.observation("prairie_clinic", other, "o4"),
    }


@pytest.fixture
def deletions(export, people, records):
    """The manifest of an export after two Observations were deleted; `since` lies before."""
    _, first = export("$export?_type=Observation")
    records.delete(f"Observation/{people['goes']}", f"Observation/{people['own-goes']}")
    return export(f"$export?_type=Observation&_since={first['transactionTime']}")[1]


def gone(answer):
    assert answer.status_code == 200, answer.text
    return {e["request"]["url"] for line in answer.text.splitlines() for e in json.loads(line)["entry"]}


@pytest.mark.parametrize("parts", [(), (("Observation", "another", 0),)])
def test_deletions_are_told_of_a_file_that_another_release_wrote(get, deletions, service, database, parts):
    """Its lines may list what they are made of, or not; which ids are gone stands in the Bundle."""
    (file,) = deletions["deleted"]
    before = gone(get(file["url"]))
    job, ordinal = file["url"].split("/")[-2:]
    with psycopg.connect(database) as conn:
        (key,) = conn.execute("SELECT key FROM export_job WHERE job = %s", [job]).fetchone()
    number = int(ordinal.removesuffix(".ndjson"))
    lines = [replace(line, parts=parts) for line in service.exports.read(job, number, key)]
    service.exports.write(job, number, key, lines)
    assert len(before) == 2
    assert gone(get(file["url"])) == before


def test_who_is_deleted_is_told_by_the_id_he_was_shown_by_too(get, export, records):
    patient = records.patient("lakeside_hospital", "a9")
    _, first = export("$export?_type=Patient")
    records.delete(f"Patient/{patient}")
    _, manifest = export(f"$export?_type=Patient&_since={first['transactionTime']}")
    (file,) = manifest["deleted"]
    assert gone(get(file["url"])) == {f"Patient/{patient}", f"Patient/{golden_id(patient)}"}


@pytest.mark.parametrize("denied", ["access", "disclose"])
def test_a_deletion_is_not_told_of_somebody_who_denied_it_since(get, deletions, people, records, denied):
    (file,) = deletions["deleted"]
    both = {f"Observation/{people[name]}" for name in ("goes", "own-goes")}
    assert gone(get(file["url"])) == both
    records.consent("prairie_clinic", people["other"], "deny", denied)
    after = get(file["url"])
    assert gone(after) == {f"Observation/{people['own-goes']}"}
    for start in range(0, len(after.content), 40):
        part = get(file["url"], Range=f"bytes={start}-{start + 60}").content
        assert part == after.content[start : start + 61]


def test_what_came_back_is_not_told_as_deleted(get, deletions, people, records):
    (file,) = deletions["deleted"]
    records.observation("prairie_clinic", people["other"], "o4")
    assert gone(get(file["url"])) == {f"Observation/{people['own-goes']}"}


@pytest.mark.parametrize("scope", ["system/Patient.rs", "system/Observation.rs?code=718-7"])
def test_a_narrower_token_is_told_of_no_deletion_beyond_it(get, deletions, hospital, token_of, scope):
    (file,) = deletions["deleted"]
    answer = get(file["url"], token=token_of(hospital, scope=scope))
    assert (answer.status_code, answer.content) == (200, b"")


def test_no_range_of_a_file_holds_what_is_revoked_since(get, export, people, records):
    """A range without If-Range is one of the file as it is now, wherever it begins."""
    _, manifest = export("$export?_type=Observation")
    (file,) = manifest["output"]
    before = get(file["url"]).content
    assert people["stays"].encode() in before
    records.consent("prairie_clinic", people["other"], "deny", "disclose")
    after = get(file["url"]).content
    assert people["stays"].encode() not in after
    assert people["own-stays"].encode() in after
    for start in range(0, len(before), 97):
        part = get(file["url"], Range=f"bytes={start}-{start + 200}")
        expected = (206, after[start : start + 201]) if start < len(after) else (416, part.content)
        assert (part.status_code, part.content) == expected
        assert people["other"].encode() not in part.content


def test_a_token_that_is_revoked_in_the_midst_gets_nothing_more(
    api, get, export, hospital, people, token_of, audit_rows
):
    place, manifest = export("$export?_type=Observation")
    url, token = manifest["output"][0]["url"], token_of(hospital, scope=SCOPE)
    assert get(url, token=token, Range="bytes=0-99").status_code == 206
    api.post("/auth/revoke", data={**hospital.form(), "token": token})
    disclosed = [row for row in audit_rows() if row[0] == "export" and row[2]]
    for method, address in (("GET", url), ("GET", place), ("DELETE", place)):
        assert get(address, token=token, method=method).status_code == 401
    assert get(url, token=token, Range="bytes=100-").status_code == 401
    assert [row for row in audit_rows() if row[0] == "export" and row[2]] == disclosed
    assert get(url).status_code == 200  # the job is the client's, and outlives its tokens


def test_an_expired_export_is_gone_before_anybody_tidies_up(get, export, people, connection):
    place, manifest = export("$export?_type=Observation")
    url = manifest["output"][0]["url"]
    connection.execute("UPDATE export_job SET expires = now() - interval '1 second'")
    connection.commit()
    for answer in (get(place), get(url), get(url, Range="bytes=0-9"), get(place, method="DELETE")):
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-found")


def test_an_export_cancelled_while_it_is_written_leaves_no_file(get, service, people, tmp_path, monkeypatch):
    place = get("$export?_type=Observation,Patient", **ASYNC).headers["content-location"]
    write, cancelled = type(service.exports).write, []

    def cancels(self, *file):
        write(self, *file)
        cancelled.append(get(place, method="DELETE").status_code)

    monkeypatch.setattr(type(service.exports), "write", cancels)
    assert work_once(service)
    assert cancelled == [202]
    assert get(place).status_code == 404
    assert not work_once(service)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
