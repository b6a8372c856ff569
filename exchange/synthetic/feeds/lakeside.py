"""lakeside_hospital: ADT and ORU messages, HL7 v2.5.1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import groupby

from exchange.synthetic.contacts import Contact
from exchange.synthetic.facts import Allergy, History, Result, Visit
from exchange.synthetic.feeds import hl7
from exchange.synthetic.feeds.observation import observation
from exchange.synthetic.tables import RXNORM, SNOMED, Code

PARTNER = "lakeside_hospital"
_STRUCTURES = {"A01": "ADT_A01", "A04": "ADT_A01", "A08": "ADT_A01", "A03": "ADT_A03"}
_STRUCTURES |= {"A11": "ADT_A09", "A31": "ADT_A05", "A40": "ADT_A39"}
_CLASSES = {"inpatient": "I", "psychiatric": "I", "birth": "I", "last": "I"}
_UNITS = {
    "inpatient": ("4W^412^A", "MED"),
    "psychiatric": ("PSY^3^B", "PSY"),
    "birth": ("NSY^1^A", "PED"),
    "last": ("ICU^7^A", "MED"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message and when the hospital sends it; ordered by time, then control id."""

    sent: datetime
    control: str
    payload: bytes


def visit_number(history: History, visit: Visit) -> str:
    """PV1-19: unique within the hospital."""
    return f"V{history.digits(PARTNER)}{visit.number:03d}"


def messages(history: History) -> Iterator[Message]:
    """Everything the hospital ever sends about a person, not yet in order."""
    charts = [contact for contact in history.contacts if contact.partner == PARTNER]
    if not charts:
        return
    chart = _Chart(history, charts[0])
    visits = [visit for visit in history.care.visits if visit.partner == PARTNER]
    for visit in visits:
        yield from chart.visit(visit)
    for result in _panels(history):
        yield from chart.results(result)
    yield from chart.renaming()
    for second in charts[1:]:
        yield from _Chart(history, second).duplicate(charts[0])


def _panels(history: History) -> Iterator[list[Result]]:
    mine = [result for result in history.care.results if result.visit.partner == PARTNER]
    for _, group in groupby(mine, key=lambda result: (result.visit.number, result.analyte.panel.code)):
        yield list(group)


@dataclass(frozen=True, slots=True)
class _Chart:
    history: History
    contact: Contact

    def visit(self, visit: Visit) -> Iterator[Message]:
        event = "A01" if visit.kind in _CLASSES else "A04"
        yield self._adt(event, visit, visit.start, first=True)
        if visit.cancelled:
            yield self._adt("A11", visit, visit.cancelled)
            return
        if (self.history.person.number + visit.number) % 5 == 0:
            yield self._adt("A08", visit, visit.start + timedelta(hours=1))
        yield self._adt("A03", visit, visit.end)

    def results(self, panel: list[Result]) -> Iterator[Message]:
        reported = panel[0].when + timedelta(hours=2)
        yield self._oru(panel, reported)
        changes = {moment for result in panel for moment in (result.corrected, result.removed) if moment}
        for moment in sorted(changes):
            yield self._oru(panel, max(moment, reported + timedelta(minutes=5)))

    def renaming(self) -> Iterator[Message]:
        if self.contact.renamed:
            moment = datetime.combine(self.contact.renamed, time(9, 15))
            yield self._person("A31", moment, {2: "N"})

    def duplicate(self, survivor: Contact) -> Iterator[Message]:
        """The second chart: registered once, never used again, perhaps merged into the first."""
        opened = datetime.combine(self.contact.since, time(12, 30))
        yield self._person("A31", opened, {2: "N"})
        if self.contact.merged:
            moment = max(datetime.combine(self.contact.merged, time(8)), opened + timedelta(hours=1))
            yield _Chart(self.history, survivor).merge(self.contact, moment)

    def merge(self, loser: Contact, moment: datetime) -> Message:
        assigner, number = loser.key.split("|")
        return self._message(
            "A40",
            moment,
            [
                hl7.segment("EVN", {2: hl7.stamp(moment)}),
                self._pid(moment),
                hl7.segment("MRG", {1: f"{number}^^^{assigner}^MR"}),
            ],
        )

    def _adt(self, event: str, visit: Visit, moment: datetime, *, first: bool = False) -> Message:
        parts = [hl7.segment("EVN", {2: hl7.stamp(moment), 6: hl7.stamp(moment)}), self._pid(moment)]
        parts += self._next_of_kin()
        parts.append(self._pv1(visit, event))
        if event != "A11":
            parts += self._diagnoses(visit, event)
            parts += self._allergies(moment) if first else []
        return self._message(event, moment, parts)

    def _person(self, event: str, moment: datetime, visit: dict[int, str]) -> Message:
        evn = hl7.segment("EVN", {2: hl7.stamp(moment), 6: hl7.stamp(moment)})
        return self._message(event, moment, [evn, self._pid(moment), hl7.segment("PV1", {1: "1", **visit})])

    def _oru(self, panel: list[Result], moment: datetime) -> Message:
        first = panel[0]
        corrected = any(
            (r.corrected and r.corrected <= moment) or (r.removed and r.removed <= moment) for r in panel
        )
        order = {
            1: "1",
            2: f"P{self.history.digits(PARTNER)}{first.number:03d}^LAKESIDE",
            3: f"{filler(self.history, first)}^LHLAB",
            4: hl7.coded(first.analyte.panel),
            7: hl7.stamp(first.when),
            16: hl7.doctor(first.visit.practitioner),
            22: hl7.stamp(moment),
            24: "LAB",
            25: "C" if corrected else "F",
        }
        parts = [self._pid(moment), self._pv1(first.visit, "R01"), hl7.segment("OBR", order)]
        parts += [observation(number, result, moment) for number, result in enumerate(panel, start=1)]
        return self._message("R01", moment, parts)

    def _message(self, event: str, moment: datetime, parts: list[str]) -> Message:
        kind = "ORU^R01^ORU_R01" if event == "R01" else f"ADT^{event}^{_STRUCTURES[event]}"
        control = hl7.control_id("LH", event, moment, parts)
        fields = {
            3: "LHLAB" if event == "R01" else "LHADT",
            4: "LAKESIDE",
            5: "MOSAIC",
            6: "MOSAIC",
            7: hl7.zoned(moment),
            9: kind,
            10: control,
            11: "P",
            12: "2.5.1",
            18: "" if "".join(parts).isascii() else "UNICODE UTF-8",
        }
        return Message(moment, control, hl7.message([hl7.header(fields), *parts]))

    def _pid(self, moment: datetime) -> str:
        person = self.history.person
        fields = hl7.patient(person, self.contact.says(moment.date()), self.contact.key, "MR")
        if person.newborn:
            fields[7] += "0614"
        if person.died and person.died <= moment.date():
            fields |= {29: hl7.stamp(person.died), 30: "Y"}
        return hl7.segment("PID", fields)

    def _next_of_kin(self) -> list[str]:
        mother = self.history.person.mother
        return (
            [hl7.segment("NK1", {1: "1", 2: f"{hl7.text(mother)}", 3: "MTH^Mother^HL70063"})]
            if mother
            else []
        )

    def _pv1(self, visit: Visit, event: str) -> str:
        unit, service = _UNITS.get(visit.kind, ("ED^2^", "EM"))
        fields = {
            1: "1",
            2: _CLASSES.get(visit.kind, "E"),
            3: f"{unit}^LAKESIDE",
            7: hl7.doctor(visit.practitioner),
            10: service,
            19: f"{visit_number(self.history, visit)}^^^LAKESIDE^VN",
            44: hl7.stamp(visit.start),
        }
        if event == "A03":
            died = self.history.person.died == visit.end.date()
            fields |= {36: "20" if died else "01", 45: hl7.stamp(visit.end)}
        return hl7.segment("PV1", fields)

    def _diagnoses(self, visit: Visit, event: str) -> list[str]:
        if not visit.disorder:
            return []
        kind = "F" if event == "A03" else "A"
        code, day = hl7.coded(visit.disorder.icd10cm), hl7.stamp(visit.start.date())
        return [hl7.segment("DG1", {1: "1", 3: code, 5: day, 6: kind})]

    def _allergies(self, moment: datetime) -> list[str]:
        known = [a for a in self.history.care.allergies if PARTNER in a.by and a.noticed <= moment.date()]
        return [_allergy(number, allergy) for number, allergy in enumerate(known, start=1)]


def filler(history: History, result: Result) -> str:
    """OBR-3.1 of the panel whose first result is `result`."""
    return f"F{history.digits(PARTNER)}{result.number:03d}"


def panel_of(history: History, result: Result) -> tuple[Result, ...]:
    """The results reported together with `result`, in order."""
    return next(tuple(panel) for panel in _panels(history) if result in panel)


def _allergy(number: int, allergy: Allergy) -> str:
    row = allergy.row
    code = Code(RXNORM if row["system"] == "rxnorm" else SNOMED, row["code"], row["display"])
    severity = "SV" if row["reaction_display"] == "Anaphylaxis" else "MO"
    fields = {1: str(number), 2: row["type"], 3: hl7.coded(code), 4: severity, 5: row["reaction_display"]}
    return hl7.segment("AL1", fields | {6: hl7.stamp(allergy.noticed)})
