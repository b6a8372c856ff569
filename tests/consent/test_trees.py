"""One consent and one atom: standards of matching and of the provision tree."""

from datetime import datetime
from itertools import permutations

import pytest

from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.directives.codings import CONFIDENTIALITY
from exchange.consent.directives.trees import Request, Subject, evaluate, trees
from tests.consent.builders import chosen, consent, provision

KNOWN = frozenset(["hospital", "clinic", "parent", "group:team", "role:nurse"])


def says(tree, atom=None, confidentiality="N", purpose="TREAT", action="access", at="2026-06-01", **who):
    rules = who.pop("rules")
    request = Request(
        code=who.get("code", "hospital"),
        names=who.get("names", frozenset(["hospital", "group:team", "role:nurse"])),
        wider=who.get("wider", frozenset(["hospital", "group:team", "role:nurse", "parent"])),
        known=KNOWN,
        action=action,
        purpose=purpose,
        at=datetime.fromisoformat(at).replace(tzinfo=EXCHANGE_ZONE),
    )
    ((_, _, root),) = trees(chosen(consent(provision=tree)))[0]
    subject = Subject(atom, confidentiality, who.get("marks", frozenset()), frozenset())
    return evaluate(root, request, subject, rules.vocabulary).verdict


@pytest.mark.parametrize(
    "listed, asked, permit, deny",
    [
        ("TREAT", "TREAT", "permit", "deny"),
        ("TREAT", "COC", "permit", "deny"),
        ("COC", "TREAT", "uncovered", "silent"),
        ("TREAT", "BTG", "uncovered", "deny"),
        ("TREAT", "CLINTRL", "uncovered", "deny"),
        ("HOPERAT", "HLEGAL", "uncovered", "deny"),
        ("HOPERAT", "HTEST", "permit", "deny"),
        ("TREET", "TREAT", "uncovered", "deny"),
    ],
)
def test_purposes_are_inherited_downwards_but_some_only_for_denials(rules, listed, asked, permit, deny):
    assert says(provision("permit", purpose=[listed]), purpose=asked, rules=rules) == permit
    assert says(provision("deny", purpose=[listed]), purpose=asked, rules=rules) == deny


@pytest.mark.parametrize("code", ["FooBar", "TREAT"])
def test_a_purpose_of_another_system_is_not_understood_so_it_closes_and_never_opens(rules, code):
    foreign = [{"system": "http://example.org/purposes", "code": code}]
    assert says({"type": "deny", "purpose": foreign}, rules=rules) == "deny"
    assert says({"type": "permit", "purpose": foreign}, rules=rules) == "uncovered"


def test_a_purpose_of_no_system_matches_denials_only(rules):
    bare = [{"code": "TREAT"}]
    assert says({"type": "deny", "purpose": bare}, rules=rules) == "deny"
    assert says({"type": "permit", "purpose": bare}, rules=rules) == "uncovered"


@pytest.mark.parametrize(
    "actor, permit, deny",
    [
        ("hospital", "permit", "deny"),
        ("group:team", "permit", "deny"),
        ("parent", "uncovered", "deny"),
        ("clinic", "uncovered", "silent"),
        ("nobody", "uncovered", "deny"),
    ],
)
def test_a_denial_reaches_below_an_organization_and_whoever_cannot_be_resolved(rules, actor, permit, deny):
    assert says(provision("permit", to=[actor]), rules=rules) == permit
    assert says(provision("deny", to=[actor]), rules=rules) == deny


@pytest.mark.parametrize(
    "listed, atom, permit, deny",
    [
        ("SUD", "SUD", "permit", "deny"),
        ("SUD", "OPIOIDUD", "permit", "deny"),
        ("OPIOIDUD", "SUD", "uncovered", "deny"),
        ("ETH", "OPIOIDUD", "permit", "deny"),
        ("SPI", "MH", "permit", "deny"),
        ("MH", "PSY", "uncovered", "deny"),
        ("HIV", "SUD", "uncovered", "silent"),
        ("HIV", None, "uncovered", "silent"),
        ("NOSUCH", "HIV", "uncovered", "deny"),
    ],
)
def test_a_permit_covers_what_is_within_and_a_denial_the_family(rules, listed, atom, permit, deny):
    assert says(provision("permit", label=[listed]), atom, "R", rules=rules) == permit
    assert says(provision("deny", label=[listed]), atom, "R", rules=rules) == deny


@pytest.mark.parametrize(
    "listed, record, permit, deny",
    [
        ("N", "N", "permit", "deny"),
        ("N", "R", "uncovered", "deny"),
        ("R", "N", "permit", "silent"),
        ("R", "V", "uncovered", "deny"),
    ],
)
def test_confidentiality_is_a_high_water_mark_for_permits_and_a_low_one_for_denials(
    rules, listed, record, permit, deny
):
    assert says(provision("permit", label=[listed]), None, record, rules=rules) == permit
    assert says(provision("deny", label=[listed]), None, record, rules=rules) == deny


def test_a_list_of_both_kinds_asks_for_one_of_each(rules):
    both = provision("deny", label=["R", "HIV"])
    assert says(both, "HIV", "R", rules=rules) == "deny"
    assert says(both, "SUD", "R", rules=rules) == "silent"
    assert says(both, "HIV", "N", rules=rules) == "silent"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ({"system": CONFIDENTIALITY, "code": "X"}, "a level nobody knows"),
        ({"system": CONFIDENTIALITY, "code": "T"}, "a retired one"),
        ({"system": "http://example.org/labels", "code": "X"}, "either"),
        ({"code": "HIV"}, "either"),
    ],
)
def test_a_label_nobody_can_read_beside_another_closes(rules, code, kind):
    """Of confidentialities one is enough; what may be of either kind stands beside none for certain."""

    def root(type_, *labels):
        tree = provision(type_, label=labels)
        tree["securityLabel"].append(code)
        return says(tree, "SUD", "N", rules=rules)

    assert root("deny", "R") == "deny"
    assert root("deny", "HIV") == ("deny" if kind == "either" else "silent")
    assert root("deny", "SUD") == "deny"
    assert root("permit", "N") == ("uncovered" if kind == "either" else "permit")
    assert root("permit", "L") == "uncovered"


@pytest.mark.parametrize("code", ["AID", "T", "UWM"])
def test_a_code_that_another_system_has_is_none_of_this_one(rules, code):
    """It is not read as what it means there: nobody knows what is refused, and that closes."""
    assert says(provision("deny", label=[code]), "SUD", rules=rules) == "deny"
    assert says(provision("deny", label=["MENCAT"]), "SUD", rules=rules) == "silent"
    assert says(provision("deny", label=["MENCAT"]), "MH", rules=rules) == "deny"


def test_a_sensitivity_nobody_knows_widens_no_confidentiality(rules):
    assert says(provision("deny", label=["R", "XYZ"]), "SUD", "N", rules=rules) == "silent"
    assert says(provision("deny", label=["R", "XYZ"]), "SUD", "R", rules=rules) == "deny"


def test_a_law_label_is_matched_on_the_record_and_not_on_the_atom(rules):
    part2 = provision("permit", label=["42CFRPart2"])
    assert says(part2, "SUD", "R", marks=frozenset(["42CFRPart2"]), rules=rules) == "permit"
    assert says(part2, "SUD", "R", rules=rules) == "uncovered"


@pytest.mark.parametrize("at, verdict", [("2026-10-01T23:00", "permit"), ("2026-10-02T00:00", "uncovered")])
def test_a_period_ends_with_its_last_day_here(rules, at, verdict):
    assert says(provision("permit", period={"end": "2026-10-01"}), at=at, rules=rules) == verdict


def test_the_period_of_a_child_counts_too(rules):
    tree = provision("permit", provision("deny", period={"start": "2026-07-01"}))
    assert says(tree, at="2026-06-30T12:00", rules=rules) == "permit"
    assert says(tree, at="2026-07-01T12:00", rules=rules) == "deny"


@pytest.mark.parametrize("listed, verdict", [("access", "permit"), ("disclose", "uncovered")])
def test_reading_is_access_and_pushing_is_disclosure(rules, listed, verdict):
    action = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": listed}]}]
    assert says({"type": "permit", "action": action}, rules=rules) == verdict


def test_a_tree_of_depth_three(rules):
    tree = provision(
        "permit",
        provision(
            "deny", provision("permit", provision("deny", label=["HIV"]), to=["hospital"]), label=["R"]
        ),
    )
    assert says(tree, "MH", "R", rules=rules) == "permit"
    assert says(tree, "HIV", "R", rules=rules) == "deny"
    assert says(tree, "MH", "R", code="clinic", names=frozenset(), wider=frozenset(), rules=rules) == "deny"


def test_a_child_of_the_same_type_widens_nothing(rules):
    tree = provision("permit", provision("permit", label=["HIV"]), purpose=["TREAT"])
    assert says(tree, "HIV", "R", rules=rules) == "permit"
    assert says(tree, "HIV", "R", purpose="HMARKT", rules=rules) == "uncovered"


def test_siblings_in_conflict_deny_in_any_order(rules):
    children = [
        provision("permit", purpose=["TREAT"]),
        provision("deny", label=["MH"]),
        provision("permit", label=["MH"]),
    ]
    verdicts = {says(provision("deny", *order), "MH", "R", rules=rules) for order in permutations(children)}
    assert verdicts == {"deny"}


def test_a_denial_that_does_not_match_is_silent(rules):
    assert says(provision("deny", purpose=["HRESCH"]), rules=rules) == "silent"
