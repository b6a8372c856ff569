"""The people: drawn in any number from one seed, with what makes them hard to tell apart."""

from itertools import islice

import pytest

from exchange.synthetic import generate
from exchange.synthetic.keys import NPIS, PARTNERS, patient_key
from exchange.synthetic.people import people
from exchange.synthetic.person import REFERENCE_DAY
from exchange.synthetic.tables import rows


def by_household(size=2000, seed=1):
    homes = {}
    for person in people(size, seed):
        homes.setdefault(person.household, []).append(person)
    return homes


def test_a_seed_gives_the_same_people_and_another_seed_others():
    assert list(people(80, 3)) == list(people(80, 3))
    assert list(people(80, 3)) != list(people(80, 4))


def test_a_small_coalition_is_the_beginning_of_a_large_one():
    assert list(people(70, 1)) == list(islice(people(5000, 1), 70))


def test_a_coalition_without_people_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        generate(0)


def test_twins_share_everything_but_name_and_number():
    pairs = [[p for p in home if p.twin] for home in by_household().values() if any(p.twin for p in home)]

    assert len(pairs) > 5
    for first, second in (pair for pair in pairs if len(pair) == 2):
        assert (first.birth, first.address, first.name.family) == (
            second.birth,
            second.address,
            second.name.family,
        )
        assert first.name.given != second.name.given
        assert first.ssn != second.ssn


def test_newborns_are_weeks_old_and_have_a_mother_of_age():
    for home in by_household().values():
        for child in (person for person in home if person.newborn):
            mother = next(person for person in home if not person.newborn and person.sex == "F")
            assert (REFERENCE_DAY - child.birth).days <= 60
            assert mother.age(child.birth) >= 18


def test_ukrainians_have_cyrillic_and_two_latin_spellings():
    found = [person for person in people(2000, 1) if person.heritage == "ukrainian" and person.naming.others]

    cyrillic, other = found[0].naming.others

    assert len(found) > 20
    assert not cyrillic.given.isascii()
    assert other.given.isascii()
    assert any(person.naming.others[1] != person.name for person in found)


def test_no_two_people_share_a_number_that_somebody_could_have():
    numbers = [person.ssn for person in people(3000, 1)]

    assert len(set(numbers)) > 0.9999 * len(numbers)
    assert all(number.startswith("9") and not number.startswith("999") for number in numbers)


@pytest.mark.parametrize("partner", PARTNERS)
def test_keys_are_unique_for_two_registrations_of_many_people(partner):
    keys = {patient_key(partner, number, again) for number in range(20_000) for again in (0, 1)}

    assert len(keys) == 40_000


def test_npis_have_a_valid_check_digit():
    numbers = [*NPIS.values(), *(row["npi"] for row in rows("practitioners"))]

    for number in numbers:
        digits = [int(digit) for digit in reversed(f"80840{number}")]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
        assert (sum(digits[::2]) + sum(doubled)) % 10 == 0


def test_every_row_of_the_tables_says_where_it_is_from():
    names = (
        "conditions",
        "medications",
        "allergens",
        "laboratory",
        "vaccines",
        "program_procedures",
        "nicknames",
    )

    assert all(row["source"] for name in names for row in rows(name))
