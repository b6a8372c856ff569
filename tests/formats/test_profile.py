"""Profiling a new spreadsheet."""

from __future__ import annotations

import pytest

from exchange.formats.profile import profile_table
from exchange.model.errors import RecordRejected

TABLE = (
    b"client,born,phone,need,note\n"
    b"C1,04/12/1971,(217) 555-0147,food,came alone\n"
    b"C2,11/30/1980,(217) 555-0148,food,\n"
    b"C3,01/02/1990,(217) 555-0149,housing,asks for a room\n"
    b"C4,05/06/2001,(217) 555-0150,housing,\n"
)


def test_each_column_is_told_by_its_form():
    found = {column.name: column.looks_like for column in profile_table(TABLE)}
    assert found == {
        "client": "text",
        "born": "date %m/%d/%Y",
        "phone": "phone",
        "need": "a choice of few",
        "note": "text",
    }


def test_months_in_spanish_are_days():
    table = "a,b\n3 de marzo de 1980,12-ene-1990\n14 de Setiembre de 1982,03-Dic-1991\n"
    assert [column.looks_like for column in profile_table(table.encode())] == [
        "date %d de %B de %Y",
        "date %d-%b-%Y",
    ]


def test_a_column_that_could_be_the_key_is_unique():
    assert [c.name for c in profile_table(TABLE) if c.unique and c.filled == 1] == ["client", "born", "phone"]


def test_no_value_of_the_table_is_told():
    told = repr(profile_table(TABLE))
    assert not any(value in told for value in ("1971", "0147", "room", "C1"))


def test_what_is_no_table_is_refused():
    with pytest.raises(RecordRejected, match="the file is empty"):
        profile_table(b"")


@pytest.mark.parametrize(
    "values",
    [
        ["", "217-555-0101", "", "555-0102"],
        ["n/a", "(217) 555-0101", "none", "-"],
        ["217-555-0101 x12", "", "declined", "+1 217 555 0101 ext. 9"],
    ],
)
def test_a_column_of_phones_may_be_half_empty_and_say_so_in_words(values):
    column = profile_table("\n".join(["id,phone", *(f"{n},{v}" for n, v in enumerate(values))]).encode())[1]
    assert column.looks_like == "phone"


@pytest.mark.parametrize(
    ("values", "kind"),
    [(["72,5", "61", "58,25"], "number"), (["1,234", "2,345", "3,456"], "text"), (["72.5", "61"], "number")],
)
def test_a_comma_before_one_or_two_digits_is_that_of_a_decimal(values, kind):
    (_, column) = profile_table(
        "\n".join(["id;weight", *(f"{n};{v}" for n, v in enumerate(values))]).encode()
    )
    assert column.looks_like == kind
