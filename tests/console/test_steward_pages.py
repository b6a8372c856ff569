"""A match steward at work in the browser: queue, two records, a decision, taking it back."""

from __future__ import annotations

import re

import psycopg

from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries
from tests.console.access import violations


def persons(opened):
    with psycopg.connect(opened.database_url) as connection:
        return len(connection.execute("SELECT DISTINCT person FROM patient").fetchall())


def test_a_steward_decides_a_pair_and_takes_it_back(browse, opened):
    page = browse("match-steward", "/matching")
    assert persons(opened) == 2
    page.locator("#pairs tbody a").first.click()
    assert "Xiomara" in page.locator(".versus").inner_text()
    assert "Xiomora" in page.locator(".versus").inner_text()
    assert page.locator("svg.chart rect.bar").count() > 2
    assert violations(page) == []
    page.get_by_label("Why").fill("both partners were asked")
    page.get_by_role("button", name="One person").click()
    assert page.locator("h1").inner_text() == "It is decided"
    assert persons(opened) == 1
    page.get_by_role("button", name="Take it back").click()
    assert persons(opened) == 2
    page.goto(page.url.rsplit("/", 1)[0] + "/changes")
    assert page.locator("#changes tbody tr").count() == 2
    split = page.locator("#changes tbody tr").first
    assert "Elm Clinic, Oak Clinic" in split.inner_text()
    assert "match-steward-all" in split.inner_text()
    split.get_by_role("link").last.click()
    assert page.locator("#golden tbody tr").count() > 2
    page.go_back()
    page.locator("#changes tbody tr").first.get_by_role("link").first.click()
    assert "both partners were asked" in page.locator("main").inner_text()


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


def test_a_pair_that_is_none_is_not_there(served):
    steward = served.visitor("match-steward")
    for path in ("/matching/1-1", "/matching/8-9", "/matching/x-y", "/matching/1", "/matching/held/99"):
        assert steward.get(path).status_code == 404, path


def test_a_decision_without_a_reason_is_not_made(served, opened):
    steward = served.visitor("match-steward")
    with psycopg.connect(opened.database_url) as connection:
        a, b = connection.execute("SELECT a, b FROM match_review").fetchone()
    before = persons(opened)
    refused = steward.post(f"/matching/{a}-{b}", decision="link", reason="  ")
    assert (refused.status_code, persons(opened)) == (400, before)


def test_looking_at_two_records_is_recorded(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        a, b = connection.execute("SELECT a, b FROM match_review").fetchone()
        count = "SELECT count(*) FROM audit_event WHERE kind = 'match.viewed'"
        before = connection.execute(count).fetchone()[0]
        connection.commit()
        served.visitor("match-steward").get(f"/matching/{a}-{b}")
        assert connection.execute(count).fetchone()[0] == before + 2


def test_every_value_of_a_person_is_shown_with_its_reason(browse, opened):
    with psycopg.connect(opened.database_url) as connection:
        ((number,), *_) = connection.execute("SELECT patient FROM patient ORDER BY patient").fetchall()
    page = browse("match-steward", f"/matching/person/{number}")
    shown = page.locator("#golden tbody").inner_text()
    assert "birthDate" in shown
    assert "no partner says otherwise" in shown


def test_a_person_that_is_none_is_not_there(served):
    assert served.visitor("match-steward").get("/matching/person/99999").status_code == 404
