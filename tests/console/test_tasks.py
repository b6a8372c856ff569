"""The ways of docs/console.md are gone in Chromium from the start page, by names of links, to their end."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime
from functools import partial
from html import unescape
from pathlib import Path

import psycopg
import pytest

from exchange.app import find_partner
from exchange.app.privacy.activation import append
from exchange.consent.activation import Act
from exchange.crypto import new_signing_key, public_key, sign
from exchange.pipeline.steps import run_partner
from tests.console.access import violations
from tests.console.ends import ENDS, World
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


@pytest.fixture(scope="module")
def world(opened, tmp_path_factory):
    """Quarantine, a code that no map answers, an emergency and two officers."""
    folder = opened.settings.home.parent
    bad = {**observation(1, 1), "id": "bad"}
    bad.pop("status")
    write_ndjson(folder / "elm/bad.ndjson", [bad])
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))
    keys = {name: new_signing_key() for name in ("anna", "bohdan")}
    at = datetime.now(UTC)
    with psycopg.connect(opened.database_url) as connection:
        for name, key in keys.items():
            act = Act("officer-added", name, public_key(key), name, at)
            append(connection, opened.signing_key, act, partial(sign, private_pem=key))
        (patient,) = connection.execute(
            "SELECT fhir_id::text FROM patient WHERE partner = 'elm_clinic' LIMIT 1"
        ).fetchone()
        connection.execute(
            "INSERT INTO emergency_access (at, until, participant, client, patient, statement) VALUES"
            " (now(), now() + interval '1 hour', 'oak_clinic', 'oak', %s,"
            ' \'{"emergency_nature": "unconscious"}\')',
            [patient],
        )
        connection.execute(
            "INSERT INTO unmapped_code"
            " SELECT run, 'records', 'gender', 'urn:y', 'zq', 'Patient.gender', 'sex', 1"
            " FROM run WHERE partner = 'elm_clinic' ORDER BY run LIMIT 1"
        )
        connection.commit()
    return World(opened.settings.home, tmp_path_factory.mktemp("tasks"), keys, patient)


_LONG = ("privacy-officer", "data-engineer")  # ten seconds each


@pytest.mark.parametrize(
    "role",
    [pytest.param(role, marks=pytest.mark.slow) if role in _LONG else role for role in ROLES.values()],
)
def test_every_task_is_done_from_the_start_page(browse, world, role):
    page = browse(role, "/", participant="elm_clinic" if role == "partner" else None)
    start, seen = page.url, set()
    page.set_default_timeout(60_000)
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


def test_a_signature_with_anothers_key_is_not_taken(served, opened, world):
    officer, page = served.visitor("privacy-officer"), "/privacy/activation"
    shown = unescape(officer.post(page, officer="anna").text)
    fields = dict(re.findall(r'name="(subject|officer|at)" value="([^"]+)"', shown))
    statement = re.search(r"<textarea[^>]*readonly[^>]*>(.*?)</textarea>", shown)[1].encode()
    with psycopg.connect(opened.database_url) as connection:
        before = connection.execute("SELECT count(*) FROM officer_act").fetchone()
        for signature in (b64encode(sign(statement, world.keys["bohdan"])).decode(), "", "%%"):
            refused = officer.post(f"{page}/signed", page, **fields, signature=signature)
            assert refused.status_code == 400
        for at in (
            "2026-01-01T00:00:00+00:00",
            "2999-01-01T00:00:00+00:00",
            fields["at"][:19],
            "0001-01-01T00:00:00+14:00",
        ):
            other = {**fields, "at": at, "signature": "c2lnbmVk"}
            assert "older than a day" in officer.post(f"{page}/signed", page, **other).text
        assert connection.execute("SELECT count(*) FROM officer_act").fetchone() == before


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
        page.locator(PLACES[step.strip("*")]).first.click()
    else:
        exact = page.get_by_role("link", name=step, exact=True)
        (exact if exact.count() else page.get_by_role("link", name=step)).first.click()


def _text(page) -> str:
    """What is read and what is written on buttons; headings of tables are there as they are read out."""
    return page.locator("body").inner_text()
