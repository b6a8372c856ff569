"""What the law makes travel with the data: the redisclosure notice and the scope of the consent.

42 CFR 2.32: https://www.ecfr.gov/current/title-42/chapter-I/subchapter-A/part-2/subpart-C/section-2.32
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from exchange.consent.dates import EXCHANGE_ZONE
from exchange.model.records import Resource

TRAVELLING = ("redisclosure-notice", "consent-copy", "no-redisclosure")
"""Obligations that are words for the recipient; the others are the exchange's own to carry out."""


def notice(
    obligations: Collection[str],
    words: Mapping[str, str],
    consents: Sequence[Mapping[str, Any]],
    organization: Callable[[str], str] = str,
) -> Resource | None:
    """A DocumentReference with the words owed and what each consent says, if that is; None: nothing is.

    `organization`: name and address of a participant, for people who know no codes.
    """
    owed = [code for code in TRAVELLING if code in obligations and code in words]
    if not owed:
        return None
    lines = [words[code] for code in owed if code != "consent-copy"]
    if "consent-copy" in owed:
        lines += ["The consent this rests on:", *(scope(consent, organization) for consent in consents)]
    text = "\n".join(lines)
    return {
        "resourceType": "DocumentReference",
        "id": str(uuid5(NAMESPACE_URL, f"urn:mosaic:notice:{text}")),
        "status": "current",
        "type": {"text": "Notice that accompanies a disclosure (42 CFR 2.32)"},
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "language": "en-US",
                    "data": b64encode(text.encode()).decode(),
                }
            }
        ],
    }


# https://terminology.hl7.org/CodeSystem-v3-ActReason.html; what is not here stands as its code.
_PURPOSES = {
    "TREAT": "treatment", "ETREAT": "emergency treatment", "BTG": "emergency access",
    "HPAYMT": "payment", "HOPERAT": "health care operations", "COC": "coordination of care",
    "CAREMGT": "care management", "HRESCH": "research", "PUBHLTH": "public health",
    "HLEGAL": "legal proceedings", "PATRQT": "the patient's own request", "FAMRQT": "the family's request",
}  # fmt: skip


def scope(consent: Mapping[str, Any], organization: Callable[[str], str] = str) -> str:
    """The explanation of a consent's scope: who may disclose, for what, until when; nobody else is named.

    >>> root = {"type": "permit", "purposes": ["TREAT"], "period": [None, "2027-02-01T00:00:00-06:00"]}
    >>> scope({"consent": "7", "organizations": ["harbor"], "root": root})
    'Consent/7: harbor may disclose for treatment, until 2027-01-31 or until it is revoked.'
    """
    root = consent.get("root") or {}
    signed = f", signed {consent['signed'][:10]}" if consent.get("signed") else ""
    said = {
        **root,
        "organizations": [organization(code) for code in consent.get("organizations") or ()],
        "purposes": [_PURPOSES.get(code, code) for code in root.get("purposes") or ()],
    }
    return f"Consent/{consent['consent']}{signed}: {explained(said)}"


def explained(said: Mapping[str, Any]) -> str:
    """`organizations`, `purposes` and `period` of a consent in a sentence.

    >>> explained({"organizations": ["harbor"], "purposes": None, "period": None})
    'harbor may disclose for the purposes it names, until it is revoked.'
    """
    disclosers = ", ".join(said.get("organizations") or ()) or "whoever holds the record"
    purposes = ", ".join(said.get("purposes") or ()) or "the purposes it names"
    ends = _end(said.get("period"))
    until = f"until {ends} or until it is revoked" if ends else "until it is revoked"
    return f"{disclosers} may disclose for {purposes}, {until}."


def _end(period: Any) -> str:
    """The last day of a period, whose end does not belong to it; `` when it has none."""
    end = period[1] if isinstance(period, list | tuple) and len(period) == 2 else None
    if not end:
        return ""
    last = datetime.fromisoformat(end) - timedelta(microseconds=1)
    return last.astimezone(EXCHANGE_ZONE).date().isoformat()
