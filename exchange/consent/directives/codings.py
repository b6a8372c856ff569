"""Codings of a Consent as the normal form spells them, each read in the system of its element."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from exchange.consent.directives.normal_form import UNRESOLVED, Verdict

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"

ACT_CODES = (ACT_CODE, "urn:oid:2.16.840.1.113883.5.4", "http://hl7.org/fhir/v3/ActCode")
ACT_REASONS = (ACT_REASON, "urn:oid:2.16.840.1.113883.5.8", "http://hl7.org/fhir/v3/ActReason")
_CONFIDENTIALITIES = (
    CONFIDENTIALITY,
    "urn:oid:2.16.840.1.113883.5.25",
    "http://hl7.org/fhir/v3/Confidentiality",
)
ACTIONS = (ACTION, "http://hl7.org/fhir/consentaction")
LEVELS = frozenset("ULMNRV")
_ONCE_CONFIDENTIALITY = frozenset(("ETH", "HIV", "PSY", "SDV"))
"""Retired from v3-Confidentiality; they mean the v3-ActCode of that name."""

_BASE_OF_RULE: dict[str, Verdict] = {
    "OPTIN": "permit",
    "OPTINR": "permit",
    "OPTOUT": "deny",
    "OPTOUTE": "deny",
}

_NEITHER = frozenset(("EMRGONLY", "NOCONSENT"))
"""Beside a code that permits or refuses they say something else than it."""

_ALSO_CALLED = {
    "urn:oid:2.16.840.1.113883.6.1": "http://loinc.org",
    "urn:oid:2.16.840.1.113883.6.12": "http://www.ama-assn.org/go/cpt",
    "urn:oid:2.16.840.1.113883.6.69": "http://hl7.org/fhir/sid/ndc",
    "urn:oid:2.16.840.1.113883.6.88": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "urn:oid:2.16.840.1.113883.6.90": "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10": "http://hl7.org/fhir/sid/icd-10-cm",
    "urn:oid:2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "urn:oid:2.16.840.1.113883.12.292": "http://hl7.org/fhir/sid/cvx",
}


def base_of(codings: Iterable[dict[str, Any]]) -> Verdict | None:
    """What the codings of a policyRule say by default; None if nothing, or more than one thing."""
    codes = {coding.get("code", "") for coding in codings if coding.get("system") in ACT_CODES}
    bases = {_BASE_OF_RULE[code] for code in codes & _BASE_OF_RULE.keys()}
    if codes & _NEITHER:
        return None
    return bases.pop() if len(bases) == 1 else None


def spelled(coding: dict[str, Any]) -> str:
    return f"{coding.get('system', '')}|{coding['code']}" if coding.get("code") else UNRESOLVED


def short(coding: dict[str, Any], systems: Sequence[str]) -> str:
    """The code alone if it is one of these systems, which are names of one."""
    known = coding.get("system") in systems and coding.get("code")
    return str(coding["code"]) if known else spelled(coding)


def is_level(label: str) -> bool:
    """Whether a security label, as a provision spells it, is a confidentiality, known or not."""
    return label in LEVELS or label.partition("|")[0] in _CONFIDENTIALITIES


def of_no_kind(label: str) -> bool:
    """Whether nobody can tell what it is: it has no system, or one that no security label is of."""
    return "|" in label or label == UNRESOLVED


def security_label(coding: dict[str, Any]) -> str:
    """A confidentiality or a sensitivity; one code in the other's system is neither."""
    levels = coding.get("system") in _CONFIDENTIALITIES
    code = coding.get("code")
    if levels and code not in LEVELS | _ONCE_CONFIDENTIALITY:
        return spelled(coding)
    if not levels and code in LEVELS:
        return spelled(coding)
    return short(coding, (*_CONFIDENTIALITIES, *ACT_CODES))


@lru_cache(maxsize=1 << 14)
def unspelt(code: str) -> str:
    """`system|code` the same for every name and spelling of a system that many use."""
    system, _, value = code.partition("|")
    system = system.lower().rstrip("/").replace("https://", "http://")
    return f"{_ALSO_CALLED.get(system, system)}|{value.replace('.', '').upper()}"
