"""Where a consent, an agreement or a date just still counts, and where two answers are nearly the same."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from exchange.consent import label, matched, participant, redact
from exchange.consent.clinical_dates import record_span
from exchange.consent.dates import EXCHANGE_ZONE, Span
from exchange.consent.directives.normal_form import Member, Provision
from exchange.consent.directives.reading import directive
from exchange.consent.directives.trees import ANYONE, BY_CLASS, BY_NAME, Request, Subject, evaluate, trees
from exchange.consent.labels.labelling import Source
from exchange.consent.proof.case_consents import resolve_case
from exchange.model.errors import RecordRejected
from exchange.model.partner import Agreement, Organization, Partner
from tests.consent.builders import chosen, consent, provision

NOON = datetime(2026, 6, 1, 12, tzinfo=EXCHANGE_ZONE)
REQUEST = Request(
    code="ward",
    names=frozenset(["ward", "group:treating"]),
    wider=frozenset(["ward", "group:treating", "hospital"]),
    known=frozenset(["ward", "hospital", "clinic", "group:treating"]),
    action="access",
    purpose="TREAT",
    at=NOON,
)
PLAIN = Subject(None, "N", frozenset(), frozenset())


def answer(rules, tree, request=REQUEST):
    ((_, _, root),) = trees(chosen(consent(provision=tree)))[0]
    return evaluate(root, request, PLAIN, rules.vocabulary)


def of_a_team(rules, kind, *members, request=REQUEST):
    """What a root says that names a team of these members alone."""
    ((_, _, node),) = trees(chosen(consent(provision={"type": kind})))[0]
    return evaluate(
        replace(node, provision=Provision(kind, members=members)), request, PLAIN, rules.vocabulary
    )


def test_an_agreement_holds_through_the_whole_of_its_last_day():
    partner = Partner(
        code="clinic",
        namespace="https://clinic.example/",
        organization=Organization(name="Clinic", type="clinic"),
        agreement=Agreement(type="BAA", signed=date(2026, 1, 1), ends=date(2026, 5, 31)),
        timezone="America/Chicago",
    )
    who = participant(partner)
    assert who.bound_at(datetime(2026, 5, 31, 23, 59, 59, tzinfo=EXCHANGE_ZONE))
    assert not who.bound_at(datetime(2026, 6, 1, tzinfo=EXCHANGE_ZONE))
    assert who.bound_at(datetime(2026, 1, 1, tzinfo=EXCHANGE_ZONE))
    assert not who.bound_at(datetime(2025, 12, 31, 23, 59, 59, tzinfo=EXCHANGE_ZONE))


@pytest.mark.parametrize(("depth", "read"), [(32, True), (33, False), (2000, False)])
def test_provisions_are_read_thirty_two_deep(depth, read):
    tree = {"type": "permit"}
    for _ in range(depth):
        tree = {"type": "permit", "provision": [tree]}
    if read:
        assert directive(consent(provision=tree), resolve=resolve_case).root is not None
    else:
        with pytest.raises(RecordRejected, match="too deeply"):
            directive(consent(provision=tree), resolve=resolve_case)


@pytest.mark.parametrize(
    ("member", "permit", "deny"),
    [("ward", "permit", "deny"), ("hospital", "uncovered", "deny"), ("clinic", "uncovered", "silent")],
)
def test_a_denial_of_a_team_reaches_below_its_members_and_a_permit_does_not(rules, member, permit, deny):
    assert of_a_team(rules, "permit", Member(member)).verdict == permit
    assert of_a_team(rules, "deny", Member(member)).verdict == deny


def test_a_member_counts_while_he_belongs_to_the_team(rules):
    gone = Member("ward", Span(None, NOON))
    assert of_a_team(rules, "permit", gone).verdict == "uncovered"
    assert of_a_team(rules, "deny", gone).verdict == "silent"


def test_a_team_is_named_by_class_by_who_asks_and_by_who_collects(rules):
    collecting = replace(REQUEST, code="exchange", action="collect", purpose="COLLECT", collecting=True)
    for request in (REQUEST, collecting):
        assert of_a_team(rules, "permit", Member("ward"), request=request).naming == BY_CLASS
    assert answer(rules, {"type": "permit"}, collecting).naming == ANYONE
    assert answer(rules, provision("permit", to=["clinic"]), collecting).naming == BY_CLASS


def test_of_several_permits_the_one_that_names_most_closely_and_then_the_one_that_ends_counts(rules):
    until = {"period": {"end": "2027"}}
    by_name, by_class = provision("permit", to=["ward"]), provision("permit", to=["group:treating"], **until)
    by_name_until = provision("permit", to=["ward"], **until)
    for children in ((by_name, by_class), (by_class, by_name)):
        found = answer(rules, provision("permit", *children))
        assert (found.naming, found.ends) == (BY_NAME, False)
    for children in ((by_name, by_name_until), (by_name_until, by_name), (by_class, by_name_until)):
        found = answer(rules, provision("permit", *children))
        assert (found.naming, found.ends) == (BY_NAME, True)


def test_what_only_begins_does_not_end(rules):
    assert not answer(rules, {"type": "permit", "period": {"start": "2026"}}).ends
    assert answer(rules, {"type": "permit", "period": {"end": "2026"}}).ends
    below = {"type": "permit", "provision": [{"type": "permit", "period": {"start": "2026"}}]}
    assert not answer(rules, below).ends


def test_who_is_named_above_is_named_below(rules):
    for child in ({"type": "permit"}, provision("permit", to=["group:treating"])):
        assert answer(rules, provision("permit", child, to=["ward"])).naming == BY_NAME
    assert answer(rules, provision("permit", {"type": "permit"})).naming == ANYONE


def test_a_condition_is_about_its_onset_before_it_is_about_when_it_was_written_down():
    whole = {
        "resourceType": "Condition",
        "onsetDateTime": "2020-01-01",
        "onsetPeriod": {"start": "2021-01-01", "end": "2021-12-31"},
        "recordedDate": "2024-01-01",
    }
    for year, without in ((2020, ()), (2021, ("onsetDateTime",)), (2024, ("onsetDateTime", "onsetPeriod"))):
        found = record_span({name: v for name, v in whole.items() if name not in without}, EXCHANGE_ZONE)
        assert found is not None
        assert found.start is not None
        assert found.start.astimezone(EXCHANGE_ZONE).year == year


ICD = "http://hl7.org/fhir/sid/icd-10-cm"
HIV = {"coding": [{"system": ICD, "code": "B20"}]}


def test_only_what_tells_is_left_out_and_only_where_that_gains_something(rules):
    source = Source("clinic", "clinic", False, "resources")
    visit = {
        "resourceType": "Encounter",
        "id": "e",
        "reasonCode": [HIV],
        "serviceType": {"text": "Follow-up"},
    }
    redacted = redact(visit, label(visit, source, rules), rules)
    assert redacted is not None
    assert set(redacted[0]) == {"resourceType", "id", "serviceType"}
    procedure = {"resourceType": "Procedure", "id": "p", "code": HIV, "reasonCode": [HIV]}
    assert redact(procedure, label(procedure, source, rules), rules) is None


@pytest.mark.parametrize(("kind", "matches"), [("permit", ()), ("deny", (0,))])
def test_a_class_of_another_system_is_no_type_of_fhir(kind, matches):
    """It opens nothing, and what it refuses may be anything."""
    other = [{"system": "https://other.example/kinds", "code": "Condition"}]
    given = chosen(consent(provision=provision(kind, **{"class": other})))
    for name in ("Condition", "Observation"):
        assert matched(given, {"resourceType": name, "id": "r1"}) == matches


@pytest.mark.parametrize("kind", ["permit", "deny"])
def test_a_class_that_names_no_system_is_a_type_of_fhir(kind):
    given = chosen(consent(provision=provision(kind, **{"class": [{"code": "Condition"}]})))
    assert matched(given, {"resourceType": "Condition", "id": "r1"}) == (0,)
    assert matched(given, {"resourceType": "Observation", "id": "r1"}) == ()


@pytest.mark.parametrize(
    ("actions", "verdict"),
    [(["disclose", "access"], "silent"), (["collect"], "deny"), (["use", "collect"], "deny")],
)
def test_a_refusal_of_other_actions_keeps_nothing_out_of_the_repository(rules, actions, verdict):
    system = "http://terminology.hl7.org/CodeSystem/consentaction"
    refused = {"type": "deny", "action": [{"coding": [{"system": system, "code": one}]} for one in actions]}
    assert answer(rules, refused, replace(REQUEST, action="collect", collecting=True)).verdict == verdict
