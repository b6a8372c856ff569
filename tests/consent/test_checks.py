"""Mistakes in the rules are named by rule, file and line, with what would be right."""

from __future__ import annotations

from datetime import date

import pytest

from exchange.consent import complete_rules, parse_rules
from exchange.consent.proof.checks import check, check_each, miscounted
from exchange.console.reasons import told
from exchange.model.errors import ContentError

TODAY = date(2026, 11, 26)
NAME = "policies/99-mine.yaml"
HEAD = "pack: exchange\npolicies:\n"


def rule(id_, effect, when, **lines):
    more = "".join(
        f"    {name}: {value}\n" for name, value in lines.items() if name not in ("review", "from_")
    )
    return (
        f"  - id: {id_}\n    title: {id_}\n"
        + ("" if "citation" in lines else "    citation: an agreement\n")
        + "    mark: ours\n    steward: privacy-office\n"
        f"    in_force: {lines.get('from_', '{from: 2020-01-01}')}\n"
        f"    review_by: {lines.get('review', '2030-01-01')}\n"
        f"    when: {when}\n    effect: {effect}\n{more}"
    )


def with_mine(files, text):
    """The rules with a file more, which the vocabulary names."""
    named = files["vocabulary.yaml"].replace("\nfiles:\n", f"\nfiles:\n  - {NAME}\n")
    return {**files, "vocabulary.yaml": named, NAME: text}


def and_rule(files, **lines):
    return with_mine(files, HEAD + rule("mine", "prohibited", "{purpose: [HMARKT]}", **lines))


def flaws_of(files, *rules):
    found = check(with_mine(files, HEAD + "".join(rules)), TODAY)
    return {(flaw.kind, flaw.rule): flaw for flaw in found}


def test_the_rules_as_they_are_have_no_flaw(files):
    assert check(files, TODAY) == []


@pytest.mark.parametrize("name", ["words.csv", "case_words.csv"])
def test_words_that_cannot_be_read_are_a_flaw_and_leave_the_rules_alone(files, name):
    (flaw,) = check_each({**files, name: files[name] + "half\n"}, TODAY)
    assert (flaw.kind, flaw.rule) == ("unreadable", name)
    assert flaw.place == f"consent/{name}:{len(files[name].splitlines()) + 1}"


LISTS = ["labels/substance-use.csv", "labels/hiv-sti.csv", "labels/vital-records.csv", "minors.csv"]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("which", [0, -1])
def test_a_list_that_lost_a_row_is_noticed(files, name, which):
    lines = files[name].splitlines(keepends=True)
    rows = [number for number, line in enumerate(lines) if not line.startswith("#")][1:]
    lost = "".join(line for number, line in enumerate(lines) if number != rows[which])
    (flaw,) = miscounted({**files, name: lost})
    assert (flaw.kind, flaw.rule) == ("miscounted", name)
    assert flaw.problem == f"its head says {len(rows)} rows, and there are {len(rows) - 1}"
    assert flaw.remedy == f"write `# rows: {len(rows) - 1}` into its head, if no row was lost"


def test_a_miscounted_list_is_a_flaw_like_others(files):
    (flaw,) = check_each({**files, "minors.csv": files["minors.csv"].replace("# rows: ", "# rows: 1")}, TODAY)
    assert (flaw.kind, flaw.rule) == ("miscounted", "minors.csv")


def test_every_list_says_how_many_rows_it_has(files):
    for name in (one for one in files if one == "minors.csv" or one.startswith("labels/")):
        text = "".join(line for line in files[name].splitlines(True) if not line.startswith("# rows:"))
        (flaw,) = miscounted({**files, name: text})
        assert (flaw.kind, flaw.place) == ("miscounted", f"consent/{name}:1")


def test_a_rule_that_another_one_makes_needless_is_shadowed(files):
    found = flaws_of(
        files,
        rule("again", "allowed", "{action: [access], purpose: [HLEGAL], record: {label: [42CFRPart2]}}"),
    )
    flaw = found["shadowed", "again"]
    assert flaw.place == f"consent/{NAME}:3"
    assert "part2-proceedings (consent/policies/30-part2.yaml:" in flaw.problem


@pytest.mark.slow
def test_a_narrower_rule_that_says_something_of_its_own_is_not_shadowed(files):
    found = flaws_of(files, rule("new", "prohibited", "{purpose: [HMARKT], requester: {type: [payer]}}"))
    assert found == {}


@pytest.mark.slow
def test_the_same_rule_written_twice_is_shadowed_both_times(files):
    twice = [rule(name, "prohibited", "{purpose: [HMARKT]}") for name in ("one", "two")]
    assert set(flaws_of(files, *twice)) == {("shadowed", "one"), ("shadowed", "two")}


@pytest.mark.slow
def test_a_rule_whose_exception_takes_everything_is_unreachable(files):
    found = flaws_of(files, rule("never", "prohibited", "{purpose: [COC]}", unless="[{purpose: [TREAT]}]"))
    assert set(found) == {("unreachable", "never")}


def test_a_rule_for_a_level_below_its_own_lowest_is_unreachable(files):
    found = flaws_of(files, rule("never", "prohibited", "{record: {at_least: R, at_most: N}}"))
    assert set(found) == {("unreachable", "never")}


def test_opposite_rules_about_the_same_requests_are_contradictory_even_in_other_words(files):
    found = flaws_of(
        files,
        rule("shut", "prohibited", "{purpose: [HMARKT], record: {at_least: R}}"),
        rule("open", "allowed", "{purpose: [HMARKT], record: {at_least: R, at_most: V}}"),
    )
    assert ("contradictory", "open") in found
    assert "shut (consent/" in found["contradictory", "open"].problem


def test_opposite_rules_in_the_same_words_are_contradictory_and_named_with_their_line(files):
    when = "{purpose: [HMARKT]}"
    found = flaws_of(files, rule("shut", "prohibited", when), rule("open", "allowed", when))
    assert found["contradictory", "open"].place.startswith(f"consent/{NAME}:")


@pytest.mark.parametrize(
    "kind, lines",
    [
        ("expired", {"from_": "{from: 2020-01-01, until: 2025-12-31}"}),
        ("uncited", {"citation": '" "'}),
        ("unreviewed", {"review": "2026-11-25"}),
    ],
)
def test_a_rule_out_of_date_or_without_source_is_named(files, kind, lines):
    (flaw,) = check_each(and_rule(files, **lines), TODAY)
    assert (flaw.kind, flaw.rule) == (kind, "mine")
    assert flaw.remedy


def test_a_rule_reviewed_by_today_is_in_time(files):
    assert check_each(and_rule(files, review="2026-11-26"), TODAY) == []


def test_a_rule_of_a_pack_that_is_off_is_told(files):
    off = files["vocabulary.yaml"].replace(
        "\npacks: [exchange, us-federal, illinois, indiana, social-care]\n",
        "\npacks: [exchange, us-federal, illinois, social-care]\n",
    )
    found = check_each({**files, "vocabulary.yaml": off}, TODAY)
    assert {flaw.kind for flaw in found} == {"switched-off"}


def test_a_file_that_cannot_be_read_is_the_only_flaw(files):
    broken = {**files, NAME: HEAD + rule("mine", "prohibitted", "{purpose: [HMARKT]}")}
    (flaw,) = check(broken, TODAY)
    assert (flaw.kind, flaw.place) == ("unreadable", f"consent/{NAME}:11")
    assert "prohibited" in flaw.remedy


@pytest.mark.parametrize("name", ["labels/hiv-sti.csv", "minors.csv", "elements.yaml"])
def test_a_list_nobody_looked_at_again_is_reported(files, name):
    old = {**files, name: files[name].replace("2027-06-30", "2026-01-31")}
    assert {flaw.place.partition(":")[0] for flaw in check_each(old, TODAY)} == {f"consent/{name}"}


OPERATIONS = "    effect: allowed\n\n  - id: hipaa-public-health"


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        ("unless:", "hipaa-operations.unless", "nothing stands below it"),
        ("unless:\n      -", "hipaa-operations.unless[0]", "nothing stands below it"),
        ("unless:\n      requester: {type: [payer]}", "hipaa-operations.unless", "its own line with `- `"),
        ("unless:\n      - requester: {type: payer}", "hipaa-operations.unless[0].requester.type", "between"),
        ("unless:\n      - requester: payer", "hipaa-operations.unless[0].requester", "lines `name: value`"),
        ("unless:\n    - source: {type: [payr]}", "hipaa-operations.unless[0].source.type[0]", "`payer`"),
        ("unless:\n      - requestor: {}", "hipaa-operations.unless[0].requestor", "`requester`"),
        ("unless:\n    \t- {}", "policies/20-hipaa.yaml", "not with a tab"),
        ("unless: [{}", "policies/20-hipaa.yaml", "is not closed"),
        ('unless: "a', "policies/20-hipaa.yaml", "quotation mark that is opened here"),
        (" unless: []", "policies/20-hipaa.yaml", "in the same column"),
        ("waived_if_named: perhaps", "hipaa-operations.waived_if_named", "neither true nor false"),
    ],
)
def test_a_line_that_is_wrong_is_told_in_words_of_those_who_write_rules(files, line, field, says):
    """Also in their language: nothing of the libraries that read the file is left."""
    name = "policies/20-hipaa.yaml"
    wrong = files[name].replace(OPERATIONS, f"    {line}\n{OPERATIONS}")
    (flaw,) = check({**files, name: wrong}, TODAY)
    assert (flaw.kind, flaw.rule) == ("unreadable", field)
    assert says in flaw.problem
    assert told(flaw.problem, str) is not None


def test_a_day_and_a_line_left_out_are_told_likewise(files):
    name = "policies/20-hipaa.yaml"
    for old, new, says in (
        ("in_force: {from: 2003-04-14}", "in_force: {from: 04/14/2003}", "2026-06-30"),
        ("    effect: allowed\n", "", "it is missing"),
    ):
        (flaw,) = check({**files, name: files[name].replace(old, new, 1)}, TODAY)
        assert says in flaw.problem
        assert told(flaw.problem, str) is not None


@pytest.mark.parametrize(
    "gone", ["policies/45-indiana.yaml", "labels/hiv-sti.csv", "minors.csv", "elements.yaml"]
)
def test_a_file_that_is_gone_stops_everything(files, gone):
    """What it closes would be open, and nothing else would say so."""
    left = {name: text for name, text in files.items() if name != gone}
    parse_rules(left)
    with pytest.raises(ContentError, match="put it back") as told_of:
        complete_rules(left)
    assert told_of.value.file == gone
    (flaw,) = check_each(left, TODAY)
    assert (flaw.kind, flaw.place.partition(":")[0]) == ("unreadable", f"consent/{gone}")


@pytest.mark.parametrize("name", [NAME, "labels/mine.csv"])
def test_a_file_nobody_names_is_a_flaw(files, name):
    empty = HEAD + rule("mine", "prohibited", "{purpose: [HMARKT]}") if name == NAME else LIST
    (flaw,) = check_each({**files, name: empty}, TODAY)
    assert (flaw.kind, flaw.rule) == ("miscounted", name)
    assert "files" in flaw.problem


LIST = """# steward: privacy-office; review by 2027-06-30
# rows: 0
system,match,value,label,strength,from,to,source,mark
"""
