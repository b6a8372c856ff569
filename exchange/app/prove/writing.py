"""Random requests that write: panels, care, broken glass, subscriptions, what is pushed, and what follows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any
from uuid import UUID

from exchange.app.prove.asking import MADE, Material, Pair, Request
from exchange.app.prove.searching import chance, known_type, some_id
from exchange.model.records import Resource
from exchange.model.terms import SYSTEMS

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_TOPICS = ("resource-published", "resource-deleted", "person-merged", "nothing")
_EMERGENCY = {
    "recipient": "Dr. A. Example",
    "recipient_affiliation": "emergency department",
    "emergency_nature": "unconscious",
}


def writing_request(random: Random, material: Material) -> Request:
    """One request that writes, with what may be asked of what it made; about people seen, hidden and unknown.

    What it opens is not read afterwards: to one who may see more from then on more is shown.
    """
    (way,) = random.choices(tuple(_WAYS), tuple(_WAYS.values()))
    return way(random, material)


def _panel(random: Random, material: Material) -> Request:
    """Uploaded, read back, replaced, ended."""

    def group(key: str | None = None) -> Resource:
        members = [some_id(random, material, "Patient") for _ in range(random.choice((0, 1, 2, 3)))]
        named = {"id": key} if key else {}
        entities = [{"entity": {"reference": f"Patient/{one}"}} for one in members]
        return {"resourceType": "Group", **named, "type": "person", "actual": True, "member": entities}

    chosen = str(UUID(int=random.getrandbits(128), version=4))
    known = some_id(random, material, random.choice(("Patient", "Group")))
    begun = random.choice(
        (
            _body("POST", "Group", group(), *_brief(random)),
            _body("PUT", f"Group/{chosen}", group(chosen), ("If-None-Match", "*")),
            _body("PUT", f"Group/{known}", group(known)),
            _body("POST", "Group", {**group(), "type": "animal"}),
        )
    )
    place = f"Group/{MADE}"
    then = (
        Request("GET", place),
        Request("GET", f"{place}/_history/1"),
        _body("PUT", place, group(), ("If-Match", random.choice(('W/"1"', 'W/"2"')))),
        Request("GET", place, (), (("If-None-Match", 'W/"2"'),)),
        Request("DELETE", place),
        Request("GET", place),
    )
    return _then(random, begun, then)


def _subscription(random: Random, material: Material) -> Request:
    """Asked for, read, followed, let rest, ended."""
    people = ",".join(f"Patient/{some_id(random, material, 'Patient')}" for _ in range(2))
    criteria = random.choice(("", known_type(random, material), f"Observation?patient={people}"))

    def wanted(status: str, key: str | None = None) -> Resource:
        filtered = {"_criteria": _extended("backport-filter-criteria", "valueString", criteria)}
        content = _extended("backport-payload-content", "valueCode", random.choice(("empty", "id-only")))
        return {
            "resourceType": "Subscription",
            **({"id": key} if key else {}),
            "status": status,
            "reason": "what comes of the people we treat",
            "criteria": f"urn:mosaic:topic:{random.choice(_TOPICS)}",
            **(filtered if criteria else {}),
            "channel": {
                "type": "rest-hook",
                "endpoint": "https://receiver.example/hook",
                "_payload": content,
            },
        }

    place = f"Subscription/{MADE}"
    then = (
        Request("GET", place),
        Request("GET", f"{place}/$status"),
        Request("GET", f"{place}/$events", (("content", random.choice(("empty", "id-only"))),)),
        _body("PUT", place, wanted("off", MADE)),
        Request("GET", "Subscription", (("status", "requested,off"),)),
        Request("DELETE", place),
        Request("GET", place),
    )
    return _then(random, _body("POST", "Subscription", wanted("requested"), *_brief(random)), then)


def _glass(random: Random, material: Material) -> Request:
    """Broken for somebody, now and then without all that the law asks for."""
    told = dict(_EMERGENCY)
    if chance(random, 0.2):
        told.pop(random.choice(sorted(told)))
    return _body("POST", f"Patient/{some_id(random, material, 'Patient')}/$break-glass", _texts(told))


def _attestation(random: Random, material: Material) -> Request:
    """Somebody is said to be in one's care, and then not any more."""
    place = f"Patient/{some_id(random, material, 'Patient')}/$attest-relationship"
    told = {"reason": "seen today"} if chance(random, 0.9) else {}
    return _then(random, _body("POST", place, _texts(told)), (Request("DELETE", place),))


def _push(random: Random, material: Material) -> Request:
    """A Bundle of records and consents, its status, and the same key once more."""
    whole = chance(random, 0.5)
    entries = [_entry(random, material, whole) for _ in range(random.choice((1, 2, 3)))]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction" if whole else "batch",
        "entry": entries,
    }
    key = ("Idempotency-Key", f"prove-{random.getrandbits(64)}")
    other = {**bundle, "entry": entries[:1] * 2}
    then = (
        Request("GET", f"$push-status/{MADE}"),
        _body("POST", "", bundle, key),
        _body("POST", "", other, key),
    )
    return _then(random, _body("POST", "", bundle, key), then)


def _entry(random: Random, material: Material, whole: bool) -> Resource:
    """One entry: a record or a consent under an id that may be somebody else's, or a deletion."""
    kind = random.choice(("Consent", "Observation", "Condition", "Patient"))
    key, about = some_id(random, material, kind), some_id(random, material, "Patient")
    if chance(random, 0.2):
        return {"request": {"method": "DELETE", "url": f"{kind}/{key}"}}
    said: dict[str, Any] = {"resourceType": kind, "id": key}
    if kind == "Consent":
        said |= _consent(about)
    elif kind != "Patient":
        said |= {"status": "final", "subject": {"reference": f"Patient/{about}"}, "code": {"text": "x"}}
    if whole and chance(random, 0.4):
        number = random.choice(material.values.get((kind, "identifier"), ("urn:x|1",)))
        del said["id"]
        return {
            "resource": said,
            "request": {"method": "POST", "url": kind, "ifNoneExist": f"identifier={number}"},
        }
    return {"resource": said, "request": {"method": "PUT", "url": f"{kind}/{key}"}}


def _consent(about: str) -> Resource:
    """A refusal: what is captured of one who may be hidden."""
    return {
        "status": "active",
        "scope": {"coding": [{"system": SYSTEMS["consent_scope"], "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{about}"},
        "dateTime": "2026-01-01",
        "policyRule": {"coding": [{"system": SYSTEMS["act_code"], "code": "OPTOUT"}]},
    }


def _then(random: Random, first: Request, then: tuple[Request, ...]) -> Request:
    """The first with some of what may follow, in order; at least the next."""
    kept = tuple(one for number, one in enumerate(then) if number == 0 or chance(random, 0.7))
    return Request(first.method, first.path, first.parameters, first.headers, body=first.body, then=kept)


def _body(method: str, path: str, resource: Resource, *headers: Pair) -> Request:
    return Request(method, path, (), headers, body=json.dumps(resource))


def _brief(random: Random) -> tuple[Pair, ...]:
    return (("Prefer", random.choice(("return=minimal", "return=representation"))),)


def _texts(told: Mapping[str, str]) -> Resource:
    given = [{"name": name, "valueString": text} for name, text in told.items()]
    return {"resourceType": "Parameters", "parameter": given}


def _extended(name: str, kind: str, value: str) -> Resource:
    return {"extension": [{"url": f"{_BACKPORT}/{name}", kind: value}]}


_WAYS: Mapping[Callable[[Random, Material], Request], int] = {
    _panel: 4,
    _subscription: 3,
    _push: 3,
    _attestation: 2,
    _glass: 2,
}
