import json

import pytest

from exchange.consent import Directive, directive
from exchange.consent.directives.codings import ACT_CODE, ACT_REASON, CONFIDENTIALITY
from exchange.consent.directives.normal_form import UNRESOLVED
from exchange.consent.directives.reading import GROUPS
from exchange.consent.proof.case_consents import resolve_case
from exchange.model.errors import RecordRejected
from tests.consent.builders import consent, provision


def read(**changes):
    return directive(consent(**changes), resolve=resolve_case)


def rule(*codes):
    return {"coding": [{"system": ACT_CODE, "code": code} for code in codes]}


@pytest.mark.parametrize(
    "code, verdict", [("OPTIN", "permit"), ("OPTINR", "permit"), ("OPTOUT", "deny"), ("OPTOUTE", "deny")]
)
def test_a_root_without_type_takes_its_word_from_the_policy_rule(code, verdict):
    assert read(provision={}, policyRule=rule(code)).root.type == verdict
    assert read(provision=None, policyRule=rule(code)).root.type == verdict
    assert read(provision={}, policyRule=rule(code, code.rstrip("RE"))).root.type == verdict


def test_the_type_of_the_root_goes_before_the_policy_rule():
    assert read(provision={"type": "deny"}, policyRule=rule("OPTIN")).root.type == "deny"


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"provision": {}}, "not-supported"),
        ({"provision": {}, "policyRule": rule("NOCONSENT")}, "not-supported"),
        ({"provision": {}, "policyRule": rule("OPTIN", "OPTOUT")}, "not-supported"),
        ({"provision": {}, "policyRule": rule("OPTOUT", "OPTINR")}, "not-supported"),
        ({"provision": {}, "policyRule": rule("OPTIN", "EMRGONLY")}, "not-supported"),
        ({"provision": {"type": "permit", "provision": [{}]}}, "not-supported"),
        ({"provision": {"type": "perhaps"}}, "invalid"),
        ({"status": "banana"}, "invalid"),
        ({"status": None}, "invalid"),
        ({"patient": None}, "required"),
        ({"provision": [{"type": "permit"}]}, "invalid"),
        ({"provision": {"type": "permit", "data": [{"meaning": "zzz"}]}}, "invalid"),
        ({"provision": {"type": "permit", "period": {"start": "soon"}}}, "invalid"),
        ({"provision": {"type": "permit", "modifierExtension": [{"url": "x"}]}}, "not-supported"),
        ({"provision": {"type": "permit", "actor": "me"}}, "invalid"),
        ({"category": "all"}, "invalid"),
        ({"resourceType": "Contract"}, "invalid"),
    ],
)
def test_what_cannot_be_computed_is_refused_and_not_guessed(changes, code):
    with pytest.raises(RecordRejected) as refused:
        read(**changes)
    assert refused.value.code == code


def test_a_consent_in_the_shape_of_r5_is_refused():
    with pytest.raises(RecordRejected):
        directive(
            {
                "resourceType": "Consent",
                "status": "active",
                "subject": {"reference": "Patient/p1"},
                "decision": "permit",
                "provision": [{"purpose": []}],
            },
            resolve=resolve_case,
        )


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive", "entered-in-error"])
def test_only_an_active_consent_binds(status):
    assert not read(status=status).binds


def test_a_scope_with_a_display_is_still_that_scope():
    scope = {"coding": [{**consent()["scope"]["coding"][0], "display": "Privacy Consent"}]}
    assert read(scope=scope).binds


def test_an_advance_directive_is_data_and_binds_nothing():
    scope = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment"}]
    }
    assert not read(scope=scope, provision={}).binds


@pytest.mark.parametrize("codes", [("research", "patient-privacy"), ("patient-privacy", "research")])
def test_a_scope_of_privacy_and_research_is_heard_for_every_purpose(codes):
    system = "http://terminology.hl7.org/CodeSystem/consentscope"
    assert (
        read(scope={"coding": [{"system": system, "code": code} for code in codes]}).scope
        == "patient-privacy"
    )


def test_a_scope_code_of_another_system_binds_nothing():
    assert not read(scope={"coding": [{"system": "urn:x", "code": "patient-privacy"}]}).binds


def test_an_actor_that_is_no_recipient_is_not_read_as_one():
    actor = {
        "role": {"coding": [{"code": "CST"}]},
        "reference": {"reference": "Organization/lakeside_hospital"},
    }
    assert read(provision={"type": "permit", "actor": [actor]}).root.actors == (UNRESOLVED,)


def test_a_class_of_recipients_is_named_by_its_identifier():
    group = {"identifier": {"system": GROUPS, "value": "treating-providers"}}
    tree = {"type": "permit", "actor": [{"reference": group}]}
    nobody = directive(consent(provision=tree), resolve=lambda reference: None)
    assert nobody.root.actors == ("group:treating-providers",)


def test_the_sender_is_the_discloser_where_none_is_named():
    alone = directive(consent(), resolve=resolve_case, recorded_by="harbor_recovery")
    named = directive(
        consent(organization=[{"reference": "Organization/prairie_clinic"}]),
        resolve=resolve_case,
        recorded_by="harbor_recovery",
    )
    assert (alone.organizations, named.organizations) == (("harbor_recovery",), ("prairie_clinic",))


def test_a_directive_comes_back_from_json_as_it_was():
    tree = provision(
        "permit",
        provision("deny", label=["HIV", "R"], dataPeriod={"start": "2026"}),
        to=["lakeside_hospital"],
        period={"end": "2027-01-31"},
        data=[{"meaning": "instance", "reference": {"reference": "http://x/fhir/Encounter/e1/_history/2"}}],
        code=[{"coding": [{"system": "http://loinc.org", "code": "1-8"}]}],
    )
    before = read(provision=tree)
    assert Directive.from_json(json.loads(json.dumps(before.to_json()))) == before
    assert before.root.data[0].reference == "Encounter/e1"


def test_the_message_of_a_refusal_holds_no_data_of_the_patient():
    with pytest.raises(RecordRejected) as refused:
        read(provision={"type": "permit", "period": {"start": "Jane Doe"}})
    assert "Jane" not in str(refused.value)


LISTS = ("actor", "purpose", "securityLabel", "class", "code", "action", "data", "provision")


@pytest.mark.parametrize("element", [*LISTS, "period", "dataPeriod"])
@pytest.mark.parametrize("nothing", [[], {}, None, ""])
def test_an_element_that_says_nothing_does_not_make_a_permit_for_everybody(element, nothing):
    if (element, nothing) == ("provision", []):
        return  # no exceptions: the same as none written
    with pytest.raises(RecordRejected):
        read(provision={"type": "permit", element: nothing})
    with pytest.raises(RecordRejected):
        read(provision={"type": "deny", "provision": [{"type": "permit", element: nothing}]})


@pytest.mark.parametrize(
    "changes",
    [
        {"implicitRules": "https://example.org/rules"},
        {"provision": {"type": "permit", "actors": [{}]}},
        {"except": [{"type": "deny"}]},
        {"provision": [], "policyRule": rule("OPTIN")},
        {"provision": {"_type": {"id": "x"}}, "policyRule": rule("OPTIN")},
        {"provision": {"type": "permit", "period": {"start": "2026-01-01", "_end": {"id": "unknown"}}}},
        {"provision": {"type": "permit", "period": {"start": "2026-01-01", "until": "2027-01-01"}}},
        {"scope": None},
        {"scope": {"text": "privacy"}},
    ],
)
def test_what_may_mean_more_than_is_read_is_refused(changes):
    with pytest.raises(RecordRejected):
        read(**changes)


@pytest.mark.parametrize(
    "element, coding",
    [
        ("purpose", {"system": ACT_CODE, "code": "TREAT"}),
        ("purpose", {"code": "TREAT"}),
        ("securityLabel", {"system": ACT_CODE, "code": "R"}),
        ("securityLabel", {"system": CONFIDENTIALITY, "code": "B"}),
        ("securityLabel", {"system": ACT_REASON, "code": "HIV"}),
    ],
)
def test_a_code_in_the_system_of_another_element_is_not_that_code(element, coding):
    root = read(provision={"type": "permit", element: [coding]}).root
    spelled = f"{coding.get('system', '')}|{coding['code']}"
    assert (*root.purposes, *root.labels, *root.confidentiality) == (spelled,)


def test_systems_go_by_their_older_names_too():
    root = read(
        provision={
            "type": "permit",
            "purpose": [{"system": "http://hl7.org/fhir/v3/ActReason", "code": "TREAT"}],
            "securityLabel": [{"system": "urn:oid:2.16.840.1.113883.5.25", "code": "R"}],
        }
    ).root
    assert (root.purposes, root.confidentiality) == (("TREAT",), ("R",))


def test_an_organization_the_consent_contains_is_told_by_its_identifiers():
    inner = {
        "resourceType": "Organization",
        "id": "org",
        "identifier": [
            {"system": "x", "value": "unknown"},
            {"system": "urn:mosaic:partner", "value": "clinic"},
        ],
    }
    tree = {"type": "permit", "actor": [{"reference": {"reference": "#org"}}]}

    def by_identifier(reference):
        value = reference.get("identifier", {}).get("value")
        return value if value in ("clinic", "hospital") else None

    def actors(*contained):
        given = consent(provision=tree, contained=list(contained))
        return directive(given, resolve=by_identifier).root.actors

    assert actors(inner) == ("clinic",)
    two = {**inner, "identifier": [*inner["identifier"], {"value": "hospital"}]}
    assert actors(two) == (UNRESOLVED,)
    assert actors({**inner, "resourceType": "Practitioner"}) == (UNRESOLVED,)
    assert actors({**inner, "id": "other"}) == (UNRESOLVED,)
