"""Unusual access in the browser: what waits, one question with its records, a decision that stands."""

from __future__ import annotations

import re

import psycopg
import pytest
from playwright.sync_api import expect

from exchange.app.privacy.workforce import declare_member, end_member, read_workforce
from exchange.audit import Circumstances, Disclosed, Requester, append, kin, mistaken, query_entries, watch
from exchange.console.pages.unusual import WHAT
from exchange.model.errors import Conflict, ContentError
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
    rows = page.locator("#unusual tbody tr")
    expect(rows).to_have_count(2)
    assert WHAT["volume"] in rows.first.inner_text()
    rows.first.locator("a").click()
    expect(page.get_by_role("button", name="Decide")).to_be_visible()
    assert violations(page) == []
    facts = page.locator("main").inner_text()
    assert "412" in facts
    assert "31.5" in facts
    page.get_by_label("explained", exact=True).check()
    page.get_by_label("Why").fill("a vaccination day")
    page.get_by_role("button", name="Decide").click()
    expect(page.locator(".told")).to_contain_text("stands")
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Those decided").click()
    expect(page).to_have_url(re.compile("show=decided"))
    rows.first.locator("a").click()
    expect(page.locator("main")).to_contain_text("a vaccination day")
    assert page.get_by_role("button", name="Decide").count() == 0
    with psycopg.connect(opened.database_url) as connection:
        told = connection.execute("SELECT count(*) FROM audit_event WHERE kind = 'watch.decided'").fetchone()
    assert told == (1,)


_VIEWS = "SELECT count(*) FROM audit_event WHERE patient = %s AND kind LIKE 'console%%'"


def test_whose_records_were_looked_at_is_recorded_when_an_officer_reads_it(served, opened, asked):
    visitor = served.visitor("privacy-officer")
    with psycopg.connect(opened.database_url) as connection:
        (entry,) = connection.execute("SELECT entry FROM access_watch WHERE patient IS NOT NULL").fetchone()
        (before,) = connection.execute(_VIEWS, [asked]).fetchone()
        assert visitor.get(f"/privacy/unusual/{entry}").status_code == 200
        (seen,) = connection.execute(_VIEWS, [asked]).fetchone()
    assert seen == before + 1


@pytest.mark.parametrize("entry", ["0", "999999", "x", "1e3"])
def test_a_question_that_is_not_there_is_not_found(served, entry):
    assert served.visitor("privacy-officer").get(f"/privacy/unusual/{entry}").status_code == 404


def test_what_a_question_may_be_has_its_words():
    looks = "".join([*watch._LOOKS, *kin._LOOKS, mistaken._MISTAKEN])
    asked = set(re.findall(r"SELECT '([a-z-]+)', (?:t\.)?participant", looks))
    assert asked == set(WHAT)


def test_nobody_but_an_officer_reads_them(served):
    assert served.visitor("match-steward").get("/privacy/unusual").status_code == 403


def test_an_officer_declares_who_of_those_who_look_is_a_patient_and_ends_it(served, opened, asked):
    steward, officer = served.visitor("match-steward"), served.visitor("privacy-officer")
    login = re.search(r"<option>(match-steward[^<]*)</option>", officer.get("/privacy/workforce").text)[1]
    sent = {"login": login, "participant": "", "user": "", "patient": asked}
    assert officer.post("/privacy/workforce", **sent).status_code == 200
    assert officer.post("/privacy/workforce", **sent).status_code == 400
    assert officer.post("/privacy/workforce", **{**sent, "user": "u7"}).status_code == 400
    assert officer.post("/privacy/workforce", **{**sent, "patient": "x"}).status_code == 400
    with psycopg.connect(opened.database_url) as connection:
        declared = connection.execute(
            "SELECT entry, looker, patient::text FROM workforce_patient WHERE ended IS NULL"
        ).fetchall()
        told = connection.execute(
            "SELECT body::text FROM audit_event WHERE kind = 'workforce.declared'"
        ).fetchall()
    assert [(looker, patient) for _, looker, patient in declared] == [(f"account {login}", str(asked))]
    assert len(told) == 1
    assert f"account {login}" not in told[0][0], "the log says no more than the entry's number"
    shown = officer.get("/privacy/workforce")
    assert str(asked) in shown.text.replace("<wbr>", "")
    with psycopg.connect(opened.database_url) as connection:
        (kind, about) = connection.execute(
            "SELECT kind, patient FROM audit_event ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
    assert (kind, about) == ("log.read", asked), "a look at the list is no look at a person's data"
    ended = officer.post(f"/privacy/workforce/{declared[0][0]}/ended", "/privacy/workforce")
    assert ended.status_code == 200
    assert str(asked) not in ended.text.replace("<wbr>", "")
    assert steward.get("/privacy/workforce").status_code == 403


def test_nobody_ends_the_entry_about_himself(opened, asked):
    with psycopg.connect(opened.database_url) as connection:
        connection.execute(
            "INSERT INTO workforce_patient (looker, patient, declared, declared_by)"
            " VALUES ('account ann', %s, now(), 'bob')",
            [asked],
        )
        connection.commit()
    (entry,) = [one.entry for one in read_workforce(opened, "x") if one.looker == "account ann"]
    with pytest.raises(Conflict):
        end_member(opened, entry, "ann")
    end_member(opened, entry, "bob")
    assert all(one.looker != "account ann" for one in read_workforce(opened, "x"))


@pytest.mark.parametrize(
    ("looker", "field"),
    [("account nobody", "account"), ("user nowhere u1", "participant"), ("user {} ", "user")],
)
def test_who_is_not_known_is_not_declared(opened, asked, looker, field):
    with pytest.raises(ContentError) as refused:
        declare_member(opened, looker.format(min(opened.partners)), str(asked), "bob")
    assert refused.value.field == field
