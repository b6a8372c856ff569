"""What a nurse writes down at a visit, as lines of a proposed map: blood pressure, vital signs, tobacco use.

What is no number in the unit of its column is not guessed: its words stand beside a data-absent-reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from exchange.app.partners.proposed_lines import DECIMALS, NUMBER, Found, date, event, line, path, quoted, why
from exchange.formats.recognise import Recognised, plain

_ANY = r"\d+"


@dataclass(frozen=True, slots=True)
class _Unit:
    """`words` by which a heading or a value names it; `values` where the number alone tells it."""

    unit: str
    ucum: str
    words: str
    values: str = _ANY


_KG, _LB = _Unit("kg", "kg", "kgs?|kilos?"), _Unit("lb", "[lb_av]", "lbs?|pounds|libras")
_CM, _IN = _Unit("cm", "cm", "cms?"), _Unit("in", "[in_i]", "in|inches|pulgadas")
_C = _Unit("C", "Cel", "°? ?c|celsius", r"(?:2[5-9]|3\d|4[0-5])")
_F = _Unit("F", "[degF]", "°? ?f|fahrenheit", r"(?:[7-9]\d|1[01]\d)")
_MM = _Unit("mmHg", "mm[Hg]", "mm ?hg")
_MINUTE = _Unit("/min", "/min", "bpm|lpm|rpm|/min")

_VITALS: dict[str, tuple[tuple[str, ...], str, tuple[_Unit, ...]]] = {
    "weight": (("29463-7",), "us-core-body-weight", (_KG, _LB)),
    "height": (("8302-2",), "us-core-body-height", (_CM, _IN)),
    "bmi": (("39156-5",), "us-core-bmi", (_Unit("kg/m2", "kg/m2", "kg ?/ ?m2"),)),
    "temperature": (("8310-5",), "us-core-body-temperature", (_C, _F)),
    "heart_rate": (("8867-4",), "us-core-heart-rate", (_MINUTE,)),
    "respiratory_rate": (("9279-1",), "us-core-respiratory-rate", (_MINUTE,)),
    "oxygen_saturation": (("59408-5", "2708-6"), "us-core-pulse-oximetry", (_Unit("%", "%", "%"),)),
}
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def measures(person: Recognised, found: Found) -> tuple[dict[str, str], list[str]]:
    """The map's `values`, which read the numbers, and one entry for each thing measured or asked."""
    values, entries = _blood_pressure(person, found)
    for role in _VITALS:
        if role in found:
            numbers, entry = _vital(role, person, found)
            values |= numbers
            entries.append(entry)
    return values, entries + _tobacco(person, found)


def _number(item: Recognised, unit: str, values: str = _ANY, also: str = "") -> str:
    read = rf'{path(item)} | match("(?i)^\s*({values}(?:{DECIMALS})?)\s*{unit}\s*$") | {NUMBER}'
    return quoted(f"{read} or {also}" if also else read)


def _head(name: str, profile: str, person: Recognised, what: list[Recognised], found: Found) -> str:
    day = _day(found)
    out = event(name, "Observation", person, [day] if day else [], found, what)
    return out + f"    profile: {profile}\n    set:\n      status: =final\n"


def _day(found: Found) -> Recognised | None:
    days = ("visit_date", "vaccine_date", "result_date")
    return next((found[role] for role in days if role in found), None)


def _said(found: Found, category: str, *loinc: str) -> str:
    codings = ", ".join(f"{{system: <loinc>, code: ={code}}}" for code in loinc)
    out = f"      category: {{coding: {{system: <observation_category>, code: ={category}}}}}\n"
    out += f"      code: {{coding: [{codings}]}}\n      subject: -> patient\n"
    absent, day = f"extension: {{url: ={_ABSENT}, valueCode: =unknown}}", _day(found)
    if day is None:
        return out + f"      _effectiveDateTime: {{{absent}}}  # no column tells the day\n"
    out += line(6, "effectiveDateTime", date(day, "datetime"), day)
    return out + f"      _effectiveDateTime: {{$when: {quoted(f'not {path(day)}')}, {absent}}}\n"


def _vital(role: str, person: Recognised, found: Found) -> tuple[dict[str, str], str]:
    item, (loinc, profile, units) = found[role], _VITALS[role]
    out = _head(role, profile, person, [item], found) + _said(found, "vital-signs", *loinc)
    unit = _told(item, units)
    feet = f"{path(item)} | inches" if role == "height" else ""
    if unit == _CM:
        # Who writes centimetres writes feet and inches, too.
        values = {role: _number(item, f"(?:{unit.words})?"), f"{role}_feet": quoted(feet)}
        texts = [
            quoted(f'"{one}" if ${role}_feet else "{two}" if ${role}')
            for one, two in (("in", "cm"), ("[in_i]", "cm"))
        ]
        return values, out + _quantity(6, item, f"${role} or ${role}_feet", texts[0], "<ucum>", texts[1])
    if unit:
        values = {role: _number(item, f"(?:{unit.words})?", also=feet)}
        return values, out + _quantity(6, item, f"${role}", f"={unit.unit}", "<ucum>", f"'={unit.ucum}'")
    # The heading names no unit: only a value that says its own has one, or one that the number tells.
    values = {
        f"{role}_{each.unit.lower()}": _number(
            item,
            f"(?:{each.words})" + ("" if each.values == _ANY else "?"),
            each.values,
            feet if each == _IN else "",
        )
        for each in units
    }
    first, second = (f"${name}" for name in values)
    if units[0].values == _ANY:
        values[f"{role}_without_unit"] = _number(item, "")
        names = " or ".join(each.unit for each in units)
        out += f"      # Neither heading nor shape tells the unit of values that do not say it: {names}?\n"
    read = " or ".join(f"${name}" for name in values)
    texts = [
        quoted(f'"{one}" if {first} else "{two}" if {second}')
        for one, two in zip(*((each.unit, each.ucum) for each in units), strict=True)
    ]
    return values, out + _quantity(
        6, item, read, texts[0], quoted(f"<ucum> if {first} or {second}"), texts[1]
    )


def _told(item: Recognised, units: tuple[_Unit, ...]) -> _Unit | None:
    """The unit of a column: the only one there is, or the one that its heading names."""
    heading = plain(item.column.name)
    named = [unit for unit in units if re.search(rf" (?:{unit.words})$", heading)]
    return units[0] if len(units) == 1 else named[0] if named else None


def _quantity(indent: int, item: Recognised, value: str, unit: str, system: str, code: str) -> str:
    blank = " " * indent
    return (
        f"{blank}valueQuantity: {{value: {value}, unit: {unit}, system: {system}, code: {code}}}"
        f"  # {why(item)}\n{blank}dataAbsentReason:\n{blank}  $when: not ({value})\n"
        f"{blank}  coding: {{system: <data_absent_reason>, code: =unknown}}\n"
        f"{blank}  text: {quoted(path(item))}\n"
    )


def _blood_pressure(person: Recognised, found: Found) -> tuple[dict[str, str], list[str]]:
    both, codes = found.get("blood_pressure"), {"systolic": "8480-6", "diastolic": "8462-4"}
    items = {role: both or found[role] for role in codes if both or role in found}
    if not items:
        return {}, []
    unit = f"(?:{_MM.words})?"
    values = {role: _number(item, unit) for role, item in items.items()}
    if both:
        parts = {"systolic": r"(\d{2,3}) ?/ ?\d{2,3}", "diastolic": r"\d{2,3} ?/ ?(\d{2,3})"}
        values = {
            role: quoted(rf'{path(both)} | match("(?i)^\s*{part}\s*{unit}\s*$") | number')
            for role, part in parts.items()
        }
    there = [both] if both else list(items.values())
    out = _head("blood_pressure", "us-core-blood-pressure", person, there, found)
    out += _said(found, "vital-signs", "85354-9") + "      component:\n"
    for role, item in items.items():
        out += f"        - code: {{coding: {{system: <loinc>, code: ={codes[role]}}}}}\n"
        out += _quantity(10, item, f"${role}", f"={_MM.unit}", "<ucum>", f"'={_MM.ucum}'")
    return values, [out]


def _tobacco(person: Recognised, found: Found) -> list[str]:
    item = found.get("tobacco")
    if item is None:
        return []
    out = _head("tobacco", "us-core-smokingstatus", person, [item], found)
    out += _said(found, "social-history", "72166-2")
    coding = quoted(f'{path(item)} | upper | coding("smoking_status")')
    out += f"      valueCodeableConcept:  # {why(item)}\n        coding: [{coding}]\n"
    return [out + f"        text: {quoted(path(item))}\n"]
