"""Unusual access in the browser: what waits, one question with its records, a decision that stands."""

from __future__ import annotations

import re

import psycopg
import pytest

from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries, watch
from exchange.console.pages.unusual import WHAT
from tests.console.access import violations


@pytest.fixture(scope="module", autouse=True)
def asked(opened):
    """Oak saw many people in a day, and one it does not care for; both are questions."""
    with psycopg.connect(opened.database_url) as connection:
        patient = connection.execute("SELECT fhir_id FROM patient ORDER BY patient").fetchone()[0]
        asked = Requester("oak", "oak_clinic", "Oak Clinic", "organization", "TREAT", "t")
        circumstances = Circumstances(opened.work.now(), "https://x.example", "127.0.0.1", "r")
        seen = [Disclosed(str(patient), ("Observation/1",), ())]
        append(connection, query_entries(asked, circumstances, "Observation", seen))
        (number,) = connection.execute("SELECT max(sequence) FROM audit_event").fetchone()
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO access_watch (kind, participant, role, day, patient, measured, usual,"
                " first_event, last_event, found)"
                " VALUES (%s, 'oak_clinic', 'organization', '2026-11-20', %s, %s, %s, %s, %s, now())",
                [
                    ("volume", None, 412, 31.5, number, number),
                    ("no-relationship", patient, 3, 0, number, number),
                ],
            )
        connection.commit()
    return patient


def test_a_question_is_decided_once_and_then_waits_no_more(browse, opened):
    page = browse("privacy-officer", "/privacy")
    page.locator("li", has_text="unusual accesses").locator("a").click()
    assert violations(page) == []
    rows = page.locator("#unusual tbody tr")
    assert rows.count() == 2
    assert WHAT["volume"] in rows.first.inner_text()
    rows.first.locator("a").click()
    assert violations(page) == []
    facts = page.locator("main").inner_text()
    assert "412" in facts
    assert "31.5" in facts
    page.get_by_label("explained", exact=True).check()
    page.get_by_label("Why").fill("a vaccination day")
    page.get_by_role("button", name="Decide").click()
    assert "stands" in page.locator(".told").inner_text()
    assert page.locator("#unusual tbody tr").count() == 1
    page.get_by_role("link", name="Those decided").click()
    assert page.locator("#unusual tbody tr").count() == 1
    page.locator("#unusual tbody tr").first.locator("a").click()
    assert page.get_by_role("button", name="Decide").count() == 0
    assert "a vaccination day" in page.locator("main").inner_text()
    with psycopg.connect(opened.database_url) as connection:
        told = connection.execute("SELECT count(*) FROM audit_event WHERE kind = 'watch.decided'").fetchone()
    assert told == (1,)


def test_whose_records_were_looked_at_is_recorded_when_an_officer_reads_it(served, opened, asked):
    visitor = served.visitor("privacy-officer")
    with psycopg.connect(opened.database_url) as connection:
        (entry,) = connection.execute("SELECT entry FROM access_watch WHERE patient IS NOT NULL").fetchone()
        assert visitor.get(f"/privacy/unusual/{entry}").status_code == 200
        (seen,) = connection.execute(
            "SELECT count(*) FROM audit_event WHERE patient = %s AND kind LIKE 'console%%'", [asked]
        ).fetchone()
    assert seen == 1


@pytest.mark.parametrize("entry", ["0", "999999", "x", "1e3"])
def test_a_question_that_is_not_there_is_not_found(served, entry):
    assert served.visitor("privacy-officer").get(f"/privacy/unusual/{entry}").status_code == 404


def test_what_a_question_may_be_has_its_words():
    asked = set(re.findall(r"SELECT '([a-z-]+)', t.participant", "".join(watch._LOOKS)))
    assert asked == set(WHAT)


def test_nobody_but_an_officer_reads_them(served):
    assert served.visitor("match-steward").get("/privacy/unusual").status_code == 403
