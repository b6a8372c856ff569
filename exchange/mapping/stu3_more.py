"""STU3 elements whose shape changed in R4: scheduling, tasks, devices, plans, coverage, provenance.

Each function gets a resource that is already its own copy and gives the R4 one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from exchange.model.records import Resource

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_STOPPED = {"suspended": "on-hold", "aborted": "stopped"}
_MEDIA = {"photo": "image", "video": "video", "audio": "audio"}
_GROUPING = {
    "group": "group", "subGroup": "subgroup", "plan": "plan", "subPlan": "subplan", "class": "class",
    "subClass": "subclass",
}  # fmt: skip


def objects(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def renamed(item: Mapping[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in item.items()}


def _asked(out: Resource) -> Resource:
    """Who asked is the agent; on whose behalf has no place any more."""
    requester = out.get("requester")
    if isinstance(requester, dict) and "agent" in requester:
        out["requester"] = requester["agent"]
    return out


def _text(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _communication(out: Resource) -> Resource:
    if out.pop("notDone", False) is True:
        out["status"] = "not-done"
    out["status"] = _STOPPED.get(str(out.get("status")), out.get("status", "unknown"))
    return out


def _device(out: Resource) -> Resource:
    if isinstance(out.get("version"), str):
        out["version"] = [{"value": out["version"]}]
    udi = out.pop("udi", None)
    if isinstance(udi, dict):
        carrier = dict(udi)
        if name := carrier.pop("name", None):
            out["deviceName"] = [{"name": name, "type": "udi-label-name"}]
        if carrier:
            out["udiCarrier"] = [carrier]
    return out


def _device_request(out: Resource) -> Resource:
    intent = out.get("intent")
    if isinstance(intent, dict):
        out["intent"] = next((coding.get("code") for coding in objects(intent.get("coding", []))), None)
    return _asked({name: value for name, value in out.items() if value is not None})


def _family_member_history(out: Resource) -> Resource:
    if isinstance(out.get("sex"), str):
        out["sex"] = {"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": out["sex"]}]}
    if out.pop("notDone", False) is True:
        out["status"] = "health-unknown"
    return out


def _care_plan(out: Resource) -> Resource:
    authors = out.pop("author", [])
    if isinstance(authors, list) and authors:
        out["author"] = authors[0]
        if authors[1:]:
            out["contributor"] = authors[1:]
    elif authors:
        out["author"] = authors
    if "activity" in out:
        out["activity"] = [
            {**item, "detail": _activity(item["detail"])} if isinstance(item.get("detail"), dict) else item
            for item in objects(out["activity"])
        ]
    return out


def _activity(detail: Mapping[str, Any]) -> dict[str, Any]:
    """What kind of activity it is stands in its code where nothing says it more exactly."""
    out = renamed(detail, prohibited="doNotPerform")
    out.pop("definition", None)
    category = out.pop("category", None)
    if category is not None:
        out.setdefault("code", category)
    if "statusReason" in out:
        out["statusReason"] = _text(out["statusReason"])
    return out


def _coverage(out: Resource) -> Resource:
    grouping = out.pop("grouping", None)
    if isinstance(grouping, dict):
        out["class"] = [
            {
                "type": {"coding": [{"system": _TERMINOLOGY + "coverage-class", "code": code}]},
                "value": grouping[name],
                **({"name": grouping[f"{name}Display"]} if f"{name}Display" in grouping else {}),
            }
            for name, code in _GROUPING.items()
            if name in grouping
        ]
    return {name: value for name, value in out.items() if name != "class" or value}


def _healthcare_service(out: Resource) -> Resource:
    code, note = out.pop("eligibility", None), out.pop("eligibilityNote", None)
    eligibility = {name: value for name, value in (("code", code), ("comment", note)) if value is not None}
    if eligibility:
        out["eligibility"] = [eligibility]
    if "program" in out:
        out["program"] = (
            [_text(name) for name in out["program"]] if isinstance(out["program"], list) else out["program"]
        )
    return out


def _imaging_study(out: Resource) -> Resource:
    uid, accession = out.pop("uid", None), out.pop("accession", None)
    known = list(out.get("identifier", [])) if isinstance(out.get("identifier"), list) else []
    if isinstance(uid, str):
        known.insert(0, {"system": "urn:dicom:uid", "value": uid})
    if isinstance(accession, dict):
        known.append(accession)
    if known:
        out["identifier"] = known
    out.setdefault("status", "unknown" if out.pop("availability", "ONLINE") != "ONLINE" else "available")
    procedures = out.get("procedureReference")
    if isinstance(procedures, list):
        out["procedureReference"] = procedures[0] if procedures else None
    if "series" in out:
        out["series"] = [_series(item) for item in objects(out["series"])]
    return {name: value for name, value in out.items() if value is not None}


def _series(series: Mapping[str, Any]) -> dict[str, Any]:
    out = {name: _dicom(name, value) for name, value in series.items() if name != "availability"}
    if "performer" in out:
        out["performer"] = [
            item if "actor" in item else {"actor": item} for item in objects(out["performer"])
        ]
    if "instance" in out:
        out["instance"] = [
            {name: _dicom(name, value) for name, value in item.items()} for item in objects(out["instance"])
        ]
    return out


def _dicom(name: str, value: Any) -> Any:
    """UIDs lost their prefix, classes became codings."""
    if name == "uid" and isinstance(value, str):
        return value.removeprefix("urn:oid:")
    if name == "sopClass" and isinstance(value, str):
        return {
            "system": "urn:ietf:rfc:3986",
            "code": value if value.startswith("urn:") else f"urn:oid:{value}",
        }
    return value


def _media(out: Resource) -> Resource:
    out.setdefault("status", "completed")
    kind = out.get("type")
    if isinstance(kind, str):
        out["type"] = {"coding": [{"system": _TERMINOLOGY + "media-type", "code": _MEDIA.get(kind, kind)}]}
    return out


def _risk_assessment(out: Resource) -> Resource:
    if comment := out.pop("comment", None):
        out["note"] = [{"text": comment}]
    return out


def _provenance(out: Resource) -> Resource:
    if "reason" in out:
        out["reason"] = [{"coding": [coding]} for coding in objects(out["reason"])]
    if isinstance(out.get("activity"), dict):
        out["activity"] = {"coding": [out["activity"]]}
    for name, wanted in (("agent", _agent), ("entity", _used)):
        if name in out:
            out[name] = [wanted(item) for item in objects(out[name])]
    if "signature" in out:
        out["signature"] = [
            _named(renamed(item, contentType="sigFormat", blob="data"), "who", "onBehalfOf")
            for item in objects(out["signature"])
        ]
    return out


def _agent(agent: Mapping[str, Any]) -> dict[str, Any]:
    out = _named(agent, "who", "onBehalfOf")
    out.pop("relatedAgentType", None)
    return out


def _used(entity: Mapping[str, Any]) -> dict[str, Any]:
    out = _named(entity, "what")
    if "agent" in out:
        out["agent"] = [_agent(item) for item in objects(out["agent"])]
    return out


def _named(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A reference, an identifier or a URI of something is a reference to it."""
    out = dict(item)
    for name in names:
        reference, identifier, uri = (
            out.pop(name + form, None) for form in ("Reference", "Identifier", "Uri")
        )
        if reference is not None:
            out[name] = reference
        elif identifier is not None:
            out[name] = {"identifier": identifier}
        elif isinstance(uri, str) and not uri.startswith("#"):
            out[name] = {"identifier": {"system": "urn:ietf:rfc:3986", "value": uri}}
    return out


MORE: Mapping[str, Callable[[Resource], Resource]] = {
    "CarePlan": _care_plan,
    "Communication": _communication,
    "CommunicationRequest": _asked,
    "Coverage": _coverage,
    "Device": _device,
    "DeviceRequest": _device_request,
    "FamilyMemberHistory": _family_member_history,
    "HealthcareService": _healthcare_service,
    "ImagingStudy": _imaging_study,
    "Media": _media,
    "Provenance": _provenance,
    "RiskAssessment": _risk_assessment,
    "Task": _asked,
}
