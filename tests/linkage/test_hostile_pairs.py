"""Pairs made to be got wrong: people who must not be linked, who are never certain, and who are one."""

import pytest

from exchange.linkage import compare
from exchange.linkage.thresholds import found_persons, judge

HOME = {"phone": "217-555-0147", "line": "12 Oak Street"}
MAIL = [
    {"system": "phone", "value": "217-555-0147"},
    {"system": "email", "value": "the.hardings@mail.example"},
]
MAN, WOMAN = {"gender": "male", **HOME}, {"gender": "female", **HOME}
FAR_AWAY = {
    "phone": "312-555-0199",
    "address": [{"line": ["7 Elm Street"], "postalCode": "60614"}],
}
BORN = "1961-05-30"
TWIN = "2015-04-01"


def known(given, family="Harding", born=BORN, suffix="", medicaid="", mrn="", **more):
    """What a desk wrote down, in short."""
    number = [{"type": {"coding": [{"code": "MA"}]}, "system": "urn:medicaid", "value": medicaid}]
    chart = [{"system": "https://hospital.example/mrn", "value": mrn}]
    more["identifier"] = [*(number if medicaid else []), *(chart if mrn else [])]
    return given, f"{family} {suffix}".strip(), born, more


MUST_NOT_LINK = {
    "father and son, the son's birth date unknown": (known("Robert", **MAN), known("Robert", born="", **MAN)),
    "father and son, neither birth date known": (
        known("Robert", born="", **MAN),
        known("Robert", born="", **MAN),
    ),
    "father and son with one mailbox, a birth date unknown": (
        known("Robert", gender="male", telecom=MAIL[1:], line="12 Oak Street"),
        known("Robert", born="", gender="male", telecom=MAIL[1:], line="12 Oak Street"),
    ),
    "father and son with one middle name, a birth date unknown": (
        known("Robert Lee", **MAN),
        known("Robert Lee", born="", **MAN),
    ),
    "father and son, the son called junior, a birth date unknown": (
        known("Robert", **MAN),
        known("Robert", born="", suffix="Jr", **MAN),
    ),
    "senior and junior, no birth dates": (
        known("Robert", born="", suffix="Sr", **MAN),
        known("Robert", born="", suffix="Jr", **MAN),
    ),
    "senior and junior, one birth date copied to both": (
        known("Robert", suffix="Sr", **MAN),
        known("Robert", suffix="Jr", **MAN),
    ),
    "senior and junior, one number typed for both": (
        known("Robert", suffix="Sr.", ssn="512-34-6789", **MAN),
        known("Robert", suffix="Junior", ssn="512-34-6789", **MAN),
    ),
    "third and second, a key apart": (
        known("Robert", suffix="II", **MAN),
        known("Robert", suffix="III", born="1961-05-31", **MAN),
    ),
    "junior written beside the given name": (
        known("Robert Jr", **MAN),
        known("Robert", suffix="Sr", **MAN),
    ),
    "second and third in figures": (
        known("Robert", suffix="2nd", **MAN),
        known("Robert", suffix="3rd", **MAN),
    ),
    "father and son under the father's insurance, a birth date unknown, other last digits": (
        known("Robert", ssn="xxx-xx-6789", **MAN),
        known("Robert", born="", ssn="xxx-xx-1234", **MAN),
    ),
    "father and son, one key apart in the decade": (
        known("Robert", **MAN),
        known("Robert", born="1981-05-30", **MAN),
    ),
    "mother and daughter, the daughter's birth date a placeholder": (
        known("Maria", "Lopez", born="1983-02-11", **WOMAN),
        known("Maria", "Lopez", born="1900-01-01", **WOMAN),
    ),
    "mother and newborn without a name": (
        known("Ana", "Lopez", born="1998-02-11", **WOMAN),
        known("Baby Girl", "Lopez", born="2026-11-01", **WOMAN),
    ),
    "twins whose names are short forms of one": (
        known("Lisa", born=TWIN, ssn="512-34-6789", **WOMAN),
        known("Beth", born=TWIN, ssn="512-34-6790", **WOMAN),
    ),
    "twins whose names are forms of one, one letter apart": (
        known("Anna", born=TWIN, ssn="512-34-6789", **WOMAN),
        known("Anne", born=TWIN, ssn="512-34-6790", **WOMAN),
    ),
    "twins whose names are forms of one, two insurance numbers": (
        known("Anna", born=TWIN, medicaid="A1", **WOMAN),
        known("Anne", born=TWIN, medicaid="A2", **WOMAN),
    ),
    "a multiple birth, names that are forms of one": (
        known("Julia", born=TWIN, multipleBirthBoolean=True, **WOMAN),
        known("Julie", born=TWIN, **WOMAN),
    ),
    "twins, one letter apart, two charts of one hospital": (
        known("Marisela", born=TWIN, mrn="1", **WOMAN),
        known("Maricela", born=TWIN, mrn="2", **WOMAN),
    ),
    "twins, one letter apart": (known("Jayden", born=TWIN, **MAN), known("Kayden", born=TWIN, **MAN)),
    "twins, boy and girl": (known("Daniel", born=TWIN, **MAN), known("Danielle", born=TWIN, **WOMAN)),
    "twins, boy and girl with one short form": (
        known("Alex", born=TWIN, **MAN),
        known("Alexandra", born=TWIN, **WOMAN),
    ),
    "twins, a given name left out": (known("", born=TWIN, **WOMAN), known("Anna", born=TWIN, **WOMAN)),
    "twins, an initial": (
        known("J", born=TWIN, multipleBirthBoolean=True, **MAN),
        known("Joshua", born=TWIN, multipleBirthBoolean=True, **MAN),
    ),
    "twins under their mother's number": (
        known("Emma", born=TWIN, ssn="512-34-6789", **WOMAN),
        known("Olivia", born=TWIN, ssn="512-34-6789", **WOMAN),
    ),
    "triplets of the same letter": (
        known("Baby Girl A", born=TWIN, **WOMAN),
        known("Baby Girl C", born=TWIN, **WOMAN),
    ),
    "cousins of one name and one house, a month apart": (
        known("Jose", "Garcia", born="1990-03-12", **MAN),
        known("Jose", "Garcia", born="1990-04-17", **MAN),
    ),
    "father and son with one name and number, other middle initials, no birth date": (
        known("Christopher A", ssn="512-34-6789", gender="male"),
        known("Christopher G", born="", ssn="512-34-6789", gender="male"),
    ),
    "a birth date unknown, two charts of one hospital": (
        known("Robert", mrn="1", **MAN),
        known("Robert", born="", mrn="2", **MAN),
    ),
    "an odd given name under one number, birth dates unknown": (
        known("Myroslava", born="", ssn="512-34-6789", **WOMAN),
        known("Yaryna", born="", ssn="512-34-6789", **WOMAN),
    ),
    "a boy and a girl with odd given names under their mother's number": (
        known("Zlatomyr", born=TWIN, ssn="512-34-6789", **MAN),
        known("Yaryna", born=TWIN, ssn="512-34-6789", **WOMAN),
    ),
    "namesakes born on one day in two towns, two numbers": (
        known("Maria", "Lopez", ssn="512-34-6789", gender="female"),
        known("Maria", "Lopez", ssn="513-44-1234", gender="female"),
    ),
    "namesakes of one year, one birth date estimated, two telephones": (
        known("Mohamed", "Ali", born="1990-01-01", gender="male", phone="217-555-0147"),
        known("Mohamed", "Ali", born="1990-06-14", gender="male", phone="217-555-0199"),
    ),
    "namesakes born on one day in two towns, another telephone": (
        known("Anh", "Tran", gender="male", **FAR_AWAY),
        known("Anh", "Tran", **MAN),
    ),
    "twins before they are named, two charts of one hospital": (
        known("Baby Boy", born=TWIN, mrn="1", **MAN),
        known("Baby Boy", born=TWIN, mrn="2", **MAN),
    ),
    "a named twin and one before it is named, two charts of one hospital": (
        known("Anna", born=TWIN, mrn="1", **WOMAN),
        known("Baby Girl", born=TWIN, mrn="2", **WOMAN),
    ),
    "husband and wife with one number": (
        known("Carol", born="1961-05-30", ssn="512-34-6789", **WOMAN),
        known("Robert", born="1961-06-02", ssn="512-34-6789", **MAN),
    ),
    "refugees with one estimated birth date": (
        known("Mohamed", "Ali", born="1990-01-01", gender="male"),
        known("Mohamed", "Ali", born="1990-01-01", gender="male"),
    ),
    "namesakes of one shelter": (
        known("John", "Smith", born="", gender="male", line="400 N Shelter Way"),
        known("John", "Smith", born=BORN, gender="male", line="400 N Shelter Way"),
    ),
}
NEVER_CERTAIN = {
    "namesakes of a frequent name and one birth date, nothing else": (
        known("Michael", "Smith", gender="male"),
        known("Michael", "Smith", gender="male"),
    ),
    "two short forms of one name, or twins": (
        known("Lisa", born=TWIN, **WOMAN),
        known("Beth", born=TWIN, **WOMAN),
    ),
    "a slip in the name, and two charts of one hospital": (
        known("Xiomara", mrn="1", **WOMAN),
        known("Xiomora", mrn="2", **WOMAN),
    ),
    "no birth date, telephone and mailbox": (
        known("Robert", gender="male", telecom=MAIL, line="12 Oak Street"),
        known("Robert", born="", gender="male", telecom=MAIL, line="12 Oak Street"),
    ),
    "another home and another telephone, a rare name": (
        known("Chidinma", "Okonkwo", gender="female", **FAR_AWAY),
        known("Chidinma", "Okonkwo", **WOMAN),
    ),
    "an initial": (known("Robert", **MAN), known("R", **MAN)),
    "another middle initial, all else the same": (known("Robert A", **MAN), known("Robert G", **MAN)),
    "a given name beyond reading under one number": (
        known("Robert", ssn="512-34-6789", **MAN),
        known("Qzbxtor", ssn="512-34-6789", **MAN),
    ),
    "a short form and a slip in the birth date, at home": (
        known("Robert", **MAN),
        known("Bob", born="1961-05-31", **MAN),
    ),
    "one birth date estimated, nothing else but a rare name": (
        known("Oluwaseun", "Adegoke-Bright", born="1990-01-01", gender="male"),
        known("Oluwaseun", "Adegoke-Bright", born="1990-06-14", gender="male"),
    ),
}
UNLESS_ANOTHER = {
    "father or son": (known("Robert", **MAN), known("Robert", born="", **MAN)),
    "father or son, by telephone": (
        known("Robert", gender="male", phone="217-555-0147"),
        known("Robert", born="", gender="male", phone="217-555-0147"),
    ),
    "mother or daughter": (known("Maria", "Lopez", **WOMAN), known("Maria", "Lopez", born="", **WOMAN)),
    "a newborn or its twin": (
        known("Anna", born=TWIN, **WOMAN),
        known("Baby Girl", born=TWIN, **WOMAN),
    ),
    "a mailbox and a birth date, no given name": (
        known("Robert", telecom=MAIL[1:]),
        known("", telecom=MAIL[1:]),
    ),
    "a newborn or its twin of a name like it": (
        known("Jayden", born=TWIN, **MAN),
        known("Baby Boy", born=TWIN, **MAN),
    ),
    "cousins of one name and one house": (
        known("Jose", "Garcia", born="1990-03-12", **MAN),
        known("Jose", "Garcia", born="", **MAN),
    ),
    "senior or junior, one birth date copied to both": (
        known("Robert", suffix="Sr", **MAN),
        known("", suffix="Sr", **MAN),
    ),
}
"""A pair alone is not linked; in an index that knows nobody else who fits it is."""
ANOTHER = {
    "father or son": known("Robert", born="1988-01-17", **MAN),
    "father or son, by telephone": known("Robert", born="1988-01-17", gender="male", phone="217-555-0147"),
    "mother or daughter": known("Maria", "Lopez", born="2004-09-02", **WOMAN),
    "a newborn or its twin": known("Olivia", born=TWIN, **WOMAN),
    "a mailbox and a birth date, no given name": known("William", telecom=MAIL[1:]),
    "a newborn or its twin of a name like it": known("Kayden", born=TWIN, **MAN),
    "cousins of one name and one house": known("Jose", "Garcia", born="1990-04-17", **MAN),
    "senior or junior, one birth date copied to both": known("Robert", suffix="Jr", **MAN),
}
MUST_LINK = {
    "a nickname": (known("William", **MAN), known("Bill", **MAN)),
    "a nickname and another telephone": (
        known("Elizabeth", **WOMAN),
        known("Liz", gender="female", phone="217-555-0188", line="12 Oak Street"),
    ),
    "a slip in the name": (known("Xiomara", **WOMAN), known("Xiomora", **WOMAN)),
    "a slip in the birth date, at home": (known("Robert", **MAN), known("Robert", born="1961-05-31", **MAN)),
    "day and month exchanged": (
        known("Robert", born="1961-05-03", **MAN),
        known("Robert", born="1961-03-05", **MAN),
    ),
    "moved, with the last digits": (
        known("Xiomara", ssn="xxx-xx-6789", **WOMAN),
        known("Xiomara", ssn="512-34-6789", gender="female", phone="217-555-0188", line="7 Elm Street"),
    ),
    "married, at home": (known("Chidinma", "Okonkwo", **WOMAN), known("Chidinma", "Brandt", **WOMAN)),
    "married and moved, the whole number": (
        known("Chidinma", "Okonkwo", ssn="512-34-6789", **WOMAN),
        known("Chidinma", "Brandt", ssn="512-34-6789", gender="female"),
    ),
    "one of two surnames": (
        known("Lucía", "Hernández Quintero", **WOMAN),
        known("Lucia", "Hernandez", **WOMAN),
    ),
    "Cyrillic": (known("Олександр", "Гриценко", **MAN), known("Alexander", "Gritsenko", **MAN)),
    "two transliterations": (known("Yuliia", "Shevchenko", **WOMAN), known("Julia", "Ševčenko", **WOMAN)),
    "given name and surname exchanged": (
        known("Chidinma", "Okonkwo", **WOMAN),
        known("Okonkwo", "Chidinma", **WOMAN),
    ),
    "no birth date, the last digits": (
        known("Robert", ssn="512-34-6789", **MAN),
        known("Robert", born="", ssn="xxx-xx-6789", **MAN),
    ),
    "no birth date, telephone and mailbox": (
        known("Robert", gender="male", telecom=MAIL, line="12 Oak Street"),
        known("Robert", born="", gender="male", telecom=MAIL, line="12 Oak Street"),
    ),
    "no birth date, middle name and junior": (
        known("Robert Lee", suffix="Jr", **MAN),
        known("Robert Lee", born="", suffix="Jr.", **MAN),
    ),
    "no birth date, one insurance number": (
        known("Robert", medicaid="A1", **MAN),
        known("Robert", born="", medicaid="A1", **MAN),
    ),
    "junior here and nothing there": (known("Robert", suffix="Jr", **MAN), known("Robert", **MAN)),
    "an initial at home": (known("Robert", **MAN), known("R", **MAN)),
    "a twin by the same place in birth order": (
        known("Willam", born=TWIN, multipleBirthInteger=2, **MAN),
        known("William", born=TWIN, multipleBirthInteger=2, **MAN),
    ),
    "a twin's nickname under one number": (
        known("Anna", born=TWIN, multipleBirthBoolean=True, ssn="512-34-6789", **WOMAN),
        known("Annie", born=TWIN, multipleBirthBoolean=True, ssn="512-34-6789", **WOMAN),
    ),
    "two charts of one hospital": (known("Chidinma", mrn="1", **WOMAN), known("Chidinma", mrn="2", **WOMAN)),
    "another number, all else the same": (
        known("Chidinma", ssn="512-34-6789", **WOMAN),
        known("Chidinma", ssn="512-43-6789", **WOMAN),
    ),
    "a particle and a hyphen": (
        known("Ana", "de la Cruz-Vega", **WOMAN),
        known("Ana", "DELACRUZ VEGA", **WOMAN),
    ),
    "a compound name in one word": (known("Mary Ann", **WOMAN), known("Maryann", **WOMAN)),
    "a unit of the house left out": (
        known("Robert", gender="male", phone="217-555-0147", line="12 Oak St Apt 4"),
        known("Robert", gender="male", phone="217-555-0188", line="12 Oak Street"),
    ),
    "an estimated birth date at home": (
        known("Mohamed", "Warsame", born="1990-01-01", **MAN),
        known("Mohamed", "Warsame", born="1990-06-14", **MAN),
    ),
    "the wrong sex ticked": (
        known("Chidinma", "Okonkwo", ssn="512-34-6789", **WOMAN),
        known("Chidinma", "Okonkwo", ssn="512-34-6789", **MAN),
    ),
}


@pytest.mark.parametrize("pair", MUST_NOT_LINK.values(), ids=MUST_NOT_LINK)
def test_two_people_are_not_linked(person, model, pair):
    one, other = (person(*told[:3], **told[3]) for told in pair)
    assert not compare(one, other, model).links


@pytest.mark.parametrize("pair", NEVER_CERTAIN.values(), ids=NEVER_CERTAIN)
def test_what_may_be_two_people_is_never_certain(person, model, pair):
    one, other = (person(*told[:3], **told[3]) for told in pair)
    assert compare(one, other, model).grade in ("probable", "possible")


@pytest.mark.parametrize("case", UNLESS_ANOTHER)
def test_who_may_be_another_of_the_household_is_linked_where_nobody_else_is_known(person, model, case):
    one, unclear, other = (person(*told[:3], **told[3]) for told in (*UNLESS_ANOTHER[case], ANOTHER[case]))
    assert compare(one, unclear, model).grade == "possible"
    assert persons_of([one, unclear], model) == [0, 0]
    assert persons_of([one, unclear, other], model) == [0, 1, 2]
    assert persons_of([other, unclear, one], model) == [0, 1, 2]


def test_two_records_that_tell_less_join_the_one_person_they_both_fit(person, model):
    told = known("Robert", **MAN), known("Robert", born="", **MAN), known("Robert", born="", **MAN)
    known_one, *unclear = (person(*each[:3], **each[3]) for each in told)
    assert not compare(*unclear, model).links_in_index
    assert persons_of([known_one, *unclear], model) == [0, 0, 0]
    named, *newborn = (person(given, "Lopez", TWIN, **WOMAN) for given in ("Anna", "Baby Girl", "Baby Girl"))
    assert persons_of([named, *newborn], model) == [0, 0, 0]


def persons_of(population, model):
    """The first record of its person for each record, all of them in one index."""
    found = found_persons(judge(population, population, model), population, model)
    return [int(found[str(position)]) for position in range(len(population))]


@pytest.mark.parametrize("pair", MUST_LINK.values(), ids=MUST_LINK)
def test_one_person_is_linked(person, model, pair):
    one, other = (person(*told[:3], **told[3]) for told in pair)
    assert compare(one, other, model).links
