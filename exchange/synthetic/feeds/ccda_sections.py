"""The sections of a Continuity of Care Document, each with narrative and entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape

from exchange.synthetic.facts import Allergy, Dose, Prescription, Problem, Visit, Vitals
from exchange.synthetic.feeds import ccda
from exchange.synthetic.feeds.ccda import Resident, act_code, code_of, status, template
from exchange.synthetic.tables import CVX, LOINC, RXNORM, SNOMED, Code

PARTNER = "willow_nursing"
_TEMPLATES = "2.16.840.1.113883.10.20.22"
_ACT = "2.16.840.1.113883.5.6"
_ASSERTION = act_code("ASSERTION", "2.16.840.1.113883.5.4")


def sections(resident: Resident) -> Iterator[str]:
    """Allergies, medications, problems, immunizations, vital signs, encounters."""
    yield _allergies(resident)
    yield _medications(resident)
    yield _problems(resident)
    yield _immunizations(resident)
    yield _vital_signs(resident)
    yield _encounters(resident)


def _known(resident: Resident, facts: tuple[Problem, ...]) -> list[Problem]:
    found = [fact for fact in facts if PARTNER in fact.by and fact.recorded <= resident.now]
    return [fact for fact in found if not (fact.removed and fact.removed <= resident.now)]


def _section(part: str, code: str, title: str, rows: Sequence[tuple[str, ...]], entries: list[str]) -> str:
    return ccda.section(f"{_TEMPLATES}.2.{part}", Code(LOINC, code, title), rows, entries)


def _observation(parts: str, attributes: str = "") -> str:
    return f'<observation classCode="OBS" moodCode="EVN"{attributes}>{parts}</observation>'


def _concern(part: str, ident: str, since: datetime, inner: str) -> str:
    head = f"{template(f'{_TEMPLATES}.4.{part}')}{ident}{act_code('CONC', _ACT)}{status('active')}"
    related = f'<entryRelationship typeCode="SUBJ">{inner}</entryRelationship>'
    act = f'<act classCode="ACT" moodCode="EVN">{head}{ccda.interval(since)}{related}</act>'
    return f'<entry typeCode="DRIV">{act}</entry>'


def _allergies(resident: Resident) -> str:
    known = [allergy for allergy in resident.history.care.allergies if PARTNER in allergy.by]
    rows = [(a.row["display"], a.row["reaction_display"]) for a in known]
    entries = [_allergy(resident, allergy) for allergy in known] or [_no_allergies(resident)]
    return _section("6.1", "48765-2", "Allergies", rows or [("No known allergies",)], entries)


def _allergy(resident: Resident, allergy: Allergy) -> str:
    row = allergy.row
    substance = Code(RXNORM if row["system"] == "rxnorm" else SNOMED, row["code"], row["display"])
    kind = (
        Code(SNOMED, "416098002", "Allergy to drug")
        if row["type"] == "DA"
        else Code(SNOMED, "414285001", "Allergy to food")
    )
    reaction = Code(SNOMED, row["reaction"], row["reaction_display"])
    manifested = _observation(
        template(f"{_TEMPLATES}.4.9")
        + resident.entry_id("r", allergy.number)
        + _ASSERTION
        + status("completed")
        + code_of(reaction, "value", kind="CD")
    )
    body = (
        template(f"{_TEMPLATES}.4.7", dated=False)
        + template(f"{_TEMPLATES}.4.7")
        + resident.entry_id("a", allergy.number)
        + _ASSERTION
        + status("completed")
        + ccda.interval(allergy.noticed)
        + code_of(kind, "value", kind="CD")
        + _participant(code_of(substance))
        + f'<entryRelationship typeCode="MFST" inversionInd="true">{manifested}</entryRelationship>'
    )
    ident = resident.entry_id("A", allergy.number)
    return _concern("30", ident, resident.now, _observation(body))


def _participant(code: str) -> str:
    entity = f'<playingEntity classCode="MMAT">{code}</playingEntity>'
    role = f'<participantRole classCode="MANU">{entity}</participantRole>'
    return f'<participant typeCode="CSM">{role}</participant>'


def _no_allergies(resident: Resident) -> str:
    body = (
        template(f"{_TEMPLATES}.4.7")
        + resident.entry_id("a", 0)
        + _ASSERTION
        + status("completed")
        + '<effectiveTime nullFlavor="NA"/>'
        + code_of(Code(SNOMED, "419199007", "Allergy to substance"), "value", kind="CD")
        + _participant('<code nullFlavor="NA"/>')
    )
    return _concern("30", resident.entry_id("A", 0), resident.now, _observation(body, ' negationInd="true"'))


def _medications(resident: Resident) -> str:
    known = [d for d in resident.history.care.prescriptions if PARTNER in d.by and d.when <= resident.now]
    rows = [(drug.drug.display, drug.dosage) for drug in known]
    return _section("1.1", "10160-0", "Medications", rows, [_medication(resident, drug) for drug in known])


def _medication(resident: Resident, drug: Prescription) -> str:
    product = _product("23", code_of(drug.drug))
    period = ccda.interval(drug.when).replace("<effectiveTime>", '<effectiveTime xsi:type="IVL_TS">')
    body = (
        template(f"{_TEMPLATES}.4.16")
        + resident.entry_id("m", drug.number)
        + f"<text>{escape(drug.dosage)}</text>"
        + status("active")
        + period
        + f"<consumable>{product}</consumable>"
    )
    return _administration(body, 'moodCode="INT"')


def _product(part: str, material: str) -> str:
    inner = f"{template(f'{_TEMPLATES}.4.{part}')}<manufacturedMaterial>{material}</manufacturedMaterial>"
    return f'<manufacturedProduct classCode="MANU">{inner}</manufacturedProduct>'


def _administration(body: str, attributes: str) -> str:
    inner = f'<substanceAdministration classCode="SBADM" {attributes}>{body}</substanceAdministration>'
    return f"<entry>{inner}</entry>"


def _problems(resident: Resident) -> str:
    known = _known(resident, resident.history.care.problems)
    rows = [(p.disorder.icd10cm.display, p.onset.isoformat()) for p in known]
    return _section(
        "5.1", "11450-4", "Problem list", rows, [_problem(resident, problem) for problem in known]
    )


def _problem(resident: Resident, problem: Problem) -> str:
    icd, snomed = problem.disorder.icd10cm, problem.disorder.snomed
    value = (
        code_of(snomed, "value", code_of(icd, "translation"), "CD")
        if snomed
        else f'<value xsi:type="CD" nullFlavor="OTH">{code_of(icd, "translation")}</value>'
    )
    body = (
        template(f"{_TEMPLATES}.4.4")
        + resident.entry_id("p", problem.number)
        + code_of(
            Code(SNOMED, "55607006", "Problem"),
            inner=code_of(Code(LOINC, "75326-9", "Problem"), "translation"),
        )
        + status("completed")
        + ccda.interval(problem.onset)
        + value
    )
    return _concern("3", resident.entry_id("P", problem.number), problem.recorded, _observation(body))


def _immunizations(resident: Resident) -> str:
    known = [
        dose
        for dose in resident.history.care.doses
        if PARTNER in dose.by
        and dose.when <= resident.now.date()
        and not (dose.removed and dose.removed <= resident.now)
    ]
    rows = [(dose.row["display"], dose.when.isoformat()) for dose in known]
    return _section(
        "2.1", "11369-6", "Immunizations", rows, [_immunization(resident, dose) for dose in known]
    )


def _immunization(resident: Resident, dose: Dose) -> str:
    code = code_of(Code(CVX, dose.row["cvx"], dose.row["display"]))
    product = _product("54", f"{code}<lotNumberText>{dose.lot}</lotNumberText>")
    body = (
        template(f"{_TEMPLATES}.4.52")
        + resident.entry_id("i", dose.number)
        + status("completed")
        + f'<effectiveTime value="{ccda.stamp(dose.when)}"/>'
        + f"<consumable>{product}</consumable>"
    )
    return _administration(body, 'moodCode="EVN" negationInd="false"')


def _vital_signs(resident: Resident) -> str:
    rounds = [v for v in resident.history.care.vitals if v.partner == PARTNER and v.when <= resident.now]
    rows = [(v.when.date().isoformat(), f"{v.systolic}/{v.diastolic} mmHg", f"{v.weight} kg") for v in rounds]
    return _section("4.1", "8716-3", "Vital signs", rows, [_vitals(resident, found) for found in rounds])


def _vitals(resident: Resident, found: Vitals) -> str:
    values = (
        (Code(LOINC, "8480-6", "Systolic blood pressure"), found.systolic, "mm[Hg]"),
        (Code(LOINC, "8462-4", "Diastolic blood pressure"), found.diastolic, "mm[Hg]"),
        (Code(LOINC, "8867-4", "Heart rate"), found.pulse, "/min"),
        (Code(LOINC, "29463-7", "Body weight"), found.weight, "kg"),
    )
    when = f'<effectiveTime value="{ccda.stamp(found.when)}"/>'
    components = "".join(
        "<component>"
        + _observation(
            template(f"{_TEMPLATES}.4.27")
            + resident.entry_id("v", found.number * 10 + place)
            + code_of(code)
            + status("completed")
            + when
            + f'<value xsi:type="PQ" value="{value}" unit="{unit}"/>'
        )
        + "</component>"
        for place, (code, value, unit) in enumerate(values)
    )
    head = template(f"{_TEMPLATES}.4.26") + resident.entry_id("V", found.number)
    kind = code_of(Code(SNOMED, "46680005", "Vital signs"))
    inner = f"{head}{kind}{status('completed')}{when}{components}"
    return f'<entry><organizer classCode="CLUSTER" moodCode="EVN">{inner}</organizer></entry>'


def _encounters(resident: Resident) -> str:
    known = [v for v in resident.history.care.visits if PARTNER in v.also and v.end <= resident.now]
    rows = [(visit.start.date().isoformat(), "Hospital stay") for visit in known]
    return _section("22.1", "46240-8", "Encounters", rows, [_encounter(resident, visit) for visit in known])


def _encounter(resident: Resident, visit: Visit) -> str:
    body = (
        template(f"{_TEMPLATES}.4.49")
        + resident.entry_id("e", visit.number)
        + act_code("IMP", "2.16.840.1.113883.5.4", "inpatient encounter")
        + ccda.interval(visit.start, visit.end)
    )
    return f'<entry><encounter classCode="ENC" moodCode="EVN">{body}</encounter></entry>'
