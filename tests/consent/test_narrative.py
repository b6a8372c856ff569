import base64

import pytest

from exchange.consent import Rules, without_free_text
from exchange.validation import validate

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def report(words: str) -> dict[str, object]:
    data = base64.b64encode(words.encode()).decode()
    return {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "text": {"status": "additional", "div": DIV.format(words)},
        "code": {"text": "Chemistry panel"},
        "conclusion": words,
        "presentedForm": [{"contentType": "text/plain", "title": "Report", "data": data}],
        "contained": [
            {
                "resourceType": "AllergyIntolerance",
                "id": "a",
                "patient": {"reference": "Patient/p"},
                "clinicalStatus": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                            "code": "active",
                        }
                    ]
                },
                "note": [{"text": words}],
                "reaction": [
                    {"manifestation": [{"text": "hives"}], "description": words, "note": [{"text": words}]}
                ],
            }
        ],
    }


def note(kind: str, words: str) -> dict[str, object]:
    data = base64.b64encode(words.encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "id": "d1",
        "status": "current",
        "description": words,
        "content": [{"attachment": {"contentType": kind, "data": data, "hash": "c2hhMQ==", "size": 9}}],
    }


def test_free_text_is_withheld_and_the_facts_flow(rules: Rules) -> None:
    told = without_free_text(report("Liver enzymes are up."), "withheld", rules)

    assert "Liver" not in str(told)
    assert told["code"] == {"text": "Chemistry panel"}
    assert told["contained"][0]["reaction"] == [{"manifestation": [{"text": "hives"}]}]
    assert not {"text", "conclusion", "presentedForm"} & told.keys()
    assert [i for i in validate(told) if i.severity == "error"] == []


@pytest.mark.parametrize(
    ("words", "stays"),
    [
        ("Liver enzymes are up.", True),
        ("No history of heroin addiction.", True),
        ("In treatment for heroin addiction.", False),
    ],
)
def test_screened_text_stays_unless_a_word_that_is_not_negated_tells(
    words: str, stays: bool, rules: Rules
) -> None:
    told = without_free_text(report(words), "screened", rules)

    assert (told == report(words)) is stays
    assert (words in str(told)) is stays


def test_an_attachment_nobody_can_read_does_not_pass_the_screen(rules: Rules) -> None:
    told = without_free_text(note("application/pdf", "%PDF-1.7"), "screened", rules)
    read = without_free_text(note("text/plain", "Ate well."), "screened", rules)

    assert told["content"] == [{"attachment": {"contentType": "application/pdf"}}]
    assert read["content"][0]["attachment"]["size"] == 9


def test_released_text_and_the_paper_of_a_consent_are_kept_whole(rules: Rules) -> None:
    consent = {
        "resourceType": "Consent",
        "sourceAttachment": {"contentType": "application/pdf", "data": "JVBERg=="},
    }

    assert without_free_text(report("heroin"), "released", rules) == report("heroin")
    assert without_free_text(consent, "withheld", rules) == consent


def test_a_section_whose_story_is_withheld_stays_a_valid_section(rules: Rules) -> None:
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "Summary"},
        "date": "2026-01-02",
        "author": [{"display": "The clinic"}],
        "title": "Summary",
        "section": [
            {"title": "Plan", "text": {"status": "additional", "div": DIV.format("Sees a counsellor.")}}
        ],
    }

    told = without_free_text(composition, "withheld", rules)

    assert "counsellor" not in str(told)
    assert told["section"][0]["text"]["status"] == "empty"
    assert [i for i in validate(told) if i.severity == "error"] == []


def test_a_text_in_an_extension_goes_with_its_extension(rules: Rules) -> None:
    condition = {
        "resourceType": "Condition",
        "extension": [
            {"url": "https://example.org/story", "valueMarkdown": "a story"},
            {"url": "https://example.org/fact", "valueCode": "x"},
        ],
    }

    told = without_free_text(condition, "withheld", rules)

    assert told["extension"] == [{"url": "https://example.org/fact", "valueCode": "x"}]


@pytest.mark.parametrize("kind", ["Organization", "Practitioner", "Location"])
def test_the_directory_keeps_its_words(rules, kind):
    """They are about nobody."""
    entry = {
        "resourceType": kind,
        "id": "d",
        "note": "open on Mondays",
        "text": {"div": "<div>Open on Mondays</div>"},
    }
    assert without_free_text(entry, "withheld", rules) == entry


def test_what_stands_beside_a_text_goes_with_it(rules):
    """The extensions of a primitive have its name after an underscore."""
    beside = {"extension": [{"url": "urn:x", "valueCode": "hiv-clinic"}]}
    document = {
        "resourceType": "DocumentReference",
        "id": "d",
        "description": "a letter",
        "_description": beside,
    }
    assert without_free_text(document, "withheld", rules) == {"resourceType": "DocumentReference", "id": "d"}


def test_only_what_is_contained_in_a_record_loses_its_words(rules: Rules) -> None:
    inner = {"resourceType": "Procedure", "id": "a", "status": "completed"}
    claim = {"resourceType": "Claim", "id": "1", "contained": [inner], "use": "claim"}
    assert without_free_text(claim, "withheld", rules) is claim
    noted = {**claim, "contained": [inner, {**inner, "id": "b", "note": [{"text": "a word"}]}]}
    assert without_free_text(noted, "withheld", rules) == {
        **claim,
        "contained": [inner, {**inner, "id": "b"}],
    }
