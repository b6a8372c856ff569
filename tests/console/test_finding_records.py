"""A record is found by why it waits and by the number its partner knows it by; a late partner says why."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import psycopg
import pytest
from lxml.html import document_fromstring

from exchange.app import find_partner
from exchange.pipeline.steps import run_partner
from tests.pipeline.coalition import observation, write_ndjson


@pytest.fixture(scope="module", autouse=True)
def waiting(opened):
    """Three observations that lack their status, of one patient and another."""
    bad = [{**observation(1 + n, 1), "id": f"bad-{n}"} for n in range(3)]
    for one in bad:
        one.pop("status")
    write_ndjson(opened.settings.home.parent / "elm/three.ndjson", bad)
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))


def rows(answer, table):
    return [
        [cell.text_content().strip() for cell in row.xpath("td")]
        for row in document_fromstring(answer.text).xpath(f"//*[@id='{table}']//tbody/tr[td[2]]")
    ]


def followed(visitor, page):
    """The list behind the number of the first reason of a page."""
    (address,) = set(
        re.findall(r'href="(/(?:quarantine/records|own/waiting)\?[^"]*status[^"]*)"', visitor.get(page).text)
    )
    return unescape(address)


def numbered(opened, key):
    with psycopg.connect(opened.database_url) as connection:
        found = connection.execute("SELECT record FROM source_record WHERE key = %s ORDER BY 1", [key])
        return [str(record) for (record,) in found]


def test_the_number_of_a_reason_lists_all_of_its_records(served, opened):
    engineer = served.visitor("data-engineer")
    answer = engineer.get(followed(engineer, "/quarantine"))
    wanted = sorted((numbered(opened, f"Observation/bad-{n}")[0] for n in range(3)), key=int, reverse=True)
    assert [row[0] for row in rows(answer, "records")] == wanted
    assert "bad-0" not in answer.text
    assert engineer.get("/quarantine/records?" + urlencode({"partner": "nobody"})).status_code == 404


def test_a_partner_learns_which_of_its_records_wait_and_that_is_recorded(served, opened):
    partner, other = (served.visitor("partner", code) for code in ("elm_clinic", "oak_clinic"))
    address = followed(partner, "/own")
    answer = partner.get(address)
    assert [row[:2] for row in rows(answer, "which")] == [
        [f"Observation/bad-{n}", f"three.ndjson line {n + 1}"] for n in (2, 1, 0)
    ]
    assert rows(other.get(address), "which") == []
    with psycopg.connect(opened.database_url) as connection:
        seen = connection.execute(
            "SELECT 1 FROM audit_event WHERE kind = 'console.viewed' AND body::text LIKE '%/own/waiting%'"
        ).fetchall()
    assert len(seen) == 1


def test_a_record_is_found_by_its_number_and_no_address_holds_it(served, opened):
    engineer = served.visitor("data-engineer")
    for number in ("bad-1", " Observation/bad-1 "):
        answer = engineer.post("/partners/elm_clinic/records", page="/partners/elm_clinic", number=number)
        assert [row[0] for row in rows(answer, "found")] == numbered(opened, "Observation/bad-1")
        assert answer.url.endswith("/partners/elm_clinic/records")
    for number, partner in (
        ("bad", "elm_clinic"),
        ("Condition/bad-1", "elm_clinic"),
        ("bad-1", "oak_clinic"),
    ):
        answer = engineer.post(f"/partners/{partner}/records", page="/partners/elm_clinic", number=number)
        assert rows(answer, "found") == []
    empty = engineer.post("/partners/elm_clinic/records", page="/partners/elm_clinic", number=" ")
    assert (empty.status_code, "fault-number" in empty.text) == (400, True)


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("ADT|LAKESIDE|LH-7|20261127235959-0600", "LH-7"),
        ("2.16.840.1.113883.19.20.9|W-1", "W-1"),
        ("Observation/o-1", "o-1"),
        ("documents/CCD_1.xml", "CCD_1.xml"),
        ("C-1", "C-1"),
    ],
)
def test_a_key_ends_in_the_number_that_people_know(opened, key, number):
    with psycopg.connect(opened.database_url) as connection:
        assert connection.execute("SELECT number_of_key(%s)", [key]).fetchone() == (number,)


def test_a_record_is_found_along_an_index(opened):
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT record FROM source_record WHERE partner = 'elm_clinic'"
            " AND number_of_key(key) = number_of_key('bad-1')"
        ).fetchall()
    assert "source_record_number" in str(plan)


def test_a_late_partner_says_since_when_and_a_run_that_has_not_ended_is_named(served, opened):
    engineer, file = (
        served.visitor("data-engineer"),
        opened.settings.home / "mappings/oak_clinic/partner.yaml",
    )
    assert "It is late" not in engineer.get("/partners/oak_clinic").text
    before = file.read_text()
    file.write_text(re.sub(r"(?m)^schedule:.*\n", "", before) + '\nschedule: "0 3 * * *"\n')
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("UPDATE run SET started = '2026-01-05T12:00Z' WHERE partner = 'oak_clinic'")
        connection.execute("INSERT INTO run (partner, kind, started) VALUES ('oak_clinic', 'replay', now())")
    served.desk.opened.look()
    text = engineer.get("/partners/oak_clinic").text
    assert "its last run began Jan 5, 2026" in text
    assert "should have begun by Jan 7, 2026" in text
    assert "has not ended" in text
    assert "late" in engineer.get("/partners").text
