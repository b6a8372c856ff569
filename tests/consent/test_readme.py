"""The change consent/README.md teaches does what the page says."""

import re
from textwrap import dedent, indent

import pytest

from exchange.consent import parse_rules
from exchange.consent.proof.report import prove
from exchange.content import load_partners

CASES, POLICIES = "cases/20-hipaa.yaml", "policies/20-hipaa.yaml"


@pytest.fixture
def blocks(files):
    found = re.findall(r"```yaml\n(.*?)```", files["README.md"], re.DOTALL)
    return [dedent(block) for block in found]


@pytest.fixture
def with_story(files, blocks):
    return {**files, CASES: files[CASES] + "\n" + indent(blocks[0], "  ")}


def test_the_story_fails_before_the_rule_is_changed(with_story):
    report = prove(with_story, parse_rules(with_story))
    assert [failure.case for failure in report.failures] == ["a plan asks before it coordinates care"]


def test_the_story_holds_after_it_and_its_opposite_fails(with_story, blocks):
    before, rule = with_story[POLICIES].split("  - id: hipaa-operations\n")
    changed = rule.replace("    effect: allowed\n", indent(blocks[1], "    ") + "    effect: allowed\n", 1)
    after = {**with_story, POLICIES: before + "  - id: hipaa-operations\n" + changed}
    report = prove(after, parse_rules(after))
    names = {failure.case for failure in report.failures}
    assert "a plan coordinates care" in names
    assert all("CAREMGT" in f.problem for f in report.failures if f.case != "a plan coordinates care")


def test_an_age_that_is_changed_fails_its_two_stories_and_a_line_that_is_lost_one(files):
    older = {**files, "minors.csv": files["minors.csv"].replace("IL,SUD,12,", "IL,SUD,13,")}
    failed = [failure.case for failure in prove(older, parse_rules(older)).failures]
    assert failed == ["care about substance use in Illinois is the minor's own on the 12th birthday"]
    day = "id: e2, effectiveDateTime: "
    stories = files["cases/75-minors.yaml"].replace(f"{day}2022-03-02", f"{day}2023-03-02")
    moved = {**older, "cases/75-minors.yaml": stories}
    report = prove(moved, parse_rules(moved))
    assert not report.failures
    assert [idle.partition(": ")[2] for idle in report.idle] == ["with age_from 12 nothing fails"]


def test_the_new_recipient_of_the_page_is_one(blocks):
    (written,) = [block for block in blocks if block.startswith("namespace:")]
    found = load_partners({"warm_meals/partner.yaml": written})["warm_meals"]
    assert (found.agreement.type, found.requests.purposes, found.feeds) == ("DUA", ("COC",), {})


def test_every_line_a_rule_may_have_is_in_the_table(files):
    from exchange.consent.rules.policies import Policy

    fields = [field.alias or name for name, field in Policy.model_fields.items()]
    assert [name for name in fields if f"`{name}`" not in files["README.md"]] == []
