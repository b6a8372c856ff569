"""FHIR Consents as the partners' systems write them: https://hl7.org/fhir/R4/consent.html"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from exchange.synthetic import keys
from exchange.synthetic.directives import GROUP, Directive
from exchange.synthetic.feeds.fhir import Chart, Resource, day_start, instant, resource
from exchange.synthetic.tables import LOINC, NPI

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_POLICY = "https://mosaic-exchange.example/policy"
GROUPS = "https://mosaic-exchange.example/groups"
GROUP_TEXT = (
    "my treating providers, health plans, third-party payers, and people helping to operate this program"
)

_POLICIES = {
    "part2": "part2-tpo",
    "opt-out": "exchange-sharing",
    "partial-opt-out": "exchange-sharing",
    "hiv": "hiv-release",
    "referral": "referral",
    "treatment": "treatment",
    "draft": "exchange-sharing",
}
_CATEGORIES = {
    "part2": ["42CFRPart2CD"],
    "opt-out": ["OPTOUT"],
    "partial-opt-out": ["OPTOUT"],
    "hiv": ["IDSCL", "HIPAAAuthCD"],
    "referral": ["IDSCL", "HIPAAAuthCD"],
    "treatment": [],
    "draft": ["OPTOUT"],
}


def consent(chart: Chart, directive: Directive) -> Resource | None:
    """The Consent as it stands, or None before it was signed."""
    today = chart.now.date()
    if directive.signed > today:
        return None
    withdrawn = directive.revoked is not None and directive.revoked <= today
    changed = directive.revoked if withdrawn and directive.revoked else directive.signed
    signed = day_start(directive.signed) + timedelta(minutes=75)
    return resource(
        "Consent",
        chart.id("k", directive.number),
        day_start(changed) + timedelta(minutes=90),
        identifier=[
            {"system": f"{keys.namespace(chart.partner)}consent", "value": chart.id("k", directive.number)}
        ],
        status="draft" if directive.kind == "draft" else "inactive" if withdrawn else "active",
        scope=_scope(directive),
        category=_categories(directive),
        patient=chart.subject,
        dateTime=instant(signed),
        performer=[chart.subject],
        organization=[_custodian(chart.partner)],
        sourceAttachment={
            "contentType": "application/pdf",
            "title": "Signed form",
            "creation": instant(signed),
        },
        policy=[
            {"authority": "https://mosaic-exchange.example", "uri": f"{_POLICY}/{_POLICIES[directive.kind]}"}
        ],
        policyRule=_policy_rule(directive),
        provision=_provision(directive),
    )


def _code(system: str, code: str, display: str = "") -> Resource:
    return {"system": f"{_TERMINOLOGY}/{system}", "code": code} | ({"display": display} if display else {})


def _scope(directive: Directive) -> Resource:
    if directive.kind == "treatment":
        return {"coding": [_code("consentscope", "treatment", "Treatment")]}
    return {"coding": [_code("consentscope", "patient-privacy", "Privacy Consent")]}


def _categories(directive: Directive) -> list[Resource]:
    acts = [{"coding": [_code("v3-ActCode", code)]} for code in _CATEGORIES[directive.kind]]
    return [*acts, {"coding": [{"system": LOINC, "code": "59284-0", "display": "Consent Document"}]}]


def _custodian(partner: str) -> Resource:
    return {
        "reference": f"Organization/{partner.replace('_', '-')}",
        "identifier": {"system": NPI, "value": keys.NPIS[partner]},
        "display": keys.NAMES[partner],
    }


def _policy_rule(directive: Directive) -> Resource | None:
    if directive.kind == "opt-out":
        return {"coding": [_code("v3-ActCode", "OPTOUT")]}
    if directive.kind == "partial-opt-out":
        return {"coding": [_code("v3-ActCode", "OPTOUTE")]}
    if directive.kind == "referral":
        return {"coding": [_code("consentpolicycodes", "hipaa-auth")]}
    return None


def _provision(directive: Directive) -> Resource | None:
    kind = directive.kind
    if kind == "opt-out" and directive.signed.day % 4 == 2:
        return None
    if kind in {"opt-out", "draft"}:
        return {"type": "deny"}
    if kind == "treatment":
        return {"type": "permit"}
    exceptions = [_exception(*pair) for pair in directive.except_for]
    period = {"start": directive.signed.isoformat()}
    period |= {"end": directive.until.isoformat()} if directive.until else {}
    base: Resource = {"type": "permit", "period": period}
    return base | _scope_of(directive) | ({"provision": exceptions} if exceptions else {})


def _scope_of(directive: Directive) -> Resource:
    """Who may have what for which purpose."""
    if directive.kind == "partial-opt-out":
        return {}
    actor = {"actor": [_actor(directive.named)]}
    if directive.kind == "part2":
        return actor | {"purpose": [_purpose(code) for code in ("TREAT", "HPAYMT", "HOPERAT")]}
    narrow = actor | {
        "action": [{"coding": [_code("consentaction", code)]} for code in ("disclose", "access")],
        "purpose": [_purpose("COC")],
    }
    if directive.kind == "hiv":
        return narrow | {"securityLabel": [_code("v3-ActCode", "HIV")]}
    types = [
        {"system": "http://hl7.org/fhir/resource-types", "code": t}
        for t in ("Task", "ServiceRequest", "Patient")
    ]
    return narrow | {"securityLabel": [_code("v3-Confidentiality", "N")], "class": types}


def _purpose(code: str) -> Resource:
    return _code("v3-ActReason", code)


def _actor(named: str) -> Resource:
    if named == GROUP:
        who: dict[str, Any] = {
            "type": "Group",
            "identifier": {"system": GROUPS, "value": GROUP},
            "display": GROUP_TEXT,
        }
    else:
        who = {
            "type": "Organization",
            "identifier": {"system": NPI, "value": keys.NPIS[named]},
            "display": keys.NAMES[named],
        }
    return {
        "role": {"coding": [_code("v3-ParticipationType", "IRCP", "information recipient")]},
        "reference": who,
    }


def _exception(kind: str, value: str) -> Resource:
    if kind == "actor":
        return {"type": "deny", "actor": [_actor(value)]}
    if kind == "label":
        return {"type": "deny", "securityLabel": [_code("v3-ActCode", value)]}
    return {"type": "deny", "purpose": [_purpose(value)]}
