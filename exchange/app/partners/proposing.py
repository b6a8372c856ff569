"""A map for a new spreadsheet, proposed from its columns; it holds names of columns, never a value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from exchange.app.partners.proposed_lines import (
    DECIMALS,
    NUMBER,
    Found,
    date,
    event,
    line,
    numbers_rows,
    of,
    path,
    quoted,
    why,
)  # fmt: skip
from exchange.app.partners.proposed_measures import measures
from exchange.formats.profile import ROUNDED, Column, is_value
from exchange.formats.recognise import Recognised, recognise
from exchange.model.errors import ContentError

_HEAD = """\
# Proposed from the columns of a file; read it against the partner's own description before the first run.
# After each column: how sure the proposal is (1 is certain) and why.
format: delimited
"""

_NUMBERS = ("patient_id", "record_id", "ssn", "npi")


def propose(columns: Sequence[Column], file: str) -> tuple[str, list[str]]:
    """The map as YAML and the columns that make a row the same one; ContentError if nobody is numbered."""
    recognised = [item for item in recognise(columns) if _can_be_named(item.column)]
    found = {item.role: item for item in recognised}
    person = found.get("patient_id") or found.get("record_id")
    rounded = next((found[role] for role in _NUMBERS if _is_rounded(found.get(role))), None)
    if rounded is not None:
        raise ContentError(
            "its long numbers are rounded (1.2E+11), so that people cannot be told apart:"
            " have the column saved as text",
            file=file, field=rounded.column.name,
        )  # fmt: skip
    if person is None and any(is_value(column.name) for column in columns):
        # What stands there is somebody's: no column is named.
        raise ContentError(
            "the first line holds values and no names of columns: write names above it", file=file
        )
    if person is None:
        raise ContentError(
            "no column looks like the number of a person: name one `patient id`",
            file=file, valid=[column.name for column in columns],
        )  # fmt: skip
    values, events = measures(person, found)
    parts = [_HEAD, *_values(values), "entries:\n", _patient(person, found)]
    events += [made for make in (_immunization, _observation, _condition) if (made := make(person, found))]
    parts += events
    parts.append(_comments(columns, recognised, "".join(parts)))
    # A table of events has many rows of one person: the person's number makes no row the same one.
    own = found.get("record_id") or (None if events else person)
    return "".join(parts), [own.column.name] if own is not None and numbers_rows(own) else []


def _values(values: Mapping[str, str]) -> list[str]:
    return ["values:\n", *(f"  {name}: {value}\n" for name, value in values.items())] if values else []


def _can_be_named(column: Column) -> bool:
    """A path of a map has no place for a bracket or a line break in the name of a column."""
    return not any(mark in column.name for mark in "]\r\n")


def _is_rounded(item: Recognised | None) -> bool:
    return item is not None and item.column.looks_like == ROUNDED


def _patient(person: Recognised, found: Found) -> str:
    """Who the rows are about; a table of events says little of people, so it only fills in."""
    out = "  patient:\n    resource: Patient\n"
    out += line(4, "id", quoted(path(person)), person)
    out += "    profile: us-core-patient\n    set:\n" + _groups(found) + "      identifier:\n"
    out += "        - {system: 'concat($namespace, \"patient\")', value: " + quoted(path(person)) + "}\n"
    if ssn := found.get("ssn"):
        out += f"        - {{system: <ssn>, value: {quoted(path(ssn))}}}  # {why(ssn)}\n"
    out += _name(found)
    if sex := found.get("sex"):
        out += line(6, "gender", quoted(f'{path(sex)} | lower | code("gender") or "unknown"'), sex)
    else:
        out += "      gender: =unknown\n"
    if born := found.get("birth_date"):
        out += line(6, "birthDate", date(born), born)
    out += _telecom(found) + _address(found)
    if language := found.get("language"):
        out += "      communication:\n"
        out += line(8, "language", f"{{text: {quoted(path(language))}}}", language)
    return out + "      managingOrganization: -> Organization($partner)\n"


def _groups(found: Found) -> str:
    """Race and ethnicity: the category where the words tell it, and always the words."""
    out = ""
    for role in ("race", "ethnicity"):
        if item := found.get(role):
            coding = quoted(f'{path(item)} | upper | coding("{role}")')
            url = f"=http://hl7.org/fhir/us/core/StructureDefinition/us-core-{role}"
            out += f"        - url: {url}  # {why(item)}\n"
            out += "          extension:\n"
            # `Other race` is no category of OMB's, but a race all the same.
            known = f'{path(item)} | upper | code("race")'
            kinds = (("ombCategory", "!="), ("detailed", "=")) if role == "race" else (("ombCategory", ""),)
            for kind, is_ in kinds:
                when = quoted(f'{known} {is_} "2131-1"')
                switch = f"$when: {when}, " if is_ else ""
                out += f"            - {{{switch}url: ={kind}, valueCoding: {coding}}}\n"
            asked = "hispan" in item.column.name.lower() and role == "ethnicity"
            words = f'concat("Hispanic or Latino: ", {path(item)})' if asked else path(item)
            out += f"            - {{url: =text, valueString: {quoted(words)}}}\n"
    return f"      extension:\n{out}" if out else ""


def _name(found: Found) -> str:
    parts = [found[role] for role in ("family", "given", "middle") if role in found]
    if "family" in found or "given" in found:
        out = "      name:\n        - use: =official\n"
        if "family" in found:
            out += line(10, "family", quoted(path(found["family"])), found["family"])
        given = [item for item in parts if item.role != "family"]
        if given:
            out += line(10, "given", "[" + ", ".join(quoted(path(i)) for i in given) + "]", *given)
        present = [path(item) for item in parts]
    elif full := found.get("full_name"):
        out = "      name:\n        - use: =usual\n" + line(10, "text", quoted(path(full)), full)
        last_word = '| match("(\\S+)$")'
        out += f"          family: {quoted(f'{path(full)} {last_word}')}\n"
        present = [path(full)]
    else:
        out, present = "      name:\n", []
    absent = " and ".join(f"not {path}" for path in present)
    when = f"          $when: {quoted(absent)}\n          " if absent else "          "
    url = "=http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    return out + f"        -\n{when}extension: {{url: {url}, valueCode: =unknown}}\n"


def _telecom(found: Found) -> str:
    out = ""
    for role in ("phone", "email"):
        if item := found.get(role):
            out += f"        - {{system: ={role}, value: {quoted(path(item))}}}  # {why(item)}\n"
    return f"      telecom:\n{out}" if out else ""


def _address(found: Found) -> str:
    names = {"city": "city", "county": "district", "state": "state", "zip": "postalCode"}
    streets = of(found, "street", "street2")
    written = ", ".join(quoted(path(item)) for item in streets)
    lines = [line(8, "line", written if len(streets) < 2 else f"[{written}]", *streets)] if streets else []
    lines += [
        line(8, element, quoted(path(found[role])), found[role])
        for role, element in names.items()
        if role in found
    ]
    return "      address:\n        use: =home\n" + "".join(lines) if lines else ""


def _coding(system: str, item: Recognised | None, text: Recognised | None) -> str:
    out = ""
    if item:
        out += f"        coding:  # {why(item)}\n"
        out += f"          {{system: <{system}>, code: {quoted(path(item))}}}\n"
    if text:
        out += line(8, "text", quoted(path(text)), text)
    return out


def _immunization(person: Recognised, found: Found) -> str:
    what, given = of(found, "cvx", "vaccine"), found.get("vaccine_date")
    if not what or given is None:
        return ""
    out = event("immunization", "Immunization", person, [*what, given], found)
    out += "    profile: us-core-immunization\n    set:\n      status: =completed\n      vaccineCode:\n"
    out += _coding("cvx", found.get("cvx"), found.get("vaccine")) + "      patient: -> patient\n"
    out += line(6, "occurrenceDateTime", date(given), given)
    return out + (line(6, "lotNumber", quoted(path(found["lot"])), found["lot"]) if "lot" in found else "")


def _observation(person: Recognised, found: Found) -> str:
    what, result = of(found, "loinc", "test"), found.get("result")
    if not what or result is None:
        return ""
    when = of(found, "result_date") or of(found, "visit_date")
    out = event("observation", "Observation", person, [*what, *when], found)
    out += "    profile: us-core-observation-lab\n    set:\n      status: =final\n"
    out += "      category: {coding: {system: <observation_category>, code: =laboratory}}\n      code:\n"
    out += _coding("loinc", found.get("loinc"), found.get("test")) + "      subject: -> patient\n"
    out += line(6, "effectiveDateTime", date(when[0], "datetime"), *when) if when else ""
    if by := found.get("laboratory"):
        out += line(6, "performer", f"{{type: =Organization, display: {quoted(path(by))}}}", by)
    value, unit = path(result), found.get("unit")
    out += f"      valueQuantity:  # {why(result)}\n"
    # `<10` is a number that was not reached, with the unit of its column.
    read = rf'{value} | match("^\s*[<>]?=?\s*(-?\d+(?:{DECIMALS})?)\s*$") | {NUMBER}'
    out += f"        value: {quoted(read)}\n"
    compared = rf'{value} | match("^\s*([<>]=?)") if {read}'
    out += f"        comparator: {quoted(compared)}\n"
    if unit:
        ucum = f'{path(unit)} | code("unit")'
        out += line(8, "unit", quoted(f"{path(unit)} if {read}"), unit)
        out += f"        system: {quoted(f'<ucum> if ({read}) and ({ucum})')}\n"
        out += f"        code: {quoted(f'{ucum} if {read}')}\n"
    out += f"      valueString: {quoted(f'{value} if not ({read})')}\n"
    if flag := found.get("flag"):
        coding = quoted(f'{path(flag)} | coding("interpretation")')
        out += f"      interpretation:  # {why(flag)}\n        coding: [{coding}]\n"
        out += f"        text: {quoted(path(flag))}\n"
    if usual := found.get("range"):
        out += "      referenceRange:\n" + line(8, "text", quoted(path(usual)), usual)
    return out


def _condition(person: Recognised, found: Found) -> str:
    what = of(found, "icd10", "snomed", "diagnosis")
    if not what:
        return ""
    when = found.get("diagnosis_date")
    out = event("condition", "Condition", person, what, found)
    out += "    profile: us-core-condition-problems-health-concerns\n    set:\n"
    out += "      category: {coding: {system: <condition_category>, code: =problem-list-item}}\n      code:\n"
    codings = [("icd10cm", item) for item in of(found, "icd10")] + [
        ("snomed", i) for i in of(found, "snomed")
    ]
    if codings:
        out += "        coding:\n"
    for system, item in codings:
        out += f"          - {{system: <{system}>, code: {quoted(path(item))}}}  # {why(item)}\n"
    if text := found.get("diagnosis"):
        out += line(8, "text", quoted(path(text)), text)
    out += "      subject: -> patient\n"
    return out + (line(6, "onsetDateTime", date(when), when) if when else "")


def _comments(columns: Sequence[Column], recognised: Sequence[Recognised], written: str) -> str:
    """The columns that no row reads: of some nothing is known, some are of no use without others."""
    known = {item.column.name: item for item in recognised}
    unused = [item for item in recognised if not _is_in(path(item), written)]
    strange = [_said(c) for c in columns if c.name not in known]
    alone = [f"{_said(item.column)}; it seems to be {item.role.replace('_', ' ')}" for item in unused]
    parts = {"# Columns not recognised:": strange, "# Recognised, but no row of this map reads them:": alone}
    return "".join(
        f"{line}\n"
        for title, lines in parts.items()
        if lines
        for line in [title, *(f"#   {x}" for x in lines)]
    )


def _said(column: Column) -> str:
    return f"{' '.join(column.name.split())}: {column.looks_like}, {column.filled:.0%} filled"


def _is_in(name: str, written: str) -> bool:
    return re.search(rf"(?<![\w\[]){re.escape(quoted(name)[1:-1])}(?!\w)", written) is not None
