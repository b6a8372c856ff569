"""Chains, `_has`, compartments and what goes along: across references, in both directions.

https://hl7.org/fhir/R4/search.html#chaining
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from repository_world import BASE, HOSPITAL, KEY, SHELTER, observation

from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels
from exchange.repository import BadSearch, search, search_for
from exchange.repository.reading import where
from exchange.repository.reading.query import parse_query

HIV = Labels("R", frozenset({"HIV"}))


def _id(kind, key):
    return resource_id("https://hospital.example/", kind, key)


def _ref(kind, key):
    return {"reference": f"{kind}/{_id(kind, key)}"}


@pytest.fixture(scope="module")
def world(shared_world):
    """Ana and Ben; a doctor in a practice sees Ana, whose encounter holds a panel with a member."""
    w = shared_world
    ana = w.patient(
        "hospital", "ana", name=[{"family": "Ames"}], generalPractitioner=[_ref("Practitioner", "d")]
    )
    ben = w.patient("hospital", "ben", name=[{"family": "Boyd"}], gender="male")
    plain = [
        {"resourceType": "Organization", "id": _id("Organization", "o"), "name": "Practice"},
        {"resourceType": "Practitioner", "id": _id("Practitioner", "d"), "name": [{"family": "Doe"}]},
        {
            "resourceType": "Encounter",
            "id": _id("Encounter", "e"),
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": f"Patient/{ana}"},
            "participant": [{"individual": _ref("Practitioner", "d")}],
            "serviceProvider": _ref("Organization", "o"),
        },
        observation("hospital", ana, "member"),
        observation(
            "hospital", ana, "panel", hasMember=[_ref("Observation", "member")],
            encounter=_ref("Encounter", "e"), status="amended",
        ),
        observation("hospital", ben, "bens", performer=[{"reference": f"Patient/{ana}"}]),
    ]  # fmt: skip
    w.publish(*(w.item("hospital", resource) for resource in plain))
    water = {
        "resourceType": "Specimen",
        "id": _id("Specimen", "water"),
        "subject": _ref("Location", "ward"),
        "collection": {"collector": _ref("Practitioner", "d")},
    }
    ward = {"resourceType": "Location", "id": _id("Location", "ward"), "name": "Ward"}
    w.publish(*(w.item("hospital", one, patient=None) for one in (water, ward)))
    secret = observation("hospital", ben, "secret", code={"coding": [{"code": "7918-6"}]})
    w.publish(w.item("hospital", secret, labels=HIV))
    w.people = {"Ana": golden_id(ana), "Ben": golden_id(ben)}
    return w


@pytest.fixture
def ask(world):
    names = {_id("Observation", key): key for key in ("member", "panel", "bens", "secret")}
    names |= {_id(kind, key): kind for kind, key in
              (("Organization", "o"), ("Practitioner", "d"), ("Encounter", "e"),
               ("Location", "ward"), ("Specimen", "water"))}  # fmt: skip
    names |= {golden: name for name, golden in world.people.items()}

    def ask(asked, viewer=HOSPITAL, mode="match"):
        for name, golden in world.people.items():
            asked = asked.replace(f"{{{name}}}", golden)
        kind, _, query = asked.partition("?")
        with world.as_viewer(viewer) as view:
            page = search(view, kind, parse_qsl(query), BASE, KEY)
        assert page.unknown == ()
        return sorted(names[orjson.loads(e.body)["id"]] for e in page.entries if e.mode == mode)

    return ask


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Observation?patient.family=ames", ["member", "panel"]),
        ("Observation?subject:Patient.family:exact=Boyd", ["bens", "secret"]),
        ("Observation?patient.name=nobody", []),
        ("Observation?patient._id={Ana}", ["member", "panel"]),
        ("Observation?patient.family=ames&status=final", ["member"]),
        ("Observation?encounter.status=finished", ["panel"]),
        ("Observation?encounter:Encounter.class=AMB", ["panel"]),
        ("Observation?encounter.participant:Practitioner.family=doe", ["panel"]),
        ("Observation?encounter.service-provider.name=prac", ["panel"]),
        ("Observation?encounter.patient.family=ames", ["panel"]),
        ("Observation?patient.general-practitioner.family=doe", ["member", "panel"]),
        ("Observation?performer:Patient.family=ames", ["bens"]),
        ("Observation?performer={Ana}", ["bens"]),
        ("Observation?performer=Patient/{Ana}", ["bens"]),
        ("Patient?general-practitioner.family=doe", ["Ana"]),
        ("Patient?_has:Observation:patient:status=amended", ["Ana"]),
        ("Patient?_has:Observation:patient:code=2345-7", ["Ana", "Ben"]),
        ("Patient?_has:Observation:patient:code=7918-6&gender=male", ["Ben"]),
        ("Patient?_has:Observation:performer:status=final", ["Ana"]),
        ("Patient?_has:Observation:patient:encounter.class=AMB", ["Ana"]),
        ("Practitioner?_has:Encounter:practitioner:status=finished", ["Practitioner"]),
        ("Practitioner?_has:Encounter:participant:patient.family=ames", ["Practitioner"]),
        (
            "Practitioner?_has:Encounter:participant:_has:Observation:encounter:status=amended",
            ["Practitioner"],
        ),
        ("Practitioner?_has:Encounter:participant:_has:Observation:encounter:status=final", []),
        ("Encounter?_has:Observation:encounter:code=2345-7", ["Encounter"]),
        ("Observation?_has:Observation:has-member:status=amended", ["member"]),
        ("Observation?has-member.status=final", ["panel"]),
    ],
)
@pytest.mark.parametrize("named", [1000, -1])
def test_references_are_followed(ask, asked, found, named, monkeypatch):
    """Whether what is at the end of a chain is named or not."""
    monkeypatch.setattr(where, "_MOST_NAMED", named)
    assert ask(asked) == found


def test_a_record_about_no_person_is_found_by_what_it_is_about(ask):
    ward = _id("Location", "ward")
    for asked in (f"subject=Location/{ward}", f"subject:Location={ward}"):
        assert ask(f"Specimen?{asked}") == ["Specimen"]
        assert ask(f"Specimen?{asked}&_include=Specimen:subject", mode="include") == ["Location"]
    assert ask(f"Specimen?subject={ward}") == ask(f"Specimen?subject=Patient/{ward}") == []
    for refused in (f"subject=Location/{ward},Patient/{ward}", f"subject:Encounter={ward}"):
        with pytest.raises(BadSearch):
            ask(f"Specimen?{refused}")


@pytest.mark.parametrize(
    "asked",
    ["Patient?_has:Observation:patient:code=7918-6", "Observation?_has:Observation:has-member:code=7918-6"],
)
def test_nothing_is_found_by_what_is_hidden(ask, asked):
    assert ask(asked, SHELTER) == []
    assert ask("Patient?_has:Observation:patient:code=2345-7", SHELTER) == ["Ana", "Ben"]


@pytest.mark.parametrize(
    ("asked", "included"),
    [
        ("Observation?status=amended&_include=Observation:encounter", ["Encounter"]),
        ("Observation?status=amended&_include=*", ["Ana", "Encounter", "member"]),
        ("Observation?status=amended&_include=Observation:*", ["Ana", "Encounter", "member"]),
        ("Observation?_id={none}&_include=*", []),
        (
            "Observation?status=amended&_include=Observation:encounter&_include:iterate=Encounter:participant",
            ["Encounter", "Practitioner"],
        ),
        (
            "Observation?status=amended&_include=Observation:encounter&_include=Encounter:participant",
            ["Encounter"],
        ),
        ("Organization?_revinclude=Encounter:service-provider", ["Encounter"]),
        (
            "Organization?_revinclude=Encounter:service-provider&_revinclude:iterate=Observation:encounter",
            ["Encounter", "panel"],
        ),
        ("Patient?family=ames&_revinclude=Observation:performer", ["bens"]),
        ("Patient?family=ames&_revinclude=Observation:patient:Patient", ["member", "panel"]),
        ("Observation?status=amended&_include:iterate=Observation:has-member", ["member"]),
        ("Patient?family=ames&_include=Patient:general-practitioner", ["Practitioner"]),
    ],
)
def test_what_goes_along_is_what_was_asked_for(ask, asked, included):
    assert ask(asked, mode="include") == included


def test_a_compartment_holds_the_records_of_one_person(world):
    with world.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", [("_count", "1")], view.at, world.people["Ana"])
        page = search_for(view, query, BASE, KEY)
        assert urlsplit(page.next).path.endswith(f"/Patient/{world.people['Ana']}/Observation")
        again = parse_query("Observation", parse_qsl(urlsplit(page.next).query), view.at, world.people["Ana"])
        assert len(search_for(view, again, BASE, KEY).entries) == 1


@pytest.mark.parametrize(
    "name",
    [
        "code.name",
        "encounter.colour",
        "patient:Practitioner.name",
        "_has:Observation",
        "_has:Observation:code:status",
        "_has:Observation:encounter:code",
        "_has:Nothing:patient:code",
    ],
)
def test_a_chain_that_leads_nowhere_is_named_unknown(name, world):
    with world.as_viewer(HOSPITAL) as view:
        assert parse_query(
            "Patient" if name.startswith("_has") else "Observation", [(name, "1")], view.at
        ).unknown == (name,)


def test_a_chain_has_an_end(world):
    with pytest.raises(BadSearch), world.as_viewer(HOSPITAL) as view:
        parse_query("Observation", [("has-member." * 6 + "code", "1")], view.at)
