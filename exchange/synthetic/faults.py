"""Records that are wrong on purpose: each must end in quarantine, and only it.

`where` of a fault is what the exchange can name without patient data: a control id, a resource, a line's key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exchange.synthetic.feeds import hl7
from exchange.synthetic.feeds.fhir import Resource, coding, concept, instant, resource
from exchange.synthetic.feeds.lakeside import Message
from exchange.synthetic.tables import ICD10CM, LOINC, SNOMED, Code


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong record."""

    partner: str
    feed: str
    where: str
    reason: str


def hospital(now: datetime) -> list[tuple[Fault, Message]]:
    """A message without an identifier, one with a day that does not exist, one cut off after its header."""
    pid = {1: "1", 3: "L9999999^^^LAKESIDE^MR", 5: "Doe^Jamie^^^^^L", 7: "19840704", 8: "F"}
    evn = hl7.segment("EVN", {2: hl7.stamp(now)})
    visit = hl7.segment("PV1", {1: "1", 2: "N"})
    bodies: tuple[tuple[str, str, list[str]], ...] = (
        ("LH-FAULT-1", "PID-3 is empty", [evn, hl7.segment("PID", pid | {3: ""}), visit]),
        ("LH-FAULT-2", "PID-7 is no date", [evn, hl7.segment("PID", pid | {7: "19750231"}), visit]),
        ("LH-FAULT-3", "PID is missing", []),
    )
    return [
        (
            Fault("lakeside_hospital", "messages", control, reason),
            _message(control, parts, now, "ADT^A31^ADT_A05"),
        )
        for control, reason, parts in bodies
    ]


def county(now: datetime) -> list[tuple[Fault, Message]]:
    """A dose without a vaccine, and a message without an identifier."""
    pid = {1: "1", 3: "C9999999^^^COUNTY^SR", 5: "Doe^Sam^^^^^L", 7: "20190704", 8: "M"}
    order = hl7.segment("ORC", {1: "RE", 3: "I-FAULT^COUNTYIIS"})
    dose = {1: "0", 2: "1", 3: "20250901", 6: "0.5", 7: "mL^mL^UCUM", 20: "CP", 21: "A"}
    empty = [hl7.segment("PID", pid), order, hl7.segment("RXA", dose)]
    given = hl7.segment("RXA", dose | {5: "03^MMR^CVX"})
    nobody = [hl7.segment("PID", pid | {3: ""}), order, given]
    kind = "VXU^V04^VXU_V04"
    return [
        (
            Fault("county_health", "immunizations", "CH-FAULT-1", "RXA-5 is empty"),
            _message("CH-FAULT-1", empty, now, kind),
        ),
        (
            Fault("county_health", "immunizations", "CH-FAULT-2", "PID-3 is empty"),
            _message("CH-FAULT-2", nobody, now, kind),
        ),
    ]


def _message(control: str, parts: list[str], now: datetime, kind: str) -> Message:
    application, facility = ("LHADT", "LAKESIDE") if control.startswith("LH") else ("COUNTYIIS", "COUNTY")
    fields = {3: application, 4: facility, 5: "MOSAIC", 6: "MOSAIC", 7: hl7.zoned(now)}
    fields |= {9: kind, 10: control, 11: "P", 12: "2.5.1"}
    return Message(now, control, hl7.message([hl7.header(fields), *parts]))


def clinic(patient: str, now: datetime) -> list[tuple[Fault, Resource]]:
    """An Observation without status, a Condition of 31 February, an Encounter with a status of its own."""
    subject = {"reference": f"Patient/{patient}"}
    weight = concept(Code(LOINC, "29463-7", "Body weight"))
    cold = concept(Code(ICD10CM, "J06.9", "Acute upper respiratory infection, unspecified"))
    visit = concept(Code(SNOMED, "185349003", "Encounter for check up (procedure)"))
    when = instant(now)
    amb = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    found = (
        (
            "status is missing",
            resource("Observation", "pc-fault-1", now, code=weight, subject=subject, effectiveDateTime=when),
        ),
        (
            "onsetDateTime is no date",
            resource(
                "Condition",
                "pc-fault-2",
                now,
                code=cold,
                subject=subject,
                onsetDateTime="2024-02-31",
                clinicalStatus=coding("condition-clinical", "active"),
            ),
        ),
        (
            "status is not in the value set",
            resource(
                "Encounter", "pc-fault-3", now, status="done", subject=subject, type=[visit], **{"class": amb}
            ),
        ),
    )
    return [
        (Fault("prairie_clinic", "resources", f"{body['resourceType']}/{body['id']}", reason), body)
        for reason, body in found
    ]


NURSING = Fault("willow_nursing", "documents", "CCD_W0000000_v1.xml", "the document is cut off")
HOUSING = (
    Fault("hearth_housing", "services", "S-FAULT-1", "the row has too few columns"),
    Fault("hearth_housing", "enrollments", "E-FAULT-1", "PersonalID is empty"),
)
FOOD = (
    Fault("good_table", "people", "GT-FAULT-1", "birth_date is no date"),
    Fault("good_table", "screenings", "SC-FAULT-1", "client_id is empty"),
)
DIRECTORY = Fault("service_directory", "services", "service without a name", "name is missing")
