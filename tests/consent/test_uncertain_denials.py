"""A permit inside a denial opens nothing where it is not known that the denial is about this at all."""

from datetime import datetime

import pytest

from exchange.consent import decide, directive
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.directives.certainty import all_of, any_of, uncertain
from exchange.consent.directives.trees import Request, Subject, evaluate, trees
from exchange.consent.proof.case_consents import resolve_case
from exchange.model.errors import RecordRejected
from tests.consent.builders import ACT_CODE, chosen, consent, provision, record, viewer

NOON = datetime(2026, 6, 1, 12, tzinfo=EXCHANGE_ZONE)
NOBODY_KNOWN = [{"reference": {"display": "a clinic nobody here can tell"}}]
WROTE = [{"meaning": "authoredby", "reference": {"reference": "Practitioner/dr"}}]
FOREIGN = {"system": "http://other.example", "code": "X"}
UNDATED = {"resourceType": "Observation", "id": "o"}
DATED = {**UNDATED, "effectiveDateTime": "2026-02-01", "performer": [{"reference": "Practitioner/dr"}]}
ELSEWHEN = {**UNDATED, "effectiveDateTime": "2020-02-01", "performer": [{"reference": "Practitioner/x"}]}
YEAR = {"start": "2026", "end": "2026"}

UNKNOWN = {
    "to whom": {"actor": NOBODY_KNOWN},
    "what for": {"purpose": (), "action": [{"text": "look at"}]},
    "which label": {"securityLabel": [FOREIGN]},
    "which kind": {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observatoin"}]},
    "which code": {"code": [{"text": "sugar"}]},
    "when": {"dataPeriod": YEAR},
    "by whom": {"data": WROTE},
}


@pytest.fixture
def hiv(context, noon):
    """What a hospital gets of an HIV record from Indiana, which needs a consent that permits it."""

    def ask(prof, body=UNDATED):
        cls = record(prof, "HIV", source="dunes_hospital", content=body)
        return decide(cls, viewer(), context, noon).effect

    return ask


def but_for_treatment(**terms):
    """Nothing about these terms, except for treatment."""
    return provision("deny", provision("permit", purpose=["TREAT"]), **terms)


@pytest.mark.parametrize("terms", UNKNOWN.values(), ids=UNKNOWN)
def test_an_exception_to_a_refusal_nobody_can_read_is_no_permission(hiv, terms):
    assert hiv(chosen(consent(provision=but_for_treatment(**terms)))) == "deny"
    assert hiv(chosen(consent(provision=but_for_treatment()))) == "permit"  # read, it is one


@pytest.mark.parametrize("terms", UNKNOWN.values(), ids=UNKNOWN)
def test_such_a_refusal_still_closes(hiv, terms):
    assert hiv(chosen(consent(provision=provision("permit", provision("deny", **terms))))) == "deny"
    assert hiv(chosen(consent(provision=provision("permit", but_for_treatment(**terms))))) == "permit"
    nested = provision("deny", but_for_treatment(**terms), provision("permit", to=["southside_clinic"]))
    assert hiv(chosen(consent(provision=nested))) == "deny"


@pytest.mark.parametrize("terms", [UNKNOWN["when"], UNKNOWN["by whom"]], ids=["when", "by whom"])
def test_of_a_record_that_says_when_and_by_whom_the_exception_counts(hiv, terms):
    prof = chosen(consent(provision=but_for_treatment(**terms)))
    assert [hiv(prof, body) for body in (DATED, ELSEWHEN, UNDATED)] == ["permit", "deny", "deny"]


def test_only_what_has_exceptions_is_remembered_as_uncertain():
    plain = chosen(consent(provision=provision("permit", provision("deny", dataPeriod=YEAR))))
    assert record(plain, content=UNDATED).matched == (0,)
    held = chosen(consent(provision=but_for_treatment(dataPeriod=YEAR)))
    assert record(held, content=UNDATED).matched == (uncertain(0), 0)
    assert record(held, content=DATED).matched == (0,)


def test_a_code_without_its_system_may_be_any(hiv):
    bare = {**UNDATED, "code": {"coding": [{"code": "E11.9"}]}}
    whole = {
        **UNDATED,
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"}]},
    }
    named = {"code": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"}]}]}
    prof = chosen(consent(provision=but_for_treatment(**named)))
    assert [hiv(prof, body) for body in (whole, bare, UNDATED)] == ["permit", "deny", "deny"]


def test_what_cannot_be_told_is_neither():
    assert (all_of([True, None]), all_of([None, False]), all_of([])) == (None, False, True)
    assert (any_of([None, True]), any_of([None, False]), any_of([])) == (True, None, False)


@pytest.mark.parametrize("code", ["EMRGONLY", "NOCONSENT"])
def test_a_policy_rule_that_says_two_things_says_none(code):
    rule = {"coding": [{"system": ACT_CODE, "code": one} for one in ("OPTIN", code)]}
    with pytest.raises(RecordRejected, match="neither a root type nor a policyRule"):
        directive(consent(policyRule=rule, provision={}), resolve=resolve_case)


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive", "entered-in-error"])
def test_what_is_not_in_force_is_not_followed_whatever_its_parts_mean(status):
    changed = [{"url": "http://example.org/x", "valueBoolean": True}]
    tree = provision("deny", modifierExtension=changed)
    assert directive(consent(status=status, provision=tree), resolve=resolve_case).root is None
    for whole in ({"modifierExtension": changed}, {"implicitRules": "http://example.org/rules"}):
        with pytest.raises(RecordRejected, match="change the meaning"):
            directive(consent(status=status, **whole), resolve=resolve_case)


@pytest.mark.parametrize(
    ("listed", "atom", "verdict"),
    [
        ("PSY", "PSY", "permit"),
        ("PSY", "MH", "permit"),
        ("ETH", "OPIOIDUD", "permit"),
        ("BH", "DVD", "permit"),
        ("PSY", "DVD", "silent"),
        ("MENCAT", "COGN", "silent"),
        ("PSY", "HIV", "silent"),
    ],
)
def test_an_exception_speaks_of_what_the_refusal_names_and_not_of_what_lies_near_it(
    rules, context, listed, atom, verdict
):
    """A refusal of psychiatry closes developmental disability too, which is within another of its family."""
    ((_, _, root),) = trees(
        chosen(consent(provision=provision("deny", provision("permit"), label=[listed])))
    )[0]
    everybody = frozenset(context.participants)
    asked = Request("clinic", everybody, everybody, everybody, "access", "TREAT", NOON)
    assert (
        evaluate(root, asked, Subject(atom, "R", frozenset(), frozenset()), rules.vocabulary).verdict
        == verdict
    )


def test_what_lies_near_is_closed_all_the_same(rules, context):
    assert {"DVD", "COGN", "EMOTDIS"} <= rules.vocabulary.denies["PSY"] & rules.vocabulary.denies["MENCAT"]
    assert rules.vocabulary.denies_surely.keys() == rules.vocabulary.denies.keys()
    assert all(
        rules.vocabulary.denies_surely[code] <= reached for code, reached in rules.vocabulary.denies.items()
    )


def test_a_policy_rule_of_another_system_says_nothing():
    rule = {"coding": [{"system": "http://other.example", "code": "OPTIN"}]}
    with pytest.raises(RecordRejected, match="neither a root type nor a policyRule"):
        directive(consent(policyRule=rule, provision={}), resolve=resolve_case)


def test_what_a_program_consent_of_nobody_known_leaves_out_is_left_out_everywhere(hiv):
    """Whose records it is about is not said, and nobody sent it: its exceptions may be about these."""
    whole = provision("permit", provision("deny", label=["HIV"]))
    policy = [{"uri": "https://mosaic-exchange.example/policy/part2"}]
    written = consent(category=[], policy=policy, provision=whole)
    general = consent(id="c2")
    assert hiv(chosen(written, general)) == "deny"
    elsewhere = consent(
        category=[], policy=policy, provision=whole, organization=[{"reference": "Organization/x"}]
    )
    assert hiv(chosen(elsewhere, general)) == "permit"
