"""A walk over one element of a resource: codings, words, references and declared labels in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from exchange.consent.labels.wording import words_of_document, words_of_markup

INLINE_LABEL = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label"

TEXTS = frozenset(
    (
        "abatementString",
        "ageString",
        "alias",
        "availabilityExceptions",
        "basis",
        "bornString",
        "citation",
        "comment",
        "conclusion",
        "contentString",
        "deceasedString",
        "description",
        "detail",
        "detailString",
        "display",
        "disposition",
        "div",
        "documentType",
        "extraDetails",
        "label",
        "line",
        "mitigation",
        "name",
        "network",
        "occurrenceString",
        "onsetString",
        "patientInstruction",
        "performedString",
        "productRelatedness",
        "rationale",
        "scheduledString",
        "series",
        "statusReason",
        "summary",
        "text",
        "title",
        "valueMarkdown",
        "valueString",
    )
)
"""Elements whose strings are words: tests/consent/test_wording.py compares them with those of R4."""

_WHERE_AND_HOW = frozenset(("bodySite", "method", "route", "severity", "site"))
_NAMES_OF_PEOPLE = frozenset(("family", "given"))

Coding = dict[str, Any]


@dataclass(slots=True)
class Findings:
    """`codings` as system, code, whether words explain it, and whether it only says where or how.

    `bare` counts codes of no system that no words explain, `mute` attachments that cannot be read.
    """

    codings: list[tuple[str, str, bool, bool]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    references: list[tuple[str, str]] = field(default_factory=list)
    identifiers: list[tuple[str, str]] = field(default_factory=list)
    declared: list[Coding] = field(default_factory=list)
    bare: int = 0
    mute: int = 0


def findings(name: str, element: dict[str, Any] | list[Any]) -> Findings:
    """All that lies in the element called `name`, at any depth."""
    found = Findings()
    stack: list[tuple[str, Any]] = [(name, element)]
    while stack:
        key, node = stack.pop()
        if type(node) is list:
            stack.extend((key, item) for item in node if type(item) is dict or type(item) is list)
            if key in TEXTS:
                found.texts.extend(item for item in node if type(item) is str)
        else:
            _visit(key, node, found, stack)
    return found


def _visit(key: str, node: dict[str, Any], found: Findings, stack: list[tuple[str, Any]]) -> None:
    if "code" in node or "coding" in node:
        _codes(node, key in _WHERE_AND_HOW, found)
    if "reference" in node and type(node["reference"]) is str:
        found.references.append((key, node["reference"]))
    if type(node.get("value")) is str and type(node.get("system")) is str:
        found.identifiers.append((node["system"], node["value"]))
    if key == "meta" or node.get("url") == INLINE_LABEL:
        found.declared.extend(_declared(node))
        return
    if "contentType" in node or "data" in node:
        _attachment(node, found)
    person = not _NAMES_OF_PEOPLE.isdisjoint(node)
    for name, value in node.items():
        kind = type(value)
        if kind is dict or kind is list:
            if name != "coding":
                stack.append((name, value))
        elif kind is str and name in TEXTS and not person:
            found.texts.extend(words_of_markup(value) if name == "div" else [value])


def _codes(node: dict[str, Any], where: bool, found: Findings) -> None:
    codings = node.get("coding")
    worded = bool(node.get("text") or node.get("display") or node.get("unit"))
    for coding in codings if type(codings) is list else (node,):
        if type(coding) is not dict or type(coding.get("code")) is not str:
            continue
        display, system = coding.get("display"), coding.get("system")
        if type(system) is str:
            found.codings.append((system, coding["code"], worded or bool(display), where))
        elif coding is not node and not (worded or display):
            found.bare += 1
        if type(display) is str and coding is not node:
            found.texts.append(display)


def _declared(node: dict[str, Any]) -> list[Coding]:
    codings = node["security"] if isinstance(node.get("security"), list) else [node.get("valueCoding")]
    return [coding for coding in codings if isinstance(coding, dict)]


def _attachment(node: dict[str, Any], found: Findings) -> None:
    data = node.get("data")
    if type(data) is not str:
        return
    words = words_of_document(data, str(node.get("contentType", "")))
    if words is None:
        found.mute += 1
    else:
        found.texts.extend(words)
