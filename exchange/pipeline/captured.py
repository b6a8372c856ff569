"""Consents taken from signed forms: a feed beside the partner's own, through the same five steps.

A record is a Bundle of the Consent and of who signed for the person; its key is the Consent's reference.
A run that is killed is gone on with by the partner's next one.
"""

from __future__ import annotations

from hashlib import sha256

import orjson

from exchange.model.errors import Conflict
from exchange.model.partner import Partner
from exchange.model.records import Resource, SourceRecord
from exchange.pipeline import ledger
from exchange.pipeline.ledger import Arrival, Connection
from exchange.pipeline.pull import CAPTURED, enter, outcomes_of
from exchange.pipeline.steps import finish_run
from exchange.pipeline.work import Work


def take_captured(work: Work, partner: Partner, bundle: Resource, position: str) -> str:
    """What became of it: `published` when it binds, `unchanged` when it is stored already.

    `position` says who took it. Raises Conflict while a run of the partner is open.
    """
    consent = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Consent")
    payload = orjson.dumps(bundle, option=orjson.OPT_SORT_KEYS)
    record = SourceRecord(
        partner.code, CAPTURED, f"Consent/{consent['id']}", "fhir_json", payload, position
    )  # fmt: skip
    arrival = Arrival(record, sha256(payload).digest())
    with work.connect() as connection, ledger.partner_lock(connection, partner.code):
        if ledger.find_open_run(connection, partner.code) is not None:
            raise Conflict(f"`{partner.code}` has an open run; try again when it has ended")
        run = ledger.open_run(connection, partner.code, "capture", work.now())
        outcomes = outcomes_of([arrival], *ledger.last_digests(connection, run.run, partner.code, [arrival]))
        enter(work, connection, partner, run.run, [arrival], outcomes)
        connection.execute("UPDATE run SET pulled_all = true WHERE run = %s", [run.run])
        connection.commit()
    finish_run(work, partner, run.run)
    with work.connect() as connection:
        row = connection.execute(
            "SELECT outcome FROM source_record WHERE run = %s AND feed = %s", [run.run, CAPTURED]
        ).fetchone()
    return str(row[0]) if row else ""


def captured(work: Work, connection: Connection, partner: str, consent: str) -> Resource | None:
    """The Bundle as it was taken last, or the Consent alone as it is published when that is kept no longer.

    None for a Consent that came another way.
    """
    row = connection.execute(
        "SELECT address FROM source_record WHERE (partner, feed, key) = (%s, %s, %s)"
        " AND address IS NOT NULL ORDER BY record DESC LIMIT 1",
        [partner, CAPTURED, f"Consent/{consent}"],
    ).fetchone()
    if row is None:
        return None
    if not work.landing.kept(partner)(row[0]):
        return _published(connection, consent)
    found: Resource = orjson.loads(work.landing.get(row[0]))
    return found


def _published(connection: Connection, consent: str) -> Resource | None:
    row = connection.execute(
        "SELECT body FROM resource WHERE (type, fhir_id, rendition) = ('Consent', %s, 0)", [consent]
    ).fetchone()
    if row is None or row[0] is None:
        return None
    resource = {name: value for name, value in orjson.loads(row[0]).items() if name != "meta"}
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
