"""Opening a recall from its cause: a revoked consent, a wrong link, a late label, an error of the source."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from exchange.app.opening import Exchange
from exchange.app.privacy.revoking import patient_of_consent
from exchange.delivery.affected import Sent, revoked, sent_about, wrongly_linked
from exchange.delivery.corrections import corrected
from exchange.delivery.recall import Cause, open_recall
from exchange.model.errors import ContentError
from exchange.pipeline.ledger import Connection
from exchange.repository import late_disclosure, patient_of_late


def recall(exchange: Exchange, cause: Cause) -> int | None:
    """Finds everything that is affected and asks each recipient; None when nobody got any of it.

    Raises ContentError when the cause does not exist.
    """
    if not cause.reason.strip() or not cause.officer.strip():
        raise ContentError("say why, and who decided", field="--reason" if cause.officer.strip() else "--as")
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        affected = _FINDERS[cause.kind](exchange, connection, cause.what, at)
        number = open_recall(connection, cause, affected, at)
        connection.commit()
    return number


def _revocation(exchange: Exchange, connection: Connection, what: str, at: datetime) -> list[Sent]:
    patient = patient_of_consent(connection, _id(what, "Consent"))
    connection.rollback()
    if patient is None:
        raise ContentError("no such Consent was taken", field=what)
    return revoked(connection, patient, exchange.context, at)


def _wrong_link(exchange: Exchange, connection: Connection, what: str, at: datetime) -> list[Sent]:
    patients = [str(_id(name, "Patient")) for name in what.split()]
    known = connection.execute(
        "SELECT count(DISTINCT person), count(*) FROM patient WHERE fhir_id = ANY(%s::uuid[])", (patients,)
    ).fetchone()
    connection.rollback()
    if known is None or known[1] != 2:
        raise ContentError("name the two Patients: Patient/id Patient/id", field=what)
    if known[0] != 2:
        raise ContentError("these are one person still; take them apart first: exchange match", field=what)
    return wrongly_linked(connection, patients, at)


def _source_error(exchange: Exchange, connection: Connection, what: str, at: datetime) -> list[Sent]:
    _id(what, what.partition("/")[0])
    return corrected(connection, what)


def _late_label(exchange: Exchange, connection: Connection, what: str, at: datetime) -> list[Sent]:
    """The entry of the officer's list, by its number (exchange consent late)."""
    late = late_disclosure(connection, int(what)) if what.isdecimal() and len(what) < 16 else None
    if late is None:
        raise ContentError("no such entry; list them: exchange consent late --all", field=what)
    patient = patient_of_late(connection, late)
    name = f"{late.type}/{late.fhir_id}"
    sent = sent_about(connection, [patient]) if patient else []
    return [
        one
        for one in sent
        if (one.viewer.participant, one.viewer.purpose) == (late.participant, late.purpose)
        and (one.record == name or (late.type == "Patient" and one.record.startswith("Patient/")))
        and any(late.first_event <= event <= late.last_event for event in one.events)
    ]


_FINDERS = {
    "revocation": _revocation,
    "wrong-link": _wrong_link,
    "late-label": _late_label,
    "source-error": _source_error,
}


def _id(name: str, kind: str) -> UUID:
    try:
        return UUID(name.removeprefix(f"{kind}/"))
    except ValueError:
        raise ContentError(f"name it as {kind}/id, the id as the repository gave it", field=name) from None
