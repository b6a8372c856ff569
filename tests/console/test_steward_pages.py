"""A match steward at work in the browser: queue, two records, a decision, taking it back."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg

from tests.console.access import violations


def persons(opened):
    with psycopg.connect(opened.database_url) as connection:
        return len(connection.execute("SELECT DISTINCT person FROM patient").fetchall())


def test_a_steward_decides_a_pair_and_takes_it_back(browse, served, opened):
    page = browse("match-steward", "/matching")
    assert persons(opened) == 2
    page.locator("#pairs tbody a").first.click()
    assert "Xiomara" in page.locator(".versus").inner_text()
    assert "Xiomora" in page.locator(".versus").inner_text()
    assert page.locator("svg.chart rect.bar").count() > 2
    assert "shown as one person now" not in page.locator("main").inner_text()
    assert violations(page) == []
    page.get_by_label("Why").fill("both partners were asked")
    page.get_by_role("button", name="One person").click()
    assert page.locator("h1").inner_text() == "It is decided"
    assert persons(opened) == 1
    pair = urlsplit(page.url).path
    assert "shown as one person now" in served.visitor("match-steward").get(pair).text
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


def test_a_pair_that_is_none_is_not_there(served):
    steward = served.visitor("match-steward")
    for path in ("/matching/1-1", "/matching/8-9", "/matching/x-y", "/matching/1", "/matching/held/99"):
        assert steward.get(path).status_code == 404, path


def test_nothing_is_settled_of_a_record_that_is_not_held_back(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        (patient,) = connection.execute(
            "SELECT patient FROM patient WHERE patient NOT IN (SELECT patient FROM overlay) LIMIT 1"
        ).fetchone()
    assert served.visitor("match-steward").get(f"/matching/held/{patient}").status_code == 404


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


def test_a_pair_of_which_a_record_is_kept_out_says_so(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        a, b = connection.execute("SELECT min(patient), max(patient) FROM patient").fetchone()
        kept = connection.execute(
            "DELETE FROM resource WHERE type = 'Patient' AND patient = %s RETURNING *", [a]
        ).fetchall()
        assert kept
        connection.commit()
        page = served.visitor("match-steward").get(f"/matching/{a}-{b}").text
        placeholders = ", ".join(["%s"] * len(kept[0]))
        for row in kept:
            connection.execute(f"INSERT INTO resource OVERRIDING SYSTEM VALUE VALUES ({placeholders})", row)
        connection.commit()
    assert '<th scope="col">kept out of the repository</th>' in page
    assert "only whether it agrees" in page
    assert "only whether it agrees" not in served.visitor("match-steward").get(f"/matching/{a}-{b}").text


def test_a_steward_before_whom_nothing_waits_reads_what_to_do(served, opened):
    steward = served.visitor("match-steward")
    with psycopg.connect(opened.database_url) as connection:
        waiting = connection.execute("SELECT a, b FROM match_review WHERE decision IS NULL").fetchall()
        connection.execute("UPDATE match_review SET decision = 'keep-apart' WHERE decision IS NULL")
        connection.commit()
        empty = steward.get("/matching").text
        for pair in waiting:
            connection.execute("UPDATE match_review SET decision = NULL WHERE (a, b) = (%s, %s)", pair)
        connection.commit()
    assert "What to do while nothing waits" in empty
    assert ("What to do while nothing waits" in steward.get("/matching").text) is not bool(waiting)
