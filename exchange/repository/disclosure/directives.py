"""Consents as they arrive: stored in normal form, even when the repository may not hold the resource."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg

from exchange.consent import REPOSITORY, Context, Directive, directive, suspension
from exchange.consent.dates import EXCHANGE_ZONE, Span, read_period
from exchange.consent.directives.normal_form import Member
from exchange.consent.directives.reading import Resolve
from exchange.model.errors import RecordRejected
from exchange.model.fhir import references
from exchange.model.records import Resource
from exchange.model.terms import SYSTEMS

Identifier = tuple[str, str]

PARTICIPANT_SYSTEM = "urn:mosaic:partner"


def to_directive(consent: Resource, resolve: Resolve, partner: str, at: datetime) -> Directive:
    """The normal form of what `partner` sent; raises RecordRejected when the consent is not computable.

    A day of signature still to come is mistyped: as if there were none, it takes the place of no other word.
    """
    found = directive(consent, resolve=resolve, recorded_by=partner)
    return replace(found, signed=None, signed_until=None) if found.signed and found.signed > at else found


def to_suspension(conn: psycopg.Connection, consent: Resource, partner: str) -> Directive | None:
    """What binds while a Consent waits in quarantine: its permits must not go on as if nothing had been said.

    None when it would never have bound: not in force by its status, and not in force before.
    """
    if consent.get("status") in _NOT_IN_FORCE and not owners_of(conn, [consent["id"]]):
        return None
    return suspension(consent, partner)


_NOT_IN_FORCE = ("draft", "proposed", "rejected", "inactive", "entered-in-error")


def store_directives(
    conn: psycopg.Connection, directives: Sequence[tuple[Directive, int, str, datetime | None]]
) -> set[int]:
    """Stores (directive, patient, partner, event time); returns the patients for whom something changed.

    A directive that is older than the stored one of the same Consent changes nothing. A Consent corrected to
    be about somebody else changes both: the first must be rid of its effect in the same transaction.
    """
    before = owners_of(conn, [found.consent for found, *_ in directives])
    changed: set[int] = set()
    for found, patient, partner, event_time in directives:
        row = conn.execute(
            "INSERT INTO directive (consent, patient, partner, event_time, body) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (consent) DO UPDATE SET patient = excluded.patient, partner = excluded.partner,"
            "  event_time = excluded.event_time, body = excluded.body"
            " WHERE (directive.event_time > excluded.event_time) IS NOT TRUE"
            "  AND (directive.patient, directive.body) IS DISTINCT FROM (excluded.patient, excluded.body)"
            " RETURNING patient",
            (found.consent, patient, partner, event_time, orjson.dumps(found.to_json()).decode()),
        ).fetchone()
        if row:
            changed |= {patient, before.get(str(found.consent), patient)}
    return changed


def owners_of(conn: psycopg.Connection, consents: Sequence[object]) -> dict[str, int]:
    """Whom the stored directives of these Consents are about."""
    return dict(
        conn.execute(
            "SELECT consent::text, patient FROM directive WHERE consent = ANY(%s::uuid[])"
            " ORDER BY consent FOR UPDATE",
            ([str(consent) for consent in consents],),
        ).fetchall()
    )


def drop_directives(conn: psycopg.Connection, consents: Sequence[UUID]) -> set[int]:
    """Forgets the directives of deleted Consents; returns the patients concerned."""
    conn.execute("DELETE FROM waiting_directive WHERE consent = ANY(%s)", (list(consents),))
    rows = conn.execute("DELETE FROM directive WHERE consent = ANY(%s) RETURNING patient", (list(consents),))
    return {row[0] for row in rows.fetchall()}


def resolver(
    conn: psycopg.Connection, consents: Sequence[Resource], batch: Iterable[Resource], context: Context
) -> Resolve:
    """Tells whom a reference means: by its identifier, or by those of the Organization it names.

    An identifier is the participant's code under urn:mosaic:partner, or its NPI. A Group or CareTeam means
    its members, each while he belongs to it; one that is not active means nobody who could be told.
    """
    own = {f"{r['resourceType']}/{r['id']}": r for r in batch if r["resourceType"] in _ACTORS}
    known = {**_stored(conn, consents, own), **own}
    known = {**_stored(conn, [r for r in known.values() if r["resourceType"] in _TEAMS], known), **known}
    participants = _by_identifier(context)

    def organization(reference: Mapping[str, Any]) -> str | None:
        identifier = reference.get("identifier", {})
        named = [(identifier.get("system", ""), identifier.get("value", ""))]
        target = _identifiers(known.get(str(reference.get("reference", "")), {}))
        found = {participants[i] for i in (*named, *target) if i in participants}
        return found.pop() if len(found) == 1 else None

    def resolve(reference: dict[str, Any]) -> str | list[Member | None] | None:
        named = known.get(str(reference.get("reference", "")), {})
        if named.get("resourceType") not in _TEAMS:
            return organization(reference)
        if named.get("status", "active") != "active" or named.get("active") is False:
            return None
        return [_member(organization(who), named, entry) for who, entry in _members(named)]

    return resolve


_TEAMS = ("Group", "CareTeam")
_ACTORS = ("Organization", *_TEAMS)


def _members(team: Resource) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Those who belong to it with their entries; one on behalf of an organization counts as that."""
    for entry in team.get("member", ()) if team["resourceType"] == "Group" else ():
        if not entry.get("inactive"):
            yield entry.get("entity", {}), entry
    for entry in team.get("participant", ()):
        yield entry.get("onBehalfOf") or entry.get("member", {}), entry


def _member(code: str | None, team: Mapping[str, Any], entry: Mapping[str, Any]) -> Member | None:
    """He belongs to it while both his time and the team's last.

    None for somebody who cannot be told, or whose time cannot be read.
    """
    if code is None:
        return None
    try:
        spans = [
            read_period(one["period"], EXCHANGE_ZONE, "period") for one in (team, entry) if "period" in one
        ]
    except RecordRejected:
        return None
    starts = [span.start for span in spans if span.start]
    ends = [span.end for span in spans if span.end]
    during = Span(max(starts, default=None), min(ends, default=None)) if spans else None
    return Member(code, during)


def _stored(
    conn: psycopg.Connection, nodes: Sequence[Resource], known: Mapping[str, Resource]
) -> dict[str, Resource]:
    """The Organizations, Groups and CareTeams these refer to, as far as they are published."""
    pairs = {
        (kind, fhir_id)
        for node in nodes
        for name in references(node)
        for kind, _, fhir_id in [name.partition("/")]
        if kind in _ACTORS and name not in known and _uuids([fhir_id])
    }
    rows = conn.execute(
        "SELECT type || '/' || fhir_id, body FROM resource"
        " WHERE (type, fhir_id) IN (SELECT * FROM unnest(%s::text[], %s::uuid[])) AND rendition = 0",
        ([kind for kind, _ in pairs], [fhir_id for _, fhir_id in pairs]),
    ).fetchall()
    return {name: orjson.loads(body) for name, body in rows}


def _by_identifier(context: Context) -> dict[Identifier, str]:
    found = {(PARTICIPANT_SYSTEM, code): code for code in (REPOSITORY.participant, *context.participants)}
    for participant in context.participants.values():
        if participant.npi:
            found[SYSTEMS["npi"], participant.npi] = participant.code
    return found


def _identifiers(organization: Resource) -> list[Identifier]:
    return [(i.get("system", ""), i.get("value", "")) for i in organization.get("identifier", ())]


def _uuids(texts: Iterable[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
