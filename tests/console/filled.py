"""A database in which every page has something to show; each patient's data carries words of its own."""

from __future__ import annotations

import psycopg

from exchange.app import find_partner
from exchange.app.privacy.viewing import record_sign_in
from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries
from exchange.pipeline.steps import run_partner
from tests.pipeline.coalition import observation, write_ndjson
from tests.pipeline.twins import TWIN


def words_of(number):
    return [f"Mark{what}{number}q" for what in ("name", "given", "mrn", "street", "note")]


def sent(number):
    name, given, mrn, street, note = words_of(number)
    person = {
        **TWIN, "id": f"m{number}",
        "identifier": [{"system": "https://elm-clinic.example/mrn", "value": mrn}],
        "name": [{"family": name, "given": [given]}], "address": [{"line": [street], "postalCode": "62701"}],
        "birthDate": f"19{40 + number}-02-03",
    }  # fmt: skip
    result = {**observation(70 + number, 0), "id": f"mo{number}", "note": [{"text": note}]}
    return [person, {**result, "subject": {"reference": f"Patient/m{number}"}}]


def fill(opened):
    """FHIR id by number of two patients; lists name the first (glass, late label, recall, overlay)."""
    folder = opened.settings.home.parent / "elm"
    write_ndjson(folder / "marked.ndjson", [*sent(1), *sent(2)])
    broken = {**sent(3)[0], "name": "not a list"}
    write_ndjson(folder / "unreadable.ndjson", [broken])
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))
    record_sign_in(opened, "sign-in-refused", "somebody", "127.0.0.1")
    with psycopg.connect(opened.database_url) as connection:
        ids = {
            number: connection.execute(
                "SELECT p.fhir_id::text FROM patient p JOIN resource r USING (patient)"
                " WHERE r.type = 'Patient' AND position(%s IN convert_from(r.body, 'UTF8')) > 0",
                [words_of(number)[0]],
            ).fetchone()[0]
            for number in (1, 2)
        }
        for statement in _LISTED:
            connection.execute(statement, {"id": ids[1]})
        asked = Requester("oak", "oak_clinic", "Oak Clinic", "organization", "TREAT", "t")
        how = Circumstances(opened.work.now(), "https://x.example", "127.0.0.1", "r")
        append(
            connection,
            query_entries(asked, how, "Patient", [Disclosed(ids[1], ("Patient/x",), ("own-records",))]),
        )
        connection.commit()
    return ids


_LISTED = (
    "INSERT INTO unmapped_code SELECT run, 'records', 'gender', 'urn:y', 'zq', 'Patient.gender', 'sex', 1"
    " FROM run WHERE partner = 'elm_clinic' ORDER BY run LIMIT 1",
    "INSERT INTO consent_review VALUES (1, 'sent-back', 'x', 'anna', now())",
    "INSERT INTO access_watch (kind, participant, role, day, patient, measured, usual, first_event,"
    " last_event, found)"
    " VALUES ('no-relationship', 'oak_clinic', 'organization', now(), %(id)s, 1, 0, 1, 1, now())",
    "INSERT INTO emergency_access (at, until, participant, client, patient, statement)"
    " VALUES (now(), now(), 'oak_clinic', 'oak', %(id)s, '{\"emergency_nature\": \"Marknote1q\"}')",
    "INSERT INTO late_disclosure (found, type, fhir_id, partner, labels, participant, purpose, because,"
    " first_event, last_event, times) VALUES (now(), 'Patient', %(id)s, 'elm_clinic', '{HIV}', 'oak_clinic',"
    " 'TREAT', '{x}', 1, 1, 1)",
    "INSERT INTO recall (kind, cause, opened, opened_by, reason)"
    " VALUES ('source-error', 'Patient/x', now(), 'o', 'x')",
    "INSERT INTO recall_task (task, recall, participant)"
    " SELECT gen_random_uuid(), recall, 'oak_clinic' FROM recall",
    "INSERT INTO recall_item SELECT recall, 'oak_clinic', 'organization', 'TREAT', 'Patient/x', %(id)s,"
    " '{1}', '{}' FROM recall",
    "INSERT INTO overlay (patient, since, before, evidence)"
    " SELECT patient, now(), '{}', '{\"rule\": \"overlay\"}' FROM patient WHERE fhir_id = %(id)s",
)
