from pathlib import Path

import pytest

from exchange.consent import Context, parse_rules
from exchange.consent.proof.cases import Case, flipped, holds, read_cases, run, run_labels
from exchange.consent.proof.report import prove

CONTENT = Path(__file__).parents[2] / "consent"
FILES = {
    path.relative_to(CONTENT).as_posix(): path.read_text("utf-8")
    for path in CONTENT.rglob("*")
    if path.is_file()
}
RULES = parse_rules(FILES)
PEOPLE, CASES, LABELS = read_cases(FILES)
CONTEXT = Context(RULES, PEOPLE)


def _name(case: Case) -> str:
    return case.case


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_the_rules_decide_the_case_as_written(case):
    assert list(run([case], CONTEXT)) == []


@pytest.mark.parametrize("case", LABELS, ids=_name)
def test_the_labels_are_the_ones_written(case):
    assert list(run_labels([case], RULES)) == []


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_the_case_fails_when_it_is_flipped(case):
    assert not holds(flipped(case), CONTEXT)


@pytest.mark.parametrize("case", LABELS, ids=_name)
def test_the_label_case_fails_when_one_more_label_is_expected(case):
    wrong = case.model_copy(update={"labels": (*case.labels, "TBOO")})
    assert [failure.case for failure in run_labels([wrong], RULES)] == [case.case]


@pytest.mark.slow
def test_every_rule_is_missed_by_some_case():
    report = prove(FILES, RULES)
    assert report.idle == ()
    assert report.good


def test_no_two_cases_have_the_same_name():
    names = [case.case for case in (*CASES, *LABELS)]
    assert len(names) == len(set(names))


def test_every_rule_says_where_it_stands_and_who_looks_after_it():
    for rule in RULES.rules:
        assert rule.policy.citation
        assert rule.policy.steward
        assert rule.policy.review_by > rule.policy.in_force.from_
