"""STU3 elements whose shape changed in R4, by the resource type they belong to.

Each function gets a resource that is already its own copy and gives the R4 one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from exchange.mapping.stu3_more import objects, renamed
from exchange.model.records import Resource

_GOAL_STATUS: Mapping[str, tuple[str, str | None]] = {
    "in-progress": ("active", "in-progress"),
    "on-target": ("active", "improving"),
    "ahead-of-target": ("active", "improving"),
    "behind-target": ("active", "not-achieving"),
    "sustaining": ("active", "sustaining"),
    "achieved": ("completed", "achieved"),
    "proposed": ("proposed", None),
    "planned": ("planned", None),
    "accepted": ("accepted", None),
    "on-hold": ("on-hold", None),
    "cancelled": ("cancelled", None),
    "rejected": ("rejected", None),
    "entered-in-error": ("entered-in-error", None),
}
_PROCEDURE_STATUS = {"suspended": "on-hold", "aborted": "stopped"}


def _encounter(out: Resource) -> Resource:
    if "diagnosis" in out:
        out["diagnosis"] = [renamed(item, role="use") for item in objects(out["diagnosis"])]
    return out


def _observation(out: Resource) -> Resource:
    if comment := out.pop("comment", None):
        out["note"] = [{"text": comment}]
    for related in objects(out.pop("related", [])):
        name = {"has-member": "hasMember", "derived-from": "derivedFrom"}.get(str(related.get("type")))
        if name and "target" in related:
            out[name] = [*out.get(name, []), related["target"]]
    if "component" in out:
        out["component"] = [
            {**item, "interpretation": [item["interpretation"]]}
            if isinstance(item.get("interpretation"), dict)
            else item
            for item in objects(out["component"])
        ]
    out.pop("valueAttachment", None)
    return out


def _dosages(value: Any) -> list[dict[str, Any]]:
    """Dose and rate moved into `doseAndRate`."""
    dosages = []
    for dosage in objects(value):
        moved = {name: item for name, item in dosage.items() if name.startswith(("dose", "rate"))}
        rest = {name: item for name, item in dosage.items() if name not in moved}
        dosages.append({**rest, "doseAndRate": [moved]} if moved else rest)
    return dosages


def _medication_request(out: Resource) -> Resource:
    out.setdefault("status", "unknown")
    requester = out.get("requester")
    if isinstance(requester, dict) and "agent" in requester:
        out["requester"] = requester["agent"]
    substitution = out.get("substitution")
    if isinstance(substitution, dict) and "allowed" in substitution:
        out["substitution"] = renamed(substitution, allowed="allowedBoolean")
    if "dosageInstruction" in out:
        out["dosageInstruction"] = _dosages(out["dosageInstruction"])
    return out


def _medication_statement(out: Resource) -> Resource:
    if out.pop("taken", None) == "n":
        out["status"] = "not-taken"
    if "reasonNotTaken" in out:
        out["statusReason"] = out.pop("reasonNotTaken")
    if "dosage" in out:
        out["dosage"] = _dosages(out["dosage"])
    return out


def _medication_dispense(out: Resource) -> Resource:
    if out.pop("notDone", False) is True:
        out["status"] = "declined"
    out.setdefault("status", "unknown")
    if "performer" in out:
        out["performer"] = _performers(out["performer"])
    if "dosageInstruction" in out:
        out["dosageInstruction"] = _dosages(out["dosageInstruction"])
    return out


def _medication_administration(out: Resource) -> Resource:
    if out.pop("notGiven", False) is True:
        out["status"] = "not-done"
    if "performer" in out:
        out["performer"] = _performers(out["performer"])
    return out


def _medication(out: Resource) -> Resource:
    if "ingredient" in out:
        out["ingredient"] = [renamed(item, amount="strength") for item in objects(out["ingredient"])]
    return out


def _performers(value: Any) -> list[dict[str, Any]]:
    """`role` became `function`; on whose behalf has no place any more."""
    return [
        {name: item for name, item in renamed(performer, role="function").items() if name != "onBehalfOf"}
        for performer in objects(value)
    ]


def _immunization(out: Resource) -> Resource:
    if out.pop("notGiven", False) is True:
        out["status"] = "not-done"
    if "practitioner" in out:
        out["performer"] = _performers(out.pop("practitioner"))
    explanation = out.pop("explanation", None)
    if isinstance(explanation, dict):
        if "reason" in explanation:
            out["reasonCode"] = explanation["reason"]
        if reasons := objects(explanation.get("reasonNotGiven", [])):
            out["statusReason"] = reasons[0]
    protocols = objects(out.pop("vaccinationProtocol", []))
    if applied := [_protocol(item) for item in protocols if "doseSequence" in item]:
        out["protocolApplied"] = applied
    return out


def _protocol(item: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: item[name] for name in ("series", "authority") if name in item}
    out = {**kept, "doseNumberPositiveInt": item["doseSequence"]}
    if "seriesDoses" in item:
        out["seriesDosesPositiveInt"] = item["seriesDoses"]
    if "targetDisease" in item:
        out["targetDisease"] = item["targetDisease"]
    return out


def _procedure(out: Resource) -> Resource:
    if out.pop("notDone", False) is True:
        out["status"] = "not-done"
    out["status"] = _PROCEDURE_STATUS.get(str(out.get("status")), out.get("status", "unknown"))
    if "performer" in out:
        out["performer"] = [renamed(item, role="function") for item in objects(out["performer"])]
    return out


def _diagnostic_report(out: Resource) -> Resource:
    if "performer" in out:
        out["performer"] = [item.get("actor", item) for item in objects(out["performer"])]
    if "image" in out:
        out["media"] = out.pop("image")
    return out


def _document_reference(out: Resource) -> Resource:
    if "indexed" in out:
        out["date"] = out.pop("indexed")
    context = out.get("context")
    if isinstance(context, dict):
        moved = dict(context)
        if isinstance(moved.get("encounter"), dict):
            moved["encounter"] = [moved["encounter"]]
        if "related" in moved:
            moved["related"] = [
                item.get("ref", {"identifier": item.get("identifier")}) for item in objects(moved["related"])
            ]
        out["context"] = moved
    return out


def _goal(out: Resource) -> Resource:
    status, achieved = _GOAL_STATUS.get(str(out.pop("status", "")), ("proposed", None))
    out["lifecycleStatus"] = status
    if achieved:
        system = "http://terminology.hl7.org/CodeSystem/goal-achievement"
        out["achievementStatus"] = {"coding": [{"system": system, "code": achieved}]}
    return out


def _service_request(out: Resource) -> Resource:
    code = out.get("code")
    if isinstance(code, list):
        out["code"], details = code[0] if code else None, code[1:]
        if details:
            out["orderDetail"] = details
    requester = out.get("requester")
    if isinstance(requester, dict) and "agent" in requester:
        out["requester"] = requester["agent"]
    if "recipient" in out:
        out["performer"] = out.pop("recipient")
    if isinstance(out.get("performer"), dict):
        out["performer"] = [out["performer"]]
    if "description" in out:
        out["note"] = [*out.get("note", []), {"text": out.pop("description")}]
    if isinstance(out.get("specialty"), dict):
        out["performerType"] = out.pop("specialty")
    return {name: value for name, value in out.items() if value is not None}


def _care_team(out: Resource) -> Resource:
    if "participant" in out:
        out["participant"] = [
            {**item, "role": [item["role"]]} if isinstance(item.get("role"), dict) else item
            for item in objects(out["participant"])
        ]
    return out


def _questionnaire_response(out: Resource) -> Resource:
    questionnaire = out.get("questionnaire")
    if isinstance(questionnaire, dict):
        out.pop("questionnaire")
        if isinstance(questionnaire.get("reference"), str):
            out["questionnaire"] = questionnaire["reference"]
    return out


SHAPED: Mapping[str, Callable[[Resource], Resource]] = {
    "Encounter": _encounter,
    "Observation": _observation,
    "MedicationRequest": _medication_request,
    "MedicationStatement": _medication_statement,
    "MedicationDispense": _medication_dispense,
    "MedicationAdministration": _medication_administration,
    "Medication": _medication,
    "Immunization": _immunization,
    "Procedure": _procedure,
    "DiagnosticReport": _diagnostic_report,
    "DocumentReference": _document_reference,
    "Goal": _goal,
    "ServiceRequest": _service_request,
    "CareTeam": _care_team,
    "QuestionnaireResponse": _questionnaire_response,
}
