"""The change consent/README.md teaches does what the page says."""

import re
from textwrap import dedent, indent

import pytest

from exchange.consent import Context, parse_rules
from exchange.consent.proof.cases import TABLES, read_cases, run, run_labels
from exchange.consent.proof.row_cases import idle_rows
from exchange.consent.proof.tables import questions, read_tables, run_tables
from exchange.content import load_partners

CASES, POLICIES = "cases/20-hipaa.yaml", "policies/20-hipaa.yaml"


@pytest.fixture
def blocks(files):
    found = re.findall(r"```yaml\n(.*?)```", files["README.md"], re.DOTALL)
    return [dedent(block) for block in found]


@pytest.fixture
def with_story(files, blocks):
    return {**files, CASES: files[CASES] + "\n" + indent(blocks[0], "  ")}


def failures(files):
    """What `prove` tells of failures, of the first tables; not whether each rule would be missed."""
    rules = parse_rules(files)
    people, cases, labels = read_cases(files)
    context = Context(rules, people)
    whole = read_tables(files, context)
    few = whole.model_copy(update={"tables": whole.tables[:5], "openings": ()})
    asked = questions(few, context)
    return [*run(cases, context), *run_labels(labels, rules), *run_tables(asked, context)]


def test_the_story_fails_before_the_rule_is_changed(with_story):
    failed = failures({name: text for name, text in with_story.items() if name != TABLES})
    assert [failure.case for failure in failed] == ["a plan asks before it coordinates care"]


def test_the_story_holds_after_it_and_its_opposite_fails(with_story, blocks):
    before, rule = with_story[POLICIES].split("  - id: hipaa-operations\n")
    changed = rule.replace("    effect: allowed\n", indent(blocks[1], "    ") + "    effect: allowed\n", 1)
    after = {**with_story, POLICIES: before + "  - id: hipaa-operations\n" + changed}
    failed = failures(after)
    assert "a plan coordinates care" in {failure.case for failure in failed}
    assert all("CAREMGT" in f.problem for f in failed if f.case != "a plan coordinates care")
    row = "{who: [plans], why: [payment, quality],"
    assert row in after[TABLES]
    told = {**after, TABLES: after[TABLES].replace(row, "{who: [plans], why: [payment],")}
    assert {failure.case for failure in failures(told)} == {"a plan coordinates care"}


def test_an_age_that_is_changed_fails_its_two_stories_and_a_line_that_is_lost_one(files):
    older = {**files, "minors.csv": files["minors.csv"].replace("IL,SUD,12,", "IL,SUD,13,")}
    assert stories(older) == ["care about substance use in Illinois is the minor's own on the 12th birthday"]
    day = "id: e2, effectiveDateTime: "
    later = files["cases/75-minors.yaml"].replace(f"{day}2022-03-02", f"{day}2023-03-02")
    moved = {**older, "cases/75-minors.yaml": later}
    assert stories(moved) == []
    lines = idle_rows(parse_rules(moved), lambda other: any(run_labels(of_patients(moved), other)))
    assert [line.partition(": ")[2] for line in lines] == ["with age_from 12 nothing fails"]


def stories(files):
    return [failure.case for failure in run_labels(of_patients(files), parse_rules(files))]


def of_patients(files):
    return [case for case in read_cases(files)[2] if case.patient]


def test_the_new_recipient_of_the_page_is_one(blocks):
    (written,) = [block for block in blocks if block.startswith("namespace:")]
    found = load_partners({"warm_meals/partner.yaml": written})["warm_meals"]
    assert (found.agreement.type, found.requests.purposes, found.feeds) == ("DUA", ("COC",), {})


def test_every_line_a_rule_may_have_is_in_the_table(files):
    from exchange.consent.rules.policies import Policy

    fields = [field.alias or name for name, field in Policy.model_fields.items()]
    assert [name for name in fields if f"`{name}`" not in files["README.md"]] == []
