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
    assert issue.position.endswith("line 1")
