"""What has to agree before two records may be one person: each part of it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from exchange.linkage import Features
from exchange.linkage import corroboration as said
from exchange.linkage.features import Identifier, Name

Levels = dict[str, str]
PLAIN = Features(birth_date="1961-05-30", names=(Name(("robert",), ("harding",)),))
UNKNOWN = Features(names=PLAIN.names)
TWIN = Features(birth_date="2015-04-01", multiple_birth=True, birth_order=1)
JUNIOR = Features(birth_date="1961-05-30", generation="2")
INSURED = tuple(Features(identifiers=(Identifier("person", "urn:medicaid", digest),)) for digest in "xy")
HOME = {"phone": "exact", "address": "exact"}
NAME: Levels = {"given": "exact", "surname": "exact", "sex": "exact"}

# The function, two records, levels of whom it holds, and each change after which it holds no more.
COUNTS: dict[str, tuple[Callable[..., bool], tuple[Features, Features], Levels, list[Mapping[str, Any]]]] = {
    "the whole name and the birth date": (
        lambda _a, _b, levels: said.name_and_birth(levels),
        (PLAIN, PLAIN),
        {**NAME, "birth_date": "exact"},
        [
            {"given": "form"},
            {"birth_date": "slip"},
            {"surname": "different"},
            {"surname": "similar"},
            {"sex": "different"},
        ],
    ),
    "a number, a birth date and an odd name": (
        said.number_and_birth,
        (PLAIN, PLAIN),
        {"given": "different", "surname": "part", "birth_date": "exact", "ssn": "exact", "sex": "exact"},
        [
            {"given": "distinct"},
            {"ssn": "last4"},
            {"birth_date": "slip"},
            {"sex": "different"},
            {"surname": "different"},
            {"both": (TWIN, PLAIN)},
        ],
    ),
    "the whole name and the mailbox, born about then": (
        said.born_about_then,
        (PLAIN, Features(birth_date="1964-01-02")),
        {**NAME, "birth_date": "different", "email": "exact"},
        [
            {"phone": "different"},
            {"address": "different"},
            {"given": "form"},
            {"surname": "different"},
            {"email": ""},
            {"sex": "different"},
            {"middle": "different"},
            {"identifier": "different"},
            {"both": (PLAIN, Features(birth_date="1965-05-30"))},
        ],
    ),
    "an initial": (
        lambda _a, _b, levels: said.one_initial(levels),
        (PLAIN, PLAIN),
        {**NAME, "given": "initial", "phone": "exact"},
        [{"given": "part"}, {"surname": "similar"}, {"sex": ""}, {"phone": "different"}],
    ),
    "a form of the name and a slip in the birth date": (
        lambda _a, _b, levels: said.form_at_home(levels),
        (PLAIN, PLAIN),
        {**NAME, **HOME, "given": "form"},
        [{"given": "similar"}, {"surname": "part"}, {"sex": ""}, {"phone": "different"}],
    ),
    "one birth date estimated": (
        said.one_estimate,
        (PLAIN, Features(birth_date="1961-01-01")),
        dict(NAME),
        [
            {"given": "form"},
            {"surname": "similar"},
            {"sex": ""},
            {"phone": "different"},
            {"middle": "distinct"},
            {"both": (PLAIN, PLAIN)},
        ],
    ),
    "what father and son do not share": (
        said.never_shared,
        (PLAIN, UNKNOWN),
        {**NAME, "phone": "exact", "email": "exact"},
        [
            {"given": "similar"},
            {"surname": "similar"},
            {"sex": ""},
            {"phone": "different"},
            {"email": "different"},
            {"email": "", "middle": "exact"},
        ],
    ),
    "all but the birth date": (
        said.all_but_birth,
        (PLAIN, UNKNOWN),
        {**NAME, **HOME},
        [
            {"given": "similar"},
            {"surname": "different"},
            {"sex": ""},
            {"middle": "different"},
            {"middle": "distinct"},
            {"identifier": "different"},
            {"address": "different"},
            {"phone": "different"},
            {"phone": "", "address": "building"},
            {"both": (JUNIOR, UNKNOWN)},
            {"both": (UNKNOWN, UNKNOWN)},
        ],
    ),
    "all but the birth date, by a mailbox": (
        said.all_but_birth,
        (PLAIN, UNKNOWN),
        {**NAME, "email": "exact"},
        [{"email": ""}, {"phone": "different"}, {"address": "different"}],
    ),
    "a name that is only alike": (
        said.only_alike,
        (),
        {"given": "exact", "surname": "similar", "phone": "different"},
        [{"phone": "exact"}, {"surname": "exact"}],
    ),
    "a form of a name": (said.only_alike, (), {"given": "form"}, [{"given": "exact"}]),
    "all but the given name": (
        said.all_but_given,
        (PLAIN, PLAIN),
        {"surname": "exact", "sex": "exact", "birth_date": "exact", "email": "exact"},
        [
            {"given": "initial"},
            {"surname": "different"},
            {"birth_date": "slip"},
            {"sex": "different"},
            {"identifier": "different"},
            {"email": "different"},
            {"sex": "", "email": "", "phone": "exact"},
            {"both": (TWIN, PLAIN)},
        ],
    ),
    "twins before they are named": (
        said.two_newborns,
        (Features(), Features()),
        {"birth_date": "exact", "identifier": "different"},
        [{"birth_date": "slip"}, {"identifier": ""}, {"both": (PLAIN, Features())}],
    ),
    "another home and another telephone": (
        lambda _a, _b, levels: said.lives_elsewhere(levels),
        (PLAIN, PLAIN),
        {"address": "different", "phone": "different"},
        [{"address": ""}, {"phone": "exact"}, {"email": "exact"}, {"ssn": "exact"}, {"ssn": "last4"}],
    ),
    "a mistyped birth date": (
        lambda _a, _b, levels: said.mistyped(levels),
        (PLAIN, PLAIN),
        {**NAME, "phone": "exact", "middle": "exact"},
        [{"given": "form"}, {"surname": "similar"}, {"sex": ""}, {"middle": ""}, {"phone": "different"}],
    ),
    "a contradiction": (
        said.contradicts,
        INSURED,
        {"identifier": "different"},
        [{"identifier": ""}, {"both": (PLAIN, PLAIN)}, {"surname": "exact", "phone": "exact"}],
    ),
    "two social security numbers": (
        said.contradicts,
        (PLAIN, PLAIN),
        {"ssn": "different"},
        [{"ssn": "exact"}, {"surname": "similar", "address": "building"}],
    ),
    "one home": (
        lambda _a, _b, levels: said.same_home(levels),
        (PLAIN, PLAIN),
        {"surname": "part", "phone": "exact"},
        [{"surname": "different"}, {"phone": "different"}],
    ),
    "a place": (
        lambda _a, _b, levels: said.same_somewhere(levels),
        (PLAIN, PLAIN),
        {"middle": "exact", "surname": "exact"},
        [{"middle": "initial"}, {"surname": "part"}],
    ),
    "what twins do not share": (
        said.one_of_a_kind,
        (PLAIN, PLAIN),
        {"email": "exact"},
        [{"email": "different"}, {"email": "", "phone": "exact"}],
    ),
    "two numbers of one system": (
        said.numbers_differ,
        INSURED,
        {"identifier": "different"},
        [{"identifier": "exact"}, {"both": (INSURED[0], PLAIN)}],
    ),
}


@pytest.mark.parametrize("what", COUNTS)
def test_each_part_of_what_agrees_counts(what: str) -> None:
    function, records, levels, changes = COUNTS[what]
    assert function(*records, levels)
    for change in changes:
        told = {field: level for field, level in {**levels, **change}.items() if field != "both" and level}
        assert not function(*change.get("both", records), told), change


def test_a_name_called_alike_and_a_middle_name_tell_father_and_son_apart() -> None:
    levels = {**NAME, "middle": "exact"}
    assert said.never_shared(JUNIOR, JUNIOR, levels)
    assert not said.never_shared(JUNIOR, UNKNOWN, levels)
    assert said.never_shared(PLAIN, UNKNOWN, {**NAME, "ssn": "last4"})


def test_a_place_in_birth_order_tells_twins_apart() -> None:
    assert said.one_of_a_kind(TWIN, TWIN, {})
    assert not said.may_be_twin(TWIN, TWIN, {"given": "similar"})
    assert said.may_be_twin(TWIN, PLAIN, {"given": "similar"})
    assert not said.may_be_twin(TWIN, PLAIN, {"given": "exact"})
    assert not said.may_be_twin(TWIN, PLAIN, {"given": "form", "email": "exact"})


def test_initials_of_middle_names_count_where_the_birth_date_does_not_tell_more() -> None:
    other = {"middle": "different", "birth_date": "exact"}
    assert not said.middle_contradicts(other, otherwise_told=True)
    assert said.middle_contradicts(other, otherwise_told=False)
    assert said.middle_contradicts({"middle": "different"}, otherwise_told=True)
    assert said.middle_contradicts({**other, "middle": "distinct"}, otherwise_told=True)
    assert not said.middle_contradicts({"birth_date": "exact"}, otherwise_told=False)
