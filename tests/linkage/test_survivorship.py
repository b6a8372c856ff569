"""Why each value of the golden Patient was chosen, in words that name partners and the rule."""

from itertools import permutations

import pytest

from exchange.linkage import compose, survivorship
from exchange.linkage.survivorship import survivors
from tests.linkage.test_golden import ALL, CLINIC, HOSPITAL


def of(contributions, element):
    return [found for found in survivors(contributions) if found.element == element]


def born(*dates, **more):
    return [(f"partner-{n}", {"birthDate": date, **more}) for n, date in enumerate(dates)]


def test_no_order_of_contributions_changes_a_reason():
    assert all(survivors(list(order)) == survivors(ALL) for order in permutations(ALL))


def test_every_value_of_the_golden_patient_has_its_reason():
    golden = compose(ALL)
    told = {(found.element, repr(found.value)) for found in survivors(ALL)}
    for element in ("identifier", "name", "telecom", "address"):
        assert {(element, repr(value)) for value in golden[element]} <= told
    assert ("birthDate", "'1980-03-12'") in told


@pytest.mark.parametrize(
    ("dates", "chosen", "reason"),
    [
        (("1980-03-12",), "1980-03-12", survivorship.ALONE),
        (("1980-03-12", "1980-12-03", "1980-12-03"), "1980-12-03", survivorship.MOST),
        (("1980-03-12", "1980"), "1980-03-12", survivorship.FULLER),
        (("1980-12-03", "1980-03-12"), "1980-03-12", survivorship.FIRST),
    ],
)
def test_the_reason_says_how_it_was_decided(dates, chosen, reason):
    (found,) = of(born(*dates), "birthDate")
    assert (found.value, found.reason) == (chosen, reason)
    assert compose(born(*dates))["birthDate"] == chosen
    assert {value for value, _ in found.others} == set(dates) - {chosen}


def test_what_is_known_goes_before_unknown():
    (found,) = of([("hospital", HOSPITAL), ("clinic", CLINIC)], "gender")
    assert (found.value, found.partners, found.reason) == ("female", ("hospital",), survivorship.KNOWN)
    assert found.others == (("unknown", ("clinic",)),)


def test_a_death_told_by_one_counts():
    said = [
        ("a", {"deceasedBoolean": False}),
        ("b", {"deceasedBoolean": True}),
        ("c", {"deceasedBoolean": False}),
    ]
    (found,) = of(said, "deceasedBoolean")
    assert (found.value, found.partners, found.reason) == (True, ("b",), survivorship.DEATH)


def test_a_value_written_in_two_ways_names_both_who_wrote_it():
    (found,) = of([("hospital", HOSPITAL), ("clinic", CLINIC)], "telecom")
    assert (found.partners, found.reason) == (("clinic", "hospital"), survivorship.UNITED)


def test_a_number_of_a_closed_record_says_so():
    old = [found for found in of(ALL, "identifier") if found.value["value"] == "3"]
    assert [(found.partners, found.reason) for found in old] == [(("housing",), survivorship.CLOSED)]


def test_a_value_with_what_others_say_beside_it_is_still_recognised():
    status = [{"coding": [{"code": code}]} for code in ("M", "S")]
    said = [("a", {"maritalStatus": status[0]}), ("b", {"maritalStatus": status[1]})]
    (found,) = of(said, "maritalStatus")
    assert (found.value, found.partners) == (status[0], ("a",))
