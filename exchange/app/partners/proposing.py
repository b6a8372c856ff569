"""A map for a new spreadsheet, proposed from its columns; it holds names of columns, never a value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from exchange.formats.profile import ROUNDED, Column
from exchange.formats.recognise import SERIAL, Recognised, recognise
from exchange.model.errors import ContentError

Found = Mapping[str, Recognised]

_HEAD = """\
# Proposed from the columns of a file; read it against the partner's own description before the first run.
# After each column: how sure the proposal is (1 is certain) and why.
format: delimited
entries:
"""

_NUMBERS = ("patient_id", "record_id", "ssn", "npi")
_WORDS = ("and", "or", "not", "if", "else", "in", "as", "matches", "true", "false")


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
    if person is None:
        raise ContentError(
            "no column looks like the number of a person: name one `patient id`",
            file=file, valid=[column.name for column in columns],
        )  # fmt: skip
    parts = [_HEAD, _patient(person, found)]
    events = [made for make in (_immunization, _observation, _condition) if (made := make(person, found))]
    parts += events
    parts.append(_comments(columns, recognised))
    # A table of events has many rows of one person: the person's number makes no row the same one.
    own = found.get("record_id") or (None if events else person)
    return "".join(parts), [own.column.name] if own is not None and own.column.unique else []


def _can_be_named(column: Column) -> bool:
    """A path of a map has no place for a bracket or a line break in the name of a column."""
    return not any(mark in column.name for mark in "]\r\n")


def _is_rounded(item: Recognised | None) -> bool:
    return item is not None and item.column.looks_like == ROUNDED


def _path(item: Recognised) -> str:
    name = item.column.name
    plain = re.fullmatch(r"[A-Za-z_]\w*", name) and name not in _WORDS
    return name if plain else f"[{name}]"


def _quoted(expression: str) -> str:
    return "'" + expression.replace("'", "''") + "'"


def _date(item: Recognised, function: str = "date") -> str:
    form = item.date_format
    if form == SERIAL:
        return _quoted(f"{_path(item)} | excel_date")
    return _quoted(f"{_path(item)} | {function}" + (f'("{form}")' if form not in ("", "%Y-%m-%d") else ""))


def _why(item: Recognised) -> str:
    return f"{item.confidence:.2f} {item.reason}"


def _line(indent: int, element: str, value: str, *items: Recognised) -> str:
    why = "; ".join(map(_why, items))
    return f"{' ' * indent}{element}: {value}  # {why}\n"


def _patient(person: Recognised, found: Found) -> str:
    """Who the rows are about; a table of events says little of people, so it only fills in."""
    out = "  patient:\n    resource: Patient\n"
    out += _line(4, "id", _quoted(_path(person)), person)
    out += "    profile: us-core-patient\n    set:\n      identifier:\n"
    out += "        - {system: 'concat($namespace, \"patient\")', value: " + _quoted(_path(person)) + "}\n"
    if ssn := found.get("ssn"):
        out += f"        - {{system: <ssn>, value: {_quoted(_path(ssn))}}}  # {_why(ssn)}\n"
    out += _name(found)
    if sex := found.get("sex"):
        out += _line(6, "gender", _quoted(f'{_path(sex)} | lower | code("gender") or "unknown"'), sex)
    else:
        out += "      gender: =unknown\n"
    if born := found.get("birth_date"):
        out += _line(6, "birthDate", _date(born), born)
    out += _telecom(found) + _address(found)
    if language := found.get("language"):
        out += "      communication:\n"
        out += _line(8, "language", f"{{text: {_quoted(_path(language))}}}", language)
    return out + "      managingOrganization: -> Organization($partner)\n"


def _name(found: Found) -> str:
    parts = [found[role] for role in ("family", "given", "middle") if role in found]
    if "family" in found or "given" in found:
        out = "      name:\n        - use: =official\n"
        if "family" in found:
            out += _line(10, "family", _quoted(_path(found["family"])), found["family"])
        given = [item for item in parts if item.role != "family"]
        if given:
            out += _line(10, "given", "[" + ", ".join(_quoted(_path(i)) for i in given) + "]", *given)
        present = [_path(item) for item in parts]
    elif full := found.get("full_name"):
        out = "      name:\n        - use: =usual\n" + _line(10, "text", _quoted(_path(full)), full)
        last_word = '| match("(\\S+)$")'
        out += f"          family: {_quoted(f'{_path(full)} {last_word}')}\n"
        present = [_path(full)]
    else:
        out, present = "      name:\n", []
    absent = " and ".join(f"not {path}" for path in present)
    when = f"          $when: {_quoted(absent)}\n          " if absent else "          "
    url = "=http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    return out + f"        -\n{when}extension: {{url: {url}, valueCode: =unknown}}\n"


def _telecom(found: Found) -> str:
    out = ""
    for role in ("phone", "email"):
        if item := found.get(role):
            out += f"        - {{system: ={role}, value: {_quoted(_path(item))}}}  # {_why(item)}\n"
    return f"      telecom:\n{out}" if out else ""


def _address(found: Found) -> str:
    names = {"street": "line", "city": "city", "state": "state", "zip": "postalCode"}
    lines = [
        _line(8, element, _quoted(_path(found[role])), found[role])
        for role, element in names.items()
        if role in found
    ]
    return "      address:\n        use: =home\n" + "".join(lines) if lines else ""


_OF_SEVERAL = re.compile("accession|specimen|order|visit|encounter|folio", re.IGNORECASE)


def _event(name: str, resource: str, person: Recognised, what: Sequence[Recognised], found: Found) -> str:
    """The head of an entry; without a number of its own a row is known by person, day and code.

    An accession, an order or a visit is not the row's own: it holds several.
    """
    own = found.get("record_id")
    numbered = own is not None and own is not person
    alone = numbered and own and own.column.unique and not _OF_SEVERAL.search(own.column.name)
    key = [own] if alone and own else [own if numbered and own else person, *what]
    when = " or ".join(_path(item) for item in what)
    out = f"  {name}:\n    resource: {resource}\n    when: {_quoted(when)}\n"
    parts = [_quoted(_path(item) + ("??" if item in what else "")) for item in key]
    return out + f"    id: [{', '.join([*parts, '=' + name])}]\n"


def _coding(system: str, item: Recognised | None, text: Recognised | None) -> str:
    out = ""
    if item:
        out += f"        coding:  # {_why(item)}\n"
        out += f"          {{system: <{system}>, code: {_quoted(_path(item))}}}\n"
    if text:
        out += _line(8, "text", _quoted(_path(text)), text)
    return out


def _of(found: Found, *names: str) -> list[Recognised]:
    return [found[name] for name in names if name in found]


def _immunization(person: Recognised, found: Found) -> str:
    what, given = _of(found, "cvx", "vaccine"), found.get("vaccine_date")
    if not what or given is None:
        return ""
    out = _event("immunization", "Immunization", person, [*what, given], found)
    out += "    profile: us-core-immunization\n    set:\n      status: =completed\n      vaccineCode:\n"
    out += _coding("cvx", found.get("cvx"), found.get("vaccine")) + "      patient: -> patient\n"
    out += _line(6, "occurrenceDateTime", _date(given), given)
    return out + (_line(6, "lotNumber", _quoted(_path(found["lot"])), found["lot"]) if "lot" in found else "")


def _observation(person: Recognised, found: Found) -> str:
    what, result = _of(found, "loinc", "test"), found.get("result")
    if not what or result is None:
        return ""
    when = _of(found, "result_date")
    out = _event("observation", "Observation", person, [*what, *when], found)
    out += "    profile: us-core-observation-lab\n    set:\n      status: =final\n"
    out += "      category: {coding: {system: <observation_category>, code: =laboratory}}\n      code:\n"
    out += _coding("loinc", found.get("loinc"), found.get("test")) + "      subject: -> patient\n"
    out += _line(6, "effectiveDateTime", _date(when[0], "datetime"), *when) if when else ""
    value, unit = _path(result), found.get("unit")
    out += f"      valueQuantity:  # {_why(result)}\n"
    out += f"        value: {_quoted(value + ' | number')}\n"
    out += _line(8, "unit", _quoted(f"{_path(unit)} if {value} | number"), unit) if unit else ""
    out += f"      valueString: {_quoted(f'{value} if not ({value} | number)')}\n"
    if flag := found.get("flag"):
        coding = _quoted(f'{_path(flag)} | coding("interpretation")')
        out += f"      interpretation:  # {_why(flag)}\n        coding: [{coding}]\n"
        out += f"        text: {_quoted(_path(flag))}\n"
    if usual := found.get("range"):
        out += "      referenceRange:\n" + _line(8, "text", _quoted(_path(usual)), usual)
    return out


def _condition(person: Recognised, found: Found) -> str:
    what = _of(found, "icd10", "snomed", "diagnosis")
    if not what:
        return ""
    when = found.get("diagnosis_date")
    out = _event("condition", "Condition", person, what, found)
    out += "    profile: us-core-condition-problems-health-concerns\n    set:\n"
    out += "      category: {coding: {system: <condition_category>, code: =problem-list-item}}\n      code:\n"
    codings = [("icd10cm", item) for item in _of(found, "icd10")] + [
        ("snomed", i) for i in _of(found, "snomed")
    ]
    if codings:
        out += "        coding:\n"
    for system, item in codings:
        out += f"          - {{system: <{system}>, code: {_quoted(_path(item))}}}  # {_why(item)}\n"
    if text := found.get("diagnosis"):
        out += _line(8, "text", _quoted(_path(text)), text)
    out += "      subject: -> patient\n"
    return out + (_line(6, "onsetDateTime", _date(when), when) if when else "")


def _comments(columns: Sequence[Column], recognised: Sequence[Recognised]) -> str:
    known = {item.column.name for item in recognised}
    lines = [
        f"#   {' '.join(c.name.split())}: {c.looks_like}, {c.filled:.0%} filled"
        for c in columns
        if c.name not in known
    ]
    return "".join(f"{line}\n" for line in ["# Columns not recognised:", *lines]) if lines else ""
