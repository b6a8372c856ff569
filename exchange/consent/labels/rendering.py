"""Labels written into a resource, and the rendition without its sensitive elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exchange.consent.directives.codings import ACT_CODE, CONFIDENTIALITY
from exchange.consent.labels.labelling import PROGRAM_SYSTEM, labels_from
from exchange.consent.rules.ruleset import Rules
from exchange.model.records import Labels, Resource

_BASIS = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-sec-label-basis"
_PART2 = "42CFRPart2"
_MARK = "RedisclosureProhibitionMark"
_REPEATS = frozenset(["text", "presentedForm"])
"""Elements that say in other words what the whole record says, and so what leaves it."""
_OURS = frozenset(["HMIS", "VAWA", "FERPA", "VITAL", "SUDCounselingNotes"])


def with_security(resource: Resource, labels: Labels) -> Resource:
    """A copy whose meta.security says exactly these labels; contained resources carry none (invariant dom-5).

    A Part 2 label is the basis of the sensitivity labels beside it and brings its mark
    (http://hl7.org/fhir/uv/security-label-ds4p).
    """
    codes = sorted(labels.codes)
    part2 = _PART2 in labels.codes
    security = [{"system": CONFIDENTIALITY, "code": labels.confidentiality}]
    security += [_coding(code, part2) for code in codes]
    if part2 and _MARK not in labels.codes:
        security.append(_coding(_MARK, part2))
    labelled = {**resource, "meta": {**resource.get("meta", {}), "security": security}}
    if "contained" in resource:
        labelled["contained"] = [_without_security(inner) for inner in resource["contained"]]
    return labelled


def _coding(code: str, part2: bool) -> dict[str, Any]:
    system = PROGRAM_SYSTEM if code in _OURS else ACT_CODE
    if not part2 or code in (_PART2, _MARK) or system == PROGRAM_SYSTEM:
        return {"system": system, "code": code}
    basis = {"url": _BASIS, "valueCoding": {"system": ACT_CODE, "code": _PART2}}
    return {"extension": [basis], "system": system, "code": code}


def _without_security(inner: Resource) -> Resource:
    meta = {name: value for name, value in inner.get("meta", {}).items() if name != "security"}
    rest = {name: value for name, value in inner.items() if name != "meta"}
    return {**rest, "meta": meta} if meta else rest


def redact(resource: Resource, labels: Labels, rules: Rules) -> tuple[Resource, Labels] | None:
    """The rendition without the elements that give a label away, and what it still reveals.

    None when nothing would be gained: the evidence lies in the record itself, or there is none.
    """
    if not labels.evidence:
        return None
    kind = resource["resourceType"]
    removable = frozenset(rules.vocabulary.file.removable.get("*", ()))
    removable |= frozenset(rules.vocabulary.file.removable.get(kind, ()))
    telling = {item.expression.removeprefix(f"{kind}.") for item in labels.evidence if item.expression}
    leaving = telling & removable
    if not leaving:
        return None
    leaving |= _REPEATS & removable
    remaining = tuple(
        item for item in labels.evidence if item.expression.removeprefix(f"{kind}.") not in leaving
    )
    left = labels_from(remaining, rules.vocabulary)
    if left == labels:
        return None
    gone = leaving.union(f"_{name}" for name in leaving)
    return _without_orphans({name: value for name, value in resource.items() if name not in gone}), left


def _without_orphans(resource: Resource) -> Resource:
    """Without the contained resources that nothing left in the record leads to."""
    if "contained" not in resource:
        return resource
    rest = {name: value for name, value in resource.items() if name != "contained"}
    waiting = {str(inner.get("id")): inner for inner in resource["contained"]}
    reached, wave = set[str](), [rest]
    while wave:
        names = {name for node in wave for name in _inner_names(node)} & waiting.keys()
        reached |= names
        wave = [waiting.pop(name) for name in sorted(names)]
    kept = [inner for inner in resource["contained"] if str(inner.get("id")) in reached]
    return {**rest, "contained": kept} if kept else rest


def _inner_names(node: Any) -> Iterator[str]:
    """What `#name` anywhere in it leads to: a Reference, or a canonical or uri that stands alone."""
    if isinstance(node, str):
        if node.startswith("#"):
            yield node[1:]
    elif isinstance(node, (dict, list)):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _inner_names(value)
