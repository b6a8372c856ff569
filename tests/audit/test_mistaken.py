"""Who got something under a consent that was a mistake is a question to the privacy officer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from exchange.audit import Disclosed, append, query_entries
from exchange.audit.watch import look, unusual
from exchange.model.ids import golden_id

DAY = datetime(2026, 6, 1, tzinfo=UTC)
AT = DAY + timedelta(days=1)
GIVEN = DAY - timedelta(days=3)
PERSON, CONSENT = str(UUID(int=1)), str(UUID(int=9))
BY_CONSENT, BY_LAW = ("consent:0:provision", "care-relationship"), ("hipaa-treatment",)


@pytest.fixture
def asked(connection, requester, circumstances):
    """Who got something for which reason, and when; then a day of a Consent of that status, once `before`."""

    def ask(*gots, status="entered-in-error", before="active", day=DAY):
        connection.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%(p)s, %(g)s, 'clinic', %(p)s, '{}')",
            {"p": PERSON, "g": golden_id(PERSON)},
        )
        _relationships(connection)
        _consent(connection, status, before)
        for who, because, at in gots:
            shown = [Disclosed(golden_id(PERSON), ("Condition/1",), because)]
            how = replace(circumstances, at=at)
            append(connection, query_entries(replace(requester, participant=who), how, "Condition", shown))
        look(connection, day, AT)
        return [(u.participant, u.measured) for u in unusual(connection) if u.kind == "mistaken-consent"]

    return ask


def _relationships(conn):
    """So that the log is asked about the consent alone."""
    conn.execute(
        "INSERT INTO relationship SELECT who, patient, 'encounter', %s FROM patient,"
        " unnest(ARRAY['hospital', 'shelter']) AS who",
        (AT + timedelta(days=9),),
    )


def _consent(conn, status, before):
    conn.execute(
        "INSERT INTO directive (consent, patient, partner, body)"
        " SELECT %s, patient, 'clinic', %s FROM patient",
        (CONSENT, json.dumps({"status": status})),
    )
    conn.execute(
        "WITH made AS (INSERT INTO disclosure_class (digest, source, type, confidentiality, labels, matched)"
        "  VALUES ('d', 'clinic', 'Consent', 'R', '{}', '{}') RETURNING class)"
        " INSERT INTO resource (type, fhir_id, partner, patient, class, rank, version, updated, record,"
        "  content_hash, mapping_digest, rules_digest, body) SELECT 'Consent', %s,"
        "  'clinic', p.patient, class, 1, 2, %s, 1, '', 'm', 'r', '{}' FROM made, patient p",
        (CONSENT, DAY + timedelta(hours=9)),
    )
    conn.execute(
        "INSERT INTO resource_history"
        " (type, fhir_id, rendition, version, partner, patient, class, updated, body)"
        " SELECT type, fhir_id, 0, 1, partner, patient, class, %s, %s FROM resource",
        (GIVEN, json.dumps({"status": before}).encode()),
    )


def test_each_recipient_of_what_a_mistaken_consent_opened_is_asked_about_once(connection, asked):
    found = asked(
        ("hospital", BY_CONSENT, GIVEN),
        ("hospital", BY_CONSENT, GIVEN + timedelta(hours=1)),
        ("shelter", BY_CONSENT, GIVEN + timedelta(hours=2)),
        ("clinic", BY_LAW, GIVEN + timedelta(hours=2)),
    )
    assert found == [("hospital", 2), ("shelter", 1)]
    assert look(connection, DAY, AT) == 0


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (GIVEN - timedelta(seconds=1), False),
        (GIVEN, True),
        (DAY + timedelta(hours=9, seconds=-1), True),
        (DAY + timedelta(hours=9), False),
    ],
)
def test_only_what_went_out_while_it_was_followed_counts(asked, at, told):
    assert bool(asked(("hospital", BY_CONSENT, at))) is told


@pytest.mark.parametrize(
    ("named", "told"),
    [("0", True), (CONSENT, True), (f"{CONSENT}/_history/7", True), (f"{UUID(int=8)}/_history/7", False)],
)
def test_what_rested_on_another_consent_is_not_asked_about(asked, named, told):
    because = ("hipaa-treatment", f"consent:{named}:provision.provision[0]")
    assert bool(asked(("hospital", because, GIVEN))) is told


@pytest.mark.parametrize(
    "otherwise",
    [
        {"status": "inactive"},
        {"status": "active"},
        {"before": "draft"},
        {"day": DAY - timedelta(days=1)},
        {"day": DAY + timedelta(days=1)},
    ],
)
def test_a_consent_that_is_no_mistake_of_that_day_or_was_never_followed_is_none(asked, otherwise):
    assert asked(("hospital", BY_CONSENT, GIVEN), **otherwise) == []
