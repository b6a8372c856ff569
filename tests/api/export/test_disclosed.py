"""A file that leaves is a disclosure: held to both words of a consent, and known wherever disclosures are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from exchange.app.partners.timeline import timeline
from exchange.audit import accounting
from exchange.audit.watch import look, unusual
from exchange.delivery.affected import sent_about
from exchange.repository.disclosure.late import Moved, late_disclosures, note_late_disclosures

from .exporting import names


@pytest.mark.parametrize(
    ("denied", "found_by_asking", "exported"),
    [("disclose", True, False), ("access", False, False), ("use", True, True)],
)
def test_a_file_is_a_disclosure_and_holds_what_may_be_asked_for_and_sent(
    export, download, get, records, people, denied, found_by_asking, exported
):
    records.consent("prairie_clinic", people["other"], "deny", denied)
    answer = get(f"Observation/{people['hemoglobin']}")
    assert (answer.status_code == 200) is found_by_asking
    found = names(download(export("$export?_type=Observation")))
    assert (f"Observation/{people['hemoglobin']}" in found) is exported
    assert f"Observation/{people['glucose']}" in found


@pytest.mark.parametrize("denied", ["disclose", "access"])
def test_a_denial_reaches_a_file_that_is_written_already(export, download, records, people, denied):
    manifest = export("$export?_type=Observation")
    assert f"Observation/{people['hemoglobin']}" in names(download(manifest))
    records.consent("prairie_clinic", people["other"], "deny", denied)
    assert names(download(manifest)) == {f"Observation/{people['glucose']}"}


def test_what_was_exported_is_known_wherever_disclosures_are(export, download, people, records, database):
    download(export("$export?_type=Observation"))
    result, whom = f"Observation/{people['hemoglobin']}", people["other"]
    with psycopg.connect(database) as conn:
        (told,) = accounting(conn, whom)
        assert (told.kind, told.given_as, told.participant) == ("export", "disclose", "lakeside_hospital")
        assert result in told.resources
        assert told.request.startswith("GET /fhir/")
        assert [one.record for one in sent_about(conn, [whom])] == [result]
        assert _late(conn, records, people) == [(result, told.sequence)]
        today = told.at.replace(hour=0, minute=0, second=0, microsecond=0)
        look(conn, today, told.at)
        assert [str(one.patient) for one in unusual(conn) if one.kind == "no-relationship"] == [told.about]
        moments = timeline(
            conn, "lakeside_hospital", told.at - timedelta(days=1), told.at + timedelta(days=1)
        )
    assert ("asked: export TREAT", "answered") in [(one.what, one.outcome) for one in moments.moments]


def _late(conn, records, people):
    """What the worklist says when the result turns out to be about HIV: (record, number in the log)."""
    classes = "SELECT class FROM resource WHERE type = 'Observation' AND fhir_id = %s"
    (old,) = conn.execute(classes, [people["hemoglobin"]]).fetchone()
    (new,) = conn.execute(classes, [people["hidden"]]).fetchone()
    (patient,) = conn.execute("SELECT patient FROM patient WHERE fhir_id = %s", [people["other"]]).fetchone()
    moved = Moved("Observation", UUID(people["hemoglobin"]), "prairie_clinic", patient, old, new)
    note_late_disclosures(conn, [moved], records.context, datetime.now(UTC))
    return [(f"{one.type}/{one.fhir_id}", one.first_event) for one in late_disclosures(conn)]


def test_every_patient_of_a_file_is_in_the_audit_log_when_it_leaves(export, download, people, audit_rows):
    manifest = export("$export?_type=Observation")
    assert [row[2] for row in audit_rows() if row[0] == "export" and row[2]] == []
    download(manifest)
    rows = [row for row in audit_rows() if row[0] == "export" and row[2]]
    assert len({row[2] for row in rows}) == len(rows) == 2
    told = {d["valueString"] for row in rows for e in row[3]["entity"] for d in e.get("detail", ())}
    assert {people["glucose"], people["hemoglobin"]} <= told
