"""A person for a privacy officer's eyes: found by name or number, what was said, who may see what."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from exchange.app.opening import Exchange
from exchange.consent.directives.reading import domain_of
from exchange.model.errors import RecordRejected
from exchange.model.records import Resource
from exchange.pipeline.ledger import Connection
from exchange.repository import version_id
from exchange.repository.storage.parameters import fold, parameters, token_key

_MOST = 100


@dataclass(frozen=True, slots=True)
class Person:
    """`patients` are (partner, FHIR id) of the records that are this person's; names as they were sent."""

    person: str
    names: tuple[str, ...]
    born: tuple[str, ...]
    patients: tuple[tuple[str, str], ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """FHIR ids of the person's Patients."""
        return tuple(fhir_id for _, fhir_id in self.patients)


@dataclass(frozen=True, slots=True)
class Said:
    """One version of a Consent of the person; `ended`: replaced or deleted then."""

    consent: str
    version: str
    partner: str
    stored: datetime
    ended: datetime | None
    status: str
    kind: str
    effect: str
    until: str
    told: tuple[tuple[str, ...], ...] = ()
    """Its categories, policies and codes of rules: of which kind it is."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many records of a kind of information a participant may see for a purpose."""

    participant: str
    role: str
    purpose: str
    kind: str
    visible: int
    total: int


def find_persons(exchange: Exchange, words: str) -> list[Person]:
    """People one of whose records has every word in its names, or the whole text as an identifier."""
    known = parameters()["Patient"]
    folded = [fold(word) for word in words.split()]
    if not folded:
        return []
    names = [known[name].key for name in ("name", "family", "given") if name in known]
    with exchange.work.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT p.person FROM patient p WHERE p.patient IN ("
            " SELECT patient FROM index_token WHERE key = %(token)s"
            " UNION SELECT patient FROM index_string"
            "  WHERE param = ANY(%(names)s) AND value LIKE ANY(%(like)s)"
            " GROUP BY patient HAVING count(DISTINCT (SELECT min(w) FROM unnest(%(words)s::text[]) AS w"
            "  WHERE starts_with(value, w))) >= %(all)s) LIMIT %(most)s",
            {
                "token": token_key(known["identifier"].key, words.strip()),
                "names": names,
                "like": [_escaped(word) + "%" for word in folded],
                "words": folded,
                "all": len(set(folded)),
                "most": _MOST,
            },
        ).fetchall()
        return [person_of(connection, str(row[0])) for row in rows]


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def person_of(connection: Connection, person: str) -> Person:
    """One person; without patients when there is none by that id."""
    rows = connection.execute(
        "SELECT p.partner, p.fhir_id::text, r.body FROM patient p LEFT JOIN resource r"
        " ON r.type = 'Patient' AND r.fhir_id = p.fhir_id AND r.rendition = 0"
        " WHERE p.person = %s ORDER BY p.partner, p.fhir_id",
        [UUID(person)],
    ).fetchall()
    bodies = [json.loads(body) for _, _, body in rows if body]
    return Person(
        person=person,
        names=tuple(dict.fromkeys(_name(name) for body in bodies for name in body.get("name", ()))),
        born=tuple(dict.fromkeys(body["birthDate"] for body in bodies if "birthDate" in body)),
        patients=tuple((partner, fhir_id) for partner, fhir_id, _ in rows),
    )


def _name(name: dict[str, Any]) -> str:
    return " ".join([*name.get("given", ()), name.get("family", "")]).strip() or name.get("text", "")


def said_by(connection: Connection, person: str) -> list[Said]:
    """Every version of every Consent of the person, as they were stored, latest first."""
    rows = connection.execute(
        "WITH mine AS (SELECT patient FROM patient WHERE person = %(person)s),"
        " versions AS ("
        "  SELECT fhir_id, version, partner, updated, body, false AS deleted FROM resource"
        "  WHERE type = 'Consent' AND rendition = 0 AND patient IN (SELECT patient FROM mine)"
        "  UNION ALL SELECT fhir_id, version, partner, updated, body, deleted FROM resource_history"
        "  WHERE type = 'Consent' AND rendition = 0 AND patient IN (SELECT patient FROM mine))"
        " SELECT fhir_id::text, partner, updated, ended, body FROM ("
        "  SELECT *, lead(updated) OVER (PARTITION BY fhir_id ORDER BY version) AS ended FROM versions) AS v"
        " WHERE NOT deleted AND body IS NOT NULL ORDER BY updated DESC, version DESC",
        {"person": UUID(person)},
    ).fetchall()
    return [_said(*row) for row in rows]


def _said(consent: str, partner: str, stored: datetime, ended: datetime | None, body: bytes) -> Said:
    found = json.loads(body)
    provision = found.get("provision", {})
    coding: dict[str, str] = next(iter(found.get("category", [{}])[0].get("coding", [{}])), {})
    return Said(
        consent=consent,
        version=version_id(stored),
        partner=partner,
        stored=stored,
        ended=ended,
        status=found.get("status", ""),
        kind=coding.get("display") or coding.get("code", ""),
        effect=provision.get("type", ""),
        until=provision.get("period", {}).get("end", ""),
        told=_told(found),
    )


def _told(consent: Resource) -> tuple[tuple[str, ...], ...]:
    """Nothing of one that cannot be read."""
    try:
        return domain_of(consent)
    except RecordRejected:
        return ()


_SHARES = """
WITH counted AS (
    SELECT r.class, r.patient, count(*)::int AS records
    FROM resource r JOIN patient p USING (patient)
    WHERE r.rendition = 0 AND r.type <> 'Consent' AND p.person = %(person)s
    GROUP BY 1, 2
), kinds AS (
    SELECT k.class, k.patient, k.records, coalesce(label, '') AS kind
    FROM counted k JOIN disclosure_class c USING (class) LEFT JOIN unnest(c.labels) AS label ON true
)
SELECT v.participant, v.role, v.purpose, k.kind,
    coalesce(sum(k.records) FILTER (WHERE d.class IS NOT NULL AND (
        NOT d.needs_relationship OR EXISTS (
            SELECT FROM relationship l WHERE l.participant = v.participant AND l.patient = k.patient
              AND l.until > %(at)s AND (l.basis = 'break-glass') = v.emergency
        )
    )), 0)::int AS visible,
    sum(k.records)::int AS total
FROM viewer v CROSS JOIN kinds k
LEFT JOIN disclosure d ON d.viewer = v.viewer AND d.class = k.class
    AND d.valid_from <= %(at)s AND d.valid_until > %(at)s AND d.action <> 'disclose'
WHERE v.participant <> 'exchange'
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


def shares_of(connection: Connection, person: str, at: datetime) -> list[Share]:
    """Who may see how much of what kind of a person; by label, `` for what has none."""
    rows = connection.execute(_SHARES, {"person": UUID(person), "at": at})
    return [Share(*row) for row in rows]


def kinds_of(shares: Iterable[Share]) -> list[str]:
    """The kinds of information there are, those without a label first."""
    return sorted({share.kind for share in shares})
