"""Consents and requests as the tests write them; actors are `Organization/<code>` and `Group/<name>`."""

from typing import Any

from exchange.consent import DisclosureClass, Profile, directive, matched, profile
from exchange.consent.directives.codings import ACT_CODE, ACT_REASON, CONFIDENTIALITY
from exchange.consent.proof.case_consents import resolve_case
from exchange.model.records import Viewer


def consent(**changes: Any) -> dict[str, Any]:
    """An active general consent that permits everything, with `changes`; None removes an element."""
    whole = {
        "resourceType": "Consent",
        "id": "c1",
        "meta": {"versionId": "1"},
        "status": "active",
        "scope": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p1"},
        "dateTime": "2026-03-02",
        "sourceReference": {"reference": "DocumentReference/d1"},
        "policy": [{"uri": "https://mosaic-exchange.example/policy/general"}],
        "provision": {"type": "permit"},
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def provision(kind: str, *children: dict[str, Any], **terms: Any) -> dict[str, Any]:
    """`to`, `purpose` and `label` are lists of codes; anything else is FHIR as it stands."""
    node: dict[str, Any] = {"type": kind}
    for name in terms.pop("to", ()):
        reference = f"Group/{name[6:]}" if name.startswith("group:") else f"Organization/{name}"
        node.setdefault("actor", []).append({"reference": {"reference": reference}})
    if purposes := terms.pop("purpose", ()):
        node["purpose"] = [{"system": ACT_REASON, "code": code} for code in purposes]
    if labels := terms.pop("label", ()):
        node["securityLabel"] = [
            {"system": CONFIDENTIALITY if code in "ULMNRV" else ACT_CODE, "code": code} for code in labels
        ]
    if children:
        node["provision"] = list(children)
    return {**node, **terms}


def chosen(*consents: dict[str, Any], certain: bool = True) -> Profile:
    return profile([(directive(one, resolve=resolve_case), certain) for one in consents])


def record(
    prof: Profile | None, *labels: str, source: str = "prairie_clinic", **facts: Any
) -> DisclosureClass:
    """A Condition with these labels under that profile."""
    content = {"resourceType": "Condition", "id": "r1", **facts.pop("content", {})}
    return DisclosureClass(
        source=source,
        type=content["resourceType"],
        confidentiality=facts.pop("confidentiality", "R" if labels else "N"),
        labels=tuple(sorted(labels)),
        profile=prof,
        matched=matched(prof, content) if prof else (),
    )


def viewer(participant: str = "lakeside_hospital", purpose: str = "TREAT") -> Viewer:
    return Viewer(participant, "organization", purpose)


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def icd(code: str) -> dict[str, Any]:
    return coded("http://hl7.org/fhir/sid/icd-10-cm", code)
