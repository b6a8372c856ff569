"""A consent taken from a signed form: what it would change, stored the way of every consent, revoked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from exchange.app.opening import Exchange
from exchange.app.privacy.persons import Person, Share, shares_of
from exchange.audit import append, view_entries
from exchange.consent import label_all, with_security
from exchange.model.errors import ContentError
from exchange.model.fhir import patient_of
from exchange.model.records import Resource
from exchange.pipeline.captured import captured, take_captured
from exchange.pipeline.ledger import Connection
from exchange.pipeline.pull import CAPTURED
from exchange.pipeline.safeguard import source_of
from exchange.repository import PublishItem, publish


@dataclass(frozen=True, slots=True)
class Change:
    """How many of the person's records of a kind a participant sees for a purpose, before and after."""

    participant: str
    role: str
    purpose: str
    kind: str
    before: int
    after: int


def preview(exchange: Exchange, partner: str, bundle: Resource, person: str) -> list[Change]:
    """What storing it would change for the person, found by storing it and taking it back.

    Raises ContentError for a consent that cannot be computed.
    """
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        before = shares_of(connection, person, at)
        try:
            result = publish(connection, _items(exchange, partner, bundle), (), exchange.context, at)
            after = shares_of(connection, person, at)
        finally:
            connection.rollback()
    for outcome in result.outcomes:
        if outcome.kind == "quarantined":
            raise ContentError(f"it cannot be computed: {outcome.issue.detail if outcome.issue else ''}")
    return list(_changes(before, after))


def _items(exchange: Exchange, partner: str, bundle: Resource) -> list[PublishItem]:
    resources = [entry["resource"] for entry in bundle["entry"]]
    rules = exchange.context.rules
    found = label_all(resources, source_of(exchange.partners[partner], CAPTURED), rules, {})
    return [
        PublishItem(
            resource=with_security(resource, labels), labels=labels, redacted=None,
            patient=patient_of(resource), partner=partner, record=0, event_time=None, cluster=None, trust=0,
            mapping_digest="", rules_digest=rules.digest,
        )
        for resource, labels in zip(resources, found, strict=True)
    ]  # fmt: skip


def _changes(before: Sequence[Share], after: Sequence[Share]) -> Iterator[Change]:
    seen = {(s.participant, s.role, s.purpose, s.kind): s.visible for s in before}
    for share in after:
        key = (share.participant, share.role, share.purpose, share.kind)
        if seen.get(key, 0) != share.visible:
            yield Change(*key, seen.get(key, 0), share.visible)


def capture(
    exchange: Exchange, partner: str, bundle: Resource, login: str, roles: Sequence[str], page: str
) -> str:
    """Through the five steps; binding when this returns. That the officer did it is recorded first.

    Returns what became of it. Raises Conflict while a run of the partner is open.
    """
    patients = sorted({p for entry in bundle["entry"] if (p := patient_of(entry["resource"]))})
    with exchange.work.connect() as connection:
        append(connection, view_entries(login, roles, "HCOMPL", page, patients, exchange.work.now()))
        connection.commit()
    outcome = take_captured(exchange.work, exchange.partners[partner], bundle, f"console/{login}")
    if outcome not in ("published", "withheld", "unchanged", "duplicate"):
        raise ContentError("the consent was not taken; it waits in quarantine", field=partner)
    return outcome


def captured_consent(exchange: Exchange, person: str, consent: str) -> tuple[str, Resource] | None:
    """(partner, Bundle) of a consent of the person that was taken here."""
    with exchange.work.connect() as connection:
        partner = _partner_of(connection, person, consent)
        bundle = captured(exchange.work, connection, partner, consent) if partner else None
    return (partner, bundle) if partner and bundle else None


def _partner_of(connection: Connection, person: str, consent: str) -> str | None:
    row = connection.execute(
        "SELECT r.partner FROM resource r JOIN patient p USING (patient) WHERE r.type = 'Consent'"
        " AND r.fhir_id = %s AND r.rendition = 0 AND p.person = %s",
        [UUID(consent), UUID(person)],
    ).fetchone()
    return row[0] if row else None


def taken_here(connection: Connection, person: Person) -> set[str]:
    """Ids of the person's Consents that were taken from forms."""
    rows = connection.execute(
        "SELECT DISTINCT r.fhir_id::text FROM resource r JOIN patient p USING (patient)"
        " JOIN source_record s ON (s.partner, s.feed, s.key) = (r.partner, %s, 'Consent/' || r.fhir_id)"
        " WHERE r.type = 'Consent' AND r.rendition = 0 AND p.person = %s",
        [CAPTURED, UUID(person.person)],
    )
    return {row[0] for row in rows}


def revoked(bundle: Resource) -> Resource:
    """The same with its Consent no longer in force."""
    return {
        **bundle,
        "entry": [
            {"resource": {**one, "status": "inactive"} if one["resourceType"] == "Consent" else one}
            for one in (entry["resource"] for entry in bundle["entry"])
        ],
    }
