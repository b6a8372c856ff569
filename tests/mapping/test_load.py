"""A wrong map is refused when it is loaded, with the file, the line and what would be right."""

from __future__ import annotations

import pytest

from exchange.mapping import load_maps
from exchange.model.errors import ContentError
from tests.mapping.support import maps_of, partner_of

HEAD = "format: delimited\nentries:\n  patient:\n    resource: Patient\n    id: key\n    set:\n"
ENTRY = HEAD + "      active: true"
HL7_TOP = "format: hl7v2\nmessages: {ADT^A01: [patient]}\nentries:\n"
HL7 = HL7_TOP + "  patient:\n    resource: Patient\n    id: PID-3\n    set:\n"
HL7_ENTRY = HL7 + "      active: true"

# What stands in the map, the line it is on, the name in question, a valid name or word of the message.
MISTAKES = [
    (HEAD + "      birthdate: day | date", 7, "birthdate", "birthDate"),
    (HEAD + "      name: {first: given}", 7, "first", "given"),
    (HEAD + "      gender: sex | kode('gender')", 7, "kode", "code"),
    (HEAD + "      gender: sex | code('sexes')", 7, "sexes", "no code map"),
    (HEAD + "      gender: sex | upper(1, 2)", 7, "upper", "too many"),
    (HEAD + "      identifier: {system: <npo>, value: key}", 7, "npo", "npi"),
    (HEAD + "      name: key as XPN", 7, "XPN", "no fragment"),
    (HEAD + "      name: key", 7, "name", "HumanName is an object"),
    (HEAD + "      birthDate: {value: key}", 7, "birthDate", "one value"),
    (HEAD + "      birthDate: day", 7, "birthDate", "no date yet"),
    (HEAD + "      birthDate: a | date or b", 7, "birthDate", "no date yet"),
    (HEAD + "      active: 7", 7, "active", "boolean cannot be 7"),
    (HEAD + "      gender: $sex", 7, "sex", "neither a value nor a fact"),
    (HEAD + "      managingOrganization: -> clinic", 7, "clinic", "patient"),
    (HEAD + "      managingOrganization: -> Klinic(key)", 7, "Klinic", "no such resource type"),
    (HEAD + "      gender: (sex", 7, "gender", "`)` is needed"),
    (HEAD + "      gender: sex sex", 7, "gender", "too much"),
    (HEAD + "      gender: [sex]\n      gender: =male", 8, "gender", "stands twice"),
    (HEAD + "      name: {a.b: key}", 7, "name", "dotted"),
    (ENTRY.replace("resource: Patient", "resource: Pacient"), 4, "Pacient", "Patient"),
    (ENTRY.replace("    id: key\n", ""), 4, "id", "either `id` or `copy: true`"),
    (ENTRY.replace("    id: key", "    copy: true"), 5, "copy", "only a fhir_json map"),
    (ENTRY.replace("    id: key", "    ids: key"), 5, "ids", "id"),
    (ENTRY.replace("    id: key", "    id: key\n    when: 1 = 1"), 6, "when", "never changes"),
    (ENTRY.replace("    id: key", "    id: key\n    within: person"), 6, "person", "no entry"),
    (
        ENTRY.replace("    id: key", "    id: key\n    profile: us-core-patent"),
        6,
        "us-core-patent",
        "us-core-patient",
    ),
    ("format: delimited\nentrys: {}\n", 2, "entrys", "entries"),
    ("format: csv\nentries: {}\n", 1, "csv", "delimited"),
    ("format: delimited\n", 1, "entries", "needs `entries`"),
    ("format: delimited\nuse: [other.map.yaml]\nentries: {}\n", None, "other", "no map"),
    ("format: [\n", None, "", "not YAML"),
]
HL7_MISTAKES = [
    (HL7 + "      gender: PID8", 8, "gender", "a path"),
    (HL7 + "      name: {$each: people, family: .1}", 8, "each", "no group"),
    (HL7_ENTRY.replace("[patient]", "[person]"), 2, "person", "patient"),
    (HL7 + "      active: true\n  other: {resource: Patient, id: PID-3}", 9, "other", "no message reaches"),
    (HL7_ENTRY.replace("messages: {ADT^A01: [patient]}\n", ""), 1, "messages", "needs `messages`"),
]


def _refusal(kind, text) -> ContentError:
    with pytest.raises(ContentError) as error:
        maps_of(kind, text)
    return error.value


@pytest.mark.parametrize(("text", "line", "name", "hint"), MISTAKES, ids=[m[2] + m[3] for m in MISTAKES])
def test_a_mistake_in_a_map_is_named_with_its_line(text, line, name, hint):
    error = _refusal("delimited", text)
    assert error.file == "example/feed.map.yaml" or line is None
    assert line is None or error.line == line
    assert name in str(error)
    assert hint in str(error)


@pytest.mark.parametrize(("text", "line", "name", "hint"), HL7_MISTAKES, ids=[m[3] for m in HL7_MISTAKES])
def test_a_mistake_in_an_hl7_map_is_named_with_its_line(text, line, name, hint):
    error = _refusal("hl7v2", text)
    assert error.line == line
    assert name in str(error)
    assert hint in str(error)


def test_a_map_for_another_format_than_the_feeds_is_refused():
    assert "the feed is hl7v2" in str(_refusal("hl7v2", HEAD + "      active: true"))


def test_values_and_use_and_within_may_not_go_in_circles():
    circle = {"example/feed.map.yaml": "format: delimited\nuse: [feed.map.yaml]\nentries: {}"}
    with pytest.raises(ContentError, match="circle"):
        load_maps(circle, partner_of("delimited"))
    assert "refers to itself" in str(_refusal("delimited", HEAD + "      gender: $a\nvalues: {a: $b, b: $a}"))


CODES = "source_system,source_code,target_system,target_code,target_display,equivalence,from,to\n"


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        (",F,urn:x,female,,same,,", "no equivalence"),
        (",F,urn:x,,,equal,,", "target code is needed"),
        (",,urn:x,female,,equal,,", "source code is needed"),
        (",F,urn:x", "needs 8 columns"),
    ],
)
def test_a_wrong_row_of_a_code_map_is_named_with_its_line(row, hint):
    with pytest.raises(ContentError, match=hint) as error:
        maps_of("delimited", HEAD + "      active: true", {"_shared/codes/gender.csv": f"{CODES}{row}\n"})
    assert (error.value.file, error.value.line) == ("_shared/codes/gender.csv", 2)


def test_the_digest_changes_with_every_file_a_map_is_made_of():
    text, codes = HEAD + "      active: true", {"_shared/codes/gender.csv": CODES}
    digests = {
        maps_of("delimited", text).digest,
        maps_of("delimited", text, codes).digest,
        maps_of("delimited", text + "\n").digest,
        maps_of("delimited", text, {"_shared/codes/gender.csv": CODES + ",F,urn:x,f,,equal,,\n"}).digest,
    }
    assert len(digests) == 4
    assert maps_of("delimited", text, {"README.md": "not a map"}).digest in digests
