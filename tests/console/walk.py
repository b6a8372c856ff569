"""An address for every page that is read, with something in the database that it is about.

Made from the routes of the application: a page that nobody says an example of is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg

from exchange.console.pages import PLACES
from exchange.console.places import Place

PARTNER = "elm_clinic"
# What a parameter of an address may be: the first column of the first row.
_EXAMPLES = {
    "/codes/{partner}/{number}": "SELECT '0'",
    "/link/{token}": "SELECT 'nobody'",
    "/matching/held/{patient}": "SELECT patient FROM overlay ORDER BY 1",
    "/matching/person/{patient}": "SELECT patient FROM patient ORDER BY 1",
    "/matching/{pair}": "SELECT a || '-' || b FROM match_review ORDER BY decision IS NULL DESC, a, b",
    "/privacy/audit/{sequence}": "SELECT sequence FROM audit_event WHERE patient IS NOT NULL ORDER BY 1",
    "/privacy/consents/{entry}": "SELECT record FROM consent_review ORDER BY 1",
    "/privacy/emergencies/{entry}": "SELECT entry FROM emergency_access ORDER BY 1",
    "/privacy/forms/{form}": "SELECT 'part2'",
    "/privacy/late/{entry}": "SELECT entry FROM late_disclosure ORDER BY 1",
    "/privacy/patients/{patient}": "SELECT fhir_id FROM patient ORDER BY patient",
    "/privacy/people/{person}": "SELECT person FROM patient ORDER BY patient",
    "/privacy/people/{person}/why": "SELECT person FROM patient ORDER BY patient",
    "/privacy/people/{person}/consents/forms": "SELECT person FROM patient ORDER BY patient",
    "/privacy/people/{person}/consents/forms/{form}": "SELECT person, 'part2' FROM patient ORDER BY patient",
    "/privacy/people/{person}/records/{type}/{record}": "SELECT p.person, r.type, r.fhir_id FROM resource r"
    " JOIN patient p USING (patient) ORDER BY r.type DESC, r.rid",
    "/privacy/people/{person}/consents/{consent}": "SELECT p.person, s.key FROM run JOIN source_record s"
    " USING (run) CROSS JOIN patient p WHERE run.kind = 'capture' ORDER BY p.patient",
    "/privacy/recalls/{recall}": "SELECT recall FROM recall ORDER BY 1",
    "/privacy/rules/{rule}": "SELECT 'own-records'",
    "/privacy/unusual/{entry}": "SELECT entry FROM access_watch ORDER BY 1",
    "/records/{record}": "SELECT record FROM source_record WHERE address IS NOT NULL ORDER BY record",
    "/runs/{run}": "SELECT run FROM run ORDER BY 1",
    "/runs/{run}/records": "SELECT run FROM run ORDER BY 1",
}
_CELL = f"?participant={PARTNER}&purpose=TREAT&kind="
ASKED = {
    "/privacy/people/{person}/why": _CELL,
    "/privacy/matrix/why": _CELL,
    "/quarantine/records": f"?partner={PARTNER}",
}


def pages() -> Iterator[Place]:
    """Every page that is read."""
    return (place for place in PLACES if place.method == "GET")


def address(place: Place, connection: psycopg.Connection) -> str | None:
    """Where the page is; None when there is nothing in the database that it could be about."""
    names = re.findall(r"\{(\w+)\}", place.path)
    if not names:
        return place.path + ASKED.get(place.path, "")
    if names == ["partner"]:
        return place.path.format(partner=PARTNER)
    row = connection.execute(_EXAMPLES[place.path]).fetchone()
    if row is None:
        return None
    values = dict(zip([name for name in names if name != "partner"], row, strict=True))
    return place.path.format(partner=PARTNER, **values) + ASKED.get(place.path, "")
