"""Builds small C-CDA documents, one statement at a time, and maps them as the nursing home's."""

from __future__ import annotations

from exchange.model.records import Mapped
from tests.content.mapping import mapped

NURSING = "willow_nursing"
SNOMED, LOINC, RXNORM = (f"2.16.840.1.113883.6.{number}" for number in (96, 1, 88))
CVX, ACT_CODE = "2.16.840.1.113883.12.292", "2.16.840.1.113883.5.4"
NEGATED = 'moodCode="EVN" negationInd="true"'
COMPLETED = '<statusCode code="completed"/>'

_OPEN = (
    '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    f'<id root="1.2.9" extension="D1"/><code code="34133-9" codeSystem="{LOINC}" displayName="Summary"/>'
    '<title>CCD</title><effectiveTime value="20261020120000-0500"/>'
    '<confidentialityCode code="R" codeSystem="2.16.840.1.113883.5.25"/>'
)
_PATIENT = (
    '<id root="1.2.1" extension="W1"/><id root="2.16.840.1.113883.4.1" extension="900-11-2233"/><patient>'
    '<name use="L"><given>Anna</given><given>M</given><family>Roe</family></name>'
    '<administrativeGenderCode code="F"/><birthTime value="19400302"/>'
)


def document(*sections: str, patient: str = "") -> Mapped:
    """A document with these sections and this much more about the patient, mapped."""
    return mapped(NURSING, "documents", text_of(*sections, patient=patient))


def text_of(*sections: str, patient: str = "") -> bytes:
    """Such a document as it is sent."""
    who = f"<recordTarget><patientRole>{_PATIENT}{patient}</patient></patientRole></recordTarget>"
    body = f"<component><structuredBody>{''.join(sections)}</structuredBody></component>"
    return f"{_OPEN}{who}{body}</ClinicalDocument>".encode()


def section(part: str, *entries: str, text: str = "told") -> str:
    inside = "".join(f"<entry>{entry}</entry>" for entry in entries)
    head = f"{template(part)}<code code='1'/><title>T</title><text>{text}</text>"
    return f"<component><section>{head}{inside}</section></component>"


def template(part: str) -> str:
    return f'<templateId root="2.16.840.1.113883.10.20.22.{part}"/>'


def statement(name: str, part: str, ident: str, inner: str, attributes: str = 'moodCode="EVN"') -> str:
    head = f'{template(part)}<id root="1.2.5" extension="{ident}"/>'
    return f"<{name} {attributes}>{head}{inner}</{name}>"


def value(code: str, system: str = SNOMED) -> str:
    return f'<value xsi:type="CD" code="{code}" codeSystem="{system}" displayName="{code} shown"/>'


def code(code: str, system: str = LOINC) -> str:
    return f'<code code="{code}" codeSystem="{system}" displayName="{code} shown"/>'


def related(inner: str) -> str:
    return f"<entryRelationship>{inner}</entryRelationship>"


def product(material: str) -> str:
    inner = f"<manufacturedMaterial>{material}</manufacturedMaterial>"
    return f"<consumable><manufacturedProduct>{inner}</manufacturedProduct></consumable>"


def measured(loinc: str, inner: str, part: str = "4.2") -> str:
    """One observation of an organizer."""
    return f"<component>{statement('observation', part, loinc, code(loinc) + COMPLETED + inner)}</component>"


def problem(inner: str, attributes: str = 'moodCode="EVN"') -> Mapped:
    return document(section("2.5.1", statement("observation", "4.4", "p1", inner, attributes)))


def allergy(substance: str, kind: str = "416098002", attributes: str = 'moodCode="EVN"') -> Mapped:
    """An allergy observation about a substance (a `code` element)."""
    entity = f"<participantRole><playingEntity>{substance}</playingEntity></participantRole>"
    inner = f'{COMPLETED}{value(kind)}<participant typeCode="CSM">{entity}</participant>'
    return document(section("2.6.1", statement("observation", "4.7", "a1", inner, attributes)))
