"""county_health: VXU and ORU messages, collected into batch files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import groupby

from exchange.synthetic.contacts import Contact
from exchange.synthetic.facts import Dose, History, Result
from exchange.synthetic.feeds import hl7
from exchange.synthetic.feeds.lakeside import Message
from exchange.synthetic.feeds.observation import observation
from exchange.synthetic.tables import CVX, Code, practitioners

PARTNER = "county_health"
BATCH = 500
_ROUTES = {"IM": "C28161^Intramuscular^NCIT", "SC": "C38299^Subcutaneous^NCIT"}


def vaccinations(history: History) -> Iterator[Message]:
    """The first VXU with all doses known on the reference day, then one per later change."""
    charts = [contact for contact in history.contacts if contact.partner == PARTNER]
    given = [dose for dose in history.care.doses if PARTNER in dose.by]
    for chart in charts if given else ():
        mine = given if chart is charts[0] else given[-1:]
        for moment, doses in _changes(chart, mine, history.today):
            yield _vxu(history, chart, doses, moment)


def _changes(chart: Contact, given: list[Dose], today: date) -> Iterator[tuple[datetime, list[Dose]]]:
    first = datetime.combine(max(chart.since, min(max(d.when for d in given), today)), time(18))
    yield first, given
    removed = sorted({dose.removed for dose in given if dose.removed and dose.removed > first})
    for moment in removed:
        yield moment, [dose for dose in given if dose.removed == moment]
    if chart.renamed and datetime.combine(chart.renamed, time(19)) > first:
        yield datetime.combine(chart.renamed, time(19)), given[-1:]


def dose_order(history: History, chart: Contact, dose: Dose) -> str:
    """ORC-3.1 of one dose in one chart."""
    return f"I{chart.key[-7:]}{dose.number:03d}"


def _vxu(history: History, chart: Contact, doses: list[Dose], moment: datetime) -> Message:
    parts = [_pid(history, chart, moment)]
    mother = history.person.mother
    if mother:
        parts.append(hl7.segment("NK1", {1: "1", 2: hl7.text(mother), 3: "MTH^Mother^HL70063"}))
    for dose in doses:
        parts += _dose(history, chart, dose, moment)
    return _message("VXU^V04^VXU_V04", "COUNTYIIS", parts, moment)


def _dose(history: History, chart: Contact, dose: Dose, moment: datetime) -> list[str]:
    order = f"{dose_order(history, chart, dose)}^COUNTYIIS"
    code = hl7.coded(Code(CVX, dose.row["cvx"], dose.row["display"]))
    here = dose.at == "COUNTY CLINIC"
    source = "00^New immunization record^NIP001" if here else "01^Historical information^NIP001"
    fields = {
        1: "0",
        2: "1",
        3: hl7.stamp(dose.when),
        5: code,
        6: "999" if dose.refused else "0.5",
        7: "" if dose.refused else "mL^mL^UCUM",
        9: "" if dose.refused else source,
        10: hl7.doctor(practitioners(PARTNER)[0]),
        11: f"^^^{dose.at}",
        15: "" if dose.refused else dose.lot,
        17: "" if dose.refused else f"{dose.row['mvx']}^{hl7.text(dose.row['manufacturer'])}^MVX",
        18: "00^Parental decision^NIP002" if dose.refused else "",
        20: "RE" if dose.refused else "CP",
        21: "D" if dose.removed and dose.removed <= moment else "A",
    }
    segments = [hl7.segment("ORC", {1: "RE", 3: order}), hl7.segment("RXA", fields)]
    if not dose.refused:
        segments.append(hl7.segment("RXR", {1: _ROUTES[dose.row["route"]], 2: "LA^Left Arm^HL70163"}))
    return segments


def laboratory(history: History) -> Iterator[Message]:
    """Reportable results, once when reported and again when corrected."""
    chart = history.contact(PARTNER)
    if not chart:
        return
    mine = [result for result in history.care.results if PARTNER in result.by]
    for _, group in groupby(mine, key=lambda result: (result.visit.number, result.analyte.panel.code)):
        panel = list(group)
        yield _oru(history, chart, panel, panel[0].when + timedelta(hours=6))
        for moment in sorted({m for r in panel for m in (r.corrected, r.removed) if m}):
            yield _oru(history, chart, panel, moment + timedelta(hours=7))


def report(history: History, result: Result) -> str:
    """OBR-3.1 of the report whose first result is `result`."""
    return f"R{history.digits(PARTNER)}{result.number:03d}"


def _oru(history: History, chart: Contact, panel: list[Result], moment: datetime) -> Message:
    first = panel[0]
    changed = any(m and m <= moment for result in panel for m in (result.corrected, result.removed))
    order = {
        1: "1",
        3: f"{report(history, first)}^COUNTYLAB",
        4: hl7.coded(first.analyte.panel),
        7: hl7.stamp(first.when),
        22: hl7.stamp(moment),
        25: "C" if changed else "F",
    }
    parts = [_pid(history, chart, moment), hl7.segment("OBR", order)]
    parts += [observation(number, result, moment) for number, result in enumerate(panel, start=1)]
    return _message("ORU^R01^ORU_R01", "COUNTYLAB", parts, moment)


def _pid(history: History, chart: Contact, moment: datetime) -> str:
    person = history.person
    fields = hl7.patient(person, chart.says(moment.date()), chart.key, "SR")
    fields |= {6: f"{hl7.text(person.mother)}^^^^^^M"} if person.mother else {}
    if person.died and person.died <= moment.date():
        fields |= {29: hl7.stamp(person.died), 30: "Y"}
    return hl7.segment("PID", fields)


def _message(kind: str, application: str, parts: list[str], moment: datetime) -> Message:
    control = hl7.control_id("CH", kind, moment, parts)
    fields = {3: application, 4: "COUNTY", 5: "MOSAIC", 6: "MOSAIC", 7: hl7.zoned(moment)}
    fields |= {9: kind, 10: control, 11: "P", 12: "2.5.1"}
    if not "".join(parts).isascii():
        fields[18] = "UNICODE UTF-8"
    return Message(moment, control, hl7.message([hl7.header(fields), *parts]))


def batch(name: str, application: str, written: datetime, messages: list[bytes]) -> bytes:
    """One batch file: FHS, BHS, the messages, BTS, FTS."""
    fields = {3: application, 4: "COUNTY", 5: "MOSAIC", 6: "MOSAIC", 7: hl7.zoned(written)}
    opening = hl7.message([hl7.header(fields | {9: name}, "FHS"), hl7.header(fields, "BHS")])
    closing = hl7.message([hl7.segment("BTS", {1: str(len(messages))}), hl7.segment("FTS", {1: "1"})])
    return opening + b"".join(messages) + closing
