"""The privacy officer's worklists in the browser: broken glasses, recalls, consents not computable."""

from __future__ import annotations

import re
from datetime import timedelta

import psycopg
import pytest

from exchange.app import find_partner
from exchange.app.privacy.deciding import decide_consent
from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries
from exchange.model.errors import Conflict
from exchange.pipeline.steps import run_partner
from tests.consent.builders import consent
from tests.console.access import violations
from tests.pipeline.coalition import observation, write_ndjson

OURS = {"coding": [{"system": "https://example.org/rules", "code": "OURS"}]}
CONSENT = consent(policy=None, policyRule=OURS, sourceReference=None, provision=None)


@pytest.fixture(scope="module", autouse=True)
def happened(opened):
    """Oak broke a glass and read a record that Elm corrected then; Elm sent a consent nobody can compute."""
    asked = Requester("oak", "oak_clinic", "Oak Clinic", "organization", "TREAT", "t")
    with psycopg.connect(opened.database_url) as connection:
        patient, record = connection.execute(
            "SELECT p.fhir_id::text, r.fhir_id::text FROM patient p JOIN resource r USING (patient)"
            " WHERE p.partner = 'elm_clinic' AND r.type = 'Observation'"
        ).fetchone()
        connection.execute(
            "INSERT INTO emergency_access (at, until, participant, client, patient, statement) VALUES"
            " (now(), now() + interval '1 hour', 'oak_clinic', 'oak', %s,"
            ' \'{"emergency_nature": "unconscious", "recipient": "Dr. Vega"}\')',
            [patient],
        )
        circumstances = Circumstances(opened.work.now(), "https://x.example", "127.0.0.1", "r")
        seen = [Disclosed(patient, (f"Observation/{record}",), ("hipaa-treatment",))]
        append(connection, query_entries(asked, circumstances, "Observation", seen))
        connection.commit()
    write_ndjson(opened.settings.home.parent / "elm/three.ndjson", [CONSENT, observation(1, 1, 9.9)])
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))
    return record


def test_a_broken_glass_is_reviewed_once(browse, opened):
    page = browse("privacy-officer", "/privacy/emergencies")
    page.locator("#emergencies tbody a").first.click()
    assert "unconscious" in page.locator("main").inner_text()
    page.get_by_label("justified", exact=True).check()
    page.get_by_label("Why").fill("brought in unconscious")
    page.get_by_role("button", name="Decide").click()
    assert "stands" in page.locator(".told").inner_text()
    page.get_by_role("link", name="Those decided").click()
    page.locator("#emergencies tbody a").first.click()
    assert page.get_by_role("button", name="Decide").count() == 0
    with psycopg.connect(opened.database_url) as connection:
        told = connection.execute(
            "SELECT patient IS NOT NULL FROM audit_event WHERE kind = 'emergency.reviewed'"
        ).fetchall()
    assert told == [(True,)]


def test_an_error_of_the_source_is_asked_back_and_closed(browse, happened):
    page = browse("privacy-officer", "/privacy/recalls")
    page.get_by_label("Because of").select_option("source-error")
    page.get_by_label("What (").fill(f"Observation/{happened}")
    page.get_by_label("Why").fill("another patient's sample")
    page.get_by_role("button", name="Find who got it").click()
    assert violations(page) == []
    assert "Oak Clinic" in page.locator("section.card").inner_text()
    page.get_by_label("What they did").select_option("destroyed")
    page.get_by_label("Note").fill("confirmed by telephone")
    page.get_by_role("button", name="Close").click()
    assert "confirmed by telephone" in page.locator("section.card").inner_text()
    assert page.get_by_role("button", name="Close").count() == 0


def test_a_consent_that_cannot_be_computed_is_decided_once_and_that_is_recorded(browse, opened):
    page = browse("privacy-officer", "/privacy/consents")
    assert "Elm Clinic" in page.locator("#uncomputable").inner_text()
    page.locator("#uncomputable tbody a").first.click()
    page.get_by_label("sent back to the partner", exact=True).check()
    page.get_by_label("Why").fill("asked Elm to name the rule")
    page.get_by_role("button", name="Decide").click()
    assert "stands" in page.locator(".told").inner_text()
    assert page.locator("#uncomputable tbody a").count() == 0
    page.get_by_role("link", name="Those decided").click()
    assert "asked Elm to name the rule" in page.locator("#uncomputable").inner_text()
    page.locator("#uncomputable tbody a").first.click()
    assert page.get_by_role("button", name="Decide").count() == 0
    with psycopg.connect(opened.database_url) as connection:
        (record,) = connection.execute("SELECT record FROM consent_review").fetchone()
        with pytest.raises(Conflict):
            decide_consent(connection, record, "captured", "again", "anna", opened.work.now())
        with pytest.raises(Conflict):
            decide_consent(connection, record + 99, "captured", "no such", "anna", opened.work.now())
        told = connection.execute(
            "SELECT body ->> 'outcomeDesc' FROM audit_event WHERE kind = 'consent.reviewed'"
        ).fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM consent_review")
    assert told == [(f"record {record}, sent-back: asked Elm to name the rule",)]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/privacy/emergencies/1", {"decision": "maybe", "reason": "x"}),
        ("/privacy/recalls", {"kind": "revocation", "what": "Consent/x", "reason": "x"}),
        ("/privacy/recalls", {"kind": "spite", "what": "x", "reason": "x"}),
        ("/privacy/recalls", {"kind": "source-error", "what": "Observation/1", "reason": ""}),
    ],
)
def test_what_cannot_be_decided_is_told(served, path, fields):
    officer = served.visitor("privacy-officer")
    assert officer.post(path, page="/privacy/recalls", **fields).status_code == 400


@pytest.mark.parametrize("path", ["/privacy/emergencies/99", "/privacy/recalls/99", "/privacy/recalls/x"])
def test_what_is_not_there_is_told_so(served, path):
    assert served.visitor("privacy-officer").get(path).status_code == 404


def test_an_agencys_word_suspends_an_accounting_and_what_the_law_does_not_know_is_refused(served, opened):
    officer = served.visitor("privacy-officer")
    with psycopg.connect(opened.database_url) as connection:
        (patient,) = connection.execute("SELECT fhir_id::text FROM patient ORDER BY patient").fetchone()
    today = opened.work.now().date()
    sent = {
        "patient": patient, "recipient": min(opened.partners), "official": "Det. Roe",
        "statement": "oral", "stated": f"{today - timedelta(days=3)}",
        "until": f"{today + timedelta(days=20)}",
    }  # fmt: skip
    for wrong in ({"until": "2099-01-01"}, {"patient": "x"}, {"official": " "}, {"stated": "soon"}):
        assert officer.post("/privacy/suspensions", **{**sent, **wrong}).status_code == 400, wrong
    shown = officer.post("/privacy/suspensions", **sent)
    assert shown.status_code == 200
    assert "Det. Roe" in shown.text
    with psycopg.connect(opened.database_url) as connection:
        last = connection.execute(
            "SELECT kind, patient::text FROM audit_event ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
    assert last == ("log.read", patient), "no look that the person would be told of"
    number = re.search(r"/privacy/suspensions/(\d+)/ended", shown.text)[1]
    ended = officer.post(f"/privacy/suspensions/{number}/ended", "/privacy/suspensions")
    assert ended.status_code == 200
    assert "Det. Roe" in ended.text, "what was documented stays"
    assert f"/{number}/ended" not in ended.text
    assert served.visitor("partner", min(opened.partners)).get("/privacy/suspensions").status_code == 403
