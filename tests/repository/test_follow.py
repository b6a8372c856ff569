"""Labels follow references in the transaction that stores either record, whichever comes first."""

from __future__ import annotations

import pytest
from repository_world import HOSPITAL, SHELTER, observation

from exchange.model.ids import resource_id
from exchange.model.records import Labels
from exchange.repository import add_labels, kept_of, known_labels, reindex
from exchange.repository.reading.read import read

HIV = Labels("R", frozenset({"HIV"}))


@pytest.fixture
def patient(world):
    return world.patient("hospital", "1", name=[{"family": "Rivera"}])


def _condition(patient, key="c", **elements):
    return {
        "resourceType": "Condition",
        "id": resource_id("https://hospital.example/", "Condition", key),
        "code": {"text": "said elsewhere"},
        "subject": {"reference": f"Patient/{patient}"},
        **elements,
    }


def _order(patient, reason, key="o", **elements):
    return {
        "resourceType": "MedicationRequest",
        "id": resource_id("https://hospital.example/", "MedicationRequest", key),
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "tablets"},
        "subject": {"reference": f"Patient/{patient}"},
        "reasonReference": [{"reference": f"Condition/{reason['id']}"}],
        **elements,
    }


def _codes(world, resource):
    name = f"{resource['resourceType']}/{resource['id']}"
    return known_labels(world.conn, [name]).get(name, Labels()).codes


def _sees(world, viewer, resource):
    with world.as_viewer(viewer) as view:
        return read(view, resource["resourceType"], resource["id"]) is not None


@pytest.mark.parametrize("first", ["the reason", "the order", "both at once"])
def test_an_order_is_labelled_by_its_reason_whichever_came_first(world, patient, first):
    """As of chunks that were safeguarded beside each other: neither knew the other's labels."""
    reason = _condition(patient)
    order = _order(patient, reason)
    items = [world.item("hospital", reason, labels=HIV), world.item("hospital", order)]
    if first == "both at once":
        world.publish(*items)
    for item in items if first == "the reason" else reversed(items) if first == "the order" else ():
        world.publish(item)
    assert _codes(world, order) == {"HIV"}
    assert (_sees(world, HOSPITAL, order), _sees(world, SHELTER, order)) == (True, False)


def test_a_redacted_form_gets_the_label_that_only_the_whole_had(world, patient):
    """The whole is labelled for a word in it, which the redaction took out; the reason is in both."""
    reason = _condition(patient)
    order = _order(patient, reason, note=[{"text": "for HIV"}])
    less = {name: value for name, value in order.items() if name != "note"}
    world.publish(world.item("hospital", reason, labels=HIV))
    world.publish(world.item("hospital", order, labels=HIV, redacted=(less, Labels())))
    assert not _sees(world, SHELTER, order)


@pytest.mark.parametrize("indexed", [True, False])
def test_a_reference_no_parameter_finds_is_followed(world, patient, indexed):
    """Records of before the index had such references are looked through, until all are indexed anew."""
    reason = _condition(patient)
    about = {
        "url": "https://hospital.example/about",
        "valueReference": {"reference": f"Condition/{reason['id']}"},
    }
    order = _order(patient, _condition(patient, "other"), extension=[about])
    world.publish(world.item("hospital", order))
    if not indexed:
        world.conn.execute("DELETE FROM index_reference WHERE param = 0")
        world.conn.execute("UPDATE reference_told SET since = 1 + (SELECT max(rid) FROM resource)")
        world.conn.commit()
    world.publish(world.item("hospital", reason, labels=HIV))
    assert _codes(world, order) == {"HIV"}


def test_all_that_is_indexed_anew_need_not_be_looked_through(world, patient):
    world.conn.execute("UPDATE reference_told SET since = 1000")
    world.conn.commit()
    assert list(reindex(world.conn)) == [1]
    assert world.conn.execute("SELECT since FROM reference_told").fetchone() == (0,)


def test_a_label_goes_on_to_what_refers_to_what_refers(world, patient):
    reason = _condition(patient)
    order = _order(patient, reason)
    based = observation("hospital", patient, "b", basedOn=[{"reference": f"MedicationRequest/{order['id']}"}])
    for resource in (based, order):
        world.publish(world.item("hospital", resource))
    assert _codes(world, based) == frozenset()
    world.publish(world.item("hospital", reason, labels=HIV))
    assert _codes(world, based) == {"HIV"}
    with world.as_viewer(SHELTER) as view:
        assert view.conn.execute("SELECT count(*) FROM index_token x JOIN resource USING (rid)"
                                 " WHERE type <> 'Patient'").fetchone() == (0,)  # fmt: skip


def test_a_reason_that_becomes_sensitive_takes_its_order_along(world, patient):
    reason = _condition(patient)
    order = _order(patient, reason)
    world.publish(world.item("hospital", reason), world.item("hospital", order))
    assert _sees(world, SHELTER, order)
    told = {**reason, "code": {"text": "said now"}}
    world.publish(world.item("hospital", told, labels=HIV, event_time=world.at))
    assert not _sees(world, SHELTER, order)


def test_a_reason_the_repository_may_not_hold_labels_what_refers_to_it(world, patient):
    reason = _condition(patient)
    order = _order(patient, reason)
    world.publish(world.item("hospital", order))
    kept_out = Labels("V", frozenset({"HIV", "PSYTHPN"}))
    world.publish(world.item("hospital", reason, labels=kept_out))
    assert "HIV" in _codes(world, order)


def test_what_is_kept_out_gets_late_labels_too(world, patient):
    """Or it would be let in again as what it was taken for before."""
    notes = Labels("V", frozenset({"PSYTHPN"}))
    item = world.item("hospital", observation("hospital", patient, "n"), labels=notes)
    world.publish(item)
    (row,) = kept_of(world.conn, [item.record])
    assert row.table == "withheld"
    assert add_labels(world.conn, [row], {row.key: HIV}, world.context, world.at).changed == 1
    ledger = "SELECT labels FROM withheld JOIN disclosure_class USING (class)"
    assert world.conn.execute(ledger).fetchall() == [(["HIV", "PSYTHPN"],)]


def test_a_rendition_without_the_reference_keeps_its_labels(world, patient):
    reason = _condition(patient)
    order = _order(patient, reason)
    less = {name: value for name, value in order.items() if name != "reasonReference"}
    world.publish(world.item("hospital", order, redacted=(less, Labels())))
    world.publish(world.item("hospital", reason, labels=HIV))
    with world.as_viewer(SHELTER) as view:
        shown = read(view, "MedicationRequest", order["id"])
    assert shown
    assert b"reasonReference" not in shown.body


@pytest.mark.parametrize("first", ["the program", "the procedure"])
def test_a_program_labels_what_was_done_for_it_whichever_came_first(world, patient, first):
    """No search parameter leads from a procedure to whom it was performed on behalf of."""
    program = {
        "resourceType": "Organization",
        "id": resource_id("https://hospital.example/", "Organization", "willow"),
        "name": "Willow Recovery",
    }
    done = {
        "resourceType": "Procedure",
        "id": resource_id("https://hospital.example/", "Procedure", "p"),
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
        "performer": [{"onBehalfOf": {"reference": f"Organization/{program['id']}"}}],
    }
    items = [world.item("hospital", program, labels=HIV), world.item("hospital", done)]
    for item in items if first == "the program" else reversed(items):
        world.publish(item)
    assert _codes(world, done) == {"HIV"}


def test_whose_record_it_is_passes_nothing_on(world, patient):
    """A Patient's own label does not reach everything about the person."""
    measured = observation("hospital", patient, "m")
    world.publish(world.item("hospital", measured))
    world.patient("hospital", "1", labels=HIV, name=[{"family": "Rivera"}], gender="female")
    assert _codes(world, measured) == frozenset()


def test_others_of_the_same_patient_keep_theirs(world, patient):
    reason, other = _condition(patient), _condition(patient, "other")
    order = _order(patient, other)
    world.publish(world.item("hospital", other), world.item("hospital", order))
    world.publish(world.item("hospital", reason, labels=HIV))
    assert _codes(world, order) == frozenset()


@pytest.mark.parametrize("first", ["the visit", "the finding"])
def test_what_was_found_in_a_visit_the_patient_paid_is_kept_from_the_plan_too(world, patient, first):
    """45 CFR 164.522(a)(1)(vi): the label follows references that carry no sensitivity."""
    visit = {
        "resourceType": "Encounter",
        "id": resource_id("https://hospital.example/", "Encounter", "e"),
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{patient}"},
    }
    finding = _condition(patient, encounter={"reference": f"Encounter/{visit['id']}"})
    other = _condition(patient, key="another visit's")
    paid = Labels("R", frozenset({"HIPAASelfPay", "HIV"}))
    items = [world.item("hospital", visit, labels=paid), world.item("hospital", finding)]
    for item in items if first == "the visit" else reversed(items):
        world.publish(item)
    world.publish(world.item("hospital", other))
    assert _codes(world, finding) == {"HIPAASelfPay"}
    assert _codes(world, other) == frozenset()
