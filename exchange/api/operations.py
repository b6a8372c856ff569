"""Operations that only read: $lastn, $docref, $summary, $validate. https://hl7.org/fhir/R4/operations.html"""

from __future__ import annotations

from dataclasses import replace

from exchange.api import access, interactions
from exchange.api.answering import (
    Asked,
    Shown,
    applied,
    bundle,
    disclosed,
    not_found,
    obligation_header,
    opened,
    refuse_empty,
    refuse_unknown,
)
from exchange.api.bundles import document
from exchange.api.invoking import parameters_of, resource_of
from exchange.api.messages import Answer, Parameters, Refusal, outcome
from exchange.api.routing import Interaction
from exchange.api.scopes import reach
from exchange.api.viewing import view_of
from exchange.audit import append, query_entries
from exchange.model.records import Issue
from exchange.repository import lastn as find_latest
from exchange.repository import summary as summarize
from exchange.validation import validate as issues_of

_CCD = "http://loinc.org|34133-9"


def lastn(asked: Asked, wanted: Interaction) -> Answer:
    """The latest Observations of each code."""
    access.require(asked.held, wanted.type, "s")
    asked = replace(asked, parameters=refuse_empty(asked, parameters_of(asked)))
    interactions.check_search(asked, "Observation", [p for p in asked.parameters if p[0] != "max"])
    with opened(asked, reach(asked.held.scopes, wanted.type, "s")) as view:
        page = find_latest(view, asked.parameters, asked.service.fhir_url)
        shown = disclosed(page)
        append(view.log, query_entries(asked.who, asked.how, asked.call.text, shown, operation=True))
    return bundle(asked, Shown(page, "Observation/$lastn", applied(asked.parameters, page)))


def docref(asked: Asked, wanted: Interaction) -> Answer:
    """Documents about a person, by type and time of care; the latest summary of care when neither is given.

    https://hl7.org/fhir/us/core/OperationDefinition-docref.html. Nothing is made on demand.
    """
    given = parameters_of(asked)
    refuse_unknown(asked, [name for name, _ in given if name not in _DOCREF])
    found = _documents(dict(given))
    return interactions.search(replace(asked, parameters=found), replace(wanted, name="search-type"))


_DOCREF = frozenset({"patient", "start", "end", "type", "on-demand", "profile"})


def _documents(given: dict[str, str]) -> Parameters:
    """The search that $docref asks for."""
    if not given.get("patient"):
        raise Refusal(400, "required", "$docref needs a patient")
    if given.get("on-demand", "false") == "true":
        return (("patient", given["patient"]), ("_id", "00000000-0000-0000-0000-000000000000"))
    latest = not given.keys() & {"start", "end", "type"}
    pairs = (
        ("patient", given["patient"]),
        ("type", given.get("type") or (_CCD if latest else "")),
        ("period", f"ge{given['start']}" if given.get("start") else ""),
        ("period", f"le{given['end']}" if given.get("end") else ""),
        ("_sort", "-date"),
        ("_count", "1" if latest else ""),
    )
    return tuple((name, value) for name, value in pairs if value)


def summary(asked: Asked, wanted: Interaction) -> Answer:
    """An International Patient Summary of what the requester may see of the person."""
    access.require(asked.held, "Patient", "r")
    refuse_unknown(asked, [name for name, _ in parameters_of(asked)])
    with opened(asked, reach(asked.held.scopes)) as view:
        found = summarize(view, wanted.id, asked.service.fhir_url)
        if found is None:
            return not_found(asked, view)
        shown = disclosed(found.page)
        append(view.log, query_entries(asked.who, asked.how, asked.call.text, shown, operation=True))
    headers = obligation_header(asked, found.page.obligations)
    return Answer(200, document(found, asked.service.fhir_url), headers=headers)


def validate(asked: Asked, wanted: Interaction) -> Answer:
    """What this exchange would find wrong with a resource; nothing is kept, and nothing is read."""
    access.require(asked.held, wanted.type, "r")
    refuse_unknown(asked, [name for name, _ in asked.parameters])
    resource = resource_of(asked.call)
    found = list(issues_of(resource))
    if resource.get("resourceType") != wanted.type:
        found.insert(0, Issue("error", "invalid", f"the resource is no {wanted.type}", "resourceType"))
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        asked_of = f"{asked.call.method} {asked.call.path}"  # not the body: it stays with who sent it
        append(view.log, query_entries(asked.who, asked.how, asked_of, [], operation=True))
    return Answer(200, outcome(found or [Issue("information", "informational", "no issues were found", "")]))


WORK = {"lastn": lastn, "docref": docref, "summary": summary, "validate": validate}
