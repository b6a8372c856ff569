"""The export of a panel: its members, and whole who joined it since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from .exporting import SCOPES, names


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
