"""What a record holds and what of it the map read: the other half of its lineage.

Positions name fields, columns, members, elements and sections, never a value: `PID-30`, `HouseholdID`,
`phones.extension`, `section 47420-5`. A field counts as read when any part of it was; `DG1-3[2]` stands for
the repetitions after the first, where a map asks for that alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import orjson
from lxml import etree

from exchange.formats.ccda import NAMESPACES
from exchange.mapping.load import Maps
from exchange.mapping.paths.observed import SeenRow
from exchange.mapping.paths.standing import Standing, standing
from exchange.mapping.record import observe
from exchange.model.records import SourceRecord

_HL7 = f"{{{NAMESPACES['cda']}}}"
_NAME = re.compile(r"[A-Za-z_$][\w$-]{0,63}")
_ENVELOPE = frozenset({"MSH", "FHS", "BHS", "BTS", "FTS"})
_BOOKKEEPING = re.compile(
    r"(?:date|time)?[ _]?(?:created|updated|deleted|modified)(?:[ _]?(?:at|on|by))?|(?:user|export)[ _]?id"
    r"|\w*data[ _]?quality",
    re.I,
)
"""Columns about the record and not about the person."""
_CONTENT = {
    "AL1": {2, 3, 4, 5}, "IAM": {2, 3, 4, 5}, "DG1": {3, 4}, "PR1": {3, 4}, "OBR": {4}, "OBX": {3, 5},
    "NTE": {3}, "RXA": {5, 6}, "RXE": {2, 3}, "RXO": {1, 2}, "RXR": {1}, "SPM": {4}, "TXA": {2},
}  # fmt: skip
"""Fields without which a segment has lost what a clinician wrote."""
_STRUCTURE = frozenset({
    "classCode", "moodCode", "typeCode", "determinerCode", "contextControlCode", "contextConductionInd",
    "inversionInd", "negationInd", "independentInd", "nullFlavor", "type", "root", "assigningAuthorityName",
    "codeSystem", "codeSystemName", "codeSystemVersion", "mediaType", "representation", "ID", "styleCode",
    "operator", "schemaLocation", "institutionSpecified", "integrityCheckAlgorithm", "unsorted",
})  # fmt: skip
_CLAIM_LOOPS = frozenset({"L2000B", "L2000C", "L2300", "L2100"})
_QUALIFIER = re.compile(
    r"(?:HL|LX)\d\d|(?:NM1|N1|PER|REF|DTM|DTP|AMT|QTY|LQ|PRV|SBR|PAT)0[12]|(?:NM108|N103|DMG01|PER0[357])"
)
_NOTHING = re.compile(r"(?i)\W*(?:no|none|not|n/?a|unknown|nil|ninguna?|sin)\b[^\n;]{0,80}")
"""What people write into a section without information."""
_STATEMENTS = frozenset(
    f"{_HL7}{name}"
    for name in [
        "act",
        "encounter",
        "observation",
        "organizer",
        "procedure",
        "substanceAdministration",
        "supply",
    ]
)
_HEADINGS = ("templateId", "realmCode", "typeId", "setId", "versionNumber", "title", "languageCode")


@dataclass(frozen=True, slots=True)
class Position:
    """A filled position of a record; `clinical`: a clinician, not a machine, wrote it."""

    name: str
    read: bool
    clinical: bool


def positions(record: SourceRecord, observed: Maps) -> list[Position]:
    """Every filled position, in order; RecordRejected when the map takes nothing of the record.

    `observed` are maps compiled with the observer (`observed_maps`).
    """
    run = observe(record, observed)
    if run.root is None:  # a deletion by name alone: it holds nothing
        return []
    kind = observed.feeds[record.feed].language.format
    if kind == "hl7v2":
        return list(_segments(run.root.segments, run.root.delimiters.repetition))
    if kind == "delimited":
        joins = observed.partner.feeds[record.feed].joins()
        return list(_cells(run.root, {name for join in joins for name in (join.by, *join.take)}))
    if kind == "ccda":
        return list(_document(run.root, run.seen, standing(run)))
    clinical = _claimed if kind == "x12" else _said
    found = list(_members(run.roots or [run.root], run.seen, clinical))
    if kind == "fhir_json" and record.payload:
        left_out = observed.feeds[record.feed].fhir.left_out(orjson.loads(record.payload))
        found += [Position(name, read=False, clinical=True) for name in dict.fromkeys(left_out)]
    return found


def unread(found: Iterable[Position]) -> list[str]:
    """Names of what no row of the map read, each once."""
    return list(dict.fromkeys(position.name for position in found if not position.read))


def lost(found: Iterable[Position]) -> list[str]:
    """Names of clinical content that no row of the map read, each once."""
    return list(dict.fromkeys(position.name for position in found if position.clinical and not position.read))


def _segments(segments: Iterable[Any], mark: str) -> Iterator[Position]:
    for segment in segments:
        fields = list(segment)
        name, seen = fields[0], segment.seen
        # What a partner's own segment holds nobody knows who has not declared it.
        undeclared = name[:1] == "Z" and seen.isdisjoint(range(1, len(fields)))
        for number, text in enumerate(fields[1:], start=1):
            if text.strip() and text != '""' and name not in _ENVELOPE:
                clinical = undeclared or number in _CONTENT.get(name, ())
                yield Position(f"{name}-{number}", number in seen, clinical)
                asked = (name, number) in segment.repeating or number not in seen
                if mark in text and not asked and _says_more(text.split(mark)):
                    yield Position(f"{name}-{number}[2]", read=False, clinical=clinical)


def _says_more(repetitions: list[str]) -> bool:
    """Whether what follows the first says something that the first does not."""
    return any(text.strip() not in ("", '""', repetitions[0].strip()) for text in repetitions[1:])


def _cells(row: SeenRow, joining: set[str]) -> Iterator[Position]:
    """The filled cells; a column that other files are joined by, or that comes from one, is nobody's loss."""
    for name, text in dict.items(row):
        if text and str(text).strip() and (name in row.seen or name not in joining):
            yield Position(name, name in row.seen, not _BOOKKEEPING.fullmatch(name))


def _members(
    roots: Iterable[Any], seen: set[str], clinical: Callable[[list[str]], bool]
) -> Iterator[Position]:
    for root in roots:
        kind = str(root.get("resourceType", "")) if isinstance(root, dict) else ""
        for address in dict.fromkeys(_leaves(root, kind)):
            steps = address.split("/")
            read = address in seen or any("/".join([*steps[:n], "**"]) in seen for n in range(len(steps) + 1))
            yield Position(".".join(steps), read, clinical(steps))


def _said(steps: list[str]) -> bool:
    """Of JSON: all but names of types and records."""
    return steps[-1] not in ("resourceType", "id") and not steps[-1].endswith("_id") and "meta" not in steps


def _claimed(steps: list[str]) -> bool:
    """Of X12: what stands in the loops of a patient and a claim, qualifiers apart."""
    return steps[0] in _CLAIM_LOOPS and not _QUALIFIER.fullmatch(steps[-1])


def _leaves(node: Any, at: str) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            shown = name if _NAME.fullmatch(name) else "?"
            yield from _leaves(value, f"{at}/{shown}".strip("/"))
    elif isinstance(node, list):
        for item in node:
            yield from _leaves(item, at)
    elif node not in (None, ""):
        yield at


# --- C-CDA ------------------------------------------------------------------------------------------


def _document(root: Any, seen: set[str], stands: Standing) -> Iterator[Position]:
    touched = {part for address in seen for part in accumulate(address.split("/"), "{}/{}".format)}
    for section in root.iter(f"{_HL7}section"):
        yield from _section(section, seen, touched, stands)
    yield from _elements(root, "", seen, stands)


def _section(section: Any, seen: set[str], touched: set[str], stands: Standing) -> Iterator[Position]:
    """Whether the section, each statement directly in it, and its narrative were reached."""
    name = _section_name(section)
    narrative = section.find(f"{_HL7}text")
    if narrative is not None and any(text.strip() for text in narrative.itertext()):
        empty = section.get("nullFlavor") is not None and _NOTHING.fullmatch(_plain(narrative))
        yield Position(f"{name}/text", _reached(stands.address(narrative), seen, touched), not empty)
    for entry in section.findall(f"{_HL7}entry"):
        for statement in entry:
            if statement.tag in _STATEMENTS and statement.get("nullFlavor") is None:
                kind = etree.QName(statement).localname
                read = _reached(stands.address(statement), seen, touched)
                yield Position(f"{name}/entry/{kind}", read, True)


def _plain(narrative: Any) -> str:
    return " ".join("".join(narrative.itertext()).split())


def _reached(address: str, seen: set[str], touched: set[str]) -> bool:
    """Whether the element at an address or anything below it was read, or it as a part of something."""
    return address in touched or _within_read(address, seen)


def _within_read(address: str, seen: set[str]) -> bool:
    """Whether the element at an address, or one around it, was read whole."""
    return any(f"{around}/**" in seen for around in accumulate(address.split("/"), "{}/{}".format))


def _section_name(section: Any) -> str:
    code = section.find(f"{_HL7}code")
    text = "" if code is None else code.get("code", "")
    return f"section {text}" if re.fullmatch(r"\d{1,5}-\d", text) else "section"


def _elements(node: Any, at: str, seen: set[str], stands: Standing) -> Iterator[Position]:
    """Attributes and texts of the tree; narrative is told with its section."""
    told = {etree.QName(name).localname: value for name, value in node.attrib.items() if value.strip()}
    has_text = bool(node.text and node.text.strip())
    if has_text or told:
        address = stands.address(node)
        whole = _within_read(address, seen)
        for local in told:
            if local not in _STRUCTURE:
                yield Position(f"{at}/@{local}".strip("/"), whole or f"{address}/@{local}" in seen, False)
        if has_text:
            yield Position(at, whole, False)
    for child in node:
        local = etree.QName(child).localname
        if local in _HEADINGS or (local == "text" and node.tag == f"{_HL7}section"):
            continue
        below = _section_name(child) if local == "section" else f"{at}/{local}".strip("/")
        yield from _elements(child, below, seen, stands)
