from exchange.validation import check_references

ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e",
    "subject": {"reference": "Patient/p/_history/2"},
    "participant": [{"individual": {"reference": "Practitioner/x"}}],
    "serviceProvider": {"identifier": {"system": "urn:x", "value": "1"}},
    "partOf": {"reference": "https://elsewhere.example/Encounter/9"},
}
PATIENT = {"resourceType": "Patient", "id": "p"}


def test_a_reference_resolves_within_the_batch_or_among_the_known():
    assert check_references([ENCOUNTER, PATIENT], {"Practitioner/x"}.__contains__) == ()


def test_a_reference_to_nothing_is_named_by_expression_only():
    issues = check_references([ENCOUNTER], lambda reference: False)

    assert [issue.expression for issue in issues] == [
        "Encounter.subject.reference",
        "Encounter.participant[0].individual.reference",
    ]
    assert "Patient/p" not in repr(issues)
