"""Every page that shows a patient's data leaves one record for each patient, with the purpose.

The pages are those of the application. Each patient's data carries words of its own: a page in whose answer
they stand concerns that patient, whoever wrote the page and whatever it says of itself.
"""

from __future__ import annotations

import re

import psycopg
import pytest

from exchange.app.privacy import viewing
from exchange.audit import AuditFailed
from exchange.console.pages import PLACES
from tests.console.filled import fill, words_of
from tests.console.walk import address, pages

# A page whose address names one of these is about somebody, whatever words it shows.
ABOUT = {"pair", "patient", "person", "record", "consent"}
ROLES = ("data-engineer", "privacy-officer", "match-steward", "partner", "coalition")


@pytest.fixture(scope="module", autouse=True)
def marked(opened):
    return fill(opened)


def recorded(opened, since):
    """(patient, purpose, page) of the views recorded after a number of the log."""
    with psycopg.connect(opened.database_url) as connection:
        return connection.execute(
            "SELECT patient::text, body#>>'{purposeOfEvent,0,coding,0,code}', body#>>'{agent,0,who,display}',"
            " kind FROM audit_event WHERE sequence > %s AND kind IN ('console.viewed', 'match.viewed')",
            [since],
        ).fetchall()


def head(opened):
    with psycopg.connect(opened.database_url) as connection:
        return connection.execute("SELECT sequence FROM audit_head").fetchone()[0]


def of_person(opened, fhir_id):
    """FHIR ids of all records of the person that one of them is of."""
    with psycopg.connect(opened.database_url) as connection:
        return {
            row[0]
            for row in connection.execute(
                "SELECT fhir_id::text FROM patient WHERE person ="
                " (SELECT person FROM patient WHERE fhir_id = %s)",
                [fhir_id],
            )
        }


# Those about participants themselves are about nobody.
_RECORDS = "SELECT record FROM source_record WHERE feed <> 'participant' ORDER BY 1"


def everything(opened):
    """(place, address) of every page that is read, of those about a record for every record there is."""
    with psycopg.connect(opened.database_url) as connection:
        for place in pages():
            found = address(place, connection)
            if place.path == "/records/{record}":
                for (number,) in connection.execute(_RECORDS).fetchall():
                    yield place, f"/records/{number}"
            elif place.path.startswith("/privacy/people/{person}") and found:
                for (person,) in connection.execute("SELECT DISTINCT person::text FROM patient").fetchall():
                    yield place, re.sub(r"(?<=people/)[0-9a-f-]{36}", person, found)
            elif found:
                yield place, found


def test_whoever_sees_a_patients_data_is_recorded_once_for_each_with_the_purpose(served, opened, marked):
    visitors = {}
    silent, shown, walked = [], set(), set()
    for place, path in everything(opened):
        for role in place.roles if set(place.roles) != set(ROLES) else ("data-engineer",):
            if role not in visitors:
                visitors[role] = served.visitor(role, "elm_clinic" if role == "partner" else None)
            since = head(opened)
            answer = visitors[role].get(path)
            if answer.status_code != 200:
                continue
            walked.add(place.path)
            views = recorded(opened, since)
            concerned = {n for n in (1, 2, 3) if any(word in answer.text for word in words_of(n))}
            shown.update((place.path, n) for n in concerned)
            for number in concerned:
                wanted = of_person(opened, marked[number]) if number in marked else {None}
                seen = {patient for patient, *_ in views}
                whole = place.path.startswith("/privacy/people")
                if not (wanted <= seen if whole else wanted & seen):
                    silent.append((path, number, views))
            if ABOUT.intersection(re.findall(r"\{(\w+)\}", place.path)) and not views:
                silent.append((path, "about somebody", views))
            assert len({patient for patient, *_ in views}) == len(views), path
            for _patient, purpose, login, _kind in views:
                assert purpose in ("HSYSADMIN", "HCOMPL", "PATADMIN"), path
                assert login.startswith(role), path
    assert silent == [], "\n".join(map(str, silent))
    # The words are really there to be found: pages of three people show them.
    assert {path.split("/")[1] for path, _ in shown} >= {"records", "privacy"}
    assert ("/records/{record}", 3) in shown
    assert walked >= {p.path for p in pages() if ABOUT.intersection(re.findall(r"\{(\w+)\}", p.path))} - {
        "/privacy/people/{person}/consents/{consent}"
    }


def test_no_page_is_left_out_of_the_walk(opened):
    with psycopg.connect(opened.database_url) as connection:
        found = {place.path for place in pages() if address(place, connection)}
    without = {place.path for place in PLACES if place.method == "GET"} - found
    # It takes a consent that was captured, which tests/console/test_capturing.py does.
    assert without <= {"/privacy/people/{person}/consents/{consent}", "/matching/{pair}"}


def test_what_cannot_be_recorded_is_not_shown(served, opened, marked, monkeypatch):
    with psycopg.connect(opened.database_url) as connection:
        (person,) = connection.execute(
            "SELECT person FROM patient WHERE fhir_id = %s", [marked[1]]
        ).fetchone()
    officer = served.visitor("privacy-officer")
    assert words_of(1)[0] in officer.get(f"/privacy/people/{person}").text

    def failing(*_):
        raise AuditFailed("the audit record could not be written")

    with monkeypatch.context() as patch:
        patch.setattr(viewing, "append", failing)
        answer = officer.get(f"/privacy/people/{person}")
    assert answer.status_code == 503
    assert words_of(1)[0] not in answer.text
