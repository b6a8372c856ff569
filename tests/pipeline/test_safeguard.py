import pytest

from exchange.consent import Rules, parse_rules
from exchange.content import read_tree
from exchange.model.partner import Partner
from exchange.pipeline.safeguard import safeguard_chunk
from tests.pipeline.coalition import ROOT

NOTE = "Ate well."


@pytest.fixture(scope="module")
def real_rules() -> Rules:
    return parse_rules(read_tree(ROOT / "consent"))


def partner(**agreement: str) -> Partner:
    return Partner.model_validate(
        {
            "code": "elm_clinic",
            "namespace": "https://elm-clinic.example/",
            "organization": {"name": "Elm Clinic", "type": "clinic"},
            "agreement": {"type": "BAA", "signed": "2020-01-01", **agreement},
            "connector": {"type": "folder"},
            "feeds": {"records": {"format": "fhir_json", "map": "x"}},
        }
    )


@pytest.mark.parametrize(
    ("agreement", "enters"),
    [({}, False), ({"narrative": "screened"}, True), ({"narrative": "released"}, True)],
)
def test_a_note_enters_only_when_the_agreement_says_so(
    agreement: dict[str, str], enters: bool, real_rules: Rules
) -> None:
    procedure = {
        "resourceType": "Procedure",
        "id": "1",
        "status": "completed",
        "subject": {"reference": "Patient/1"},
        "note": [{"text": NOTE}],
    }
    row = {"feed": "records", "refers": [["Patient/1"]], "resources": [procedure]}

    done = safeguard_chunk([row], partner(**agreement), real_rules, {})

    resource = done[0]["resources"][0]["resource"]
    assert resource["status"] == "completed"
    assert (NOTE in str(resource)) is enters


def condition(code: str, *notes: str) -> dict[str, object]:
    return {
        "resourceType": "Condition",
        "id": "1",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
        "subject": {"reference": "Patient/1"},
        "note": [{"text": note} for note in notes],
    }


def safeguarded(resource: dict[str, object], real_rules: Rules, **agreement: str) -> dict[str, object]:
    row = {"feed": "records", "refers": [["Patient/1"]], "resources": [resource]}
    (item,) = safeguard_chunk([row], partner(**agreement), real_rules, {})[0]["resources"]
    return item


def test_words_that_are_kept_out_label_their_record_and_the_facts_beside_them_flow(real_rules: Rules) -> None:
    item = safeguarded(condition("I10", "Injects heroin daily."), real_rules)
    assert "heroin" not in str(item["resource"])
    assert item["labels"]["codes"] == ["OPIOIDUD"]
    redacted = item["redacted"]
    assert (redacted["labels"]["codes"], redacted["resource"]["code"]) == ([], condition("I10")["code"])


def test_a_document_whose_text_is_kept_out_is_what_its_text_made_it(real_rules: Rules) -> None:
    document = {
        "resourceType": "DocumentReference",
        "id": "1",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "data": "SW5qZWN0cyBoZXJvaW4gZGFpbHku"}}],
    }
    item = safeguarded(document, real_rules)
    assert item["labels"]["codes"] == ["OPIOIDUD"]
    assert item["redacted"] is None
    assert "data" not in item["resource"]["content"][0]["attachment"]


def test_words_that_deny_and_words_that_say_nothing_label_nothing(real_rules: Rules) -> None:
    for note in ("Denies heroin use.", NOTE):
        assert safeguarded(condition("I10", note), real_rules)["labels"]["codes"] == []
