"""Hostile text in every field of a patient: it is shown as text, wherever a page shows it."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape
from urllib.parse import urlencode

import psycopg
import pytest

from exchange.app import find_partner
from exchange.console.pages import PLACES
from exchange.pipeline.steps import run_partner
from tests.pipeline.coalition import observation, write_ndjson

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE patient; --",
    "{{ 7 * 7 }}{% for x in y %}",
    "%(name)s %s {0}",
    "=HYPERLINK(1)",
    "line one\nline two\r\n=1+1",
    "\u202egnp.exe\u0085</textarea><svg onload=alert(1)>",
    "null",
    "Zo\u200bë\u2060 \U0001f469\u200d\U0001f469\u200d\U0001f466 \u05d0\u0301\u0301\u0301",
    "Longname" * 1_250,
)

NAME = '=1 <script>alert(2)</script>"><img src=x onerror=alert(2)>{{ 7 * 7 }} Elm'


@pytest.fixture(scope="module", autouse=True)
def sent(opened):
    people = [
        {
            "resourceType": "Patient",
            "id": f"h{number}",
            "identifier": [{"system": "https://elm-clinic.example/mrn", "value": text}],
            "name": [{"family": text, "given": [text, f"Given{number}"]}],
            "gender": "female",
            "birthDate": "1990-01-01",
            "address": [{"line": [text], "city": text, "postalCode": "62701"}],
            "telecom": [{"system": "email", "value": text}],
        }
        for number, text in enumerate(HOSTILE)
    ]
    results = [
        {
            **observation(50 + n, 0),
            "id": f"ho{n}",
            "subject": {"reference": f"Patient/h{n}"},
            "note": [{"text": text}],
        }
        for n, text in enumerate(HOSTILE)
    ]
    write_ndjson(opened.settings.home.parent / "elm/<img src=x> \u202e =1.ndjson", people + results)
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))


def addresses(opened):
    """Every page with everything that it can be about."""
    with psycopg.connect(opened.database_url) as connection:
        records = [str(r) for (r,) in connection.execute("SELECT record FROM source_record ORDER BY 1")]
        people = [p for (p,) in connection.execute("SELECT DISTINCT person::text FROM patient")]
    values = {
        "record": records,
        "person": people,
        "run": ["1", "3"],
        "partner": ["elm_clinic"],
        "pair": ["1-2"],
    }
    for place in PLACES:
        if place.method != "GET" or not place.roles:
            continue
        names = re.findall(r"\{(\w+)\}", place.path)
        if not names:
            yield place, place.path
        elif len(names) == 1 and names[0] in values:
            for value in values[names[0]]:
                yield place, place.path.replace(f"{{{names[0]}}}", value)


def test_no_page_runs_or_breaks_on_what_a_partner_sent(served, opened):
    partner = opened.settings.home / "mappings/elm_clinic/partner.yaml"
    partner.write_text(partner.read_text().replace("name: Elm Clinic", f"name: {json.dumps(NAME)}"))
    served.desk.opened.look()
    visitors = {}
    shown = named = files = 0
    taken = set()
    for place, address in addresses(opened):
        role = place.roles[0]
        if role not in visitors:
            visitors[role] = served.visitor(role, "elm_clinic" if role == "partner" else None)
        query = "?participant=elm_clinic&purpose=TREAT&kind=" if address.endswith("/why") else ""
        answer = visitors[role].get(address + query)
        assert answer.status_code in (200, 404), address
        assert "<script>alert" not in answer.text, address
        assert "<img src=x" not in answer.text, address
        assert "<svg onload" not in answer.text, address
        shown += "&lt;script&gt;alert(1)" in answer.text
        named += "&lt;script&gt;alert(2)" in answer.text.replace("<wbr>", "")
        assert not set("\u202e\u200b\u2060") & set(answer.text), address
        if place.path not in taken:
            taken.add(place.path)
            for found in re.findall(r'href="(\?[^"]*format=csv[^"]*)"', answer.text):
                table = visitors[role].get(address.partition("?")[0] + unescape(found))
                assert table.status_code == 200, (address, found)
                assert formulas(table) == [], (address, found)
                files += 1
    assert shown > 2
    assert named > 10
    assert files > 15


def formulas(table):
    """Cells that a spreadsheet would count: numbers may begin with a sign."""
    cells = [cell for row in csv.reader(io.StringIO(table.content.decode("utf-8-sig"))) for cell in row]
    return [c for c in cells if re.match(r"\s*[=+@-]", c) and not re.fullmatch(r"-[\d.]+", c)]


def test_the_accounting_of_everyone_prints(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        people = [p for (p,) in connection.execute("SELECT DISTINCT person::text FROM patient")]
    officer = served.visitor("privacy-officer")
    answers = [officer.get(f"/privacy/people/{person}?format=pdf") for person in people]
    assert {(one.status_code, one.content[:4]) for one in answers} == {(200, b"%PDF")}


def test_what_was_typed_wrong_is_named_as_text(served):
    engineer = served.visitor("data-engineer")
    for text in HOSTILE:
        answer = engineer.post("/codes/elm_clinic/0", "/", equivalence="unmatched", code_map=text)
        said = unescape(
            re.search(r'role="alert"><span(?: lang="en")?>(.*?)</span></p>', answer.text, re.DOTALL)[1]
        )
        assert answer.status_code == 400
        assert f"`{text}`: no such code map" in said
        assert (
            "<"
            not in answer.text.partition('role="alert"')[2].partition("</span></p>")[0].partition("<span")[2]
        )


def test_what_is_typed_is_shown_as_text(served):
    officer = served.visitor("privacy-officer")
    for text in HOSTILE:
        found = officer.post("/privacy/people", page="/privacy", words=text)
        searched = officer.get("/privacy/audit?" + urlencode({"kind": text}))
        assert (found.status_code, searched.status_code) == (200, 200), text
        for raw in ("<script>alert", "<img src=x", "<svg onload"):
            assert raw not in found.text + searched.text
        typed = unescape(
            re.search(r'name="words" required autocomplete="off" value="([^"]*)"', found.text)[1]
        )
        assert typed == text


def test_no_script_that_is_typed_runs(browse):
    page = browse("privacy-officer", "/privacy")
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    for text in HOSTILE[:2]:
        page.goto(page.url.split("/privacy")[0] + "/privacy")
        page.get_by_label("Find a person").fill(text)
        page.get_by_role("button", name="Find").click()
        assert page.locator("h1").inner_text() == "People found"


@pytest.mark.slow
def test_no_text_makes_a_page_wider_than_a_narrow_screen(browse, opened):
    with psycopg.connect(opened.database_url) as connection:
        person, patient, record = connection.execute(
            "SELECT p.person::text, p.patient, s.record FROM patient p JOIN resource r USING (fhir_id)"
            " JOIN source_record s USING (record)"
            " WHERE convert_from(r.body, 'UTF8') LIKE '%LongnameLongname%'"
            " LIMIT 1"
        ).fetchone()
    pages = {
        "privacy-officer": [f"/privacy/people/{person}", f"/privacy/people/{person}/consents/forms/part2"],
        "match-steward": [f"/matching/1-{patient}", f"/matching/person/{patient}"],
        "data-engineer": [f"/records/{record}", "/partners/new"],
    }
    for role, paths in pages.items():
        page = browse(role, "/")
        page.set_viewport_size({"width": 320, "height": 800})
        for path in paths:
            page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + path)
            assert page.locator("h1").is_visible(), path
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
