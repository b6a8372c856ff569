"""Tables and long lists: every row is reached once, and nothing a spreadsheet would run is taken along."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from types import SimpleNamespace
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.console.exports import export
from exchange.console.speech import Speech
from exchange.console.tables import PAGE, Column, Portion, Press, after, asked_for, stretch, table

ENGLISH, UKRAINIAN = (Speech(language, SimpleNamespace(words={})) for language in ("en", "uk"))
COLUMNS = (Column("n", "Number", "number"), Column("text", "Text"))


def found(begin, count):
    """What a database answers to the next page of the rows 1 to `count`."""
    return [{"n": n, "text": ""} for n in range((begin or 0) + 1, count + 1)][: asked_for("list", {})]


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 7])
def test_following_the_links_reaches_every_row_once(count):
    fields, seen, pages = {"other.filter": "kept"}, [], 0
    while True:
        shown = stretch("list", COLUMNS, found(after("list", fields), count), fields, "n")
        seen += [row["n"] for row in shown.rows]
        pages += 1
        assert len(shown.rows) <= PAGE
        assert shown.begins == (pages == 1)
        if shown.further is None:
            break
        fields = dict(parse_qsl(shown.address(shown.further).removeprefix("?")))
        assert fields["other.filter"] == "kept"
    assert seen == list(range(1, count + 1))
    assert "after" not in shown.address(None)


@pytest.mark.parametrize("given_", ["", "-1", "1; DROP TABLE run", "٣x", "9" * 16])
def test_what_is_no_number_begins_at_the_beginning(given_):
    assert after("list", {"list.after": given_}) is None


@given(st.text(alphabet=" \t\r\n\x00\u00a0\u200b\ufeff", max_size=4), st.sampled_from("=+-@＝＋－＠"))
def test_no_cell_is_a_formula_whatever_stands_before_it(hidden, sign):
    text = f"{hidden}{sign}HYPERLINK(1)"
    rows = [{"n": 1, "text": text}]
    columns = (Column("n", "Number"), Column("text", text))
    content = export("x", columns, rows, ENGLISH).content.decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(content, newline="")))
    assert [row[1][0] for row in read] == ["'", "'"]


def test_a_table_is_found_and_sorted_by_what_it_shows_and_found_by_what_is_stored_too():
    columns = (Column("n", "Number", "number"), Column("who", "Who", "name"))
    rows = [{"n": 1, "who": "a_code"}, {"n": 2, "who": "b_code"}, {"n": 3, "who": None}]

    def names(kind, value):
        return {"a_code": "Zoo", "b_code": "Ark"}.get(value, "–") if kind == "name" else str(value)

    def numbers(**asked):
        fields = {f"t.{name}": value for name, value in asked.items()}
        return [row["n"] for row in table("t", columns, rows, fields, shown=names).rows]

    assert numbers(filter="zoo") == numbers(filter="A_code") == [1]
    assert numbers(filter="2") == [2]
    assert numbers(sort="who") == [2, 1, 3]
    assert numbers(sort="n", down="1") == [3, 2, 1]


def test_a_portion_is_sorted_by_its_part_and_a_button_is_in_no_file():
    columns = (Column("n", "Number", "number"), Column("of", "Of", "portion"), Column("end", "End", "press"))
    parts = ((1, 5, 9), (2, 7, 8), (3, None, 0))
    rows = [
        {"n": n, "of": Portion(a, b) if a else None, "end": Press("/x", "End", "End it")} for n, a, b in parts
    ]
    assert [row["n"] for row in table("t", columns, rows, {"t.sort": "of"}).rows] == [1, 2, 3]
    assert [row["n"] for row in table("t", columns, rows, {"t.sort": "-of"}).rows] == [3, 2, 1]
    assert table("t", columns, rows, {"t.filter": "Press"}).total == 0
    assert export("t", columns, rows, ENGLISH).content.decode("utf-8-sig").splitlines()[1] == "1,5 of 9"


def test_numbers_and_names_stay_as_they_are():
    rows = [{"n": -5, "text": "Smith-Jones @ home"}, {"n": 1.5, "text": None}]
    content = export("x", COLUMNS, rows, ENGLISH).content.decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(content)))[1:] == [["-5", "Smith-Jones @ home"], ["1.5", ""]]


def test_a_file_is_in_its_readers_language_and_keeps_numbers_and_times_to_reckon_with():
    columns = (
        Column("at", "When", "moment"), Column("on", "Day", "day"), Column("status", "Balance", "mark"),
        Column("kind", "Kind", "word:issue"), Column("share", "Model says", "percent"),
        Column("people", "Records", "told"), Column("of", "Of", "portion"), Column("who", "Who", "lines"),
    )  # fmt: skip
    at = datetime(2026, 11, 28, 9, 30, 5, tzinfo=ZoneInfo("America/Chicago"))
    row = {
        "at": at, "on": at.date(), "status": "balanced", "kind": "required", "share": 0.9876, "people": None,
        "of": Portion(3, 10), "who": ("b", "c"),
    }  # fmt: skip
    content = export("x", columns, [row], UKRAINIAN).content.decode("utf-8-sig")
    heading, cells = csv.reader(io.StringIO(content, newline=""))
    assert heading[:3] == ["Коли (UTC)", "День", "Баланс"]
    assert cells == [
        "2026-11-28 15:30:05", "2026-11-28", "сходиться", "бракує", "0.9876",
        "приховано, щоб нікого не можна було впізнати", "3 з 10", "b; c",
    ]  # fmt: skip
