"""The golden Patient is told from the contributions given, in whatever order, and hides no contradiction."""

from copy import deepcopy
from itertools import permutations

import pytest

from exchange.linkage import compose
from exchange.linkage.golden import OTHER_VALUE, SURVIVED_BY

HOSPITAL = {
    "resourceType": "Patient",
    "id": "1",
    "active": True,
    "identifier": [{"system": "urn:h", "value": "1"}],
    "name": [{"use": "official", "family": "García López", "given": ["María"]}],
    "birthDate": "1980-03-12",
    "gender": "female",
    "telecom": [{"system": "phone", "value": "217-555-0100"}],
}
CLINIC = {
    "resourceType": "Patient",
    "id": "2",
    "identifier": [{"system": "urn:c", "value": "2"}],
    "name": [{"family": "GARCIA LOPEZ", "given": ["Maria"]}],
    "birthDate": "1980-03-12",
    "gender": "unknown",
    "telecom": [{"system": "phone", "value": "(217) 555-0100", "use": "home"}],
    "address": [{"line": ["12 Oak St"], "postalCode": "62701"}],
}
HOUSING = {
    "resourceType": "Patient",
    "id": "3",
    "active": False,
    "identifier": [{"system": "urn:x", "value": "3"}],
    "birthDate": "1980-12-03",
    "name": [{"text": "Maria Garcia Lopez"}],
}
ALL = [("hospital", HOSPITAL), ("clinic", CLINIC), ("housing", HOUSING)]


def test_no_order_of_contributions_changes_it():
    assert all(compose(order) == compose(ALL) for order in permutations(ALL))


def test_contributions_are_left_as_they_are():
    before = deepcopy(ALL)
    compose(ALL)

    assert before == ALL


def test_two_spellings_of_one_telephone_are_one():
    assert compose(ALL)["telecom"] == CLINIC["telecom"]


def test_a_name_is_said_once_and_the_fuller_form_wins():
    assert compose(ALL)["name"] == HOSPITAL["name"]


def test_identifiers_are_united_and_those_of_a_closed_record_are_old():
    united = {entry["system"]: entry.get("use") for entry in compose(ALL)["identifier"]}

    assert united == {"urn:h": None, "urn:c": None, "urn:x": "old"}


def test_a_closed_record_does_not_speak_while_another_does():
    assert compose(ALL)["birthDate"] == "1980-03-12"
    assert "_birthDate" not in compose(ALL)


def test_two_birth_dates_are_both_told():
    other = {**CLINIC, "birthDate": "1980-12-03"}
    golden = compose([("hospital", HOSPITAL), ("housing", HOSPITAL), ("clinic", other)])

    assert golden["birthDate"] == "1980-03-12"
    assert golden["_birthDate"]["extension"] == [
        {"url": OTHER_VALUE, "valueDate": "1980-12-03"},
        {"url": SURVIVED_BY, "valueCode": "most-partners"},
    ]


@pytest.mark.parametrize(
    ("element", "values", "reason"),
    [
        ("birthDate", ["1980-03-12", "1980-12-03", "1980-03-12"], "most-partners"),
        ("birthDate", ["1980", "1980-03-12"], "most-complete"),
        ("birthDate", ["1980-03-12", "1980-12-03"], "first-in-order"),
        ("maritalStatus", [{"text": "married"}, {"text": "single"}, {"text": "married"}], "most-partners"),
    ],
)
def test_a_requester_is_told_why_one_of_two_values_is_shown(element, values, reason):
    golden = compose([(f"partner-{n}", {**HOSPITAL, element: value}) for n, value in enumerate(values)])
    told = golden.get(f"_{element}") or golden[element]
    assert [e["valueCode"] for e in told["extension"] if e["url"] == SURVIVED_BY] == [reason]
    alone = compose([("partner", {**HOSPITAL, element: values[0]})])
    assert SURVIVED_BY not in str(alone)


def test_what_is_known_wins_over_unknown():
    assert compose(ALL)["gender"] == "female"


@pytest.mark.parametrize("contribution", ALL)
def test_one_contribution_says_nothing_of_the_others(contribution):
    golden = compose([contribution])

    assert [entry["value"] for entry in golden["identifier"]] == [contribution[1]["id"]]
    assert "id" not in golden
    assert "link" not in golden


def test_who_died_for_one_is_dead_for_all():
    dead = {**CLINIC, "deceasedDateTime": "2026-01-02"}

    assert (
        compose([("hospital", {**HOSPITAL, "deceasedBoolean": False}), ("clinic", dead)])["deceasedDateTime"]
        == "2026-01-02"
    )
