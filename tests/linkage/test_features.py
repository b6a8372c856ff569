"""A Patient is normalised once, and what stands for nothing is gone before anything is compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.linkage import Features, blocking_keys
from exchange.linkage.names import fold, surname_sound, surname_words


@pytest.mark.parametrize("name", ["Baby Girl", "BABY BOY", "Baby Girl A", "Newborn", "Unknown"])
def test_a_placeholder_is_not_a_given_name(person, name):
    assert person(name, "Lopez").names[0].given == ()


@pytest.mark.parametrize("name", [("John", "Doe"), ("Test", "Patient")])
def test_a_name_of_nobody_is_no_name(person, name):
    assert person(*name).names == ()


@pytest.mark.parametrize(
    "ssn", ["999-99-9999", "000-12-3456", "666-12-3456", "123-45-6789", "078-05-1120", "111111111", "9999"]
)
def test_a_number_that_was_never_issued_is_no_number(person, ssn):
    features = person("Ana", "Ruiz", ssn=ssn)

    assert (features.ssn, features.ssn_last4) == ("", "")


def test_the_last_four_digits_of_a_masked_number_meet_those_of_the_whole_number(person):
    masked, whole = person("Ana", "Ruiz", ssn="XXX-XX-6789"), person("Ana", "Ruiz", ssn="512346789")

    assert masked.ssn == ""
    assert masked.ssn_last4 == whole.ssn_last4 != ""


def test_no_number_of_a_person_is_kept_in_clear(person):
    features = person("Ana", "Ruiz", ssn="512-34-6789", identifier=[{"system": "urn:x", "value": "MRN4711"}])

    assert "512346789" not in features.to_text()
    assert "6789" not in features.to_text().replace(features.ssn, "").replace(features.ssn_last4, "")
    assert "4711" not in features.to_text()


def test_a_shelter_is_nobodys_address(person):
    assert person("Ana", "Ruiz", line="400 N Shelter Way").addresses == ()
    assert person("Ana", "Ruiz", line="General Delivery").addresses == ()


def test_a_date_that_forms_are_filled_with_is_no_birth_date(person):
    assert person("Ana", "Ruiz", "1900-01-01").birth_date == ""


def test_an_account_number_is_no_number_of_a_person(person):
    account = {"type": {"coding": [{"code": "AN"}]}, "system": "urn:x", "value": "1"}

    assert person("Ana", "Ruiz", identifier=[account]).identifiers == ()


def test_features_survive_being_stored(person):
    features = person(
        "María Elena",
        "García López",
        "1980-03-12",
        gender="female",
        ssn="512-34-6789",
        phone="(217) 555-0100",
        line="12 Oak Street Apt 3",
        multipleBirthInteger=2,
        link=[{"other": {"reference": "Patient/7"}, "type": "replaced-by"}],
        identifier=[{"system": "urn:x", "value": "1"}],
    )

    assert Features.from_json(features.to_json()) == features


@pytest.mark.parametrize(
    "spellings",
    [
        ("Сергій", "Serhii", "Serhiy", "Serhij"),
        ("Юлія", "Yuliia", "Iuliia", "Julija"),
        ("Олексій", "Oleksii", "Oleksiy", "Oleksij"),
        ("Євген", "Yevhen", "Ievhen"),
        ("Щербак", "Shcherbak", "Ščerbak"),
        ("Кравчук", "Kravchuk", "Kravčuk", "Krawchuk"),
    ],
)
def test_transliterations_of_one_name_sound_alike(spellings):
    assert len({surname_sound(fold(spelling)) for spelling in spellings}) == 1


def test_the_two_readings_of_one_cyrillic_letter_meet_in_surnames():
    assert surname_sound(fold("Гриценко")) == surname_sound("hrytsenko") == surname_sound("gritsenko")


def test_particles_do_not_distinguish_surnames():
    assert surname_words("de la Cruz") == surname_words("CRUZ") == ("cruz",)
    assert surname_words("De La") == ("de", "la")


def test_a_swap_of_day_and_month_leaves_a_common_blocking_key(person):
    one, other = person("Ana", "Ruiz", "1980-03-12"), person("Anita", "Ruis", "1980-12-03")

    assert set(blocking_keys(one)) & set(blocking_keys(other))


@given(st.text(max_size=30))
def test_folding_again_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


def test_a_second_surname_cut_to_its_initial_does_not_become_the_surname(person):
    name = person("Francisco Anaya", "A").names[0]

    assert (name.given, name.surname) == (("francisco",), ("anaya",))
