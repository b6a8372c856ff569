import pytest

from exchange.consent import Surroundings, matched
from tests.consent.builders import chosen, consent, provision

LOINC = "http://loinc.org"
GLUCOSE = {"coding": [{"system": LOINC, "code": "2339-0"}]}


def matches(resource, kind, referred=lambda reference: None, agents=lambda reference: None, **terms):
    prof = chosen(consent(provision=provision("permit", provision(kind, **terms))))
    return matched(prof, resource, Surroundings(referred, agents)) == (0,)


def observation(**elements):
    return {"resourceType": "Observation", "id": "o1", **elements}


def types(*names):
    return [{"system": "http://hl7.org/fhir/resource-types", "code": name} for name in names]


def data(meaning, reference):
    return [{"meaning": meaning, "reference": {"reference": reference}}]


def test_a_provision_without_content_has_no_number():
    assert matched(chosen(consent(provision=provision("permit", to=["x"]))), observation()) == ()


def test_numbers_count_only_what_depends_on_content():
    tree = provision(
        "permit",
        provision("deny", label=["HIV"]),
        provision("deny", code=[GLUCOSE]),
        provision("deny", **{"class": types("Condition")}),
    )
    assert matched(chosen(consent(provision=tree)), observation(code=GLUCOSE)) == (0,)


def test_a_type_is_matched_and_for_denials_in_contained_resources():
    inside = observation(contained=[{"resourceType": "Condition", "id": "c"}])
    assert matches(observation(), "permit", **{"class": types("Observation", "Task")})
    assert not matches(inside, "permit", **{"class": types("Condition")})
    assert matches(inside, "deny", **{"class": types("Condition")})


def test_a_profile_and_a_media_type_are_classes_too():
    url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"
    lab = observation(meta={"profile": [f"{url}|6.1.0"]})
    document = {
        "resourceType": "DocumentReference",
        "id": "d",
        "content": [{"attachment": {"contentType": "application/hl7-cda+xml"}}],
    }
    assert matches(lab, "permit", **{"class": [{"system": "urn:ietf:rfc:3986", "code": url}]})
    assert matches(document, "permit", **{"class": [{"system": "urn:x", "code": "application/hl7-cda+xml"}]})


def test_a_class_nobody_can_read_matches_denials_only():
    odd = {"class": [{"system": "urn:x", "code": "everything"}]}
    assert not matches(observation(), "permit", **odd)
    assert matches(observation(), "deny", **odd)


@pytest.mark.parametrize("name", ["Observations", "observation", "DomainResource", "application/pdf"])
def test_a_type_that_does_not_exist_matches_denials_only(name):
    assert not matches(observation(), "permit", **{"class": types(name)})
    assert matches(observation(), "deny", **{"class": types(name)})
    assert matches(observation(), "deny", **{"class": types("Condition", name)})


def test_the_definition_of_a_type_is_that_type():
    url = {"system": "urn:ietf:rfc:3986", "code": "http://hl7.org/fhir/StructureDefinition/Observation"}
    assert matches(observation(), "deny", **{"class": [url]})
    assert matches(observation(), "permit", **{"class": [url]})
    assert not matches({"resourceType": "Condition", "id": "c"}, "deny", **{"class": [url]})


def test_a_code_is_found_in_the_record_and_for_denials_in_what_hangs_on_it():
    own = observation(component=[{"code": GLUCOSE}])
    assert matches(own, "permit", code=[GLUCOSE])
    assert matches(own, "deny", code=[GLUCOSE])
    for hanging in (
        {"component": [{"extension": [{"url": "x", "valueCodeableConcept": GLUCOSE}]}]},
        {"contained": [{"resourceType": "Observation", "id": "i", "code": GLUCOSE}]},
    ):
        assert not matches(observation(**hanging), "permit", code=[GLUCOSE])
        assert matches(observation(**hanging), "deny", code=[GLUCOSE])
    assert not matches(
        observation(code={"coding": [{"system": "x", "code": "2339-0"}]}), "deny", code=[GLUCOSE]
    )


@pytest.mark.parametrize(
    "effective, permit, deny",
    [
        ({"effectiveDateTime": "2026-01-31T23:30:00-06:00"}, True, True),
        ({"effectiveDateTime": "2026-02-01"}, False, False),
        ({"effectivePeriod": {"start": "2026-01-30", "end": "2026-02-02"}}, False, True),
        ({"effectiveDateTime": "2026"}, False, True),
        ({}, False, True),
        ({"effectiveDateTime": "no date"}, False, True),
    ],
)
def test_a_permit_needs_the_whole_record_inside_and_a_denial_any_of_it(effective, permit, deny):
    january = {"start": "2026-01-01", "end": "2026-01-31"}
    assert matches(observation(**effective), "permit", dataPeriod=january) is permit
    assert matches(observation(**effective), "deny", dataPeriod=january) is deny


def test_an_instance_is_the_record_itself():
    assert matches(observation(), "permit", data=data("instance", "Observation/o1"))
    assert not matches(observation(), "deny", data=data("instance", "Observation/o2"))


def test_dependents_refer_to_the_instance():
    child = observation(derivedFrom=[{"reference": "Observation/o9"}])
    assert matches(child, "permit", data=data("dependents", "Observation/o9"))
    assert not matches(child, "deny", data=data("related", "Observation/o9"), referred=lambda _: ())


def test_related_to_an_encounter_means_what_belongs_to_it():
    visit = observation(encounter={"reference": "Encounter/e1"})
    assert matches(visit, "permit", data=data("related", "Encounter/e1"))
    assert not matches(observation(), "permit", data=data("related", "Encounter/e1"))


def test_related_is_what_the_instance_refers_to_and_unknown_matches_denials():
    related = data("related", "DiagnosticReport/r1")
    assert matches(observation(), "permit", lambda _: {"Observation/o1"}, data=related)
    assert not matches(observation(), "permit", data=related)
    assert matches(observation(), "deny", data=related)


def test_a_provenance_tells_the_author_too():
    by = data("authoredby", "Practitioner/x")
    told = {"agents": lambda reference: {"Practitioner/x"} if reference == "Observation/o1" else None}
    assert matches(observation(), "permit", data=by, **told)
    assert not matches(observation(id="o2"), "permit", data=by, **told)
    assert not matches(observation(), "deny", data=data("authoredby", "Practitioner/y"), **told)


def test_the_date_a_record_was_written_counts_where_the_exchange_reads_it_so():
    prof = chosen(consent(provision=provision("permit", dataPeriod={"start": "2026-01", "end": "2026-01"})))
    late = observation(effectiveDateTime="2026-01-05", issued="2026-02-01T08:00:00-06:00")
    assert matched(prof, late) == (0,)
    assert matched(prof, late, Surroundings(lambda _: None, lambda _: None, "recorded")) == ()


def test_an_unknown_author_matches_denials_only():
    by = data("authoredby", "Practitioner/x")
    own = observation(performer=[{"reference": "Practitioner/x"}])
    other = observation(performer=[{"reference": "Practitioner/y"}])
    assert matches(own, "permit", data=by)
    assert not matches(other, "deny", data=by)
    assert matches(observation(), "deny", data=by)
    assert not matches(observation(), "permit", data=by)


@pytest.mark.parametrize(
    "unknown", [{"display": "Dr. X"}, {"reference": "#x"}, {"identifier": {"value": "1"}}], ids=str
)
def test_somebody_among_the_authors_who_cannot_be_told_may_be_the_one_refused(unknown):
    """Also where only the organization is known that he acts for."""
    by, clinic = data("authoredby", "Practitioner/x"), {"reference": "Organization/c"}
    beside = observation(performer=[clinic, unknown])
    behalf = observation(performer=[{"actor": unknown, "onBehalfOf": clinic}])
    for one in (beside, behalf):
        assert matches(one, "deny", data=by)
        assert not matches(one, "permit", data=by)
        assert matches(one, "permit", data=data("authoredby", "Organization/c"))
    known = observation(performer=[clinic, {"actor": {"reference": "Practitioner/y"}, "onBehalfOf": clinic}])
    assert not matches(known, "deny", data=by)


@pytest.mark.parametrize("kind", ["Condition", "AllergyIntolerance"])
@pytest.mark.parametrize(
    "onset",
    [{"onsetString": "as a child"}, {"onsetAge": {"value": 9}}, {"onsetRange": {"low": {"value": 3}}}],
)
def test_a_beginning_that_is_no_day_is_not_the_day_it_was_written_down(kind, onset):
    terms = {"dataPeriod": {"start": "2026", "end": "2026"}}
    written = {"resourceType": kind, "id": "o1", "recordedDate": "2026-02-01"}
    assert matches(written, "permit", **terms)
    assert not matches({**written, **onset}, "permit", **terms)
    assert matches({**written, **onset}, "deny", dataPeriod={"start": "1990", "end": "1999"})


def test_a_code_without_its_system_matches_denials_only():
    def codes(kind, wanted, found):
        prof = chosen(consent(provision={"type": kind, "code": [{"coding": [wanted]}]}))
        return matched(prof, {"resourceType": "Condition", "id": "r", "code": {"coding": [found]}})

    whole, bare = {"system": "urn:x", "code": "A1"}, {"code": "A1"}
    for wanted, found in ((bare, whole), (whole, bare), (bare, bare)):
        assert codes("deny", wanted, found) == (0,)
        assert codes("permit", wanted, found) == ()
    for other in ({"code": "A2"}, {"system": "urn:y", "code": "A1"}):
        assert codes("deny", whole, other) == ()
    assert codes("permit", whole, whole) == (0,)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (("http://loinc.org/", "4548-4"), ("http://loinc.org", "4548-4")),
        (("urn:oid:2.16.840.1.113883.6.96", "86406008"), ("http://snomed.info/sct", "86406008")),
        (("http://hl7.org/fhir/sid/icd-10-cm", "F11.20"), ("http://hl7.org/fhir/sid/icd-10-cm", "F1120")),
        (("https://example.org/Codes", "a1"), ("http://example.org/codes", "A1")),
        (({}, "F11.20"), ("http://hl7.org/fhir/sid/icd-10-cm", "F1120")),
    ],
)
def test_how_a_system_and_a_code_are_spelt_hides_nothing_from_a_denial(wanted, found):
    one, other = (
        {"system": system, "code": code} if system else {"code": code} for system, code in (wanted, found)
    )
    resource = {"resourceType": "Condition", "id": "r", "code": {"coding": [other]}}
    for kind, numbers in (("deny", (0,)), ("permit", ())):
        prof = chosen(consent(provision={"type": kind, "code": [{"coding": [one]}]}))
        assert matched(prof, resource) == numbers


def test_the_version_of_a_profile_does_not_hide_it():
    url = "http://example.org/StructureDefinition/p"
    resource = {"resourceType": "Condition", "id": "r", "meta": {"profile": [f"{url}|2.0"]}}
    for code in (url, f"{url}|2.0", "http://hl7.org/fhir/StructureDefinition/Condition|4.0.1"):
        for system in ({}, {"system": "urn:ietf:rfc:3986"}):
            tree = {"type": "permit", "class": [{**system, "code": code}]}
            assert matched(chosen(consent(provision=tree)), resource) == (0,)
