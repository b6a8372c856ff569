"""A wrong map is refused when it is loaded, with the file, the line and what would be right."""

from __future__ import annotations

import inspect

import pytest

from exchange.mapping import load_maps, observed_maps
from exchange.mapping.function_checks import GIVES
from exchange.mapping.functions import FUNCTIONS
from exchange.model.errors import ContentError, RecordRejected
from exchange.model.partner import Connector, Feed
from tests.mapping.support import mapped, maps_of, partner_of

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
    (HEAD + '      name: {given: [a | join("x", "y")]}', 7, "", "needs quotes"),
]
HL7_MISTAKES = [
    (HL7 + "      gender: PID8", 8, "gender", "a path"),
    (HL7 + "      gender: female", 8, "gender", "a constant (`=female`)"),
    (HL7 + "      name: {$each: people, family: .1}", 8, "each", "no group"),
    (HL7_ENTRY.replace("[patient]", "[person]"), 2, "person", "patient"),
    (HL7 + "      active: true\n  other: {resource: Patient, id: PID-3}", 9, "other", "no message reaches"),
    (HL7_ENTRY.replace("messages: {ADT^A01: [patient]}\n", ""), 1, "messages", "needs `messages`"),
]


CDA = "format: ccda\nentries:\n  patient:\n    resource: Patient\n    id: =x\n    set:\n"
CDA_MISTAKES = [
    (CDA + "      birthDate: recordTarget/patientRoll/@value | date", 7, "patientRoll", "patientRole"),
    (CDA + "      gender: //code/@cod", 7, "cod", "codeSystem"),
    (CDA + "      gender: //code/@xsi:typ", 7, "typ", "nil"),
    (CDA + "      gender: //sdtc:raceCod/@code", 7, "raceCod", "raceCode"),
    (CDA + "      gender: //hl7:code/@code", 7, "hl7", "sdtc"),
    (CDA + "      gender: //code[lowercase(@code)='x']/@code", 7, "lowercase", "normalize-space"),
    (CDA + "      gender: //code[parents::act]/@code", 7, "parents", "ancestor"),
    (CDA + "      name: {$each: //nam, family: family}", 7, "nam", "name"),
    (
        CDA + "      active: {$value: '@value = \"1\"', $when: //observations/@code}",
        7,
        "observations",
        "observation",
    ),
]


PERSON = "format: fhir_json\nentries:\n  patient:\n    resource: Patient\n    copy: true\n    set:\n"
FILES = {
    "_shared/codes/gender.csv": "source_system,source_code,target_system,target_code,target_display,"
    "equivalence,from,to\n,F,http://hl7.org/fhir/administrative-gender,female,Female,equal,,\n",
    "_shared/codes/fruit.csv": "source_system,source_code,target_system,target_code,target_display,"
    "equivalence,from,to\n,F,urn:fruit,banana,Banana,equal,,\n",
}
# A row of `set`, the name in question, a valid name or word of the message: what could never work.
NEVER = [
    ("gender: =banana", "banana", "no code of administrative-gender"),
    ('gender: sex | code("fruit")', "banana", "gives `banana`, no code of administrative-gender"),
    ('gender: sex | code("gender") or "unknwon"', "unknwon", "`unknown`"),
    ("gender: 'sex | code(\"gender\") or 5'", "gender", "cannot be 5"),
    ("birthDate: =01/02/2024", "birthDate", "YYYY-MM-DD"),
    ('birthDate: (born | date) or "soon"', "birthDate", "YYYY-MM-DD"),
    ("birthDate: born | datetime", "birthDate", "cannot hold a dateTime"),
    ("birthDate: born | upper", "birthDate", "cannot hold a text"),
    ('birthDate: born | date("dd.mm.yyyy")', "birthDate", "no field such as %Y"),
    ('birthDate: born | date("%d %q")', "birthDate", "strptime"),
    ("active: open | integer", "active", "cannot hold a integer"),
    ("active: open | boolean", "active", "which texts are true"),
    ("multipleBirthInteger: order | decimal", "multipleBirthInteger", "cannot hold a decimal"),
    ("language: order | integer", "language", "cannot hold a integer"),
    ('language: sex = "F"', "language", "cannot hold a boolean"),
    ("implicitRules: =two words", "implicitRules", "without spaces"),
    ('maritalStatus: sex | coding("gender")', "maritalStatus", "cannot hold a Coding"),
    ("managingOrganization: -> Patient(key)", "Patient", "Organization"),
    ("managingOrganization: -> patient", "Patient", "Organization"),
    ("name: -> patient", "name", "HumanName cannot hold a Reference"),
    ("name: {$when: sex}", "name", "needs elements"),
    ("_name: {extension: {url: =urn:x, valueString: sex}}", "_name", "no such element"),
    ("extension: {valueString: sex}", "extension", "needs url"),
    ("link: {other: -> Patient(key)}", "link", "needs type"),
    ("id: key", "id", "made from the `id` of the entry"),
    ("active: sex = 1", "active", 'write "1"'),
    ("active: sex = true", "active", 'write "true"'),
    ("active: sex in ()", "active", "needs what it may be"),
    ('active: (sex | upper) = "male"', "active", "gives no such letters"),
    ('active: (sex | code("gender")) = "femail"', "active", "the code map gives female"),
    ('gender: \'"male" or sex | code("gender")\'', "gender", "never reached"),
    ('gender: \'"male" if true else "female"\'', "gender", "never changes"),
    ('gender: \'"male" if sex or true else "female"\'', "gender", "never changes"),
    ("maritalStatus: [{text: =single}, {text: sex}]", "maritalStatus", "never reached"),
    ('language: sex | match("(")', "match", "not a regular expression"),
    ("language: sex | split(1)", "split", "text in quotes"),
    ("language: $place", "place", "neither a value nor a fact"),
]
ELSEWHERE = [
    ("hl7v2", HL7 + "      language: PDI-5", "PDI", "valid here: ABS"),
    ("hl7v2", HL7 + "      language: PID-99", "PID-99", "fields 1 to 40"),
    ("hl7v2", HL7 + "      language: PID-0", "PID-0", "fields 1 to 40"),
    ("hl7v2", HL7 + "      language: PID-5.0", "PID-5.0", "counted from 1"),
    ("hl7v2", HL7 + "      language: PID-5[0].1", "PID-5[0]", "counted from 1"),
    ("hl7v2", HL7 + "      language: .1", "language", "needs a field around it"),
    ("hl7v2", HL7 + "      language: PID-15\ngroups: {g: {starts: [obx]}}", "obx", "no segment"),
    ("hl7v2", HL7 + "      language: PID-15\ngroups: {g: {starts: [OBX], same: [OBX3]}}", "OBX3", "no field"),
    ("hl7v2", HL7 + "      language: PID-15\ngroups: {G: {starts: [OBX]}}", "G", "lower-case"),
    ("hl7v2", HL7_ENTRY.replace("ADT^A01", "ADT_A01"), "ADT_A01", "ADT^A01"),
    ("fhir_json", PERSON + "      language: langage", "langage", "did you mean `language`"),
    ("fhir_json", PERSON + "      language: name.familly", "familly", "did you mean `family`"),
    ("fhir_json", PERSON + "      language: 'identifier[sistem=\"urn:x\"].value'", "sistem", "system"),
    ("fhir_json", PERSON + "      name: address", "name", "HumanName cannot hold a Address"),
    ("delimited", ENTRY + "\nmessages: {ADT^A01: [patient]}", "messages", "only an hl7v2 map"),
    ("delimited", ENTRY.replace("    id: key", "    id: key\n    apart: true"), "apart", "only a ccda map"),
    ("delimited", ENTRY.replace("    id: key", "    id: key\n    profile: us-core-observation-lab"),
     "observation-lab", "us-core-patient"),
    ("delimited", ENTRY.replace("Patient", "Observation").replace("active: true", "status: =final"),
     "Observation", "needs code"),
    ("delimited", ENTRY + "\nvalues: {a: kode(x)}", "kode", "code"),
    ("delimited", ENTRY + "\ntypes: {A: {family: a as B}}", "`B`", "no fragment"),
    ("delimited", ENTRY + "\nmerges: [{survivor: -> Organization(a), loser: -> Patient(b)}]",
     "Organization", "Patient"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "name", "hint"), NEVER, ids=[row for row, _, _ in NEVER])
def test_a_row_that_could_never_work_is_refused_with_its_line(row, name, hint):
    error = _refusal("delimited", f"{HEAD}      {row}", FILES)
    assert (error.file, error.line) == ("example/feed.map.yaml", 7)
    assert name in str(error)
    assert hint in str(error)


@pytest.mark.parametrize(
    ("kind", "text", "name", "hint"), ELSEWHERE, ids=[f"{m[2]} {m[3]}" for m in ELSEWHERE]
)
def test_what_a_source_or_an_entry_cannot_have_is_refused(kind, text, name, hint):
    error = _refusal(kind, text, FILES)
    assert error.line
    assert name in str(error)
    assert hint in str(error)


def test_the_same_rows_written_rightly_load():
    right = [
        'gender: sex | code("gender") or "unknown"',
        'birthDate: born | date("%d.%m.%Y")',
        'active: \'true if open = "1" else false if open = "0"\'',
        "multipleBirthInteger: order | integer",
        "managingOrganization: -> Organization(key)",
        'deceasedBoolean: (died | upper) in ("Y", "YES")',
        "_birthDate: {extension: {url: =urn:x, valueString: sex}}",
    ]
    assert maps_of("delimited", HEAD + "".join(f"      {row}\n" for row in right), FILES)


def test_true_and_false_are_literals_inside_an_expression():
    text = HEAD + "      active: 'true if open = \"1\" else false'\n"
    made = [mapped("delimited", text, f'{{"key": "7", "open": "{code}"}}').resources[0] for code in "10"]
    assert [patient["active"] for patient in made] == [True, False]


def test_what_each_function_gives_is_known():
    annotated = {
        name: str(inspect.signature(function).return_annotation) for name, function in FUNCTIONS.items()
    }
    others = {name for name, kind in annotated.items() if kind in ("int", "bool") or kind.startswith("float")}
    assert others
    assert others <= GIVES.keys()


def test_a_column_that_partner_yaml_does_not_declare_is_refused():
    feed = Feed(format="delimited", map="feed.map.yaml", options={"columns": ["key", "sex"]})
    partner = partner_of("delimited").model_copy(update={"feeds": {"feed": feed}})
    with pytest.raises(ContentError, match="did you mean `sex`"):
        load_maps({"example/feed.map.yaml": HEAD + "      language: sexx"}, partner)


def test_a_joined_column_is_one_of_the_feed_s():
    join = [{"file": "Other.csv", "by": "key", "take": ["kind"]}]
    feed = Feed(format="delimited", map="feed.map.yaml", options={"columns": ["key"], "join": join})
    partner = partner_of("delimited").model_copy(update={"feeds": {"feed": feed}})
    assert load_maps({"example/feed.map.yaml": HEAD + "      language: kind"}, partner)


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ('{x: {when: kind = "1"}}', "needs `because`"),
        ("{x: {because: no}}", "needs `when`"),
        ("{x: {when: kind, because: no, then: out}}", "unknown field"),
    ],
)
def test_a_refusal_has_a_condition_and_a_reason(refusal, told):
    assert told in str(_refusal("delimited", f"{HEAD}      language: kind\nrefuse: {refusal}\n"))


def test_a_record_that_the_map_refuses_makes_nothing():
    text = f'{HEAD}      language: kind\nrefuse: {{x: {{when: kind != "0", because: not ours}}}}\n'
    assert mapped("delimited", text, '{"key": "7", "kind": "0"}').resources
    with pytest.raises(RecordRejected, match="not ours") as refused:
        mapped("delimited", text, '{"key": "7", "kind": "1"}')
    assert refused.value.code == "forbidden"


def test_null_takes_away_what_an_anchor_brings():
    text = f"{HEAD}      <<: &more {{language: kind, birthDate: born | date}}\n      birthDate: null\n"
    (made,) = mapped("delimited", text, '{"key": "7", "kind": "en", "born": "1980"}').resources
    assert (made["language"], "birthDate" in made) == ("en", False)


def _refusal(kind, text, files=None) -> ContentError:
    with pytest.raises(ContentError) as error:
        maps_of(kind, text, files)
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


@pytest.mark.parametrize(("text", "line", "name", "hint"), CDA_MISTAKES, ids=[m[2] for m in CDA_MISTAKES])
def test_a_name_that_is_none_of_cda_or_xpath_is_named_with_its_line(text, line, name, hint):
    error = _refusal("ccda", text)
    assert error.line == line
    assert f"`{name}`" in str(error)
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


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{segments: [PID]}", "needs `key`"),
        ("{key: PID-3}", "needs `segments`"),
        ("{key: PID-3, segments: [PIX]}", "no segment `PIX`"),
        ("{key: PID-3, segments: [PID], whole: [NKX]}", "no segment `NKX`"),
        ("{key: PID-3, segments: [PID], cleared: {fields: [PID-13]}}", "needs `when` and `fields`"),
        (
            "{key: PID-3, segments: [PID], cleared: {when: PID-1, fields: [PV1-45]}}",
            "no field of a segment carried over",
        ),
        (
            "{key: PID-3, segments: [PID], cleared: {when: PID-1, fields: [PID-99]}}",
            "PID has fields 1 to",
        ),
        ("{key: PID-3, segments: [PID], sometimes: true}", "sometimes"),
    ],
)
def test_what_is_carried_over_is_checked_when_the_map_is_loaded(rule, told):
    assert told in str(_refusal("hl7v2", f"{HL7_ENTRY}\ncarried:\n  person: {rule}\n"))


def test_only_messages_carry_over_and_a_snapshot_needs_places():
    assert "only an hl7v2 map" in str(_refusal("delimited", f"{ENTRY}\ncarried: {{}}\n"))
    wrong = HL7_ENTRY.replace("    id: PID-3\n", "    id: PID-3\n    snapshot: PID-3\n")
    assert "a snapshot needs `each`" in str(_refusal("hl7v2", wrong))


SHARED = {
    "_shared/maps/own.map.yaml": "format: hl7v2\nmessages: {ADT^A01: [patient], ADT^A04: [patient]}\n"
    "entries:\n  patient:\n    resource: Patient\n    id: PID-3\n"
    "    set: {name: [{family: PID-5}], telecom: {value: PID-13}}\n"
}
OWN = (
    "format: hl7v2\nuse: _shared/maps/own.map.yaml\nmessages: {ADT^A04: [..., benefit]}\nentries:\n"
    "  patient: {set: {name: [..., {family: ZPI-1}], telecom: [..., {value: ZPI-2}]}}\n"
    "  benefit: {resource: Basic, each: ZBN, id: ZBN-1, set: {code: {text: ZBN-1}}}\n"
)


def test_a_list_goes_on_from_what_it_has_beneath():
    message = "MSH|^~\\&|||||||ADT^{}|1\rPID|||7||Roe||||||||555\rZPI|Doe|666\rZBN|SNAP\r"
    one, other = (mapped("hl7v2", OWN, message.format(event), SHARED).resources for event in ("A01", "A04"))
    assert one == other[:1]
    assert [name["family"] for name in one[0]["name"]] == ["Roe", "Doe"]
    assert [each["value"] for each in one[0]["telecom"]] == ["555", "666"]
    assert other[1]["code"] == {"text": "SNAP"}


@pytest.mark.parametrize("wrong", ["ADT^A05: [..., benefit]", "ADT^A04: [benefit, ...]"])
def test_what_goes_on_from_nothing_is_refused(wrong):
    with pytest.raises(ContentError, match="stands first in a list"):
        maps_of("hl7v2", OWN.replace("ADT^A04: [..., benefit]", wrong), SHARED)


def test_the_same_content_is_compiled_once_and_other_content_anew():
    files, partner = {"example/feed.map.yaml": ENTRY}, partner_of("delimited")
    maps = load_maps(files, partner)
    assert load_maps(dict(files), partner_of("delimited")) is maps
    assert observed_maps(maps) is observed_maps(maps) is not maps
    elsewhere = partner.model_copy(update={"timezone": "America/Denver"})
    assert load_maps(files, elsewhere).partner.timezone == "America/Denver"
    moved = partner.model_copy(update={"connector": Connector(type="folder", options={"path": "elsewhere"})})
    assert load_maps(files, moved).feeds["feed"] is maps.feeds["feed"]
    called = partner.organization.model_copy(update={"name": "Another", "npi": None})
    for told in ({"namespace": "https://other.example/"}, {"organization": called}, {"timezone": "UTC"}):
        said = partner.model_copy(update=told)
        assert load_maps(files, said).feeds["feed"] is not maps.feeds["feed"]
    columns = "source_system,source_code,target_system,target_code,target_display,equivalence,from,to\n"
    codes = load_maps({**files, "_shared/codes/gender.csv": columns}, partner)
    assert codes is not maps
    assert codes.digest != maps.digest
