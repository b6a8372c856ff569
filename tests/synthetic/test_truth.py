"""The truth: complete about difficulties, true to the feeds, and never part of them."""

import csv
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.model.ids import resource_id
from exchange.synthetic.access import expectations

HAZARDS = {
    "typo", "nickname", "former-name", "renamed", "double-surname", "double-surname-cut",
    "ukrainian", "cyrillic", "other-transliteration", "twin", "newborn", "baby-name", "minor",
    "died", "shelter-address", "front-desk-phone", "no-address", "old-address", "old-phone",
    "placeholder-ssn", "last-four-only", "ssn-slip", "no-birth-date", "day-month-swapped",
    "birth-date-slip", "second-registration", "merged", "visit-cancelled", "result-corrected",
    "record-removed", "vaccine-refused", "consent-part2", "consent-opt-out",
    "consent-partial-opt-out", "consent-referral", "consent-housing", "consent-hiv",
    "consent-revoked", "consent-expired", "consent-nested-deny",
}  # fmt: skip


def table(written, name):
    with (written.truth / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def text_of(written, partner):
    folder = written.partners / partner
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_every_hazard_is_met(first_day):
    assert {row["hazard"] for row in table(first_day, "hazards")} >= HAZARDS


def test_ids_follow_from_partner_and_key(first_day):
    for row in table(first_day, "persons"):
        namespace = f"https://{row['partner'].replace('_', '-')}.example/"
        assert row["fhir_id"] == resource_id(namespace, "Patient", row["key"])


def test_every_registration_is_in_its_partners_system(first_day):
    persons = table(first_day, "persons")

    for partner in {row["partner"] for row in persons}:
        text = text_of(first_day, partner)
        missing = [
            r["key"]
            for r in persons
            if r["partner"] == partner and r["key"].split("|")[-1].encode() not in text
        ]
        assert missing == []


def test_both_records_of_a_duplicate_are_in_their_partners_systems(first_day):
    pairs = table(first_day, "duplicates")

    texts = {
        partner: text_of(first_day, partner)
        for row in pairs
        for partner in (row["partner_a"], row["partner_b"])
    }
    keys = [(row[f"partner_{side}"], row[f"key_{side}"]) for row in pairs for side in "ab"]

    assert len(pairs) > 100
    assert {row["type"] for row in pairs} >= {
        "Condition",
        "Immunization",
        "Observation",
        "AllergyIntolerance",
    }
    assert all(part.encode() in texts[partner] for partner, key in keys for part in key.split("|"))
    assert all(row["partner_a"] < row["partner_b"] for row in pairs)


def test_every_wrong_record_is_in_the_feeds(first_day):
    for row in table(first_day, "rejected"):
        mark = row["where"].rsplit("/", 1)[-1].encode()
        names = [path.name.encode() for path in first_day.partners.rglob("*")]
        assert (
            mark in text_of(first_day, row["partner"])
            or mark in names
            or row["partner"] == "service_directory"
        )


def test_numbers_of_people_appear_in_no_feed(first_day):
    person = table(first_day, "persons")[0]["person"]

    assert person.startswith("P")
    assert all(
        person.encode() not in path.read_bytes() for path in first_day.partners.rglob("*") if path.is_file()
    )


def test_expectations_hold_permissions_and_denials_of_each_kind(first_day):
    counts = Counter((row["category"], row["expected"]) for row in table(first_day, "access"))

    for category in ("ordinary", "part2", "mental-health", "hiv", "referral"):
        assert counts[category, "yes"] > 0
        assert counts[category, "no"] > 0


def test_who_neither_treats_nor_is_named_sees_nothing(first_day):
    rows = table(first_day, "access")

    assert {row["expected"] for row in rows if row["requester"] == "southside_clinic"} == {"no"}
    part2 = [row for row in rows if row["category"] == "part2" and row["purpose"] == "COC"]
    assert {row["expected"] for row in part2} == {"no"}


@pytest.mark.parametrize("category", ["part2", "hiv", "referral"])
def test_without_a_form_nothing_protected_is_expected_to_be_visible(first_day, category):
    coalition = first_day.coalition

    for history in coalition.histories():
        found = expectations(replace(history, directives=()), coalition.now())
        for requester, _, partner, *_, kind, expected, _, _ in found:
            if (
                kind == category
                and requester != partner
                and (kind == "part2" or requester == "north_shelter")
            ):
                assert expected == "no"


def test_a_form_that_ended_yesterday_permits_nothing(first_day):
    coalition = first_day.coalition
    over = coalition.today - timedelta(days=1)
    programs = [history for history in coalition.histories() if history.met("harbor_recovery")]

    for history in programs:
        ended = tuple(replace(form, until=over) for form in history.directives)
        found = expectations(replace(history, directives=ended), coalition.now())
        part2 = [row for row in found if row[7] == "part2" and row[0] != "harbor_recovery"]
        assert {row[8] for row in part2} <= {"no"}


def test_an_expectation_says_after_which_day_a_form_that_ends_makes_it_stale(first_day):
    coalition = first_day.coalition
    last = coalition.today + timedelta(days=3)
    programs = [history for history in coalition.histories() if history.met("harbor_recovery")]
    signed = [history for history in programs if history.directives]

    for history in signed:
        forms = tuple(replace(form, until=last, revoked=None) for form in history.directives)
        found = expectations(replace(history, directives=forms), coalition.now())
        assert {row[-1] for row in found} <= {last.isoformat(), ""}
    assert signed


def test_what_a_programs_form_excepts_is_asked_of_the_programs_own_records_alone(first_day):
    coalition = first_day.coalition

    for history in coalition.histories():
        forms = tuple(
            replace(form, except_for=(("actor", "lakeside_hospital"), ("label", "PSYTHPN")))
            for form in history.directives
            if form.kind == "part2"
        )
        found = list(expectations(replace(history, directives=forms), coalition.now()))
        if forms:
            others = [row for row in found if row[2] != "harbor_recovery"]
            assert "mental-health" not in {row[7] for row in others}
            assert "lakeside_hospital" not in {row[0] for row in others}
