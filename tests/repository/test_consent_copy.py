"""What goes along with a record that a Part 2 consent opened: the scope of that consent, and of no other."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from repository_world import BASE, KEY, World
from test_reprofile import consent

from exchange.api.bundles import notices
from exchange.consent import Context, parse_rules
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.proof.cases import read_cases
from exchange.content import read_tree
from exchange.model.ids import resource_id
from exchange.model.records import Labels, Viewer
from exchange.repository import search
from exchange.repository.disclosure.registering import register_participants

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 6, 1, 12, tzinfo=EXCHANGE_ZONE)
HOSPITAL = Viewer("lakeside_hospital", "organization", "TREAT")
PART2 = Labels("R", frozenset(["42CFRPart2", "SUD"]))
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


@pytest.fixture
def world(connection):
    files = read_tree(ROOT / "consent")
    cast = {
        code: type(one)(**{n: getattr(one, n) for n in one.__slots__} | {"purposes": ("TREAT",)})
        for code, one in read_cases(files)[0].items()
    }
    context = Context(parse_rules(files), cast)
    register_participants(connection, context, NOW)
    connection.commit()
    return World(connection, context, NOW)


def named(code):
    return {"identifier": {"system": "urn:mosaic:partner", "value": code}}


def part2(patient, *purposes, until="2031-03-01", recipient="lakeside_hospital"):
    return consent(
        patient,
        id=resource_id("https://x.example/", "Consent", f"{patient}{until}"),
        policy=[{"uri": f"https://mosaic-exchange.example/policy/part2?{until}"}],
        category=[],
        organization=[named("harbor_recovery")],
        performer=[{"reference": f"Patient/{patient}"}],
        provision={
            "type": "permit",
            "period": {"end": until},
            "actor": [{"role": {}, "reference": named(recipient)}],
            "purpose": [{"system": REASON, "code": code} for code in purposes],
        },
    )


def patient(world, key):
    found = world.patient("harbor_recovery", key, PART2)
    body = {
        "resourceType": "Observation",
        "id": resource_id("https://x.example/", "Observation", key),
        "status": "final",
        "subject": {"reference": f"Patient/{found}"},
    }
    world.publish(world.item("harbor_recovery", body, labels=PART2))
    return found


def cares_for(world, patient):
    world.conn.execute(
        "INSERT INTO relationship (participant, patient, basis, until)"
        " SELECT 'lakeside_hospital', patient, 'attestation', 'infinity' FROM patient WHERE fhir_id = %s",
        (patient,),
    )
    world.conn.commit()


def page(world):
    with world.as_viewer(HOSPITAL) as view:
        return search(view, "Observation", [], BASE, KEY)


def told(world):
    words = world.context.rules.vocabulary.file.obligations
    return [issue.detail for issue in notices(page(world), words) if issue.detail.startswith("consent: ")]


def test_the_scope_of_each_consent_behind_a_page_goes_along(world):
    ann = patient(world, "ann")
    world.publish(world.item("harbor_recovery", part2(ann, "TREAT", "HPAYMT")))
    cares_for(world, ann)
    assert told(world) == [
        "consent: harbor_recovery may disclose for HPAYMT, TREAT, until 2031-03-01 or until it is revoked."
    ]


def test_a_consent_that_opened_nothing_on_the_page_is_not_told(world):
    ann, bob = patient(world, "ann"), patient(world, "bob")
    world.publish(
        world.item("harbor_recovery", part2(ann, "TREAT")),
        world.item("harbor_recovery", part2(bob, "TREAT", until="2029-01-01")),
    )
    cares_for(world, ann)
    assert len(told(world)) == 1
    with world.as_viewer(HOSPITAL) as view:
        classes = [row[0] for row in world.conn.execute("SELECT class FROM disclosure")]
        found = view.conn.execute("SELECT consent_scopes(%s)", (classes,)).fetchall()
    assert len(found) == 1


def scopes(world):
    """What the function tells of every class there is, whether or not something of it is shown."""
    classes = [row[0] for row in world.conn.execute("SELECT class FROM disclosure_class")]
    world.conn.commit()
    with world.as_viewer(HOSPITAL) as view:
        return view.conn.execute("SELECT consent_scopes(%s) -> 'period'", (classes,)).fetchall()


OF_OTHERS = (
    "DELETE FROM disclosure d USING viewer v WHERE v.viewer = d.viewer"
    " AND (v.participant, v.role, v.purpose) <> (%s, %s, %s)"
)


@pytest.mark.parametrize(
    "change",
    [
        "viewer = (SELECT min(viewer) FROM viewer v WHERE v.viewer <> d.viewer)",
        "valid_from = '2026-05-01', valid_until = '2026-05-02'",
        "valid_from = '2026-07-01', valid_until = '2026-07-02'",
        "action = 'disclose'",
        "obligations = '{}'",
    ],
)
def test_a_permit_of_another_viewer_time_action_or_without_the_copy_tells_no_scope(world, change):
    ann = patient(world, "ann")
    world.publish(world.item("harbor_recovery", part2(ann, "TREAT")))
    cares_for(world, ann)
    world.conn.execute(OF_OTHERS, (HOSPITAL.participant, HOSPITAL.role, HOSPITAL.purpose))
    assert len(scopes(world)) == 1
    world.conn.execute(f"UPDATE disclosure d SET {change} WHERE obligations @> '{{consent-copy}}'")
    assert scopes(world) == []


def test_of_several_consents_of_a_person_only_that_which_opened_is_told(world):
    ann = patient(world, "ann")
    world.publish(
        world.item("harbor_recovery", part2(ann, "TREAT")),
        world.item("harbor_recovery", part2(ann, "TREAT", until="2029-01-01", recipient="north_shelter")),
    )
    cares_for(world, ann)
    ((end,),) = scopes(world)
    assert "2031-03" in str(end)


def named_for(world, about, of):
    """Which of its Consents the hospital's log names for one person and what another's Observation is in."""
    row = (
        "SELECT class FROM resource r JOIN patient p USING (patient)"
        " WHERE type = 'Observation' AND p.fhir_id = %s"
    )
    classes = [found for (found,) in world.conn.execute(row, (of,))]
    world.conn.commit()
    with world.as_viewer(HOSPITAL) as view:
        asked = "SELECT said FROM consents_shown(array_fill(%s::uuid, ARRAY[%s]), %s)"
        return [said.split("/")[0] for (said,) in view.conn.execute(asked, (about, len(classes), classes))]


@pytest.fixture
def two(world):
    """Two people whose Part 2 consents open the same to the hospital, which cares for both."""
    people = [patient(world, key) for key in ("ann", "bob")]
    for person, until in zip(people, ("2031-03-01", "2029-01-01"), strict=True):
        world.publish(world.item("harbor_recovery", part2(person, "TREAT", until=until)))
        cares_for(world, person)
    return people


def test_the_log_names_the_consent_of_who_it_is_about_and_for_his_own_records(world, two):
    ann, bob = two
    assert named_for(world, ann, of=ann) == [part2(ann, "TREAT")["id"]]
    assert named_for(world, ann, of=bob) == []


def test_the_log_names_no_consent_about_somebody_the_viewer_does_not_see(world, two):
    world.conn.execute("DELETE FROM relationship WHERE participant = 'lakeside_hospital'")
    assert named_for(world, two[0], of=two[0]) == []


@pytest.mark.parametrize(
    "change",
    [
        "viewer = (SELECT min(viewer) FROM viewer v WHERE v.viewer <> d.viewer)",
        "valid_from = '2026-05-01', valid_until = '2026-05-02'",
        "valid_from = '2026-07-01', valid_until = '2026-07-02'",
        "action = 'disclose'",
    ],
)
def test_the_log_names_no_consent_by_a_permit_of_another_viewer_time_or_action(world, two, change):
    world.conn.execute(OF_OTHERS, (HOSPITAL.participant, HOSPITAL.role, HOSPITAL.purpose))
    world.conn.execute(f"UPDATE disclosure d SET {change}")
    world.conn.execute(
        "INSERT INTO disclosure"
        " (viewer, class, valid_from, valid_until, needs_relationship, obligations, because)"
        " SELECT DISTINCT v.viewer, d.class, '-infinity'::timestamptz, 'infinity'::timestamptz, false,"
        " '{}'::text[], '{}'::text[] FROM disclosure d, viewer v"
        " WHERE (v.participant, v.role, v.purpose) = (%s, %s, %s)",
        (HOSPITAL.participant, HOSPITAL.role, HOSPITAL.purpose),
    )
    assert named_for(world, two[0], of=two[0]) == []


def test_of_several_consents_of_a_person_the_log_names_that_which_opened(world):
    ann = patient(world, "ann")
    opening = part2(ann, "TREAT")
    other = part2(ann, "TREAT", until="2029-01-01", recipient="north_shelter")
    world.publish(world.item("harbor_recovery", opening), world.item("harbor_recovery", other))
    cares_for(world, ann)
    assert named_for(world, ann, of=ann) == [opening["id"]]


def test_what_needs_no_consent_comes_without(world):
    body = {"resourceType": "Location", "id": resource_id("https://x.example/", "Location", "l")}
    world.publish(world.item("prairie_clinic", body))
    with world.as_viewer(HOSPITAL) as view:
        found = search(view, "Location", [], BASE, KEY)
    assert (len(found.entries), found.scopes) == (1, ())


def test_a_permit_reaches_who_certainly_gave_it_and_nobody_who_only_probably_did(world):
    ann, other = patient(world, "ann"), world.patient("harbor_recovery", "7", PART2)
    world.publish(world.item("harbor_recovery", part2(other, "TREAT")))
    for grade, seen in (("probable", 0), ("certain", 1)):
        world.link(ann, other, grade)
        cares_for(world, ann)
        assert len(page(world).entries) == seen
        world.unlink(ann, other)
