"""Two records get one verdict; twins, households, newborns and mixed-up charts are what it is made for."""

import json
from dataclasses import replace

import pytest

from exchange.linkage import compare, parse_model
from exchange.linkage.agreement import agree
from exchange.linkage.frequencies import full_names
from exchange.model.errors import ContentError

HOME = {"phone": "217-555-0147", "line": "12 Oak Street"}


def test_the_same_person_at_two_desks_is_one(person, model):
    here = person("William", "Harding", "1961-05-30", gender="male", **HOME)
    there = person("Bill", "HARDING", "1961-05-30", gender="male", phone="(217) 555-0147")

    assert compare(here, there, model).links


def test_a_cyrillic_record_meets_its_transliteration(person, model):
    cyrillic = person("Олександр", "Гриценко", "1984-11-02", gender="male", phone="217-555-0199")
    latin = person("Alexander", "Gritsenko", "1984-11-02", gender="male", phone="217-555-0199")

    assert compare(cyrillic, latin, model).links


def test_one_of_two_surnames_is_enough(person, model):
    both = person("Lucía", "Hernández Quintero", "1990-07-19", gender="female", ssn="512-34-6789")
    one = person("Lucia", "Hernandez", "1990-07-19", gender="female", ssn="512-34-6789")

    assert compare(both, one, model).grade == "certain"


def test_given_name_and_surname_may_be_swapped(person, model):
    right = person("Chidinma", "Okonkwo", "1975-02-08", gender="female", **HOME)
    swapped = person("Okonkwo", "Chidinma", "1975-02-08", gender="female", **HOME)

    assert compare(right, swapped, model).links


@pytest.mark.parametrize(
    "more", [{}, {"gender": "female"}, {"gender": "female", "multipleBirthBoolean": True}]
)
def test_twins_are_never_linked(person, model, more):
    first = person("Emma", "Harding", "2015-04-01", **HOME, **more)
    second = person("Olivia", "Harding", "2015-04-01", **HOME, **more)

    assert not compare(first, second, model).links


def test_twins_with_names_alike_are_two_people(person, model):
    first = person("Marta", "Harding", "2015-04-01", gender="female", multipleBirthInteger=1, **HOME)
    second = person("Maria", "Harding", "2015-04-01", gender="female", multipleBirthInteger=2, **HOME)

    match = compare(first, second, model)

    assert (match.grade, match.rule) == ("certainly-not", "birth-order")


def test_a_slip_in_a_twins_name_goes_to_a_steward(person, model):
    first = person("Xiomara", "Harding", "2015-04-01", multipleBirthBoolean=True, **HOME)
    second = person("Xiomora", "Harding", "2015-04-01", multipleBirthBoolean=True, **HOME)

    match = compare(first, second, model)

    assert (match.grade, match.rule) == ("possible", "twin")


def test_a_newborn_without_a_name_is_not_its_mother(person, model):
    mother = person("Ana", "Lopez", "1998-02-11", gender="female", ssn="512-34-6789", **HOME)
    baby = person("Baby Girl", "Lopez", "2026-11-01", gender="female", ssn="512-34-6789", **HOME)

    assert not compare(mother, baby, model).links


def test_a_newborn_with_its_mothers_name_and_number_is_not_its_mother(person, model):
    mother = person("Ana", "Lopez", "1998-02-11", gender="female", ssn="512-34-6789", **HOME)
    baby = person("Ana", "Lopez", "2026-11-01", gender="female", ssn="512-34-6789", **HOME)

    assert not compare(mother, baby, model).links


def test_two_unnamed_newborns_of_one_house_are_not_linked(person, model):
    first = person("Baby Girl A", "Lopez", "2026-11-01", gender="female", **HOME)
    second = person("Baby Girl B", "Lopez", "2026-11-01", gender="female", **HOME)

    match = compare(first, second, model)

    assert (match.grade, match.rule) == ("certainly-not", "birth-order")


def test_father_and_son_of_one_name_are_two_people(person, model):
    father = person("Robert", "Harding", "1961-05-30", gender="male", **HOME)
    son = person("Robert", "Harding", "1988-09-14", gender="male", **HOME)

    assert compare(father, son, model).grade == "certainly-not"


def test_a_shared_shelter_tells_nothing(person, model):
    shelter = {"line": "400 N Shelter Way"}
    with_shelter = compare(
        person("Jo", "Hu", "1980-01-02", **shelter), person("Jo", "Li", "1980-01-02", **shelter), model
    )

    assert "address" not in {part.field for part in with_shelter.evidence}


def test_a_placeholder_number_tells_nothing(person, model):
    one = person("Ana", "Ruiz", "1980-03-12", ssn="999-99-9999")
    other = person("Ana", "Ruiz", "1980-03-12", ssn="512-34-6789")

    assert "ssn" not in {part.field for part in compare(one, other, model).evidence}


def test_a_frequent_name_tells_less_than_a_rare_one(person, model):
    frequent = compare(person("Michael", "Smith"), person("Michael", "Smith"), model)
    rare = compare(person("Michael", "Brzezinski"), person("Michael", "Brzezinski"), model)

    assert rare.probability > frequent.probability


def test_a_surname_is_as_frequent_as_among_those_of_the_given_name(person, model):
    """Of all people few are called Tran, of those called Anh many: together they are one heritage."""
    counted = full_names(
        [person("Anh", "Tran")] * 10 + [person("Mary", "Smith")] * 90 + [person("Anh", "Le")]
    )
    known = replace(model, full_names={"mary smith": 0.5, **counted})
    apart = replace(model, full_names={})

    assert counted == {"anh tran": pytest.approx(10 / 101, abs=1e-6)}
    for told in (("Anh", "Tran"), ("Mary", "Smith")):
        one = person(*told)
        assert compare(one, one, known).probability < compare(one, one, apart).probability
    assert compare(person("Anh", "Le"), person("Anh", "Le"), known) == compare(
        person("Anh", "Le"), person("Anh", "Le"), apart
    )


@pytest.mark.parametrize(
    ("born", "grade"),
    [("2010-06-15", "probable"), ("2012-06-15", "possible"), ("1975-06-15", "certainly-not")],
    ids=["about then", "years later", "a father"],
)
def test_the_whole_name_and_the_mailbox_outweigh_another_birth_date_of_about_then(person, model, born, grade):
    mailbox = {"telecom": [{"system": "email", "value": "noah.watson78@mail.example"}]}
    one, other = person("Noah", "Watson", "2008-03-23", **mailbox), person("Noah", "Watson", born, **mailbox)

    assert compare(one, other, model).grade == grade


@pytest.mark.parametrize(
    ("given", "level"),
    [("Etnah", "similar"), ("Lmeai", "different"), ("Nathan", "distinct"), ("Hanetta", "different")],
)
def test_a_name_of_the_same_letters_in_another_order_is_a_slip_where_it_is_no_name(
    person, model, given, level
):
    assert agree(person(given, "Carr"), person("Ethan", "Carr"), model.known).levels["given"] == level


def test_one_number_of_one_assigner_is_one_person(person, model):
    number = [{"system": "https://hospital.example/mrn", "value": "MRN-77"}]
    before = person("Ana", "Ruiz", "1980-03-12", identifier=number)
    after = person("Ana", "Miller", "1980-03-12", identifier=number)

    match = compare(before, after, model)

    assert (match.grade, match.basis) == ("certain", "same-mrn")


def test_one_number_on_two_people_is_an_overlay_for_a_steward(person, model):
    number = [{"system": "https://hospital.example/mrn", "value": "MRN-77"}]
    one = person("Ana", "Ruiz", "1980-03-12", identifier=number)
    other = person("Walter", "Finch", "1944-10-01", identifier=number)

    match = compare(one, other, model)

    assert (match.grade, match.rule) == ("possible", "overlay")


def test_two_numbers_of_one_assigner_lower_but_do_not_forbid(person, model):
    def numbered(value):
        identifier = [{"system": "https://hospital.example/mrn", "value": value}]
        return person("Chidinma", "Okonkwo", "1975-02-08", gender="female", identifier=identifier, **HOME)

    apart, without = compare(numbered("1"), numbered("2"), model), compare(numbered("1"), numbered(""), model)

    assert apart.links
    assert apart.probability < without.probability


def test_two_social_security_numbers_of_like_people_forbid(person, model):
    one = person("Jon", "Harding", "1961-05-30", ssn="512-34-6789", **HOME)
    other = person("Jonah", "Harding", "1961-06-07", ssn="512-34-6780", **HOME)

    assert compare(one, other, model).grade == "certainly-not"


def test_who_died_before_the_other_was_born_is_another(person, model):
    dead = person("Ana", "Ruiz", "1931-03-12", deceasedDateTime="1930-01-01")
    living = person("Ana", "Ruiz", "1931-03-12")

    assert compare(dead, living, model).rule == "impossible-dates"


def test_evidence_names_fields_and_weights_but_no_value(person, model):
    match = compare(person("Quetzalli", "Xoconostle", "1980-03-12"), person("Quetzalli", "Xoconostle"), model)

    assert {part.field for part in match.evidence} == {"given", "surname"}
    assert "quetzalli" not in repr(match).lower()


def test_no_name_at_all_never_links(person, model):
    assert not compare(
        person("", "", "1980-03-12", **HOME), person("", "", "1980-03-12", **HOME), model
    ).links


def test_an_edited_model_is_refused(files):
    content = json.loads(files["_shared/identity/model.json"])
    content["thresholds"]["certain"] = 0.5

    with pytest.raises(ContentError, match="train again"):
        parse_model({**files, "_shared/identity/model.json": json.dumps(content)})


@pytest.mark.parametrize(
    ("told", "grade"),
    [
        ({"gender": "male", **HOME}, "possible"),
        ({**HOME}, "possible"),
        ({"gender": "male", "ssn": "xxx-xx-6789"}, "probable"),
        ({"gender": "male", "ssn": "512-34-6789"}, "certain"),
    ],
    ids=["same home and phone", "sex not said", "last four digits", "whole number"],
)
def test_without_a_birth_date_a_home_in_common_is_not_enough(person, model, told, grade):
    known = person("William", "Harding", "1961-05-30", gender="male", ssn="512-34-6789", **HOME)
    assert compare(known, person("William", "Harding", **told), model).grade == grade


def test_an_initial_is_at_best_probable_and_never_enough_alone(person, model):
    known = person("William", "Harding", "1961-05-30", gender="male", **HOME)
    initial = person("W", "Harding", "1961-05-30", gender="male", phone=HOME["phone"])
    assert compare(known, initial, model).grade == "probable"
    assert not compare(known, person("W", "Harding", "1961-05-30", gender="male"), model).links


def test_other_given_names_without_a_number_in_common_ask_no_steward(person, model):
    first = person("Xiomara", "Harding", "2015-04-01", gender="female", **HOME)
    second = person("Yaretzi", "Harding", "2015-04-01", gender="female", **HOME)
    assert compare(first, second, model).grade == "certainly-not"


def test_a_nickname_or_the_same_place_in_birth_order_is_no_twin(person, model):
    twin = {"gender": "male", "multipleBirthInteger": 2, **HOME}
    known = person("William", "Harding", "2015-04-01", **twin)
    assert compare(known, person("Bill", "Harding", "2015-04-01", **twin), model).links
    assert compare(known, person("Willam", "Harding", "2015-04-01", **twin), model).links


TWINS = {"gender": "male", **HOME}


@pytest.mark.parametrize(
    ("first", "second"),
    [("Jayden", "Kayden"), ("Brandon", "Brendon"), ("Jaxxon", "Jaxton"), ("Ivan", "Ivana")],
)
@pytest.mark.parametrize("number", ["", "512-34-6789"], ids=["no number", "one number typed for both"])
def test_two_names_that_both_exist_are_no_slip_however_alike(person, model, first, second, number):
    one = person(first, "Harding", "2015-04-01", ssn=number, **TWINS)
    other = person(second, "Harding", "2015-04-01", ssn=number, **TWINS)
    assert not compare(one, other, model).links


def test_a_slip_that_is_no_name_is_a_slip(person, model):
    written = person("Jayden", "Harding", "2015-04-01", **TWINS)
    assert compare(written, person("Jayedn", "Harding", "2015-04-01", **TWINS), model).links


def test_a_name_like_anothers_with_the_same_middle_name_is_one_person(person, model):
    written = person("Brandon Louis", "Harding", "1985-04-01", gender="male", **HOME)
    misheard = person("Brendon Louis", "Harding", "1985-04-01", gender="male", **HOME)
    assert compare(written, misheard, model).links


def test_two_compound_names_under_one_number_go_to_a_steward(person, model):
    one = person("Juan Carlos", "Ruiz", "2015-04-01", ssn="512-34-6789", **TWINS)
    other = person("Juan Pablo", "Ruiz", "2015-04-01", ssn="512-34-6789", **TWINS)
    assert compare(one, other, model).rule == "middle-name"


def test_two_surnames_that_both_exist_need_a_place_in_common(person, model):
    one = person("Ashley", "Morris", "1983-06-21", gender="female", phone="217-555-0147")
    other = person("Ashley", "Morrison", "1983-06-21", gender="female", phone="217-555-0199")
    assert compare(one, other, model).rule == "names"
    same = person("Ashley", "Morrison", "1983-06-21", gender="female", phone="217-555-0147")
    assert compare(one, same, model).links


def test_a_birth_date_that_is_only_alike_needs_a_place_in_common(person, model):
    known = person("Chidinma", "Rivas", "1983-06-21", gender="female", **HOME)
    slip = person("Chidinma", "Rivas", "1983-06-22", gender="female")
    assert (compare(known, slip, model).grade, compare(known, slip, model).rule) == ("possible", "birth-date")
    at_home = person("Chidinma", "Rivas", "1983-06-22", gender="female", phone=HOME["phone"])
    assert compare(known, at_home, model).links


NAMED = ("Chidinma Ada", "Rivas", "1983-06-21")
NOBODYS_QUESTION = {
    "a slip in the birth date": (NAMED, ("Chidinma", "Rivas", "1983-06-22")),
    "no birth date": (NAMED, ("Chidinma", "Rivas", "")),
    "another surname": (("Xiomara", "Rivas", NAMED[2]), ("Xiomara", "Olmos", NAMED[2])),
    "an initial beside another surname": (("Maria L", "Rivas", NAMED[2]), ("Maria L", "Olmos", NAMED[2])),
    "no given name": (("Maria", "Harding", "2026-11-01"), ("Baby Girl", "Harding", "2026-11-01")),
}
A_STEWARDS_QUESTION = {
    "a slip in the birth date beside an initial": (
        ("Maria Ada", *NAMED[1:]),
        ("Maria A", "Rivas", "1983-06-22"),
    ),
    "two names alike and the birth date": (("Xiomara", "Rivas", NAMED[2]), ("Xiomora", "Rivvas", NAMED[2])),
}


@pytest.mark.parametrize("pair", NOBODYS_QUESTION.values(), ids=NOBODYS_QUESTION)
def test_where_nothing_but_a_name_could_decide_no_steward_is_asked(person, model, pair):
    one, other = (person(*told, gender="female", **here) for told, here in zip(pair, (HOME, {}), strict=True))
    assert compare(one, other, model).grade == "possible"
    assert compare(one, other, model).grade_in_index == "certainly-not"


@pytest.mark.parametrize("pair", A_STEWARDS_QUESTION.values(), ids=A_STEWARDS_QUESTION)
def test_where_something_more_could_decide_a_steward_is_asked(person, model, pair):
    one, other = (person(*told, gender="female", **here) for told, here in zip(pair, (HOME, {}), strict=True))
    assert compare(one, other, model).grade_in_index == "possible"


def test_the_newborn_without_a_name_is_not_its_twin_of_the_other_sex(person, model):
    girl = person("Baby Girl", "Harding", "2026-11-01", gender="female", **HOME)
    boy = person("Daniel", "Harding", "2026-11-01", gender="male", **HOME)
    assert compare(girl, boy, model).grade == "certainly-not"


def test_another_birth_date_in_another_home_is_another_of_a_mailbox(person, model):
    def at(line, phone, born):
        telecom = [{"system": "phone", "value": phone}, {"system": "email", "value": "hardings@mail.example"}]
        address = [{"line": [line], "postalCode": phone[:5]}]
        return person("Ana", "Harding", born, gender="female", telecom=telecom, address=address)

    one = at("12 Oak Street", "2175550147", "1983-06-21")
    assert compare(one, at("7 Elm Street", "3125550199", "1988-02-11"), model).grade == "certainly-not"
    assert compare(one, at("12 Oak Street", "2175550147", "1988-02-11"), model).links


@pytest.mark.parametrize(
    ("given", "surname", "phone"), [("Mike", "Wright", ""), ("Michael", "Wrightt", "312-555-0199")]
)
def test_a_frequent_name_that_is_only_alike_needs_something_in_common(person, model, given, surname, phone):
    one = person("Michael", "Wright", "1983-06-21", gender="male", **HOME)
    other = person(given, surname, "1983-06-21", gender="male", **({"phone": phone} if phone else {}))
    assert (compare(one, other, model).grade, compare(one, other, model).rule) == ("possible", "names")
    at_home = person(given, surname, "1983-06-21", gender="male", **HOME)
    assert compare(one, at_home, model).links


def test_exchanged_names_of_which_one_is_another_name_are_two_people(person, model):
    one = person("Jaime", "Lara", "1983-06-21", gender="female")
    other = person("Laura", "Jaime Castellanos", "1983-06-21", gender="female")
    assert not compare(one, other, model).links
    same = person("Lara", "Jaime Castellanos", "1983-06-21", gender="female")
    assert compare(one, same, model).links


@pytest.mark.parametrize("number", ["xxx-xx-6789", "512-34-6789"], ids=["last four", "whole number"])
def test_one_key_wrong_in_the_decade_makes_no_one_of_father_and_son(person, model, number):
    father = person("Robert", "Harding", "1961-05-30", gender="male", ssn=number, **HOME)
    son = person("Robert", "Harding", "1981-05-30", gender="male", ssn=number, **HOME)
    assert not compare(father, son, model).links


def test_an_estimated_birth_date_is_never_certain(person, model):
    arrived = {"gender": "male", "phone": "217-555-0147"}
    one, other = (person("Mohamed", "Warsame", "1990-01-01", **arrived) for _ in range(2))
    assert compare(one, other, model).grade == "probable"


def test_birth_years_a_decade_apart_are_never_certain(person, model):
    home = {"gender": "male", "telecom": [{"system": "email", "value": "the.hardings@mail.example"}], **HOME}
    one = person("Xiomar", "Harding", "1980-03-12", **home)
    assert compare(one, person("Xiomar", "Harding", "1990-03-12", **home), model).grade == "probable"
    assert compare(one, person("Xiomar", "Harding", "1981-03-12", **home), model).grade == "certain"
