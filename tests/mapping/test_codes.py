"""Code maps are checked when loaded; what they do not answer is told as a code, never as text."""

from __future__ import annotations

import pytest

from exchange.mapping.codes import COLUMNS, load_code_maps, shown_code
from exchange.mapping.comparing import changes
from exchange.mapping.suggestions import suggest
from exchange.model.errors import ContentError
from exchange.model.records import Issue, Mapped, Merge
from tests.mapping.support import mapped

HEAD = ",".join(COLUMNS) + "\n"
GENDER = HEAD + (
    ",F,urn:g,female,Female,equal,,\n,M,urn:g,male,Male,equal,,\n"
    ",OLD,urn:g,other,Other,wider,2020-01-01,2021-12-31\n"
)
MAP = """\
format: delimited
entries:
  patient: {resource: Patient, id: ID, set: {gender: 'Sex | code("gender")'}}
"""


def codes(text):
    return load_code_maps({"_shared/codes/gender.csv": text}, "example")["gender"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (",X,urn:g,female,,same,,", "equivalence"),
        (",X,urn:g,,,equal,,", "target_code"),
        (",,urn:g,female,,equal,,", "source_code"),
        (",X,urn:g,female,,equal,01/02/2026,", "from"),
        (",X,urn:g,female,,equal,2026-02-01,2026-01-01", "to"),
    ],
)
def test_a_wrong_row_is_refused_with_file_line_and_column(row, field):
    with pytest.raises(ContentError) as refused:
        codes(HEAD + row + "\n")
    assert (refused.value.file, refused.value.line, refused.value.field) == (
        "_shared/codes/gender.csv", 2, field,
    )  # fmt: skip


def test_a_row_holds_from_its_first_day_to_its_last():
    days = ["2019-12-31", "2020-01-01", "2021-12-31", "2022-01-01"]
    assert [bool(codes(GENDER).find("OLD", None, day)) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("row", "made", "waits"),
    [
        (",*,urn:g,unknown,Unknown,wider,,\n", "unknown", ["FEM"]),
        (",*,,,,unmatched,,\n", None, ["FEM"]),
        (",FEM,,,,unmatched,,\n", None, []),
        (",FEM,urn:g,female,Female,equivalent,,\n", "female", []),
    ],
)
def test_a_code_waits_on_the_worklist_until_somebody_decides_about_it(row, made, waits):
    found = mapped("delimited", MAP, '{"ID": "1", "Sex": "FEM"}', {"_shared/codes/gender.csv": GENDER + row})
    assert found.resources[0].get("gender") == made
    assert [each.code for each in found.unmapped] == waits


def test_a_code_no_row_answers_is_told_with_its_map_element_and_source():
    made = mapped("delimited", MAP, '{"ID": "1", "Sex": "FEM"}', {"_shared/codes/gender.csv": GENDER})
    (found,) = made.unmapped
    assert (found.code_map, found.code, found.element, found.position) == (
        "gender", "FEM", "Patient.gender", "Sex",
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["a woman", "555-12-3456", "555121234", "555-123-4567", "1980-02-03", "2/3/1980", "a@b.example"]
)
def test_what_may_say_something_of_a_person_is_counted_without_its_text(text):
    files = {"_shared/codes/gender.csv": GENDER}
    made = mapped("delimited", MAP, f'{{"ID": "1", "Sex": "{text}"}}', files)
    assert [found.code for found in made.unmapped] == [""]


def test_codes_of_the_usual_systems_are_shown():
    assert all(map(shown_code, ["F11.20", "4548-4", "73211009", "urn:oid:1.2.3", "H0020", "US"]))
    assert shown_code("260385009", "http://snomed.info/sct") == "260385009"
    assert shown_code("260385009") == ""


def test_a_suggestion_follows_words_synonyms_and_spelling():
    synonyms = {"woman": frozenset({"woman", "female"})}
    ranked = [suggest(code, codes(GENDER), synonyms)[0].code for code in ("WOMAN", "femal", "Male_")]
    assert ranked == ["female", "female", "male"]


def test_a_difference_is_told_by_element_and_count_and_never_by_value():
    one = {"resourceType": "Observation", "id": "1", "valueQuantity": {"unit": "mg", "value": 1}}
    other = {"resourceType": "Observation", "id": "1", "valueQuantity": {"unit": "g"}, "status": "final"}
    new = {"resourceType": "Condition", "id": "2"}
    old = Mapped((one,), issues=(Issue("warning", "value", "odd", "Observation"),))

    told = list(changes(old, Mapped((other, new))))

    assert sorted(told) == [
        ("appears", "Condition"),
        ("changes", "Observation.valueQuantity.unit"),
        ("empties", "Observation.valueQuantity.value"),
        ("fills", "Observation.status"),
        ("no issue", "warning Observation: odd"),
    ]
    assert list(changes(old, old)) == []


def test_people_that_a_change_of_the_map_merges_are_told():
    merged = Mapped(merges=(Merge("Patient/1", "Patient/2"),))
    assert list(changes(Mapped(), merged)) == [("appears", "Merge of Patient")]
    assert list(changes(merged, Mapped())) == [("vanishes", "Merge of Patient")]
