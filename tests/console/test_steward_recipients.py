"""What a steward's decision means for those who were told of two persons as of one."""

from __future__ import annotations

import re

import psycopg

from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries


def test_who_received_something_meanwhile_is_sorted_and_taken_along_and_nothing_is_decided_again(
    served, opened
):
    steward = served.visitor("match-steward")
    with psycopg.connect(opened.database_url) as connection:
        a, b = connection.execute("SELECT a, b FROM match_review").fetchone()
    here = f"/matching/{a}-{b}"
    steward.post(here, decision="link", reason="tried out")
    with psycopg.connect(opened.database_url) as connection:
        (patient,) = connection.execute("SELECT fhir_id::text FROM patient ORDER BY patient").fetchone()
        for who, count in (("oak_clinic", 2), ("elm_clinic", 1)):
            asked = Requester(who, who, who, "organization", "TREAT", "t")
            seen = [Disclosed(patient, tuple(f"Patient/{n}" for n in range(count)), ("own-records",))]
            how = Circumstances(opened.work.now(), "https://x.example", "127.0.0.1", "r")
            append(connection, query_entries(asked, how, "Patient", seen))
        connection.commit()
    done = steward.post(here, decision="keep-apart", reason="tried out")
    assert "What went out while they were shown as one person" in done.text
    kept = re.search(r'name="kept" value="([^"]+)"', done.text)[1]
    events = "SELECT count(*) FROM link_event"
    with psycopg.connect(opened.database_url) as connection:
        before = connection.execute(events).fetchone()
        for order, counts in (("records", ["1", "2"]), ("-records", ["2", "1"])):
            asked = {"kept": kept, "recipients.sort": order}
            again = steward.post(f"{here}/recipients", page="/account", **asked)
            assert re.findall(r'<td class="number">(\d+)</td>', again.text) == counts
        file = steward.post(f"{here}/recipients", page="/account", kept=kept, **{"recipients.format": "csv"})
        assert file.headers["content-type"].startswith("text/csv")
        assert connection.execute(events).fetchone() == before
    for wrong, address in (("x", here), (kept, "/matching/1-9")):
        assert steward.post(f"{address}/recipients", page="/account", kept=wrong).status_code == 404
