"""What the map language means, beyond the examples of docs/partners.md."""

from __future__ import annotations

import pytest

from exchange.mapping import load_maps, map_record, partner_organization, trace_record
from exchange.model.errors import RecordRejected
from exchange.model.records import Merge
from tests.mapping.support import id_of, mapped, maps_of, partner_of, record_of

TOP = "format: delimited\nentries:\n  patient:\n    resource: Patient\n    id: key\n    set:\n"
CODES = "source_system,source_code,target_system,target_code,target_display,equivalence,from,to\n"


def patient(rows: str, payload: str, files: dict[str, str] | None = None) -> dict:
    (found,) = mapped("delimited", TOP + rows, payload, files).resources
    return {name: value for name, value in found.items() if name not in ("resourceType", "id", "meta")}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a or b", "A"),
        ("none or b", "B"),
        ("none or nothing", None),
        ('a if b = "B" else b', "A"),
        ('a if b = "X"', None),
        ('"x" if not none and a else "y"', "x"),
        ('"x" if a in ("A", "Z") else "y"', "x"),
        ('"x" if none in ("A") else "y"', "y"),
        ('"x" if none != "A" else "y"', "x"),
        ('"x" if a matches "^[A-C]$" else "y"', "x"),
        ('"x" if b = "B" and a = "Z" else "y"', "y"),
        ("a | lower | upper | lower", "a"),
        ("words(a, none, b)", "A B"),
        ("concat(a, none)", None),
        ("concat(a, b)", "AB"),
        ("none | upper", None),
        ('(none or "z") | upper', "Z"),
        ("$both", "AB"),
        ("$partner", "example"),
        ("=a or b", "a or b"),
    ],
)
def test_an_expression_gives(expression, expected):
    text = f"{TOP}      active: true\n      language: '{expression}'\nvalues: {{both: 'concat(a, b)'}}"
    (found,) = mapped("delimited", text, '{"key":"1","a":" A ","b":"B","none":"","nothing":" "}').resources
    assert found.get("language") == expected


def test_an_object_of_constants_alone_is_left_out_when_the_source_is_silent():
    rows = "      active: true\n      telecom: {system: =phone, value: phone}\n"
    assert patient(rows, '{"key":"1","phone":""}') == {"active": True}


def test_false_is_a_value():
    assert patient('      active: status = "open"\n', '{"key":"1","status":"shut"}') == {"active": False}


def test_a_value_takes_the_shape_of_its_element():
    rows = "      name: {family: [a, b], given: a}\n"
    assert patient(rows, '{"key":"1","a":"A","b":"B"}') == {"name": [{"family": "A", "given": ["A"]}]}


def test_a_dotted_name_reaches_into_an_element_and_leaves_the_rest():
    text = TOP + "      active: true\n      meta.tag: {system: =urn:x, code: a}\n"
    (found,) = mapped("delimited", text, '{"key":"1","a":"A"}').resources
    assert found["meta"] == {
        "source": "urn:mosaic:partner:example",
        "tag": [{"system": "urn:x", "code": "A"}],
    }


def test_a_value_that_cannot_be_read_is_an_error_of_the_record_without_the_value():
    found = mapped("delimited", TOP + "      birthDate: day | date\n", '{"key":"1","day":"1975-02-31"}')
    (issue,) = found.issues
    assert (issue.severity, issue.expression, issue.position) == ("error", "Patient.birthDate", "sample day")
    assert "1975" not in str(found.issues)


def test_a_column_that_the_file_lacks_rejects_the_row_unless_it_is_optional():
    with pytest.raises(RecordRejected, match="no column `day`"):
        mapped("delimited", TOP + "      birthDate: day | date\n", '{"key":"1"}')
    assert patient("      active: true\n      birthDate: day? | date\n", '{"key":"1"}') == {"active": True}


def test_a_part_of_a_key_that_is_empty_makes_no_resource_and_says_so():
    text = TOP + "      active: true\n  other: {resource: Basic, id: [key, a], set: {code: {text: a}}}\n"
    found = mapped("delimited", text, '{"key":"1","a":""}')
    assert [resource["resourceType"] for resource in found.resources] == ["Patient"]
    assert [(issue.severity, issue.code) for issue in found.issues] == [("warning", "required")]


def test_a_record_of_which_nothing_is_made_is_rejected():
    with pytest.raises(RecordRejected, match="makes nothing"):
        mapped("delimited", TOP + "      active: true\n", '{"key":""}')


def test_a_condition_says_that_a_resource_is_gone_or_only_counts_where_none_is_known():
    text = (
        TOP.replace("    set:", "    deleted: gone\n    conditional: part\n    set:") + "      active: true\n"
    )
    reference = f"Patient/{id_of('Patient', '1')}"
    gone = mapped("delimited", text, '{"key":"1","gone":"x","part":""}')
    part = mapped("delimited", text, '{"key":"1","gone":"","part":"x"}')
    assert (gone.resources, gone.deleted) == ((), (reference,))
    assert part.conditional == {reference}
    always = mapped(
        "delimited", text.replace("conditional: part", "conditional: true"), '{"key":"1","gone":""}'
    )
    assert always.conditional == {reference}


def test_a_deleted_record_deletes_what_it_would_make():
    maps = maps_of("delimited", TOP + "      active: true\n")
    found = map_record(record_of("delimited", '{"key":"1"}', deleted=True), maps)
    assert (found.resources, found.deleted) == ((), (f"Patient/{id_of('Patient', '1')}",))


def test_two_mentions_of_one_thing_are_one_resource_and_a_difference_is_told():
    entry = "  {}: {{resource: Basic, id: key, set: {{code: {{text: {}}}}}}}\n"
    text = "format: delimited\nentries:\n" + entry.format("one", "a") + entry.format("two", "b")
    same = mapped("delimited", text, '{"key":"1","a":"A","b":"A"}')
    other = mapped("delimited", text, '{"key":"1","a":"A","b":"B"}')
    assert (len(same.resources), same.issues) == (1, ())
    assert [resource["code"] for resource in other.resources] == [{"text": "A"}]
    assert [issue.code for issue in other.issues] == ["duplicate"]


def test_a_partner_overrides_only_what_differs_and_null_removes():
    shared = TOP + "      active: true\n      gender: sex | lower\n      language: =en\n"
    change = "entries: {patient: {set: {gender: =other, language: null}}}"
    own = f"format: delimited\nuse: [_shared/a.map.yaml]\n{change}"
    maps = load_maps({"_shared/a.map.yaml": shared, "example/feed.map.yaml": own}, partner_of("delimited"))
    (found,) = map_record(record_of("delimited", '{"key":"1","sex":"F"}'), maps).resources
    assert (found["active"], found["gender"], "language" in found) == (True, "other", False)


def test_both_codings_are_kept_and_an_unmapped_code_does_not_vanish():
    files = {"_shared/codes/m.csv": CODES + "urn:s,S,urn:t,T,Single,equal,,\n"}
    rows = '      active: true\n      maritalStatus: a | concept("m")\n'
    known = patient(rows, '{"key":"1","a":"S"}', files)["maritalStatus"]
    assert [coding["system"] for coding in known["coding"]] == ["urn:t", "urn:s"]
    found = mapped("delimited", TOP + rows, '{"key":"1","a":"Q"}', files)
    assert found.resources[0]["maritalStatus"] == {"text": "Q"}
    assert [(issue.severity, issue.code) for issue in found.issues] == [("information", "code-invalid")]


def test_an_own_row_of_a_code_map_comes_before_the_shared_one():
    shared = CODES + ",F,urn:x,female,,equal,,\n,M,urn:x,male,,equal,,\n"
    files = {"_shared/codes/m.csv": shared, "example/codes/m.csv": CODES + ",F,urn:x,other,,equal,,\n"}
    row = '      gender: a | code("m")\n'
    assert patient(row, '{"key":"1","a":"F"}', files) == {"gender": "other"}
    assert patient(row, '{"key":"1","a":"M"}', files) == {"gender": "male"}


def test_a_merge_names_both_patients_by_our_ids():
    text = (
        "format: delimited\nmerges: {survivor: -> Patient(key), loser: -> Patient(old)}\n"
        "entries: {patient: {resource: Patient, id: key, set: {active: true}}}"
    )
    found = mapped("delimited", text, '{"key":"1","old":"2"}')
    assert found.merges == (Merge(id_of("Patient", "1"), id_of("Patient", "2")),)
    assert mapped("delimited", text, '{"key":"1","old":""}').merges == ()


def test_a_trace_names_element_source_row_and_function_and_no_value():
    maps = maps_of("delimited", TOP + "      name: {use: =usual, family: last | title}\n")
    trace = trace_record(record_of("delimited", '{"key":"1","last":"secret"}'), maps)
    assert trace == [
        ("Patient.name.family", "sample last", "example/feed.map.yaml:7 last | title", "title"),
        ("Patient.name.use", "sample", "example/feed.map.yaml:7 =usual", ""),
    ]


def test_the_sender_itself_is_an_organization():
    found = partner_organization(partner_of("delimited"))
    assert found["id"] == id_of("Organization", "example")
    assert found["identifier"] == [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1999999919"}]


def test_values_of_places_in_json_are_a_list_whether_each_is_one_or_several():
    text = (
        "format: hsds_json\nentries:\n  place:\n    resource: Location\n    id: id\n    set:\n"
        "      alias: {$each: names, $value: name}\n"
    )
    sent = '{"id":"1","names":[{"name":"Elm House"},{"name":["Elm","The Elm"]}]}'

    (place,) = mapped("hsds_json", text, sent).resources

    assert place["alias"] == ["Elm House", "Elm", "The Elm"]
