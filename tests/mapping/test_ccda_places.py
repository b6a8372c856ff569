import pytest

from exchange.model.errors import ContentError
from tests.mapping.support import id_of, mapped

MAP = """
format: ccda
entries:
  problem:
    resource: Condition
    each: //observation
    apart: true
    id: id/@extension or $place
    tell: an observation was read
    set:
      code: {text: value/originalText}
      subject: -> Patient("p")
"""


def document(*observations, narrative=""):
    inside = "".join(f"<observation>{observation}</observation>" for observation in observations)
    return f'<ClinicalDocument xmlns="urn:hl7-org:v3"><text>{narrative}</text>{inside}</ClinicalDocument>'


def said(text, ident="a"):
    own = f'<id extension="{ident}"/>' if ident else ""
    return f"{own}<value><originalText>{text}</originalText></value>"


def test_a_reference_to_the_narrative_gives_its_text():
    narrative = '<table><tr ID="r1"><td>Sugar</td><td>trouble</td></tr></table>'

    found = mapped("ccda", MAP, document(said('<reference value="#r1"/>'), narrative=narrative))

    assert found.resources[0]["code"]["text"] == "Sugar trouble"


def test_a_reference_to_nothing_gives_nothing():
    found = mapped("ccda", MAP, document(said('<reference value="#gone"/>')))

    assert "code" not in found.resources[0]


def test_different_things_under_one_id_are_kept_apart():
    found = mapped("ccda", MAP, document(said("one"), said("two"), said("one")))

    assert [resource["code"]["text"] for resource in found.resources] == ["one", "two"]
    assert found.resources[0]["id"] == id_of("Condition", "a")
    assert "an id stands for more than one Condition" in {issue.detail for issue in found.issues}


def test_a_statement_without_an_id_is_keyed_by_its_place():
    once, again = (mapped("ccda", MAP, document(said("one", ""), said("two", ""))) for _ in range(2))

    ids = [resource["id"] for resource in once.resources]
    assert len(set(ids)) == 2
    assert ids == [resource["id"] for resource in again.resources]


def test_what_an_entry_tells_is_an_information_issue_with_its_line():
    found = mapped("ccda", MAP, document(said("one")))

    (issue,) = found.issues
    assert (issue.severity, issue.code) == ("information", "informational")
    assert issue.detail == "an observation was read"
    assert issue.position.endswith("line 1 observation")


INSIDE = """
format: ccda
entries:
  section:
    resource: DocumentReference
    each: //section
    id: $place
    set: {status: =current, content: {attachment: {title: title}}, context: {related: -> *}}
  problem:
    resource: Condition
    each: //observation
    id: id/@extension
    set: {code: {text: value}, subject: -> Patient("p"), evidence: {detail: -> problem(code/@code)}}
  kept:
    resource: Condition
    each: //act
    id: id/@extension
    like: problem
    set: {code: {text: text}}
"""
ACT = '<section><act><id extension="a"/><text>t</text></act></section>'


def in_sections(*sections):
    return f'<ClinicalDocument xmlns="urn:hl7-org:v3">{"".join(sections)}</ClinicalDocument>'


def observed(ident, pointing):
    return f'<observation><id extension="{ident}"/><code code="{pointing}"/><value>v</value></observation>'


def test_a_place_refers_to_all_that_is_made_inside_it():
    one = f"<section>{observed('x', '')}<section>{observed('y', '')}</section></section>"

    found = mapped("ccda", INSIDE, in_sections(one, ACT))

    related = [
        [reference["reference"] for reference in resource["context"]["related"]]
        for resource in found.resources
        if resource["resourceType"] == "DocumentReference"
    ]
    assert related == [[f"Condition/{id_of('Condition', name)}"] for name in "xya"]


def test_a_reference_by_key_leads_only_to_what_the_record_makes():
    found = mapped(
        "ccda", INSIDE, in_sections(f"<section>{observed('x', 'y')}{observed('y', 'z')}</section>")
    )

    first, second = (made for made in found.resources if made["resourceType"] == "Condition")
    assert first["evidence"] == [{"detail": [{"reference": f"Condition/{second['id']}"}]}]
    assert "evidence" not in second


def test_an_entry_like_another_has_its_rows_under_its_own():
    found = mapped("ccda", INSIDE, in_sections(ACT))

    made = next(each for each in found.resources if each["resourceType"] == "Condition")
    assert (made["code"], made["subject"]) == (
        {"text": "t"},
        {"reference": f"Patient/{id_of('Patient', 'p')}"},
    )


@pytest.mark.parametrize(("like", "words"), [("nothing", "is no entry"), ("kept", "circle")])
def test_like_needs_another_entry(like, words):
    with pytest.raises(ContentError, match=words):
        mapped("ccda", INSIDE.replace("like: problem", f"like: {like}"), in_sections(ACT))
