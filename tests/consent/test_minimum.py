"""The minimum necessary: who is left which elements of a record."""

import pytest

from exchange.consent import REPOSITORY, Context, is_left, minimum, minimum_for, parse_rules
from exchange.model.errors import ContentError
from exchange.model.records import Viewer
from tests.consent.builders import viewer

OBSERVATION = {
    "resourceType": "Observation",
    "id": "o",
    "meta": {"security": [{"code": "N"}]},
    "status": "final",
    "_status": {"id": "s"},
    "subject": {"reference": "Patient/p"},
    "code": {"text": "HbA1c"},
    "valueQuantity": {"value": 9.1},
    "note": [{"text": "told her sister"}],
    "text": {"div": "<div>HbA1c</div>"},
    "performer": [{"reference": "#who"}],
    "specimen": {"reference": "#blood"},
    "contained": [
        {
            "resourceType": "Practitioner",
            "id": "who",
            "identifier": [{"value": "1"}],
            "name": [{"family": "Bell"}],
        },
        {"resourceType": "Specimen", "id": "blood"},
    ],
}


def left(context, who, purpose):
    return minimum_for(viewer(who, purpose), context)


def test_a_plan_that_pays_learns_what_was_measured_and_not_the_result(context):
    cut = minimum(OBSERVATION, left(context, "prairie_plan", "HPAYMT"))
    kept = {"resourceType", "id", "meta", "status", "_status", "subject", "code", "performer", "contained"}
    assert cut.keys() == kept
    assert cut["contained"] == [{"resourceType": "Practitioner", "id": "who", "identifier": [{"value": "1"}]}]
    assert [tag["code"] for tag in cut["meta"]["tag"]] == ["SUBSETTED"]
    assert cut["meta"]["security"] == OBSERVATION["meta"]["security"]
    assert "tag" not in OBSERVATION["meta"]


def test_a_value_is_left_in_whatever_form_it_comes(context):
    shelter = left(context, "north_shelter", "COC")
    assert all(
        is_left("Observation", name, shelter) for name in ("valueQuantity", "valueString", "_valueString")
    )
    assert not is_left("Observation", "note", shelter)


def test_a_whole_type_stays_whole_and_one_nobody_named_keeps_little(context):
    plan = left(context, "prairie_plan", "HPAYMT")
    claim = {"resourceType": "Claim", "id": "c", "item": [1], "text": {"div": "x"}}
    assert minimum(claim, plan).keys() == {*claim, "meta"}
    assert minimum({"resourceType": "RiskAssessment", "id": "r", "mitigation": "x"}, plan).keys() == {
        "resourceType",
        "id",
        "meta",
    }


def test_a_food_pantry_learns_less_than_a_shelter(context):
    pantry, shelter = left(context, "good_table", "COC"), left(context, "north_shelter", "COC")
    assert is_left("Patient", "birthDate", shelter)
    assert not is_left("Patient", "birthDate", pantry)


def test_who_treats_is_never_asked_to_do_with_less(context):
    assert left(context, "lakeside_hospital", "TREAT") is None
    assert left(context, "lakeside_hospital", "HQUALIMP") is not None


def test_who_owes_the_minimum_and_fits_no_profile_is_left_next_to_nothing(context, files):
    bare = {name: text for name, text in files.items() if name != "elements.yaml"}
    nothing = Context(parse_rules(bare), context.participants)
    assert minimum(OBSERVATION, left(nothing, "prairie_plan", "HPAYMT")).keys() == {
        "resourceType",
        "id",
        "meta",
    }
    assert minimum_for(Viewer("nobody", "organization", "TREAT"), context) == {}


def test_the_repository_takes_records_whole(context):
    assert minimum_for(REPOSITORY, context) is None


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("purpose: [HPAYMT]", "purpose: [PAY]", "purpose.PAY"),
        ("Coverage: all", "Cover: all", "Cover"),
        ("performed, performer, encounter, reasonCode]", "done]", "Procedure.done"),
        ("    reviewer: privacy-office\n", "", "payment"),
    ],
)
def test_a_word_that_does_not_exist_is_refused_with_its_line(files, old, new, field):
    text = files["elements.yaml"].replace(old, new, 1)
    with pytest.raises(ContentError) as error:
        parse_rules({**files, "elements.yaml": text})
    assert (error.value.file, error.value.field) == ("elements.yaml", field)
    assert error.value.line


def test_a_changed_profile_is_a_changed_ruleset_and_changes_no_label(files, rules):
    other = parse_rules({**files, "elements.yaml": files["elements.yaml"].replace("birthDate, ", "", 1)})
    assert other.digest != rules.digest
    assert other.labelling == rules.labelling
