"""What compiles to closures gives what XPath itself gives."""

import re
from pathlib import Path

import pytest

from exchange.formats import ccda
from exchange.formats.ccda_templates import recognise
from exchange.mapping.paths.steps import compile_steps
from exchange.mapping.paths.xpath import compiled_xpath, xpath_grammar

ROOT = Path(__file__).parents[2] / "mappings"
DOCUMENT = ROOT / "willow_nursing/samples/documents/resident.xml"
TREE = recognise(ccda.parse(DOCUMENT.read_bytes()))
PLACES = [TREE, *TREE.iter(*map(ccda.qualified, ("observation", "organizer", "patientRole")))]
OLD = '<templateId root="2.16.840.1.113883.10.20.1.29"/>'
PATHS = [
    "id/@extension",
    "//observation[template('4.4', '4.7')]",
    "//*[self::act or self::observation][template('4.3', '4.4')]",
    ".//observation[value/@code]/value/@code",
    "effectiveTime[not(@value)][low/@value or high/@value]/low/@value",
    ".//component/observation[code/@code='8480-6'][1]/value/@value",
    "ancestor::cda:section[templateId/@root='2.16.840.1.113883.10.20.22.2.5.1']",
    "../../statusCode/@code",
    "value[@xsi:type='PQ' or @xsi:type='CD'][not(@nullFlavor)]/@code",
    "patient/name/given",
    "/ClinicalDocument/recordTarget/patientRole/id/@root",
    "entryRelationship[@typeCode='REFR' and observation]/observation/value/@displayName",
    "patient/administrativeGenderCode[@code!='M']/@code",
    "name[given='Anna']",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_compiled_path_selects_what_xpath_selects(path):
    nodes, attribute = compile_steps(path)
    select = compiled_xpath(path)
    hits = 0
    for place in PLACES:
        found = list(nodes(place, None))
        values = [item.get(attribute) for item in found] if attribute else found
        ours = [value for value in values if value is not None]
        hits += len(ours)
        theirs = select(place)
        assert sorted(map(str, ours)) == sorted(map(str, theirs))
    assert hits or path.startswith(("name[", "entryRelationship[", "ancestor"))


@pytest.mark.parametrize("path", ["count(entry)", "id | code", "value[position() < 3]", "text()"])
def test_what_is_not_plain_is_left_to_lxml(path):
    assert compile_steps(path) is None


def test_most_paths_of_the_maps_are_compiled():
    text = "\n".join(path.read_text() for path in (ROOT / "_shared/maps/ccda").glob("*.yaml"))
    paths = re.findall(r"each: \"?(//?[^\"\n]+)\"?$", text, re.MULTILINE)
    left = [path for path in paths if compile_steps(path) is None]
    assert len(paths) > 20
    assert len(left) <= 2


def test_lines_keep_the_shape_of_the_narrative():
    table = "<table><tr><td>a</td><td>b</td></tr></table>"
    text = f"{table}<list><item>c</item></list><paragraph>d<br/>e</paragraph>"
    tree = ccda.parse(
        f'<ClinicalDocument xmlns="urn:hl7-org:v3"><text>{text}</text></ClinicalDocument>'.encode()
    )
    assert xpath_grammar().value("text[lines]")(tree, None) == "a | b\nc\nd\ne"


def test_a_document_that_declares_entities_is_refused():
    bomb = b'<!DOCTYPE x [<!ENTITY a "aa">]><ClinicalDocument xmlns="urn:hl7-org:v3">&a;</ClinicalDocument>'
    with pytest.raises(ccda.RecordRejected, match="entities"):
        ccda.parse(bomb)


@pytest.mark.parametrize(
    ("loinc", "statement", "template"),
    [
        ("11450-4", "<observation/>", "2.16.840.1.113883.10.20.22.4.4"),
        ("29762-2", '<observation><code code="76689-9"/></observation>', "2.16.840.1.113883.10.20.22.4.200"),
        ("47519-4", f"<procedure>{OLD}</procedure>", "2.16.840.1.113883.10.20.22.4.14"),
        ("99999-9", "<observation/>", None),
    ],
)  # fmt: skip
def test_a_statement_without_a_template_is_told_by_the_code_of_its_section(loinc, statement, template):
    section = f'<section><code code="{loinc}"/><entry>{statement}</entry></section>'
    tree = recognise(
        ccda.parse(f'<ClinicalDocument xmlns="urn:hl7-org:v3">{section}</ClinicalDocument>'.encode())
    )
    roots = [item.get("root") for item in tree.findall(".//{*}entry/*/{*}templateId")]
    assert roots[:1] == ([template] if template else [])
