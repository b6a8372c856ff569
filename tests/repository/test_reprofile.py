"""Consents bind the moment they are stored, and follow the person."""

from __future__ import annotations

import pytest
from repository_world import HOSPITAL, SHELTER, observation

from exchange.consent.directives.codings import ACT_CODE
from exchange.model.ids import resource_id
from exchange.model.records import Labels
from exchange.repository import known_labels, readmissible_records
from exchange.repository.reading.read import read
from tests.consent import builders

ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"


def consent(patient, kind="deny", **changes):
    """The patient's word on everything: permit or deny, to everybody or as `provision` says."""
    return builders.consent(
        **{
            "id": resource_id("https://hospital.example/", "Consent", patient),
            "patient": {"reference": f"Patient/{patient}"},
            "dateTime": "2026-01-01",
            "policy": None,
            "policyRule": {"coding": [{"system": ACT_CODE, "code": "OPTOUT"}]},
            "provision": {"type": kind},
            **changes,
        }
    )


def sees(world, viewer, item):
    with world.as_viewer(viewer) as view:
        return read(view, "Observation", item.resource["id"]) is not None


@pytest.fixture
def patient(world):
    return world.patient("hospital", "1", name=[{"family": "Rivera"}])


@pytest.fixture
def measured(world, patient):
    item = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(item)
    return item


def deny_to(participant, action="access"):
    return {
        "type": "permit",
        "provision": [
            {
                "type": "deny",
                "actor": [
                    {
                        "role": {
                            "coding": [
                                {
                                    "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                                    "code": "IRCP",
                                }
                            ]
                        },
                        "reference": {"identifier": {"system": "urn:mosaic:partner", "value": participant}},
                    }
                ],
                "action": [
                    {
                        "coding": [
                            {"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": action}
                        ]
                    }
                ],
            }
        ],
    }


def test_a_denial_closes_existing_and_later_records_at_once_and_its_end_opens_them(world, patient, measured):
    assert sees(world, SHELTER, measured)
    given = world.item("hospital", consent(patient, provision=deny_to("shelter")))
    later = world.item("hospital", observation("hospital", patient, "b"))
    assert [o.kind for o in world.publish(given, later).outcomes] == ["published", "published"]
    assert (sees(world, SHELTER, measured), sees(world, SHELTER, later)) == (False, False)
    assert sees(world, HOSPITAL, measured)
    world.publish(deleted=(f"Consent/{given.resource['id']}",))
    assert (sees(world, SHELTER, measured), sees(world, SHELTER, later)) == (True, True)


def test_a_denial_follows_a_link_of_any_grade_and_leaves_with_it(world, patient, measured):
    other = world.patient("shelter", "9")
    world.publish(world.item("shelter", consent(other, provision=deny_to("shelter"))))
    assert sees(world, SHELTER, measured)
    world.link(patient, other, "probable")
    assert not sees(world, SHELTER, measured)
    world.unlink(patient, other)
    assert sees(world, SHELTER, measured)


def test_index_rows_move_with_their_resource(world, patient, measured):
    world.publish(world.item("hospital", consent(patient, provision=deny_to("shelter"))))
    apart = world.conn.execute(
        "SELECT count(*) FROM index_token t JOIN resource r USING (rid)"
        " WHERE t.class <> r.class OR t.patient <> r.patient"
    ).fetchone()
    assert apart == (0,)


def test_what_a_person_keeps_out_of_the_exchange_is_withdrawn_and_comes_back_by_replay(
    world, patient, measured
):
    amended = measured._replace(resource={**measured.resource, "status": "amended"})
    world.publish(amended)
    given = world.item("hospital", consent(patient))
    assert world.publish(given).outcomes[0].kind in ("published", "withheld")
    left = (
        "SELECT (SELECT count(*) FROM resource WHERE type = 'Observation'),"
        " (SELECT count(*) FROM resource_history)"
    )
    assert world.conn.execute(left).fetchone() == (0, 0)
    assert readmissible_records(world.conn, world.context, world.at) == {}
    world.publish(deleted=(f"Consent/{given.resource['id']}",))
    assert amended.record in readmissible_records(world.conn, world.context, world.at)["hospital"]


def test_a_consent_that_cannot_be_computed_is_quarantined(world, patient):
    unreadable = consent(patient, modifierExtension=[{"url": "urn:unknown", "valueBoolean": True}])
    outcome = world.publish(world.item("hospital", unreadable)).outcomes[0]
    assert (outcome.kind, outcome.issue.code) == ("quarantined", "not-supported")


@pytest.mark.parametrize("same", [True, False], ids=["the permit itself was changed", "another consent came"])
@pytest.mark.parametrize("status", ["active", "inactive"])
def test_a_consent_that_cannot_be_computed_closes_until_somebody_has_looked(
    world, patient, measured, same, status
):
    world.publish(world.item("hospital", consent(patient, "permit")))
    assert sees(world, SHELTER, measured)
    unreadable = consent(
        patient, dateTime="2026-02-01", status=status, modifierExtension=[{"url": "urn:x", "valueCode": "y"}]
    )
    unreadable["id"] = unreadable["id"] if same else resource_id("https://hospital.example/", "Consent", "2")
    assert world.publish(world.item("hospital", unreadable)).outcomes[0].kind == "quarantined"
    assert sees(world, SHELTER, measured) == (status == "inactive" and not same)
    readable = {k: v for k, v in unreadable.items() if k != "modifierExtension"}
    world.publish(world.item("hospital", {**readable, "status": "active", "provision": {"type": "permit"}}))
    assert sees(world, SHELTER, measured)


def test_an_unreadable_consent_to_treatment_itself_denies_no_disclosure(world, patient, measured):
    scope = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment"}]
    }
    world.publish(world.item("hospital", consent(patient, scope=scope, modifierExtension=[{"url": "urn:x"}])))
    assert sees(world, SHELTER, measured)


def test_an_organization_that_was_published_stands_for_its_participant(world, patient, measured):
    organization = {
        "resourceType": "Organization",
        "id": resource_id("https://hospital.example/", "Organization", "shelter"),
        "identifier": [{"system": "urn:mosaic:partner", "value": "shelter"}],
        "name": "Shelter",
    }
    world.publish(world.item("hospital", organization))
    provision = deny_to("shelter")
    provision["provision"][0]["actor"][0]["reference"] = {"reference": f"Organization/{organization['id']}"}
    world.publish(world.item("hospital", consent(patient, provision=provision)))
    assert not sees(world, SHELTER, measured)


def test_labels_of_what_was_published_are_known_to_what_refers_to_it(world, patient, measured):
    labelled = world.item(
        "hospital", observation("hospital", patient, "b"), labels=Labels("R", frozenset({"PSY"}))
    )
    world.publish(labelled)
    names = [f"Observation/{item.resource['id']}" for item in (measured, labelled)]
    known = known_labels(world.conn, [*names, "Observation/none", "#contained"])
    assert {name: labels.codes for name, labels in known.items()} == {names[1]: {"PSY"}}


def related_to(report, participant):
    """A refusal, to one participant, of whatever that report refers to."""
    tree = deny_to(participant)
    data = [{"meaning": "related", "reference": {"reference": f"DiagnosticReport/{report['id']}"}}]
    return {**tree, "provision": [{**tree["provision"][0], "data": data}]}


def test_a_refusal_of_what_a_report_refers_to_reaches_that_and_no_more(world, patient, measured):
    other = world.item("hospital", observation("hospital", patient, "b"))
    report = {
        "resourceType": "DiagnosticReport",
        "id": resource_id("https://hospital.example/", "DiagnosticReport", "r"),
        "status": "final",
        "code": {"text": "glucose"},
        "subject": {"reference": f"Patient/{patient}"},
        "result": [{"reference": f"Observation/{measured.resource['id']}"}],
    }
    refusal = consent(patient, provision=related_to(report, "shelter"))
    world.publish(other, world.item("hospital", refusal))
    before = [sees(world, SHELTER, measured), sees(world, SHELTER, other)]
    world.publish(world.item("hospital", report))
    after = [sees(world, SHELTER, measured), sees(world, SHELTER, other)]
    assert (before, after) == ([False, False], [False, True])


def test_what_a_report_refers_to_is_told_of_every_record_of_the_person(world, patient):
    """The refusal is known from the hospital; the records are about the Patient that the clinic sent."""
    at_clinic = world.patient("clinic", "7", name=[{"family": "Rivera"}])
    world.link(patient, at_clinic)
    named, other = (world.item("clinic", observation("clinic", at_clinic, key)) for key in "ab")
    report = {
        "resourceType": "DiagnosticReport",
        "id": resource_id("https://hospital.example/", "DiagnosticReport", "r"),
        "status": "final",
        "code": {"text": "glucose"},
        "result": [{"reference": f"Observation/{named.resource['id']}"}],
    }
    refusal = world.item("hospital", consent(patient, provision=related_to(report, "shelter")))
    world.publish(named, other, refusal)
    world.publish(world.item("hospital", report))
    assert [sees(world, SHELTER, named), sees(world, SHELTER, other)] == [False, True]


def written_by(author, participant):
    """A refusal of what a practitioner wrote, to one participant."""
    tree = deny_to(participant)
    who = resource_id("https://hospital.example/", "Practitioner", author)
    data = [{"meaning": "authoredby", "reference": {"reference": f"Practitioner/{who}"}}]
    return {**tree, "provision": [{**tree["provision"][0], "data": data}]}


def authorship(item, author):
    """A Provenance, about nobody, that says who wrote a record."""
    who = resource_id("https://hospital.example/", "Practitioner", author)
    return {
        "resourceType": "Provenance",
        "id": resource_id("https://hospital.example/", "Provenance", author),
        "target": [{"reference": f"Observation/{item.resource['id']}"}],
        "recorded": "2026-01-02T09:00:00Z",
        "agent": [{"who": {"reference": f"Practitioner/{who}"}}],
    }


def test_a_refusal_of_what_somebody_wrote_follows_whatever_is_said_of_the_author_later(
    world, patient, measured
):
    """Nobody knows who wrote the record; then it is said that another did, and then that the one did, too."""
    world.publish(world.item("hospital", consent(patient, provision=written_by("x", "shelter"))))
    seen = [sees(world, SHELTER, measured)]
    for author in "yx":
        world.publish(world.item("hospital", authorship(measured, author)))
        seen.append(sees(world, SHELTER, measured))
    assert seen == [False, True, False]


def team(members):
    return {
        "resourceType": "Group",
        "id": resource_id("https://hospital.example/", "Group", "g"),
        "type": "practitioner",
        "actual": True,
        "member": [
            {"entity": {"identifier": {"system": "urn:mosaic:partner", "value": code}}, **changes}
            for code, changes in members
        ],
    }


@pytest.mark.parametrize(
    "members, seen",
    [
        ([("shelter", {})], False),
        ([("clinic", {})], True),
        ([("clinic", {}), ("shelter", {"period": {"end": "2026-11-22"}})], True),
        ([("clinic", {}), ("shelter", {"inactive": True})], True),
        ([("clinic", {}), ("stranger", {})], False),
    ],
)
def test_a_group_named_by_a_consent_means_its_members_of_that_day(world, patient, measured, members, seen):
    group = team(members)
    tree = deny_to("nobody")
    actor = {**tree["provision"][0]["actor"][0], "reference": {"reference": f"Group/{group['id']}"}}
    named = {**tree, "provision": [{**tree["provision"][0], "actor": [actor]}]}
    world.publish(world.item("hospital", group), world.item("hospital", consent(patient, provision=named)))
    assert sees(world, SHELTER, measured) is seen


@pytest.mark.parametrize(
    "changes, seen",
    [
        ({}, False),
        ({"period": {"end": "2026-11-22"}}, True),
        ({"status": "active"}, False),
        ({"status": "inactive"}, False),
        ({"status": "inactive", "period": {"end": "2026-11-22"}}, False),
    ],
)
def test_a_care_team_ends_with_its_own_period(world, patient, measured, changes, seen):
    care_team = {
        "resourceType": "CareTeam",
        "id": resource_id("https://hospital.example/", "CareTeam", "t"),
        "subject": {"reference": f"Patient/{patient}"},
        "participant": [{"member": {"identifier": {"system": "urn:mosaic:partner", "value": "shelter"}}}],
        **changes,
    }
    tree = deny_to("nobody")
    actor = {**tree["provision"][0]["actor"][0], "reference": {"reference": f"CareTeam/{care_team['id']}"}}
    named = {**tree, "provision": [{**tree["provision"][0], "actor": [actor]}]}
    world.publish(
        world.item("hospital", care_team), world.item("hospital", consent(patient, provision=named))
    )
    assert sees(world, SHELTER, measured) is seen


def test_an_inactive_team_opens_nothing(world, patient, measured):
    """Nor for those who belong to it by name: it means nobody who could be told."""
    opened = {}
    for active in (True, False):
        group = {**team([("shelter", {})]), "active": active}
        tree = deny_to("nobody")
        actor = {**tree["provision"][0]["actor"][0], "reference": {"reference": f"Group/{group['id']}"}}
        named = {"type": "permit", "actor": [actor]}
        world.publish(
            world.item("hospital", group), world.item("hospital", consent(patient, provision=named))
        )
        opened[active] = sees(world, SHELTER, measured)
    assert opened == {True: True, False: False}


def test_a_result_that_turns_out_to_be_of_a_visit_whose_results_are_kept_out_is_withdrawn(
    world, patient, measured
):
    """The visit comes after the consent that names it, and says what it was about."""
    visit = {
        "resourceType": "Encounter",
        "id": resource_id("https://hospital.example/", "Encounter", "v"),
        "status": "finished",
        "subject": {"reference": f"Patient/{patient}"},
        "reasonReference": [{"reference": f"Observation/{measured.resource['id']}"}],
    }
    related = [{"meaning": "related", "reference": {"reference": f"Encounter/{visit['id']}"}}]
    results = [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]
    refused = {"type": "permit", "provision": [{"type": "deny", "class": results, "data": related}]}
    world.publish(world.item("hospital", consent(patient, provision=refused)))
    assert sees(world, HOSPITAL, measured)
    world.publish(world.item("hospital", visit))
    held = world.conn.execute("SELECT type FROM resource WHERE patient IS NOT NULL ORDER BY 1").fetchall()
    assert held == [("Consent",), ("Encounter",), ("Patient",)]
    (kept,) = world.conn.execute("SELECT type, because FROM withheld").fetchall()
    (version,) = world.conn.execute(
        "SELECT (extract(epoch FROM updated) * 1000000)::bigint FROM resource WHERE type = 'Consent'"
    ).fetchone()
    said = consent(patient)["id"]
    assert kept == ("Observation", [f"consent:{said}/_history/{version}:provision.provision[0]"])


def test_what_is_kept_out_by_a_consent_that_was_there_before_names_it_too(world, patient):
    """By id, version and provision: the places of a profile change with each consent."""
    collect = [{"coding": [{"system": ACTION, "code": "collect"}]}]
    refused = {"type": "permit", "provision": [{"type": "deny", "action": collect}]}
    given = consent(patient, provision=refused)
    world.publish(world.item("hospital", given))
    late = world.item("hospital", observation("hospital", patient, "late"))
    assert world.publish(late).outcomes[0].kind == "withheld"
    (because,) = world.conn.execute(
        "SELECT because FROM withheld WHERE fhir_id = %s", (late.resource["id"],)
    ).fetchone()
    assert because == [f"consent:{given['id']}:provision.provision[0]"]  # which is kept out itself


@pytest.mark.parametrize(("signed", "seen"), [("2026-03-01", True), ("2062-01-01", False)])
def test_a_permit_signed_on_a_day_to_come_takes_the_place_of_no_refusal(
    world, patient, measured, signed, seen
):
    """A mistyped year would outlast every later word of the person."""
    refusal, permit = (resource_id("https://hospital.example/", "Consent", name) for name in ("no", "yes"))
    world.publish(world.item("hospital", consent(patient, "permit", id=permit, dateTime=signed)))
    assert sees(world, SHELTER, measured)
    world.publish(world.item("hospital", consent(patient, "deny", id=refusal, dateTime="2026-02-01")))
    assert sees(world, SHELTER, measured) is seen
