"""willow_nursing: Continuity of Care Documents, C-CDA R2.1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from html import escape

from exchange.synthetic.contacts import Contact
from exchange.synthetic.facts import History
from exchange.synthetic.feeds import ccda
from exchange.synthetic.feeds.ccda_sections import sections
from exchange.synthetic.keys import NAMES, NPIS
from exchange.synthetic.person import language
from exchange.synthetic.tables import practitioners

PARTNER = "willow_nursing"
_EVENING = time(23, 30)
_NPI = "2.16.840.1.113883.4.6"
_SSN = "2.16.840.1.113883.4.1"
_RACES = "2.16.840.1.113883.6.238"
_BCP47 = {"eng": "en", "spa": "es", "ukr": "uk", "pol": "pl", "vie": "vi"}


@dataclass(frozen=True, slots=True)
class Document:
    """One version of the resident's document and when it was written."""

    name: str
    written: datetime
    payload: bytes


def documents(history: History, now: datetime) -> Iterator[Document]:
    """Every version of a resident's document written up to `now`."""
    contact = history.contact(PARTNER)
    if not contact:
        return
    for version, written in enumerate(_writings(history, contact), start=1):
        if written <= now:
            resident = ccda.Resident(history, contact, written)
            name = f"CCD_{resident.number}_v{version}.xml"
            yield Document(name, written, _document(resident, version).encode())


def _writings(history: History, contact: Contact) -> list[datetime]:
    """At death or on the reference day; for one living resident in four again on the day after."""
    died = history.person.died
    if died and died >= contact.since:
        return [datetime.combine(died, _EVENING)]
    days = [history.today]
    if history.person.number % 4 == 0:
        days.append(history.today + timedelta(days=1))
    return [datetime.combine(day, _EVENING) for day in days]


def _document(resident: ccda.Resident, version: int) -> str:
    previous = ""
    if version > 1:
        former = ccda.id_of(ccda.DOCUMENTS, f"{resident.number}-{version - 1}")
        previous = (
            f'<relatedDocument typeCode="RPLC"><parentDocument>{former}</parentDocument></relatedDocument>'
        )
    parts = (
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        ccda.OPEN,
        _header(resident, version),
        _record_target(resident),
        _author(resident),
        _custodian(),
        _service_event(resident),
        previous,
        f"<component><structuredBody>{''.join(sections(resident))}</structuredBody></component>",
        "</ClinicalDocument>\n",
    )
    return "".join(parts)


def _header(resident: ccda.Resident, version: int) -> str:
    parts = (
        '<realmCode code="US"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>',
        ccda.template("2.16.840.1.113883.10.20.22.1.1"),
        ccda.template("2.16.840.1.113883.10.20.22.1.2"),
        ccda.id_of(ccda.DOCUMENTS, f"{resident.number}-{version}"),
        ccda.act_code("34133-9", "2.16.840.1.113883.6.1", "Summarization of Episode Note"),
        "<title>Continuity of Care Document</title>",
        f'<effectiveTime value="{ccda.stamp(resident.now)}"/>',
        ccda.act_code("N", "2.16.840.1.113883.5.25", name="confidentialityCode"),
        '<languageCode code="en-US"/>',
        ccda.id_of(ccda.DOCUMENTS, resident.number, "setId"),
        f'<versionNumber value="{version}"/>',
    )
    return "".join(parts)


def _record_target(resident: ccda.Resident) -> str:
    says = resident.contact.says(resident.now.date())
    number = f"{says.ssn[:3]}-{says.ssn[3:5]}-{says.ssn[5:]}"
    phone = f"tel:+1-{says.phone[:3]}-{says.phone[3:6]}-{says.phone[6:]}"
    parts = (
        ccda.id_of(ccda.PATIENTS, resident.number),
        ccda.id_of(_SSN, number) if says.ssn else "",
        '<addr use="HP"><streetAddressLine>77 Willow Ln</streetAddressLine><city>Springfield</city>'
        "<state>IL</state><postalCode>62703</postalCode><country>US</country></addr>",
        f'<telecom use="HP" value="{phone}"/>' if says.phone else '<telecom nullFlavor="UNK"/>',
        _patient(resident),
    )
    return f"<recordTarget><patientRole>{''.join(parts)}</patientRole></recordTarget>"


def _patient(resident: ccda.Resident) -> str:
    person, says = resident.history.person, resident.contact.says(resident.now.date())
    given = "".join(f"<given>{escape(part)}</given>" for part in (says.given, says.middle) if part)
    dead = person.died and person.died <= resident.now.date()
    died = f'<sdtc:deceasedTime value="{ccda.stamp(person.died)}"/>' if dead and person.died else ""
    ethnicity = ("2135-2", "Hispanic or Latino") if person.hispanic else ("2186-5", "Not Hispanic or Latino")
    parts = (
        f'<name use="L">{given}<family>{escape(says.family)}</family></name>',
        ccda.act_code(says.sex, "2.16.840.1.113883.5.1", name="administrativeGenderCode"),
        f'<birthTime value="{ccda.stamp(says.birth)}"/>' if says.birth else '<birthTime nullFlavor="UNK"/>',
        f'<sdtc:deceasedInd value="{"true" if dead else "false"}"/>{died}',
        ccda.act_code(person.race[0], _RACES, person.race[1], "raceCode"),
        ccda.act_code(ethnicity[0], _RACES, ethnicity[1], "ethnicGroupCode"),
        f'<languageCommunication><languageCode code="{_BCP47[language(person)]}"/></languageCommunication>',
    )
    return f"<patient>{''.join(parts)}</patient>"


def _author(resident: ccda.Resident) -> str:
    who = practitioners(PARTNER)[0]
    name = f"<name><given>{who.given}</given><family>{who.family}</family></name>"
    contact = '<addr nullFlavor="UNK"/><telecom nullFlavor="UNK"/>'
    assigned = f"{ccda.id_of(_NPI, who.npi)}{contact}<assignedPerson>{name}</assignedPerson>"
    time_of = f'<time value="{ccda.stamp(resident.now)}"/>'
    return f"<author>{time_of}<assignedAuthor>{assigned}</assignedAuthor></author>"


def _custodian() -> str:
    home = f"{ccda.id_of(_NPI, NPIS[PARTNER])}<name>{NAMES[PARTNER]}</name>"
    contact = '<telecom nullFlavor="UNK"/><addr nullFlavor="UNK"/>'
    inner = f"<representedCustodianOrganization>{home}{contact}</representedCustodianOrganization>"
    return f"<custodian><assignedCustodian>{inner}</assignedCustodian></custodian>"


def _service_event(resident: ccda.Resident) -> str:
    period = ccda.interval(resident.contact.since, resident.now.date())
    return f'<documentationOf><serviceEvent classCode="PCPR">{period}</serviceEvent></documentationOf>'
