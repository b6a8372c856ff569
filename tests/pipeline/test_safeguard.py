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
    row = {"feed": "records", "ids": ["Procedure/1"], "resources": [procedure]}

    done = safeguard_chunk([row], partner(**agreement), real_rules, {})

    resource = done[0]["resources"][0]["resource"]
    assert resource["status"] == "completed"
    assert (NOTE in str(resource)) is enters
