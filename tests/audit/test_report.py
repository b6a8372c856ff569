"""What the law wants accounted for, and the page a person gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from exchange.app.privacy import accountings
from exchange.app.privacy.accountings import as_csv, as_pdf, facts_of, words_of
from exchange.app.privacy.subjects import Subject
from exchange.audit import Disclosure
from exchange.audit.report import report
from exchange.formats.paper import Pairs, Paper, Table
from exchange.formats.pdf import pdf
from exchange.repository.storage.parameters import parameters
from tests.delivery.world import context

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
ANA = Subject("Ana Rivera", "1980-02-03", "en")
FACTS = facts_of(context())
ONE = Disclosure(
    1, AT, "query", "hospital", "Hospital, 1 Main St", "organization", "TREAT", ("Observation/1",),
    ("hipaa-treatment",), "",
)  # fmt: skip


def _listed(law="hipaa", **changes):
    return [line.sequences for line in report([replace(ONE, **changes)], law, FACTS, AT).lines]


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({}, False),
        ({"purpose": "HPAYMT"}, False),
        ({"purpose": "CAREMGT"}, False),
        ({"purpose": "PATRQT"}, False),
        ({"purpose": "FAMRQT"}, False),
        ({"participant": "food", "purpose": "COC"}, True),
        ({"participant": "food", "purpose": "COC", "because": ("consent:0:root",)}, False),
        ({"purpose": "PUBHLTH", "because": ("hipaa-public-health",)}, True),
        ({"purpose": "HLEGAL"}, True),
        ({"purpose": "HRESCH"}, True),
        ({"at": AT - timedelta(days=6 * 365 + 3), "purpose": "HRESCH"}, False),
        ({"at": AT - timedelta(days=6 * 365 - 3), "purpose": "HRESCH"}, True),
    ],
)
def test_hipaa_leaves_out_treatment_payment_operations_the_person_and_what_he_authorized(changes, listed):
    assert bool(_listed(**changes)) is listed


def test_the_part_2_list_has_what_went_out_with_consent_in_three_years():
    part2 = {"because": ("part2-consent", "consent:0:root")}
    assert _listed("part2", **part2)
    assert not _listed("part2")
    assert not _listed("part2", **part2, at=AT - timedelta(days=3 * 365 + 3))


def test_nothing_is_left_out_of_who_saw_what_about_me():
    assert _listed("all") and _listed("all", at=AT - timedelta(days=9999))  # noqa: PT018


def test_repeated_disclosures_are_one_line_with_first_last_and_number():
    each = [
        replace(
            ONE,
            sequence=n,
            at=AT - timedelta(days=9 - n),
            purpose="HRESCH",
            resources=(f"Condition/{n % 2}",),
        )
        for n in range(5)
    ]
    other = replace(ONE, sequence=9, purpose="HRESCH", participant="clinic")
    two, many = report([*each, other], "hipaa", FACTS, AT).lines
    assert (many.times, many.first, many.last) == (5, each[0].at, each[4].at)
    assert (many.records, many.sequences) == ({"Condition": 2}, (0, 1, 2, 3, 4))
    assert (two.participant, two.times) == ("clinic", 1)


def _report(law="hipaa"):
    each = [
        replace(ONE, sequence=n, purpose="HRESCH", resources=("Patient/1", "Condition/1")) for n in range(3)
    ]
    return report(each, law, FACTS, AT)


@pytest.mark.parametrize("language", ["en", "es", "uk"])
def test_every_word_is_there_in_every_language(language):
    words = words_of(language)
    assert words.keys() == words_of("en").keys()
    assert all(words.values())
    for key, text in words.items():
        assert text.count("{") == words_of("en")[key].count("{"), key
    page = as_pdf(_report(), language, ANA, "anna")
    assert page.startswith(b"%PDF-")
    assert page == as_pdf(_report(), language, ANA, "anna")


@pytest.mark.parametrize("language", ["en", "es", "uk"])
def test_no_purpose_and_no_kind_of_record_stands_there_as_a_code(language):
    refused = context().rules.vocabulary.refused
    purposes = {f"purpose.{code}" for top, below in refused.items() for code in (top, *below)}
    assert purposes | {f"type.{kind}" for kind in parameters()} <= words_of(language).keys()


def test_the_page_says_for_whom_it_is_of_which_time_and_who_made_it(monkeypatch):
    monkeypatch.setattr(accountings, "pdf", lambda paper: paper)
    said = as_pdf(_report(), "en", ANA, "anna").blocks[0].lines
    assert said == [
        ("For", "Ana Rivera, born Feb 3, 1980"),
        ("Time", "Nov 26, 2020 – Nov 26, 2026"),
        ("Prepared by", "anna"),
    ]
    nobody = as_pdf(_report(), "uk", replace(ANA, name="", born=""), "anna").blocks[0].lines
    assert nobody[0] == ("Для кого", "особа, якій належать ці записи")
    year = as_pdf(_report(), "es", replace(ANA, born="1980"), "anna").blocks[0].lines
    assert [line[1] for line in year[:2]] == [
        "Ana Rivera, fecha de nacimiento 1980", "26 nov 2020 – 26 nov 2026"
    ]  # fmt: skip


def test_a_shorter_time_may_be_asked_for_and_a_longer_one_is_the_law_s():
    each = [replace(ONE, sequence=n, purpose="HRESCH", at=AT - timedelta(days=400 * n)) for n in range(8)]
    asked = report(each, "hipaa", FACTS, AT, AT - timedelta(days=500))
    assert [line.sequences for line in asked.lines] == [(0, 1)]
    assert asked.since == AT - timedelta(days=500)
    longer = report(each, "hipaa", FACTS, AT, AT - timedelta(days=9999))
    assert longer == report(each, "hipaa", FACTS, AT)
    assert report(each, "all", FACTS, AT, AT).lines[0].times == 1


def test_letters_the_page_has_none_for_are_spelled_and_told_to_nobody(caplog):
    blocks = ["王小明 Ґанна", Table(("x",), [("🙂",)], (1,)), Pairs([("عمر", "1")])]
    assert pdf(Paper("Wang", "en", blocks, "", AT)) == pdf(
        Paper("Wang", "en", ["WangXiaoMing Ґанна", Table(("x",), [(":slight_smile:",)], (1,)),
                             Pairs([("`mr", "1")])], "", AT)
    )  # fmt: skip
    assert caplog.text == ""


def test_a_letter_under_thousands_of_marks_is_set_with_those_a_language_writes():
    marked, few = "e" + "\u0301" * 1_400, "\u00e9\u0301\u0301\u0301"
    assert pdf(Paper("Marks", "en", [marked, Table(("x",), [(marked,)], (1,))], "", AT)) == pdf(
        Paper("Marks", "en", [few, Table(("x",), [(few,)], (1,))], "", AT)
    )


def test_a_table_is_headed_in_the_persons_language():
    header, row = as_csv(_report(), "uk").decode().splitlines()
    assert header == "Коли,Кому,Що,З якою метою"
    assert row.startswith("2026-11-26; кількість: 3,")
    assert row.endswith('"діагнози та проблеми, ім’я, адреса тощо",дослідження')


def test_disclosures_of_one_day_are_told_with_one_date_and_of_several_with_the_first_and_the_last():
    day = as_csv(_report(), "en").decode().splitlines()[1]
    assert day.startswith("3 times on 2026-11-26,")
    earlier = replace(ONE, sequence=0, purpose="HRESCH", at=AT - timedelta(days=9))
    found = report([earlier, replace(ONE, purpose="HRESCH")], "hipaa", FACTS, AT)
    row = as_csv(found, "en").decode().splitlines()[1]
    assert row.startswith('"2 times, first 2026-11-17, last 2026-11-26",')


@pytest.mark.parametrize("text", ["L" * 10_000, "word " * 2_000, "\n" * 300, "W" * 300], ids=lambda t: t[:5])
def test_a_text_of_pages_is_cut_and_keeps_nobody_from_the_page(text):
    blocks = [Pairs([("Person", text)]), Table(["a", "b"], [[text, text]], (10, 90))]
    assert pdf(Paper("Accounting", "en", blocks, "", AT)).startswith(b"%PDF")
