"""A rule with one word less or another one is noticed by some case or table of consent/cases."""

import pytest

from tests.consent.mutants import Readers, mutants

# Nobody could notice: another rule says the same (an authorization is asked of whom HIPAA does not cover,
# own records are released first, an emergency goes before what is required), or no request is like that.
SAID_TWICE = set(
    """
care-relationship: without when.action
care-relationship: without when.requester.is_source False
client-relationship: without when.action
client-relationship: without when.requester
client-relationship: without when.requester.covered_entity False
client-relationship: without when.requester.is_source False
hipaa-treatment: without when.action
hipaa-treatment: without when.purpose
hipaa-treatment: without when.purpose.0 TREAT
hipaa-treatment: without when.requester
hipaa-treatment: without when.requester.covered_entity True
hipaa-treatment: without when.requester.type
hipaa-payment: without when.action
hipaa-payment: without when.purpose
hipaa-payment: without when.purpose.0 HPAYMT
hipaa-payment: without when.requester
hipaa-payment: without when.requester.covered_entity True
hipaa-operations: without when.action
hipaa-operations: without when.purpose
hipaa-operations: without when.requester
hipaa-operations: without when.requester.covered_entity True
hipaa-public-health: without when.action
hipaa-public-health: without when.purpose
hipaa-public-health: without when.purpose.0 PUBHLTH
hipaa-public-health: without when.requester
hipaa-public-health: without when.requester.type
hipaa-public-health: without when.requester.type.0 public-health
hipaa-minimum-necessary: without when.action
hipaa-research: without when.action
hipaa-minors-own-consent: without when.record.about person
hipaa-emergency: without when.requester.is_source False
hipaa-emergency: without unless
hipaa-emergency: without unless.0
part2-consent: without unless.0
part2-consent: without unless.0.requester.type.0 hospital
part2-consent: without unless.0.requester.type.1 clinic
part2-consent: without unless.1.requester
part2-consent: without unless.1.requester.type
part2-consent: without unless.1.requester.type.0 public-health
part2-consent: without unless.1.record
part2-consent: without unless.1.record.label
part2-consent: without unless.1.record.label.0 VITAL
part2-service-agreement: effect emergency-only
part2-proceedings: effect emergency-only
part2-public-health: effect emergency-only
part2-emergency: without when.requester.is_source False
part2-emergency: without when.record.about person
il-minors-own-care: without when.action
in-communicable-disease-recipient: without when.action
in-communicable-disease-recipient: without unless.1.requester
in-communicable-disease-recipient: without unless.1.requester.covered_entity True
in-communicable-disease-recipient: without unless.1.requester.type
public-health-to-providers: without when.action
public-health-to-providers: without when.requester
public-health-to-providers: without when.requester.covered_entity True
public-health-to-providers: without when.requester.type
community-minimum-necessary: without when.action
vawa-release: without when.record.about person
vawa-release-source: without when.action
vawa-no-collection: effect emergency-only
ferpa-consent: without unless
ferpa-consent: without unless.0
ferpa-consent: unless.0.requester.covered_entity False
ferpa-consent: without unless.0.action
ferpa-consent: without unless.0.action.0 access
ferpa-consent: without unless.0.requester
ferpa-consent: without unless.0.requester.covered_entity True
ferpa-consent: without unless.0.requester.type
ferpa-consent: without unless.0.requester.type.0 hospital
ferpa-consent: without unless.0.requester.type.1 clinic
ferpa-emergency: without when.requester.is_source False
    """.strip().splitlines()
)


@pytest.fixture(scope="module")
def readers(files, context):
    with pytest.MonkeyPatch.context() as patched:
        return Readers.of(files, context, patched)


def unnoticed(readers, rules, files, every):
    changed = list(mutants(rules, files))
    assert len(changed) > 500
    return {what for what, other in changed[::every] if what not in SAID_TWICE and not readers.notice(other)}


def test_a_word_of_a_rule_that_is_lost_or_another_one_is_noticed(readers, rules, files):
    assert unnoticed(readers, rules, files, every=11) == set()


@pytest.mark.slow
def test_each_word_of_each_rule_is_noticed(readers, rules, files):
    assert unnoticed(readers, rules, files, every=1) == set()


@pytest.mark.slow
def test_a_rule_that_is_as_it_was_is_noticed_by_nobody(readers, rules):
    assert not readers.notice(rules.rules[0].policy)
