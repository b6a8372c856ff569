"""The ways of docs/console.md are gone from the start page by names of links; in Chromium to their end."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import psycopg
import pytest
from lxml.html import document_fromstring

from exchange.app import find_partner
from exchange.pipeline.steps import run_partner
from tests.console.access import violations
from tests.console.ends import ENDS, World
from tests.console.officers import add_officers
from tests.pipeline.coalition import observation, write_ndjson

DOCS = Path(__file__).parents[2] / "docs/console.md"
ROLES = {
    "Data engineer": "data-engineer",
    "Partner": "partner",
    "Privacy officer": "privacy-officer",
    "Match steward": "match-steward",
    "Coalition": "coalition",
}
_ROW = "//*[@id='{}']//tbody//a"
# The first of each; the last run of a list is the first there was, the last reason the latest.
PLACES = {
    "a partner": "//*[@id='partners']//tbody/tr[contains(., 'Elm')]//a",
    "a run": "(//*[@id='runs']//tbody//a)[last()]",
    "a number": "//*[local-name()='svg']//*[local-name()='a'][contains(., 'published')]",
    "a record": "//*[@id='records']//tbody/tr[contains(., 'records')]//a",
    "a refused record": "(//*[@id='waiting']//tbody//a)[last()]",
    "a count": "//*[@id='waiting' or @id='waits']//tbody//td[contains(@class, 'number')]/a",
    "a person": "//main//tbody//a",
    "a cell": "//table[contains(@class, 'matrix')]//tbody//a",
    "a form": "//*[contains(@class, 'cards')]//a",
    "a rule": _ROW.format("rules"),
    "a pair": _ROW.format("pairs"),
    "a record of the pair": "//main//p//a",
}


def tasks() -> list[tuple[str, str, list[str], str]]:
    found, role = [], ""
    for line in DOCS.read_text("utf-8").splitlines():
        if named := re.match(r"\*\*(.+?)\*\*", line):
            role = ROLES.get(named[1], "")
        elif role and line.startswith("| ") and not line.startswith("| task"):
            task, way, there = (cell.strip() for cell in line.strip("|").split("|"))
            found.append((role, task, [step.strip() for step in way.split("›")], there))
    return found


def test_each_person_has_ten_tasks():
    named = [role for role, *_ in tasks()]
    assert set(named) == set(ROLES.values())
    assert min(named.count(role) for role in ROLES.values()) >= 10


@pytest.fixture(scope="module")
def world(opened, tmp_path_factory):
    """Quarantine, a code that no map answers, two emergencies and two officers."""
    folder = opened.settings.home.parent
    bad = {**observation(1, 1), "id": "bad"}
    bad.pop("status")
    write_ndjson(folder / "elm/bad.ndjson", [bad])
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))
    keys = add_officers(opened)
    with psycopg.connect(opened.database_url) as connection:
        (patient,) = connection.execute(
            "SELECT fhir_id::text FROM patient WHERE partner = 'elm_clinic' LIMIT 1"
        ).fetchone()
        connection.execute(
            "INSERT INTO emergency_access (at, until, participant, client, patient, statement)"
            " SELECT now(), now() + interval '1 hour', 'oak_clinic', 'oak', %s,"
            ' \'{"emergency_nature": "unconscious"}\' FROM generate_series(1, 2)',
            [patient],
        )
        connection.execute(
            "INSERT INTO unmapped_code"
            " SELECT run, 'records', 'gender', 'urn:y', 'zq', 'Patient.gender', 'sex', 1"
            " FROM run WHERE partner = 'elm_clinic' ORDER BY run LIMIT 1"
        )
        connection.commit()
    return World(opened.settings.home, tmp_path_factory.mktemp("tasks"), keys, patient)


@pytest.mark.parametrize("role", ROLES.values())
def test_every_way_leads_to_its_place(served, world, role):
    """Without a browser, so that it is quick: each step is a link of the page before."""
    visitor, seen = served.visitor(role, "elm_clinic" if role == "partner" else None), {}
    for _, task, way, there in (one for one in tasks() if one[0] == role):
        answer, gone = visitor.get("/"), ()
        for step in way:
            gone = (*gone, step)
            if gone not in seen:  # ways begin alike
                seen[gone] = _followed(visitor, answer, step)
            answer = seen[gone]
        assert there in _read(document_fromstring(answer.text).body), task


def test_a_partner_sees_why_records_of_its_own_wait_and_nothing_of_others(served, world):
    """The record without a status is of Elm."""
    waits = {
        code: _read(
            document_fromstring(served.visitor("partner", code).get("/own").text).get_element_by_id("waits")
        )
        for code in ("elm_clinic", "oak_clinic")
    }
    assert "Observation.status" in waits["elm_clinic"]
    assert "Nothing waits" in waits["oak_clinic"]


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES.values())
def test_every_task_is_done_from_the_start_page(browse, world, role):
    page = browse(role, "/", participant="elm_clinic" if role == "partner" else None)
    start, seen = page.url, set()
    page.set_default_timeout(300_000)  # proving takes half a minute of a whole processor
    for _, task, way, there in (one for one in tasks() if one[0] == role):
        page.goto(start)
        for step in way:
            _step(page, step)
        if page.url not in seen:
            seen.add(page.url)
            assert violations(page) == [], task
        assert there in _text(page), task
        if task in ENDS:
            ENDS[task](page, world)
            assert violations(page) == [], task


def test_every_end_is_that_of_a_task():
    assert set(ENDS) <= {task for _, task, _, _ in tasks()}


def _step(page, step: str) -> None:
    if step == "*a search*":
        page.get_by_label("Find a person").fill("Harding")
        page.get_by_role("button", name="Find").click()
    elif step == "*a decision*":
        page.get_by_label("Why").fill("tried out")
        page.get_by_role("button", name="keep them apart").click()
    elif step.startswith("*"):
        page.locator(f"xpath={PLACES[step.strip('*')]}").first.click()
    else:
        exact = page.get_by_role("link", name=step, exact=True)
        (exact if exact.count() else page.get_by_role("link", name=step)).first.click()


def _followed(visitor, answer, step: str):
    """The page that a step leads to."""
    here = urlsplit(answer.url).path
    if step == "*a search*":
        return visitor.post("/privacy/people", page=here, words="Harding")
    if step == "*a decision*":
        return visitor.post(here, decision="keep-apart", reason="tried out")
    links = document_fromstring(answer.text).xpath(PLACES.get(step.strip("*"), "//a"))
    exact = [link for link in links if step.startswith("*") or _read(link) == step]
    found = exact or [link for link in links if step in _read(link)]
    assert found, f"{here}: no link {step}"
    followed = visitor.get(urljoin(here, found[0].get("href")))
    assert followed.status_code == 200, followed.url
    return followed


def _read(element) -> str:
    """Its words, with single spaces."""
    return " ".join(element.text_content().split())


def _text(page) -> str:
    """What is read and what is written on buttons; headings of tables are there as they are read out."""
    return page.locator("body").inner_text()
