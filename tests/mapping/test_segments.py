"""HL7 v2 paths and groups."""

from __future__ import annotations

from time import process_time

import pytest

from exchange.mapping.paths.places import GroupRule
from exchange.mapping.paths.segments import segments_grammar
from exchange.mapping.source import assembled
from tests.mapping.support import mapped

GROUPS = {
    "person": GroupRule(starts=("PID",)),
    "order": GroupRule(starts=("ORC", "OBR"), distinct=("OBR-3",)),
    "order_header": GroupRule(starts=("OBR",), members=frozenset({"NTE"})),
    "result": GroupRule(
        starts=("OBX",),
        members=frozenset({"NTE"}),
        same=("OBX-2", "OBX-3"),
        same_when=("TX",),
        distinct=("OBX-3",),
    ),
}
GRAMMAR = segments_grammar(GROUPS)
MESSAGE = GRAMMAR.open(
    b'MSH|^~\\&|LAB|A&1.2.3&ISO\rPV1|1||W^""^3&""\r'
    b'PID|1||7^^^A&1.2.3&ISO^MR~8^^^B^PI~""|""|Doe^Ann~Roe\r'
    b"ORC|RE|P1\rOBR|1||F1\rNTE|1||header\rOBX|1|TX|N^Note||one\rOBX|2|TX|N^Note||two\rNTE|1||remark\r"
    b"OBX|3|NM|G||5\rOBX|4|NM|G||6\r"
    b"OBR|2||F1\rOBX|1|ST|S||a\\T\\b&c\r"
    b"PID|2||9\rOBR|1||F2\rSPM|1"
)


def value(path, place=MESSAGE):
    """What the path reads; written as source it reads the same."""
    read = GRAMMAR.value(path)
    found = read(place, None)
    assert assembled(GRAMMAR.written_value(path, read), path)(place, None) == found
    return found


def places(path, place=MESSAGE):
    """The places of the path; written as source it finds the same."""
    nodes = GRAMMAR.nodes(path)
    found = nodes(place, None)
    written = assembled(GRAMMAR.written_nodes(path, nodes), path)(place, None)
    assert list(map(_content, written)) == list(map(_content, found))
    return found


def _content(place):
    return getattr(place, "text", None) or place.segments


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-4.1", "A"),
        ("MSH-4.1.2", "1.2.3"),
        ("PID-3", "7"),
        ("PID-3.4", "A"),
        ("PID-3.4.2", "1.2.3"),
        ("PID-3.4.*", "A&1.2.3&ISO"),
        ("PID-3.*", "7^^^A&1.2.3&ISO^MR"),
        ("PID-3[2].1", "8"),
        ("PID-3[5=PI].1", "8"),
        ("PID-3[5=XX|MR].1", "7"),
        ("PID-3[5=XX].1", None),
        ("PID-3[*].1", ["7", "8"]),
        ("PID-5[*].2", ["Ann"]),
        ("PID-4", None),
        ("PV1-3.1", "W"),
        ("PV1-3.2", None),
        ("PV1-3.3.2", None),
        ("PID-99", None),
        ("ZZZ-1", None),
        ("OBX[*]-5", ["one", "two", "5", "6", "a&b"]),
    ],
)
def test_a_path_reads_what_it_says(path, expected):
    assert value(path) == expected


@pytest.mark.parametrize("path", ["PID", "PID-", "pid-3", "PID-3[a].1", "PID-3.1.2.3"])
def test_what_is_no_field_is_refused(path):
    with pytest.raises(ValueError, match="is no field"):
        GRAMMAR.value(path)


def test_a_group_ends_where_the_next_begins():
    assert [len(place.segments) for place in places("person")] == [11, 3]
    assert [value("OBR-3", order) for order in places("order")] == ["F1", "F1", "F2"]


def test_an_order_begins_at_the_first_of_its_openers_only():
    first = places("order")[0]
    assert [segment[0] for segment in first.segments][:2] == ["ORC", "OBR"]


def test_lines_of_one_text_are_one_place_and_repeated_numbers_are_several():
    results = places("result", places("order")[0])
    assert [value("OBX[*]-5", place) for place in results] == [["one", "two"], ["5"], ["6"]]


def test_places_that_agree_are_numbered():
    assert [place.occurrence for place in places("order")] == [0, 1, 0]
    assert [place.occurrence for place in places("result", places("order")[0])] == [0, 0, 1]


def test_a_segment_is_looked_for_in_the_nearest_place_outward():
    last = places("order", places("person")[1])[0]
    assert value("PID-3", last) == "9"
    assert value("MSH-3", last) == "LAB"


def test_a_note_of_an_order_is_not_taken_for_that_of_a_result():
    first, number, _ = places("result", places("order")[0])
    assert value("NTE-3", places("order_header", places("order")[0])[0]) == "header"
    assert value("NTE-3", first) == "remark"
    assert value("NTE-3", number) is None


def test_a_repetition_and_a_component_are_places_of_their_own():
    first = places("PID-3[*]")[0]
    assert value(".1", first) == "7"
    assert value(".4.2", first) == "1.2.3"
    assert value(".2", places(".4", first)[0]) == "1.2.3"
    assert value("MSH-3", first) == "LAB"


def given_names(expression, field):
    rows = (
        "format: hl7v2\nmessages: {ADT^A01: [patient]}\nentries:\n  patient:\n    resource: Patient\n"
        f"    id: PID-3\n    set: {{active: true, name: [{{family: =x, given: '{expression}'}}]}}\n"
    )
    message = f"MSH|^~\\&|||||||ADT^A01|1\rPID|||7||{field}\r"
    found = mapped("hl7v2", rows, message)
    return [name.get("given") for name in found.resources[0].get("name", [])], len(found.issues)


def test_a_function_reads_each_of_several_values_and_what_gives_nothing_is_left_out():
    upper = 'PID-5[*].2 | match("^([A-Z]+)$")'
    assert given_names(upper, "^ANA~^bo~^EVE") == ([["ANA", "EVE"]], 0)
    assert given_names(upper, "^ana~^bo") == ([], 0)
    assert given_names("PID-5[*].2 | date", "^2020~^x~^2021") == ([["2020", "2021"]], 1)


def test_a_function_of_all_values_at_once_is_not_asked_about_none():
    assert given_names('PID-5[*].2 | join(" ")', "") == ([], 0)
    assert given_names('PID-5[*].2 | join(" ")', "^Ana~^Eve") == ([["Ana Eve"]], 0)


def test_a_function_with_an_argument_of_the_source_reads_each_value_with_it():
    swapped = "PID-5[*].2 | table(PID-5.3)"
    assert given_names(swapped, "^F^0001~^M~^nonsense") == (
        [["http://terminology.hl7.org/CodeSystem/v2-0001"] * 2],
        0,
    )
    assert given_names(swapped, "^nonsense^0001~^none") == ([], 0)
    assert given_names(swapped, "^F~^M") == ([], 0)


@pytest.mark.parametrize(
    ("path", "segments"),
    [("order", {"ORC", "OBR"}), ("OBX", {"OBX"}), ("PD1[*]-4[*]", {"PD1"}), (".4", set())],
)
def test_a_path_says_which_segments_it_needs_one_of(path, segments):
    assert GRAMMAR.needs(path) == segments


def test_repetitions_are_numbered_without_looking_through_those_before():
    """Ten thousand participants, each told with its place: by looking through them, 50 million looks."""
    sent = "MSH|^~\\&|LAB\r" + "".join(f"PRT|{n}||AD||{n}^Ash\r" for n in range(10_000))
    message = GRAMMAR.open(sent.encode())
    started = process_time()

    found = [GRAMMAR.position(each) for each in GRAMMAR.nodes("PRT[*]-5[*]")(message, None)]

    assert (found[0], found[-1]) == ("message PRT[*]-5[1]", "message PRT[*]-5[10000]")
    assert process_time() - started < 1
