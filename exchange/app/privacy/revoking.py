"""What already went out about a person whose Consent was revoked, and who may not have it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import orjson

from exchange.audit import Disclosure, accounting
from exchange.consent import Directive
from exchange.model.audit import Giving
from exchange.model.errors import ContentError
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection
from exchange.repository import Lent, read, reader


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that one recipient got for one purpose; `shown`: he would get it today too.

    `by_consent`: an answer that held it rested on this consent, or on one of which the log does not say
    which it was; `entries` are numbers of the audit log.
    """

    participant: str
    recipient: str
    role: str
    purpose: str
    record: str
    first: datetime
    last: datetime
    by_consent: bool
    shown: bool
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Revoked:
    """`in_force`: it binds still; `withheld`: records of the person that the repository may not hold now."""

    consent: str
    in_force: bool
    withheld: int
    sent: tuple[Sent, ...]


def sent_before(connection: Connection, consent: str, at: datetime) -> Revoked:
    """Everything that went out about the person of a Consent, from the log of disclosures.

    Raises ContentError when no such Consent was ever taken.
    """
    fhir_id = _uuid(consent)
    patient = patient_of_consent(connection, fhir_id)
    if patient is None:
        raise ContentError("no such Consent was taken", field=consent)
    disclosures = accounting(connection, patient)
    shown = _shown(connection, disclosures, at)
    rests = partial(_rests_on, fhir_id)
    return Revoked(
        f"Consent/{fhir_id}",
        _in_force(connection, fhir_id),
        _withheld(connection, patient),
        tuple(_gathered(disclosures, shown, rests)),
    )


def _uuid(consent: str) -> UUID:
    try:
        return UUID(consent.removeprefix("Consent/"))
    except ValueError:
        raise ContentError("name the Consent as Consent/id, the id as the repository gave it") from None


def patient_of_consent(connection: Connection, consent: UUID) -> str | None:
    """Id of the Patient whom the Consent is or was about; a deleted one is known by its history."""
    row = connection.execute(
        "SELECT p.fhir_id::text FROM patient p JOIN ("
        " SELECT patient, 1 AS rank FROM directive WHERE consent = %(id)s"
        " UNION ALL SELECT patient, 2 FROM resource_history WHERE (type, fhir_id) = ('Consent', %(id)s)"
        " UNION ALL SELECT patient, 2 FROM withheld WHERE (type, fhir_id) = ('Consent', %(id)s)"
        ") AS known USING (patient) ORDER BY rank LIMIT 1",
        {"id": consent},
    ).fetchone()
    return row[0] if row else None


def _in_force(connection: Connection, consent: UUID) -> bool:
    row = connection.execute("SELECT body::text FROM directive WHERE consent = %s", [consent]).fetchone()
    return row is not None and Directive.from_json(orjson.loads(row[0])).binds


def _withheld(connection: Connection, patient: str) -> int:
    row = connection.execute(
        "SELECT count(*) FROM withheld JOIN patient USING (patient)"
        " WHERE person = (SELECT person FROM patient WHERE fhir_id = %s)",
        [patient],
    ).fetchone()
    return int(row[0]) if row else 0


def _viewer(found: Disclosure) -> Viewer:
    return Viewer(found.participant, found.role, found.purpose)


def _shown(
    connection: Connection, disclosures: Iterable[Disclosure], at: datetime
) -> set[tuple[Viewer, str]]:
    """What each recipient would get again, asked as he would ask."""
    wanted: dict[tuple[Viewer, Giving], set[str]] = {}
    for found in disclosures:
        way = (_viewer(found), found.given_as)
        wanted.setdefault(way, set()).update(name for name in found.resources if "/" in name)
    shown: set[tuple[Viewer, str]] = set()
    for (viewer, given_as), names in wanted.items():
        with reader(Lent(connection), viewer, at, action=given_as) as view:
            shown |= {(viewer, name) for name in names if read(view, *name.split("/"))}
    return shown


def _rests_on(consent: UUID, reason: str) -> bool:
    """Whether it names this consent, or one by its position alone, as the log did once.

    >>> [_rests_on(UUID(int=1), f"consent:{one}:provision") for one in ("0", f"{UUID(int=1)}/_history/7")]
    [True, True]
    >>> [_rests_on(UUID(int=1), one) for one in (f"consent:{UUID(int=2)}:provision", "hipaa-treatment")]
    [False, False]
    """
    kind, _, rest = reason.partition(":")
    name = rest.partition(":")[0].partition("/")[0]
    return kind == "consent" and (name.isdecimal() or name == str(consent))


def _gathered(
    disclosures: Iterable[Disclosure], shown: set[tuple[Viewer, str]], rests: Callable[[str], bool]
) -> list[Sent]:
    """One line for each recipient, purpose and record, those not to be had any more first."""
    together: dict[tuple[Viewer, str], list[Disclosure]] = {}
    for found in disclosures:
        for name in found.resources:
            together.setdefault((_viewer(found), name), []).append(found)
    sent = [
        Sent(
            viewer.participant,
            found[-1].recipient,
            viewer.role,
            viewer.purpose,
            name,
            found[0].at,
            found[-1].at,
            any(rests(reason) for each in found for reason in each.because),
            (viewer, name) in shown,
            tuple(each.sequence for each in found),
        )
        for (viewer, name), found in together.items()
    ]
    return sorted(sent, key=lambda one: (one.shown, one.participant, one.purpose, one.record))
