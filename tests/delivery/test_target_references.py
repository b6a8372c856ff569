"""What a target holds refers to what it holds: a duplicate's place is taken by the record shown for it."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels, Resource
from tests.delivery.fhir_server import Kept, fhir_server
from tests.delivery.test_targets import push
from tests.delivery.world import HIDDEN, Clinic
from tests.repository.repository_world import observation


@pytest.fixture
def server(receiver) -> tuple[Kept, str]:
    kept, listening = fhir_server(receiver)
    return kept, listening.url


OPEN = Labels()


def visit(
    world: Clinic, partner: str, patient: str, trust: int, labels: Labels = OPEN, key: str = "v"
) -> str:
    """One visit as a partner tells it; the less `trust` is, the better it is told."""
    said = {
        **world.visit(patient, "finished"),
        "id": resource_id(f"https://{partner}.example/", "Encounter", key),
    }
    world.publish(world.item(partner, said, cluster=b"one visit", trust=trust, labels=labels))
    return f"Encounter/{said['id']}"


def seen_at(world: Clinic, patient: str, encounter: str, **elements: object) -> str:
    """A result of the clinic during a visit."""
    found = observation("clinic", patient, "1", encounter={"reference": encounter}, **elements)
    world.publish(world.item("clinic", found, event_time=world.at))
    return f"Observation/{found['id']}"


def dangling(kept: Kept) -> set[str]:
    """References that lead to nothing the server holds."""
    named = set(re.findall(r"'reference': '([A-Z][A-Za-z]+/[0-9a-f-]{36})", str(kept.resources)))
    return named - kept.resources.keys()


def refers(world: Clinic, server: tuple[Kept, str], result: str, encounter: str) -> None:
    """After a push the result refers to that visit, and nothing leads to what is not held."""
    kept, url = server
    push(world, url)
    assert kept.resources[result]["encounter"] == {"reference": encounter}
    assert dangling(kept) == set()


def test_a_duplicate_that_a_better_one_stands_for_is_referred_to_as_that_one(world: Clinic, server) -> None:
    kept, url = server
    hospital, clinic = world.person()
    own = visit(world, "clinic", clinic, 20)
    result = seen_at(world, clinic, own)
    push(world, url)
    assert kept.resources[result]["encounter"] == {"reference": own}
    world.later(minutes=1)
    better = visit(world, "hospital", hospital, 1)
    push(world, url)
    assert kept.of("Encounter") == {better.split("/")[1]}
    assert kept.resources[result]["encounter"] == {"reference": better}
    assert dangling(kept) == set()
    world.later(minutes=1)
    world.publish(deleted=(better,))
    refers(world, server, result, own)


def test_one_that_may_not_be_seen_stands_for_nothing(world: Clinic, server) -> None:
    kept, url = server
    hospital, clinic = world.person()
    own = visit(world, "clinic", clinic, 20)
    hidden = visit(world, "hospital", hospital, 1, HIDDEN)
    result = seen_at(world, clinic, own)
    push(world, url)
    assert kept.resources[result]["encounter"] == {"reference": own}
    assert hidden not in str(kept.resources)


def test_what_refers_to_a_hidden_duplicate_tells_of_no_other(world: Clinic, server) -> None:
    kept, url = server
    hospital, clinic = world.person()
    shown = visit(world, "clinic", clinic, 1)
    hidden = visit(world, "hospital", hospital, 20, HIDDEN)
    result = seen_at(world, clinic, hidden)
    push(world, url)
    assert kept.of("Encounter") == {shown.split("/")[1]}
    assert kept.resources[result]["encounter"] == {"reference": hidden}


def test_people_split_refer_to_their_own_again(world: Clinic, server) -> None:
    kept, url = server
    hospital, clinic = world.person()
    own, better = visit(world, "clinic", clinic, 20), visit(world, "hospital", hospital, 1)
    result = seen_at(world, clinic, own)
    push(world, url)
    assert kept.resources[result]["encounter"] == {"reference": better}
    world.later(minutes=1)
    world.unlink(hospital, clinic)
    refers(world, server, result, own)


def test_a_chain_of_links_leads_to_the_one_that_is_held(world: Clinic, server) -> None:
    """The third is hidden by the second and that by the first, who is not linked with the third himself."""
    named = {"name": [{"family": "Rivera"}], "birthDate": "1980-02-03"}
    ends = [world.patient("clinic", str(number), **named) for number in range(3)]
    world.link(ends[0], ends[1])
    world.link(ends[1], ends[2])
    best, _, last = (visit(world, "clinic", end, n, key=f"v{n}") for n, end in enumerate(ends))
    result = seen_at(world, ends[2], last)
    refers(world, server, result, best)


def test_a_practitioner_known_to_two_is_held_once_and_given_once(world: Clinic, server) -> None:
    kept, url = server
    _, clinic = world.person()
    told: list[Resource] = [
        {
            "resourceType": "Practitioner",
            "id": resource_id(f"https://{partner}.example/", "Practitioner", "1"),
            "name": [{"family": "Vega"}],
        }
        for partner in ("hospital", "clinic")
    ]
    for trust, who in enumerate(told):
        world.publish(world.item(("hospital", "clinic")[trust], who, cluster=b"one npi", trust=trust))
    worse = f"Practitioner/{told[1]['id']}"
    found = observation("clinic", clinic, "1", performer=[{"reference": worse, "display": "Dr. Vega"}])
    world.publish(world.item("clinic", found, event_time=world.at))
    given = push(world, url)["given"]
    assert kept.of("Practitioner") == {told[0]["id"]}
    performer = {"reference": f"Practitioner/{told[0]['id']}", "display": "Dr. Vega"}
    assert kept.resources[f"Observation/{found['id']}"]["performer"] == [performer]
    assert dangling(kept) == set()
    world.later(minutes=1)
    assert push(world, url) == Counter(unchanged=given)


def test_another_person_is_referred_to_by_the_golden_id(world: Clinic, server) -> None:
    kept, url = server
    hospital, clinic = world.person()
    mother = world.person("2")
    result = seen_at(
        world, clinic, f"Encounter/{golden_id(clinic)}", focus=[{"reference": f"Patient/{mother[1]}"}]
    )
    push(world, url)
    assert kept.resources[result]["focus"] == [{"reference": f"Patient/{golden_id(min(mother))}"}]
    assert "link" not in kept.resources[f"Patient/{golden_id(min(hospital, clinic))}"]
