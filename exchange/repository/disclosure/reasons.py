"""Reasons of a decision about one person, with his Consents by name and no longer by their place."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

_SAID = """
SELECT s.position::text,
    s.consent || coalesce('/_history/' || (extract(epoch FROM c.updated) * 1000000)::bigint, '')
FROM consent_said s
JOIN patient p USING (patient) JOIN disclosure_class k ON k.profile = p.profile
LEFT JOIN resource c ON c.type = 'Consent' AND c.fhir_id = s.consent AND c.rendition = 0
WHERE s.patient = %s AND k.class = %s
ORDER BY 1, 2
"""


def named_reasons(
    conn: psycopg.Connection, patient: int | None, number: int, because: Sequence[str]
) -> list[str]:
    """What a class of records of a Patient was decided by; a Consent as the log of disclosures names it.

    Places mean nothing once somebody decides anew. What nobody knows the Consents of keeps its place; of one
    that is kept out itself no version is known.
    """
    if not any(reason.startswith("consent:") for reason in because):
        return list(because)
    standing: dict[str, list[str]] = {}
    for position, consent in conn.execute(_SAID, (patient, number)):
        standing.setdefault(position, []).append(consent)
    return [named for reason in because for named in _named(reason, standing)]


def _named(reason: str, standing: dict[str, list[str]]) -> list[str]:
    kind, _, rest = reason.partition(":")
    position, _, path = rest.partition(":")
    known = standing.get(position, []) if kind == "consent" else []
    return [f"consent:{consent}:{path}" for consent in known] or [reason]
