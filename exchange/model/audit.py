"""Kinds of records of the audit log, and what each of them means for the person it is about.

Everything that asks the log asks by these groups: a kind that is added belongs to the right ones here, and
accounting, late labels, recalls, timelines and the watch over unusual access know of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

OfficerAct = Literal[
    "recall.opened",
    "recall.closed",
    "log.read",
    "log.exported",
    "log.pruned",
    "hold.set",
    "hold.lifted",
    "watch.decided",
    "emergency.reviewed",
    "late.decided",
    "consent.reviewed",
    "rules.signed",
    "workforce.declared",
    "workforce.ended",
    "accounting.suspended",
    "accounting.resumed",
]
"""What officers do with the exchange itself."""

Kind = Literal[
    "read",
    "query",
    "everything",
    "export",
    "disclosure",
    "denied",
    OfficerAct,
    "subscription.changed",
    "client.changed",
    "consent.changed",
    "token.issued",
    "token.refused",
    "token.revoked",
    "care.stated",
    "care.ended",
    "care.emergency",
    "match.viewed",
    "match.decided",
    "console.sign-in",
    "console.viewed",
]

Giving = Literal["access", "disclose"]
"""An answer to a question, or something sent, as itself or in a file
(http://terminology.hl7.org/CodeSystem/consentaction)."""

GIVEN_AS: Mapping[str, Giving] = {
    "read": "access",
    "query": "access",
    "everything": "access",
    "export": "disclose",
    "disclosure": "disclose",
}

DISCLOSURES = tuple(GIVEN_AS)
"""A participant got something: what accounting, late labels and recalls are about."""

ASKED = ("read", "query", "everything", "export")
"""A participant asked and was answered; `disclosure` is what it was sent by itself."""

LOOKED = ("console.viewed", "match.viewed")
"""Somebody at the console saw a person's data."""

REFUSED = ("denied", "token.refused")
