"""Maps as Python source: what stands in a map is never code, and a branch does not know what another read."""

from __future__ import annotations

import gc
import json
import linecache
import traceback

from exchange.mapping.source import assembled
from exchange.model.records import Mapped
from tests.mapping.support import mapped, maps_of

AWKWARD = """it's "quoted" {run} \\n \\" % # `x` '''"""


def _hospital(rows: str, message: str, name: str = "patient") -> Mapped:
    text = (
        f"format: hl7v2\nmessages: {{ADT^A01: [{name}]}}\nentries:\n  {name}:\n    resource: Patient\n"
        f"    id: PID-3\n    set:\n{rows}"
    )
    return mapped("hl7v2", text, f"MSH|^~\\&|||||||ADT^A01|9\r{message}\r")


def _text(rows: str, message: str) -> object:
    row = f"      maritalStatus:\n        text: {json.dumps(rows)}\n"
    return _hospital(row, message).resources[0].get("maritalStatus")


def test_what_a_map_says_is_never_code() -> None:
    literal = AWKWARD.replace('"', '""').replace('""', '\\"').replace("\\\\", "\\")
    row = f'      maritalStatus: {{text: "={literal}", coding: {{display: PID-3}}}}\n'
    made = _hospital(row, "PID|||1").resources[0]["maritalStatus"]
    assert made["coding"] == [{"display": "1"}]
    assert "it's" in made["text"]
    assert "{run}" in made["text"]
    assert "'''" in made["text"]


def test_what_a_sender_says_is_never_code() -> None:
    assert _text('concat(PID-4, "{run}", PID-4)', "PID|||1|{at}'") == {"text": "{at}'{run}{at}'"}


def test_names_of_entries_are_never_code() -> None:
    assert _hospital("      active: true\n", "PID|||1", "x') or ('").resources[0]["active"] is True


def test_what_one_branch_read_is_read_again_where_it_was_not_taken() -> None:
    row = '(PID-5 if PID-8 = "F" else "none") | concat("/", PID-5)'
    assert _text(row, "PID|||1||A|||F") == {"text": "A/A"}
    assert _text(row, "PID|||1||A|||M") == {"text": "none/A"}


def test_each_or_is_asked_in_turn() -> None:
    row = 'PID-5 or PID-6 or "none"'
    assert _text(row, "PID|||1||A|B") == {"text": "A"}
    assert _text(row, "PID|||1|||B") == {"text": "B"}
    assert _text(row, "PID|||1") == {"text": "none"}
    assert _text('concat(PID-3, PID-5 or PID-6 or "none")', "PID|||1") == {"text": "1none"}


def test_a_stack_trace_shows_the_line_that_was_made() -> None:
    read = assembled(lambda writer, at: writer.new(f"{at} / 0"), "Patient.birthDate")
    try:
        read(1, None)
    except ZeroDivisionError:
        told = traceback.format_exc()
    assert "at / 0" in told
    assert "<map 'Patient.birthDate'" in told


def test_lines_are_shown_as_long_as_their_function_is_there_and_no_longer() -> None:
    def lines() -> int:
        return sum(file.startswith("<map 'Patient.gender'") for file in linecache.cache)

    gc.freeze()  # nothing of what other tests left is looked through
    made = [assembled(lambda _writer, at: at, "Patient.gender") for _ in range(3)]
    assert lines() == 3
    del made[0]
    gc.collect()
    assert lines() == 2
    made.clear()
    gc.collect()
    assert lines() == 0


def test_a_reference_from_a_place_means_what_is_made_of_that_place() -> None:
    text = (
        "format: hl7v2\ngroups: {person: {starts: [PID]}}\nmessages: {ADT^A01: [patient, visit, problem]}\n"
        "entries:\n  patient: {resource: Patient, each: person, id: PID-3, set: {active: true}}\n"
        "  visit:\n    resource: Encounter\n    each: person\n    id: PV1-19\n    set:\n"
        "      status: =finished\n      class: {code: =IMP}\n"
        "      diagnosis: {$each: DG1, condition: -> problem}\n"
        "  problem:\n    resource: Condition\n    within: patient\n    each: DG1\n    when: DG1-3\n"
        "    id: DG1-3\n    set: {subject: -> patient, code: {text: DG1-3}}\n"
    )
    message = (
        "MSH|^~\\&|||||||ADT^A01|9\rPID|||1\rPV1|" + "|" * 17 + "|V1\rDG1|||A\rDG1|||B\rDG1|1\rDG1|||C\r"
    )
    _, visit, *problems = mapped("hl7v2", text, message).resources
    assert [item["condition"]["reference"] for item in visit["diagnosis"]] == [
        f"Condition/{problem['id']}" for problem in problems
    ]


def test_a_map_is_assembled_when_it_is_first_needed() -> None:
    maps = maps_of(
        "hl7v2",
        "format: hl7v2\nmessages: {ADT^A01: [patient]}\nentries:\n  patient:\n    resource: Patient\n"
        "    id: PID-3\n    set: {active: true}\n",
    )
    build = maps.feeds["feed"].entries["patient"].build
    assert "<map" not in build.__code__.co_filename
