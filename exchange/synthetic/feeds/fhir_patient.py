"""The FHIR Patient as a front desk wrote it: https://hl7.org/fhir/R4/patient.html"""

from __future__ import annotations

from exchange.synthetic.contacts import Identity
from exchange.synthetic.feeds.fhir import Chart, Resource, coding, day_start, own_organization, resource
from exchange.synthetic.person import language
from exchange.synthetic.tables import SSN

_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
_CDC = "urn:oid:2.16.840.1.113883.6.238"
_BCP47 = {"eng": "en", "spa": "es", "ukr": "uk", "pol": "pl", "vie": "vi"}


def patient(chart: Chart, identifier_system: str) -> Resource:
    """The Patient as the partner's front desk wrote it."""
    person, contact = chart.history.person, chart.contact
    says = contact.says(chart.now.date())
    changed = contact.renamed if contact.renamed and contact.renamed <= chart.now.date() else contact.since
    dead = person.died and person.died <= chart.now.date()
    return resource(
        "Patient",
        contact.key,
        day_start(changed),
        extension=_race_and_ethnicity(chart),
        identifier=_identifiers(says, identifier_system, contact.key),
        active=True,
        name=_names(says),
        telecom=_telecom(says),
        gender={"F": "female", "M": "male"}[says.sex],
        birthDate=says.birth.isoformat() if says.birth else None,
        deceasedDateTime=person.died.isoformat() if dead and person.died else None,
        address=_addresses(says),
        multipleBirthInteger=person.twin or None,
        communication=[
            {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": _BCP47[language(person)]}]}}
        ],
        managingOrganization=own_organization(contact.partner),
    )


def _identifiers(says: Identity, system: str, key: str) -> list[Resource]:
    mrn = {"use": "usual", "type": coding("v2-0203", "MR"), "system": system, "value": key[3:]}
    if not says.ssn:
        return [mrn]
    number = f"{says.ssn[:3]}-{says.ssn[3:5]}-{says.ssn[5:]}"
    return [mrn, {"type": coding("v2-0203", "SS"), "system": SSN, "value": number}]


def _names(says: Identity) -> list[Resource]:
    given = [part for part in (says.given, says.middle) if part]
    found: list[Resource] = [{"use": "official", "family": says.family, "given": given}]
    if says.former:
        found.append({"use": "old", "family": says.former, "given": given})
    if says.nickname:
        found.append({"use": "nickname", "given": [says.nickname]})
    return found


def _telecom(says: Identity) -> list[Resource]:
    found: list[Resource] = []
    if says.phone:
        number = f"({says.phone[:3]}) {says.phone[3:6]}-{says.phone[6:]}"
        found.append({"system": "phone", "value": number, "use": "mobile"})
    if says.email:
        found.append({"system": "email", "value": says.email})
    return found


def _addresses(says: Identity) -> list[Resource]:
    home = says.address
    if not home:
        return []
    line = [part for part in (home.street, home.unit) if part]
    where = {"city": home.city, "state": home.state, "postalCode": home.zip, "country": "US"}
    return [{"use": "home", "line": line, **where}]


def _race_and_ethnicity(chart: Chart) -> list[Resource]:
    person = chart.history.person
    ethnicity = ("2135-2", "Hispanic or Latino") if person.hispanic else ("2186-5", "Not Hispanic or Latino")
    return [_omb("race", *person.race), _omb("ethnicity", *ethnicity)]


def _omb(kind: str, code: str, display: str) -> Resource:
    # "Other Race" is not one of the OMB categories: the text alone carries it.
    value = {"system": _CDC, "code": code, "display": display}
    category = [] if code == "2131-1" else [{"url": "ombCategory", "valueCoding": value}]
    text = {"url": "text", "valueString": display}
    return {"url": f"{_CORE}/us-core-{kind}", "extension": [*category, text]}
