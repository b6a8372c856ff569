"""Breaking the glass: who may, what it passes, what must be written down."""

import pytest

from exchange.consent import decide, identity_hold, missing_emergency_fields, profile
from tests.consent.builders import chosen, consent, record, viewer

WHOLE = {
    "recipient": "Dr. A",
    "recipient_affiliation": "lakeside_hospital",
    "discloser": "exchange",
    "datetime": "2026-06-01T12:00:00-05:00",
    "emergency_nature": "unconscious",
}


def test_a_whole_statement_lacks_nothing(rules):
    assert missing_emergency_fields(WHOLE, rules) == ()


@pytest.mark.parametrize("name", WHOLE)
def test_each_field_is_asked_for_and_blanks_are_no_answer(rules, name):
    assert missing_emergency_fields({**WHOLE, name: "  "}, rules) == (name,)
    assert missing_emergency_fields({k: v for k, v in WHOLE.items() if k != name}, rules) == (name,)


def emergency(context, noon, prof, *labels, who="lakeside_hospital", **asked):
    cls = record(prof, *labels, source="harbor_recovery" if labels else "prairie_clinic")
    return decide(cls, viewer(who, asked.pop("purpose", "BTG")), context, noon, asked.pop("action", "access"))


@pytest.mark.parametrize("labels", [(), ("42CFRPart2", "SUD")], ids=["general", "part 2"])
def test_an_emergency_passes_a_general_refusal_and_no_hold_on_what_may_be_two_peoples(context, noon, labels):
    refused = chosen(consent(provision={"type": "deny"}))
    held = profile([(identity_hold(), True)])
    assert emergency(context, noon, chosen(), *labels).effect == "permit"
    assert emergency(context, noon, held, *labels).effect == "deny"
    if not labels:
        assert emergency(context, noon, refused).effect == "permit"
        assert emergency(context, noon, refused, purpose="TREAT").effect == "deny"


@pytest.mark.parametrize("labels", [(), ("42CFRPart2", "SUD")], ids=["general", "part 2"])
def test_an_emergency_is_one_of_who_treats_and_asks_and_is_written_down(context, noon, labels):
    given = emergency(context, noon, chosen(), *labels)
    assert given.obligations >= {"break-glass-record", "notify-privacy-officer", "after-review"}
    assert given.needs_relationship
    for who in ("good_table", "prairie_plan", "county_health", "hearth_housing"):
        assert emergency(context, noon, chosen(), *labels, who=who).effect == "deny"
    refused = chosen(consent(provision={"type": "deny"}))
    assert emergency(context, noon, refused, *labels, action="disclose").effect == "deny"
    for purpose in ("ETREAT", "ERTREAT"):
        assert emergency(context, noon, refused, *labels, purpose=purpose).effect == "deny"
