"""The ways of docs/console.md are there: from the start page, by names of links, in Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exchange.app import find_partner
from exchange.pipeline.steps import run_partner
from tests.console.access import violations
from tests.pipeline.coalition import observation, write_ndjson

DOCS = Path(__file__).parents[2] / "docs/console.md"
ROLES = {
    "Data engineer": "data-engineer",
    "Partner": "partner",
    "Privacy officer": "privacy-officer",
    "Match steward": "match-steward",
    "Coalition": "coalition",
}
PLACES = {
    "a partner": "#partners tbody tr:has-text('Elm') a",
    "a run": "#runs tbody a >> nth=-1",
    "a number": "svg a:has-text('published')",
    "a record": "#records tbody tr:has-text('records') a",
    "a refused record": "#waiting tbody tr a >> nth=-1",
    "a person": "main tbody a",
    "a cell": ".matrix tbody a",
    "a form": ".cards a",
    "a rule": "#rules tbody a",
    "a pair": "#pairs tbody a",
    "a record of the pair": "main p a",
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


@pytest.fixture(scope="module", autouse=True)
def waiting(opened):
    """Something in quarantine."""
    bad = {**observation(1, 1), "id": "bad"}
    bad.pop("status")
    write_ndjson(opened.settings.home.parent / "elm/bad.ndjson", [bad])
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))


_LONG = ("privacy-officer", "data-engineer")  # ten seconds each


@pytest.mark.parametrize(
    "role",
    [pytest.param(role, marks=pytest.mark.slow) if role in _LONG else role for role in ROLES.values()],
)
def test_every_task_is_found_from_the_start_page(browse, role):
    page = browse(role, "/", participant="elm_clinic" if role == "partner" else None)
    start, seen, missing = page.url, set(), []
    for _, task, way, there in (one for one in tasks() if one[0] == role):
        page.goto(start)
        for step in way:
            _step(page, step)
        if page.url not in seen:
            seen.add(page.url)
            assert violations(page) == [], task
        if there not in _text(page):
            missing.append((task, there))
    # What only stands there when there is something of it.
    assert {task for task, _ in missing} <= {"map a code in place", "see who decided before, and why"}


def _step(page, step: str) -> None:
    if step == "*a search*":
        page.get_by_label("Find a person").fill("Harding")
        page.get_by_role("button", name="Find").click()
    elif step == "*a decision*":
        page.get_by_label("Why").fill("tried out")
        page.get_by_role("button", name="keep them apart").click()
    elif step.startswith("*"):
        page.locator(PLACES[step.strip("*")]).first.click()
    else:
        exact = page.get_by_role("link", name=step, exact=True)
        (exact if exact.count() else page.get_by_role("link", name=step)).first.click()


def _text(page) -> str:
    """What is read and what is written on buttons; headings of tables are there as they are read out."""
    return page.locator("body").inner_text()
