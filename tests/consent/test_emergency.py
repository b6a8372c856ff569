import pytest

from exchange.consent import missing_emergency_fields

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
