"""The compiled check and fhir.resources are held together: nothing is caught by the latter only."""

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exchange.model.fhir_types import type_names
from exchange.validation import structural_issues
from exchange.validation.second_reading import accepts
from tests.model.test_fhir_types import ONLY_IN_R4, OTHERWISE_IN_R4B
from tests.validation.strategies import DEFECTS, changed, places, resources

CHANGED_IN_R4B = {name.partition(".")[0] for name in OTHERWISE_IN_R4B}
SHARED = sorted(type_names("resource") - ONLY_IN_R4 - CHANGED_IN_R4B - {"ExampleScenario"})
OUR_OWN = """
    Patient Encounter Condition Observation AllergyIntolerance MedicationRequest Immunization Procedure
    DiagnosticReport DocumentReference ServiceRequest Task Consent Organization Practitioner Location
    HealthcareService EpisodeOfCare RelatedPerson Provenance AuditEvent Bundle
"""
many = settings(suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate])


@given(st.data())
@settings(many, max_examples=60)
def test_a_resource_made_from_the_table_breaks_nothing_but_invariants(data):
    resource = data.draw(resources(data.draw(st.sampled_from(SHARED))))

    issues = structural_issues(resource)

    assert {issue.code for issue in issues} <= {"invariant"}
    assert accepts(resource)


@pytest.mark.parametrize("type_name", OUR_OWN.split())
@given(data=st.data())
@settings(many, max_examples=12)
def test_nothing_is_caught_by_fhir_resources_only(type_name, data):
    whole = data.draw(resources(type_name))
    for path in data.draw(st.lists(st.sampled_from(list(places(whole))), min_size=1, max_size=12)):
        broken = changed(whole, path, DEFECTS[data.draw(st.sampled_from(sorted(DEFECTS)))])
        if not accepts(broken):
            assert structural_issues(broken), (path, broken)


def test_fhir_resources_is_really_asked():
    with pytest.raises(ValueError, match="status"):
        get_fhir_model_class("Observation").model_validate(
            {"resourceType": "Observation", "code": {"text": "x"}}
        )
    assert not accepts({"resourceType": "Observation", "code": {"text": "x"}})
