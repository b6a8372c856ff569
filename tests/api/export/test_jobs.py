"""The work of an export: whose it is, how it ends, what goes on after a process that died."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from exchange.api.export import produce
from exchange.api.export.produce import work_once

from .exporting import ASYNC, names


def test_a_job_that_waits_says_so(get, people):
    status = get(get("$export", **ASYNC).headers["content-location"])
    assert status.status_code == 202
    assert status.headers["x-progress"] == "0 resources"
    assert int(status.headers["retry-after"]) > 0


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
