import pytest

from exchange.consent import parse_rules
from exchange.consent.content import read_yaml
from exchange.model.errors import ContentError

HIPAA = "policies/20-hipaa.yaml"
HIV = "labels/hiv-sti.csv"


def changed(files, name, old, new):
    assert old in files[name]
    return {**files, name: files[name].replace(old, new, 1)}


@pytest.mark.parametrize(
    "name, old, new, message",
    [
        (HIPAA, "effect: allowed", "effect: alowed", "alowed|effect"),
        (HIPAA, "citation:", "sitation:", "did you mean"),
        (HIPAA, "purpose: [TREAT]", "purpose: [TREET]", "unknown word.*valid here.*TREAT"),
        (HIPAA, "type: [hospital,", "type: [hospitl,", "hospital"),
        (HIPAA, "label: [HIPAASelfPay]", "label: [SelfPay]", "HIPAASelfPay"),
        (HIPAA, "lifts: [general]", "lifts: [generous]", "general"),
        (HIPAA, "obligations: [account-for]", "obligations: [account]", "account-for"),
        (HIPAA, "domain: [research, authorization]", "domain: [reserch]", "research"),
        (
            HIPAA,
            "consent: {domain: [research, authorization], named: true, written: true}",
            "",
            "consent.domain",
        ),
        (HIPAA, "    reviewer: privacy-office\n", "", "reviewer"),
        (HIPAA, "id: hipaa-payment", "id: hipaa-treatment", "two rules"),
        (
            HIPAA,
            "in_force: {from: 2003-04-14}",
            "in_force: {from: 2003-04-14, until: 2001-01-01}",
            "ends before",
        ),
        (HIPAA, "in_force: {from: 2003-04-14}", "in_force: {from: soon}", "in_force.from"),
        (HIPAA, "pack: us-federal", "pack: us-fedral", "us-federal"),
        (HIPAA, "pack: us-federal", "pack: us-federal\npack: illinois", "written twice"),
        ("vocabulary.yaml", "within: SUD", "within: SUDD", "SUD"),
        ("vocabulary.yaml", "TREAT: [BTG", "TREAT: [BREAK", "BTG"),
        ("vocabulary.yaml", "only_labelled: [42CFRPart2]", "only_labelled: [SUD]", "42CFRPart2"),
        (HIV, ",HIV,strong", ",HIVV,strong", "HIV"),
        (HIV, "prefix,B9735", "prefix,B97.35", "without dots"),
        (HIV, "exact,56888-1", "exact,LP56888-1", "not a code"),
        (HIV, "exact,56888-1", "exact, 56888-1", "blanks"),
        (HIV, "exact,86406008", "exact,1.09399E+16", "without dots|not a code"),
        (HIV, "system,match", "systems,match", "columns"),
        (HIV, ",strong,,,", ",strong,,", "wrong number of columns"),
        (HIV, ",strong,,,", ",strong,someday,,", "from"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place_and_what_would_be_right(files, name, old, new, message):
    with pytest.raises(ContentError, match=message) as error:
        parse_rules(changed(files, name, old, new))
    assert error.value.file in (name, "")
    assert error.value.line or "two rules" not in message


def test_two_rules_that_say_the_opposite_about_the_same_are_refused(files):
    text = files["policies/40-illinois.yaml"]
    copy = text.replace("il-exchange-opt-out", "il-no-exchange").replace(
        "effect: allowed", "effect: prohibited"
    )
    with pytest.raises(ContentError, match="say the opposite"):
        parse_rules({**files, "policies/41-more.yaml": copy.split("  - id: il-hiv-release")[0]})


def test_the_digest_changes_with_a_rule_and_not_with_a_case(files, rules):
    stricter = changed(files, HIPAA, "purpose: [TREAT]", "purpose: [COC]")
    assert parse_rules(stricter).digest != rules.digest
    assert parse_rules({**files, "cases/more.yaml": "cases: []"}).digest == rules.digest


def test_without_the_vocabulary_there_are_no_rules():
    with pytest.raises(ContentError, match="missing"):
        parse_rules({})


def test_excluded_codes_are_never_swallowed_by_a_broader_row(rules):
    icd = "http://hl7.org/fhir/sid/icd-10-cm"
    assert rules.lists.of_code(icd, "F17.210") == ()
    assert [hit.label for hit in rules.lists.of_code(icd, "F19.20")] == ["SUD"]


def test_no_listed_code_of_an_analgesic_or_a_blood_sugar_is_there(rules):
    loinc, rxnorm = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
    assert rules.lists.of_code(loinc, "2339-0") == ()
    assert rules.lists.of_code(rxnorm, "1049621") == ()


def test_a_list_nobody_looks_after_is_refused(files):
    text = files["labels/violence.csv"].replace("# steward:", "# somebody:")
    with pytest.raises(ContentError, match="steward"):
        parse_rules({**files, "labels/violence.csv": text})


def test_a_range_is_no_prefix(files):
    row = "http://hl7.org/fhir/sid/icd-10-cm,prefix,O981-O983,STD,strong,,,nobody,ours\n"
    with pytest.raises(ContentError, match="not a code"):
        parse_rules({**files, "labels/violence.csv": files["labels/violence.csv"] + row})


def test_a_line_that_begins_in_another_column_is_said_to_be_misplaced():
    """As a case copied out of the README to the end of a list."""
    with pytest.raises(ContentError, match=r"3: .*begin it in the same column as the lines like it above"):
        read_yaml("cases/20.yaml", "cases:\n  - case: one\n- case: two\n")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 'x\nc: 2\nd: 3\n", 2, "opened here is not closed"),
        ("a: 1\nb: 'x\nc: 2\nd: it's\ne: 4\n", 2, "opened here is closed on a later line"),
        ('a: "x\nb: 2\nc: "y"\nd: 3\n', 1, "opened here is closed on a later line"),
        ("a: 'x\n  y'\nb: 3\n c: 4\n", 4, "not in line"),
        ("a: [1, 2\nb: 3\n", 2, "is not closed: close it with"),
    ],
)
def test_a_quotation_mark_that_is_not_closed_is_told_where_it_opens(text, line, words):
    with pytest.raises(ContentError, match=words) as told:
        read_yaml("policies/1.yaml", text)
    assert told.value.line == line
