import pytest

from exchange.consent import Rules, parse_rules
from exchange.content import read_tree
from exchange.model.partner import Partner
from exchange.pipeline.safeguard import labelling_digest, safeguard_chunk
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


def program(code: str, part2: bool = True) -> Partner:
    return Partner.model_validate(
        {
            "code": code,
            "namespace": f"https://{code}.example/",
            "organization": {
                "name": "Shore",
                "type": "sud-program",
                "npi": "1999999927",
                "part2_program": part2,
            },
            "agreement": {"type": "QSOA", "signed": "2020-01-01"},
            "connector": {"type": "folder"},
            "feeds": {"records": {"format": "fhir_json", "map": "x"}},
        }
    )


NPI = "http://hl7.org/fhir/sid/us-npi"


@pytest.mark.parametrize(
    ("elements", "revealing"),
    [
        ({"identifier": [{"system": "https://shore.example/mrn", "value": "7"}]}, True),
        ({"serviceProvider": {"identifier": {"system": NPI, "value": "1999999927"}}}, True),
        ({"serviceProvider": {"identifier": {"system": "urn:mosaic:partner", "value": "shore"}}}, True),
        ({"identifier": [{"system": "https://elm-clinic.example/mrn", "value": "7"}]}, False),
        ({"serviceProvider": {"identifier": {"system": NPI, "value": "1999999901"}}}, False),
        ({"identifier": [{"value": "https://shore.example/mrn"}]}, False),
    ],
)
def test_a_number_of_a_part_2_program_says_whose_client_somebody_is(
    elements: dict[str, object], revealing: bool, real_rules: Rules
) -> None:
    """What a clinic knows of it is no Part 2 record, and substance use all the same."""
    visit = {"resourceType": "Encounter", "id": "1", "subject": {"reference": "Patient/1"}, **elements}
    row = {"feed": "records", "refers": [["Patient/1"]], "resources": [visit]}

    def codes(sender: Partner, *others: Partner) -> list[str]:
        (item,) = safeguard_chunk([row], sender, real_rules, {}, others)[0]["resources"]
        return list(item["labels"]["codes"])

    assert codes(partner(), partner(), program("shore")) == (["SUD"] if revealing else [])
    assert codes(partner(), partner(), program("shore", part2=False)) == []
    assert codes(program("shore"), partner(), program("shore")) == ["42CFRPart2", "SUD"]


def test_a_new_program_has_what_others_sent_labelled_again(real_rules: Rules) -> None:
    before = labelling_digest(partner(), real_rules, [partner()])
    assert labelling_digest(partner(), real_rules, [partner(), program("shore", part2=False)]) == before
    assert labelling_digest(partner(), real_rules, [partner(), program("shore")]) != before
    assert labelling_digest(program("shore"), real_rules, [program("shore")]) == labelling_digest(
        program("shore"), real_rules, [program("shore"), partner()]
    )
