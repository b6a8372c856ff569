import copy

import pytest

from exchange.consent import Source, following, label, label_all, passed_on, redact, with_security
from exchange.consent.labels.labelling import _known_looks
from exchange.model.records import Evidence, Labels

CLINIC = Source("prairie_clinic", "clinic", False, "resources")
PROGRAM = Source("harbor_recovery", "sud-program", True, "export")
HIV = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "B20"}]}
COLD = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J00"}]}


def condition(code, name="c1"):
    return {"resourceType": "Condition", "id": name, "code": code, "subject": {"reference": "Patient/p1"}}


def encounter(**elements):
    return {"resourceType": "Encounter", "id": "e1", "subject": {"reference": "Patient/p1"}, **elements}


def test_labels_follow_references_within_a_record(rules):
    visit = encounter(reasonReference=[{"reference": "Condition/c1"}])
    labels = label_all([visit, condition(HIV)], CLINIC, rules, {})
    assert [sorted(one.codes) for one in labels] == [["HIV"], ["HIV"]]
    assert labels[0].evidence[0].basis == "reference"


def test_labels_follow_references_through_others_in_any_order(rules):
    chain = [
        {"resourceType": "List", "id": "l", "entry": [{"item": {"reference": "Encounter/e1"}}]},
        encounter(diagnosis=[{"condition": {"reference": "Condition/c1"}}]),
        condition(HIV),
    ]
    forward = label_all(chain, CLINIC, rules, {})
    backward = label_all(chain[::-1], CLINIC, rules, {})
    assert [one.codes for one in forward] == [frozenset(["HIV"])] * 3
    assert [one.codes for one in backward] == [one.codes for one in forward]


def test_what_is_kept_of_an_amount_is_its_unit_and_all_else_that_reveals(rules):
    word = {"url": "https://x.example/note", "valueString": "on heroin"}
    amount = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    dose = {"resourceType": "Observation", "id": "o", "valueQuantity": {"value": 1, **amount}}
    kept = _known_looks(rules)
    label(dose, CLINIC, rules)
    before = len(kept)
    for value in (2, 3.5):
        label({**dose, "valueQuantity": {"value": value, **amount}}, CLINIC, rules)
        label(encounter(period={"start": f"2026-01-0{value:.0f}"}), CLINIC, rules)
    assert len(kept) <= before + 1
    visit = encounter(period={"start": "2026-01-02", "extension": [word]})
    worded = {**dose, "valueQuantity": {"value": 4, **amount, "extension": [word]}}
    assert label(visit, CLINIC, rules).codes == label(worded, CLINIC, rules).codes == {"OPIOIDUD"}


def test_a_circle_of_references_comes_to_an_end(rules):
    pair = [
        {
            "resourceType": "Observation",
            "id": "a",
            "code": HIV,
            "derivedFrom": [{"reference": "Observation/b"}],
        },
        {"resourceType": "Observation", "id": "b", "hasMember": [{"reference": "Observation/a"}]},
    ]
    assert {one.codes for one in label_all(pair, CLINIC, rules, {})} == {frozenset(["HIV"])}


def test_labels_follow_references_to_what_is_already_known(rules):
    visit = encounter(serviceProvider={"reference": "Organization/o1"})
    known = {"Organization/o1": Labels("R", frozenset(["SUD"]))}
    assert label_all([visit], CLINIC, rules, known)[0].codes == {"SUD"}


def test_a_reference_does_not_make_a_part_2_record(rules):
    visit = encounter(serviceProvider={"reference": "Organization/o1"})
    known = {"Organization/o1": Labels("R", frozenset(["42CFRPart2", "SUD"]))}
    assert label_all([visit], CLINIC, rules, known)[0].codes == {"SUD"}


def test_whose_record_it_is_carries_no_label_across(rules):
    known = {
        "Patient/p1": Labels("R", frozenset(["LIVARG"])),
        "Encounter/e9": Labels("R", frozenset(["HIV"])),
    }
    cold = {**condition(COLD), "encounter": {"reference": "Encounter/e9"}}
    assert label_all([cold], CLINIC, rules, known) == [Labels()]


def test_the_evidence_names_the_row_and_not_the_code_of_the_patient(rules):
    found = label(condition({"coding": [{**HIV["coding"][0], "code": "B20"}]}), CLINIC, rules).evidence
    assert [(e.label, e.basis, e.expression) for e in found] == [("HIV", "code", "Condition.code")]
    assert found[0].detail.startswith("labels/hiv-sti.csv:")


def test_every_record_about_a_client_of_a_program_is_a_part_2_record(rules):
    assert label(condition(COLD), PROGRAM, rules).codes == {"42CFRPart2", "SUD"}


def test_the_declared_confidentiality_of_a_feed_counts(rules):
    source = Source("hearth_housing", "housing", False, "clients", ("HMIS",), "V")
    assert label(condition(COLD), source, rules).confidentiality == "V"


@pytest.mark.parametrize("bad", ["B2!", "20.B", "not a code"])
def test_a_code_that_cannot_be_read_is_protected(rules, bad):
    odd = condition({"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": bad}]})
    assert label(odd, CLINIC, rules) == Labels("R", frozenset(["PDS"]))


def test_labels_are_written_with_their_basis_and_the_mark(rules):
    before = condition(COLD)
    untouched = copy.deepcopy(before)
    security = with_security(before, label(before, PROGRAM, rules))["meta"]["security"]
    assert [coding["code"] for coding in security] == [
        "R",
        "42CFRPart2",
        "SUD",
        "RedisclosureProhibitionMark",
    ]
    assert security[2]["extension"][0]["valueCoding"]["code"] == "42CFRPart2"
    assert before == untouched


def test_labels_of_contained_resources_move_to_the_container(rules):
    inner = {
        "resourceType": "Medication",
        "id": "m",
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]},
    }
    outer = {"resourceType": "MedicationRequest", "id": "r", "contained": [inner]}
    labels = label(outer, CLINIC, rules)
    assert labels.codes == {"PSY"}
    assert with_security(outer, labels)["contained"] == [{"resourceType": "Medication", "id": "m"}]


def test_a_sensitive_reason_can_be_left_out(rules):
    visit = encounter(reasonCode=[HIV], status="finished")
    redacted = redact(visit, label(visit, CLINIC, rules), rules)
    assert redacted is not None
    assert redacted[0] == {name: value for name, value in visit.items() if name != "reasonCode"}
    assert redacted[1] == Labels()


def test_what_the_record_is_about_cannot_be_left_out(rules):
    about = condition(HIV)
    assert redact(about, label(about, CLINIC, rules), rules) is None


def test_leaving_out_a_reason_does_not_take_the_program_away(rules):
    visit = encounter(reasonCode=[HIV])
    redacted = redact(visit, label(visit, PROGRAM, rules), rules)
    assert redacted is not None
    assert redacted[1] == Labels("R", frozenset(["42CFRPart2", "SUD"]))


def test_what_is_left_reveals_no_more_than_it_says(rules):
    visit = encounter(
        reasonCode=[HIV],
        text={"status": "generated", "div": "<div>seen for HIV</div>"},
        type=[{"text": "Follow-up for HIV"}],
    )
    redacted = redact(visit, label(visit, CLINIC, rules), rules)
    assert redacted is not None
    assert label(redacted[0], CLINIC, rules) == redacted[1] == Labels()


def test_what_leaves_leaves_with_all_that_repeats_it(rules):
    visit = encounter(
        reasonCode=[HIV],
        text={"status": "generated", "div": "<div>Reason: B20</div>"},
        reasonReference=[{"reference": "#why"}],
        contained=[
            {"resourceType": "Condition", "id": "why", "evidence": [{"detail": [{"reference": "#how"}]}]},
            {"resourceType": "Observation", "id": "how"},
        ],
    )
    labels = Labels("R", frozenset(["HIV"]), (Evidence("HIV", "code", "x", "Encounter.reasonCode"),))
    redacted = redact(visit, labels, rules)
    assert redacted is not None
    assert redacted[0] == {name: v for name, v in visit.items() if name not in ("reasonCode", "text")}
    by_reference = (Evidence("HIV", "reference", "x", "Encounter.reasonReference"),)
    redacted = redact(visit, Labels("R", frozenset(["HIV"]), (*labels.evidence, *by_reference)), rules)
    assert redacted is not None
    assert redacted[0] == encounter()


def test_a_conclusion_leaves_with_its_translation_and_the_report_that_holds_it(rules):
    report = {
        "resourceType": "DiagnosticReport",
        "id": "d1",
        "status": "final",
        "conclusion": "HIV positive",
        "_conclusion": {"extension": [{"url": "urn:translation", "valueCode": "es"}]},
        "presentedForm": [{"contentType": "application/pdf", "url": "https://clinic.example/report.pdf"}],
    }
    redacted = redact(report, label(report, CLINIC, rules), rules)
    assert redacted is not None
    assert redacted[0] == {"resourceType": "DiagnosticReport", "id": "d1", "status": "final"}


def test_an_unlabelled_record_has_one_rendition(rules):
    assert redact(condition(COLD), Labels(), rules) is None


def test_what_could_not_be_read_says_nothing_of_what_refers_to_it(rules):
    unread = {
        **condition({"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "garbled!"}]}),
        "id": "u",
    }
    visit = encounter(reasonReference=[{"reference": "Condition/u"}])
    assert [found.codes for found in label_all([unread, visit], CLINIC, rules, {})] == [{"PDS"}, frozenset()]


def test_the_directory_of_a_program_is_not_as_confidential_as_its_records(rules):
    """Where it is about nobody, a program's declared confidentiality is not about it either."""
    shelter = Source("hearth_housing", "housing", False, "clients", ("HMIS",), "V")
    place = {"resourceType": "Location", "id": "l", "name": "Hearth"}
    assert label(place, shelter, rules).confidentiality == "R"
    assert label(encounter(status="finished"), shelter, rules).confidentiality == "V"


def test_the_history_of_a_family_is_about_relatives(rules):
    history = {"resourceType": "FamilyMemberHistory", "id": "f", "condition": [{"code": HIV}]}
    found = label(history, CLINIC, rules).evidence
    assert {(item.label, item.strength, item.basis) for item in found if item.label == "HIV"} == {
        ("HIV", "weak", "inference")
    }


def test_what_comes_over_a_reference_adds_to_the_evidence_and_never_that_something_was_unread(rules):
    visit = encounter(reasonReference=[{"reference": "Condition/c"}], reasonCode=[COLD])
    own = Labels("R", frozenset(["SDV"]), (Evidence("SDV", "source", "labelled by the source"),))
    told = following(visit, own, {"Condition/c": Labels("R", frozenset(["HIV", "PDS"]))}, rules)
    assert told.codes == {"SDV", "HIV"}
    assert [(item.label, item.basis) for item in told.evidence] == [("SDV", "source"), ("HIV", "reference")]
    assert passed_on(Labels("R", frozenset(["HIV", "PDS"])), rules) == {"HIV"}


@pytest.mark.parametrize(
    ("code", "given"), [("HIV", {"HIV"}), ("42CFRPart2", {"42CFRPart2", "SUD"}), ("NOSUCHLABEL", {"PDS"})]
)
def test_a_label_of_the_source_that_nobody_here_knows_is_protected(rules, code, given):
    declared = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}]}
    assert label({**condition(COLD), "meta": declared}, CLINIC, rules).codes == given


@pytest.mark.parametrize(
    ("element", "coding", "more", "given"),
    [
        ("code", ("sct", "421460000"), {}, {"PDS"}),  # below HIV infection
        ("code", ("sct", "421460000"), {"display": "A disease"}, set()),
        ("code", ("sct", "86406008"), {}, {"HIV"}),
        ("bodySite", ("sct", "421460000"), {}, set()),
        ("valueQuantity", ("sct", "428673006"), {"value": 1, "unit": "tablet"}, set()),
        ("medicationCodeableConcept", ("rxnorm", "999999"), {}, {"PDS"}),
        ("medicationCodeableConcept", ("ndc", "00000-0000-00"), {}, {"PDS"}),
        ("code", ("icd", "J45.909"), {}, set()),
        ("code", ("loinc", "2345-7"), {}, set()),
    ],
)
def test_a_code_that_no_list_names_needs_words_where_the_list_is_a_part(rules, element, coding, more, given):
    systems = {
        "sct": "http://snomed.info/sct",
        "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
        "ndc": "http://hl7.org/fhir/sid/ndc",
        "icd": "http://hl7.org/fhir/sid/icd-10-cm",
        "loinc": "http://loinc.org",
    }
    told = {"system": systems[coding[0]], "code": coding[1], **more}
    found = {
        "resourceType": "Observation",
        "id": "o",
        element: told if "value" in more else {"coding": [told]},
    }
    assert label(found, CLINIC, rules).codes == given
