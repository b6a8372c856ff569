"""Patient/$match on the wire: the Parameters that ask and the graded searchset that answers.

https://hl7.org/fhir/R4/patient-operation-match.html and the Interoperable Digital Identity and Patient
Matching guide (https://build.fhir.org/ig/HL7/fhir-identity-matching-ig/patient-matching.html).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from exchange.api.messages import Call, Parameters, Refusal, outcome
from exchange.api.uploads import body_of
from exchange.linkage import Match, published_quality
from exchange.model.records import Issue, Resource
from exchange.repository import Described, Matches
from exchange.validation import structural_issues

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
QUALITY = "urn:mosaic:idi-match-quality"
_PROFILE = "http://hl7.org/fhir/us/identity-matching/StructureDefinition/IDI-Patient"
_LEAST_WEIGHT = {f"{_PROFILE}-L0": 9, f"{_PROFILE}-L1": 10, f"{_PROFILE}-L2": 10}
_STRONG = frozenset({"PPN", "DL", "STID"})
_OPTIONS = ("onlyCertainMatches", "count")


def described(call: Call, parameters: Parameters) -> Described:
    """What is asked; raises Refusal: 415, 400 for what is no Parameters, 422 for too little about anybody.

    A Patient alone may be the body; `onlyCertainMatches` and `count` then stand in the URL.
    """
    body = _body(call)
    if body.get("resourceType") == "Patient":
        patient, options = body, dict(parameters)
    else:
        patient, options = _parameters(body, [name for name, _ in parameters])
    for issue in structural_issues(patient):
        raise Refusal(422, issue.code, f"{issue.expression or 'Patient'}: {issue.detail}")
    _check_weight(patient)
    return Described(patient, _boolean(options), _count(options))


def _body(call: Call) -> Resource:
    body = body_of(call)
    if body.get("resourceType") not in ("Parameters", "Patient"):
        raise Refusal(400, "structure", "the body must be Parameters, or the Patient looked for")
    return body


def _parameters(body: Resource, in_url: Sequence[str]) -> tuple[Resource, dict[str, Any]]:
    if in_url:
        raise Refusal(400, "invalid", "parameters stand in the body, not in the URL")
    patients, options = [], dict[str, Any]()
    parts = body.get("parameter")
    for part in parts if isinstance(parts, list) else ():
        name = part.get("name") if isinstance(part, dict) else None
        if name in ("resource", "IDIPatient"):
            patients.append(part.get("resource"))
        elif name in _OPTIONS:
            options[name] = part.get("valueBoolean", part.get("valueInteger"))
        else:
            raise Refusal(400, "not-supported", f"parameters are resource, {', '.join(_OPTIONS)}")
    if len(patients) != 1 or not isinstance(patients[0], dict):
        raise Refusal(400, "required", "one parameter named resource holds the Patient looked for")
    if patients[0].get("resourceType") != "Patient":
        raise Refusal(400, "structure", "the resource looked for is a Patient")
    return patients[0], options


def _boolean(options: Mapping[str, Any]) -> bool:
    text = str(options.get("onlyCertainMatches", False)).lower()
    if text not in ("true", "false"):
        raise Refusal(400, "value", "onlyCertainMatches is true or false")
    return text == "true"


def _count(options: Mapping[str, Any]) -> int | None:
    value = options.get("count")
    if value is None:
        return None
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise Refusal(400, "value", "count is a positive number")
    return int(text)


def _check_weight(patient: Resource) -> None:
    """Who says by a profile how much he tells must tell it."""
    weight = input_weight(patient)
    for profile in patient.get("meta", {}).get("profile", ()):
        url = profile.partition("|")[0]
        if weight < _LEAST_WEIGHT.get(url, 0):
            name, least = url.rpartition("/")[2], _LEAST_WEIGHT[url]
            raise Refusal(422, "invariant", f"{name} asks for a weight of {least}; this weighs {weight}")


def input_weight(patient: Resource) -> int:
    """How much a description says, by the guide's table; a home address counts whatever its use is.

    >>> input_weight({"name": [{"family": "Vega", "given": ["Ana"]}], "birthDate": "1980-03-12"})
    5
    """
    codes = [
        {coding.get("code") for coding in identifier.get("type", {}).get("coding", [])}
        for identifier in patient.get("identifier", [])
        if identifier.get("value")
    ]
    strong = sum(bool(code & _STRONG) for code in codes)
    systems = {contact.get("system") for contact in patient.get("telecom", []) if contact.get("value")}
    kinds = (
        any(_located(address) for address in patient.get("address", [])),
        any(not code & _STRONG for code in codes),
        "email" in systems,
        "phone" in systems,
        bool(patient.get("photo")),
    )
    named = any(name.get("family") and name.get("given") for name in patient.get("name", []))
    return (
        min(10, 5 * strong) + (0, 4, 5)[min(2, sum(kinds))] + 3 * named + 2 * bool(patient.get("birthDate"))
    )


def _located(address: Mapping[str, Any]) -> bool:
    place = address.get("postalCode") or (address.get("city") and address.get("state"))
    return bool(address.get("line") and place)


def matchset(found: Matches, self_url: str, issues: Sequence[Issue]) -> bytes:
    """The Bundle: each entry with its score, its grade and the guide's class of what agrees."""
    entries = [
        b'{"fullUrl":%b,"resource":%b,"search":%b}'
        % (orjson.dumps(entry.full_url), entry.body, orjson.dumps(_search(verdict, score)))
        for entry, (verdict, score) in zip(found.page.entries, found.verdicts, strict=True)
    ]
    if issues:
        entries.append(b'{"resource":%b,"search":{"mode":"outcome"}}' % outcome(issues))
    head = {"resourceType": "Bundle", "type": "searchset", "total": found.page.total}
    start = orjson.dumps({**head, "link": [{"relation": "self", "url": self_url}]})[:-1]
    return start + (b',"entry":[%b]}' % b",".join(entries) if entries else b"}")


def _search(verdict: Match, score: float) -> dict[str, Any]:
    extensions = [{"url": GRADE, "valueCode": verdict.grade}]
    if quality := published_quality(verdict):
        extensions.append({"url": QUALITY, "valueCode": quality})
    return {"extension": extensions, "mode": "match", "score": score}
