"""A target holds the view of its viewer: no more, no less, and again and again the same."""

from __future__ import annotations

from collections import Counter

import pytest

from exchange.delivery.targets import holdings, pushing
from exchange.delivery.targets.pushing import Destination, push_target
from exchange.model.delivery import Target
from exchange.model.errors import Conflict, ContentError, PartnerUnavailable
from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels
from exchange.repository import wanted_of
from tests.delivery.fhir_server import Kept, fhir_server
from tests.delivery.world import HIDDEN, PART2, Clinic
from tests.repository.repository_world import CLINIC, observation


@pytest.fixture
def server(receiver) -> tuple[Kept, str]:
    kept, listening = fhir_server(receiver)
    return kept, listening.url


def push(world: Clinic, url: str, **changes: object) -> Counter[str]:
    target = Target.model_validate(
        {"purpose": "TREAT", "options": {"url": url, "timeout_seconds": 2}, **changes}
    )
    destination = Destination("clinic", "copy", target)
    return push_target(world.post().connect, world.post().office, destination, {})


def result(world: Clinic, patient: str, key: str, labels: Labels = Labels(), **elements: object) -> str:  # noqa: B008
    found = observation("hospital", patient, key, **elements)
    world.publish(world.item("hospital", found, labels=labels, event_time=world.at))
    return str(found["id"])


def test_it_gets_the_view_with_labels_and_the_ids_that_the_viewer_knows(world: Clinic, server) -> None:
    kept, url = server
    hospital, clinic = world.person()
    seen = result(world, hospital, "1")
    hidden = result(world, hospital, "2", HIDDEN)
    push(world, url)
    golden = golden_id(min(hospital, clinic))
    assert kept.of("Patient") == {golden}
    assert kept.of("Observation") == {seen}
    assert hidden not in str(kept.resources)
    assert kept.resources[f"Observation/{seen}"]["subject"] == {"reference": f"Patient/{golden}"}
    assert kept.of("Provenance") == {golden, seen}


def test_it_holds_exactly_what_the_viewer_is_shown(world: Clinic, server) -> None:
    kept, url = server
    for number in range(25):
        hospital, _ = world.person(str(number))
        result(world, hospital, f"{number}", HIDDEN if number % 3 == 0 else Labels())
    push(world, url)
    with world.as_viewer(CLINIC) as view:
        numbers = [row[0] for row in view.conn.execute("SELECT patient FROM patient").fetchall()]
        shown = {str(w.fhir_id) for w in wanted_of(view, numbers) if w.type == "Observation"}
    assert kept.of("Observation") == shown
    assert len(shown) == 16


def test_a_second_push_writes_nothing(world: Clinic, server) -> None:
    kept, url = server
    hospital, _ = world.person()
    result(world, hospital, "1")
    given = push(world, url)["given"]
    heard = len(kept.keys)
    world.later(minutes=1)
    assert push(world, url) == Counter(unchanged=given)
    assert len(kept.keys) == heard
    assert set(kept.written.values()) == {1}
    assert world.ask("SELECT count(*) FROM audit_event WHERE body::text LIKE '%urn:mosaic:target%'") == [1]


def test_only_what_changed_is_given_again(world: Clinic, server) -> None:
    kept, url = server
    hospital, _ = world.person()
    first, second = result(world, hospital, "1"), result(world, hospital, "2")
    push(world, url)
    world.later(minutes=1)
    result(world, hospital, "2", status="amended")
    push(world, url)
    assert kept.written[f"Observation/{first}"] == 1
    assert kept.written[f"Observation/{second}"] == 2
    assert kept.resources[f"Observation/{second}"]["status"] == "amended"


def test_what_is_deleted_or_may_not_be_seen_any_more_is_deleted(world: Clinic, server) -> None:
    kept, url = server
    hospital, _ = world.person()
    gone, protected = result(world, hospital, "1"), result(world, hospital, "2")
    push(world, url)
    assert kept.of("Observation") == {gone, protected}
    world.later(minutes=1)
    world.publish(deleted=(f"Observation/{gone}",))
    result(world, hospital, "2", HIDDEN)
    assert push(world, url)["deleted"] == 4  # each with its Provenance
    assert kept.of("Observation") == set()
    assert not kept.of("Provenance") & {gone, protected}


def test_a_consent_opens_and_its_revocation_closes(world: Clinic, server) -> None:
    kept, url = server
    harbor = world.patient("harbor", "1", labels=PART2, name=[{"family": "Rivera1"}], birthDate="1980-02-03")
    clinic = world.patient("clinic", "1", name=[{"family": "Rivera1"}], birthDate="1980-02-03")
    world.link(harbor, clinic)
    security = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}]
    found = observation("harbor", harbor, "1", meta={"security": security})
    world.publish(world.item("harbor", found, labels=PART2, event_time=world.at))
    push(world, url)
    assert kept.of("Observation") == set()
    world.later(minutes=1)
    world.consent(harbor)
    push(world, url)
    assert kept.of("Observation") == {found["id"]}
    assert kept.resources[f"Observation/{found['id']}"]["meta"]["security"] == security
    (notice,) = kept.of("DocumentReference") - {found["id"]}
    world.later(minutes=1)
    world.consent(harbor, version="2", status="inactive")
    push(world, url)
    assert kept.of("Observation") == set()
    assert kept.of("DocumentReference") == {notice}


def test_it_holds_what_may_be_sent_and_not_what_may_only_be_asked_for(world: Clinic, server) -> None:
    kept, url = server
    harbor = world.patient("harbor", "1", labels=PART2, name=[{"family": "Rivera1"}], birthDate="1980-02-03")
    clinic = world.patient("clinic", "1", name=[{"family": "Rivera1"}], birthDate="1980-02-03")
    world.link(harbor, clinic)
    found = observation("harbor", harbor, "1")
    world.publish(world.item("harbor", found, labels=PART2, event_time=world.at))
    for version, actions, held in (("1", ("access",), set()), ("2", ("access", "disclose"), {found["id"]})):
        world.later(minutes=1)
        world.consent(harbor, version=version, actions=actions)
        push(world, url)
        assert kept.of("Observation") == held


def test_people_merged_and_split_are_so_on_the_server(world: Clinic, server) -> None:
    kept, url = server
    named = {"name": [{"family": "Rivera"}], "birthDate": "1980-02-03"}
    first, second = world.patient("clinic", "1", **named), world.patient("clinic", "2", **named)
    found = observation("clinic", second, "1")
    world.publish(world.item("clinic", found, event_time=world.at))
    push(world, url)
    assert kept.of("Patient") == {golden_id(first), golden_id(second)}
    world.link(first, second)
    push(world, url)
    one = golden_id(min(first, second))
    assert kept.of("Patient") == {one}
    assert kept.resources[f"Observation/{found['id']}"]["subject"] == {"reference": f"Patient/{one}"}
    world.unlink(first, second)
    push(world, url)
    assert kept.of("Patient") == {golden_id(first), golden_id(second)}
    subject = kept.resources[f"Observation/{found['id']}"]["subject"]
    assert subject == {"reference": f"Patient/{golden_id(second)}"}


def test_broken_off_it_goes_on_at_its_checkpoint_under_the_same_key(
    world: Clinic, server, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, url = server
    monkeypatch.setattr(pushing, "_PEOPLE_AT_ONCE", 2)
    for number in range(6):
        hospital, _ = world.person(str(number))
        result(world, hospital, str(number))
    kept.breaks_after = 2  # the third transaction is written, and nobody hears of it
    with pytest.raises(PartnerUnavailable, match="clinic/copy"):
        push(world, url)
    (standing,) = holdings.target_standings(world.conn)
    assert standing.underway
    assert standing.problem
    kept.breaks_after = None
    world.later(minutes=1)
    push(world, url)
    assert kept.keys.count(kept.keys[2]) == 2
    assert kept.keys[3] == kept.keys[2]
    assert kept.written.total() == len(kept.resources) + len([u for u, n in kept.written.items() if n == 2])
    assert len(kept.of("Observation")) == 6
    # A record of the disclosure for each person and transaction, none for the second try.
    assert world.ask("SELECT count(*) FROM audit_event WHERE body::text LIKE '%urn:mosaic:target%'") == [6]
    (standing,) = holdings.target_standings(world.conn)
    assert not standing.underway
    assert standing.problem is None


def test_what_was_given_and_not_answered_for_is_taken_back_when_it_is_revoked(world: Clinic, server) -> None:
    kept, url = server
    hospital, _ = world.person()
    found = result(world, hospital, "1")
    kept.breaks_after = 0
    with pytest.raises(PartnerUnavailable):
        push(world, url)
    assert found in kept.of("Observation")
    kept.breaks_after = None
    world.later(minutes=1)
    result(world, hospital, "1", HIDDEN)
    push(world, url)
    assert found not in kept.of("Observation")


@pytest.mark.parametrize("status", [412, 422])
def test_one_record_that_is_refused_keeps_no_other_back(world: Clinic, server, status: int) -> None:
    kept, url = server
    hospital, _ = world.person()
    ids = [result(world, hospital, str(number)) for number in range(4)]
    kept.will_not_have, kept.says = frozenset({f"Observation/{ids[1]}"}), status
    assert push(world, url)["refused"] == 1
    assert kept.of("Observation") == {ids[0], *ids[2:]}
    heard = len(kept.keys)
    world.later(minutes=1)
    push(world, url)
    assert len(kept.keys) == heard  # it is not offered again as it is
    kept.will_not_have = frozenset()
    (standing,) = holdings.target_standings(world.conn)
    assert standing.refused == 1
    holdings.offer_again(world.conn, 1)
    world.conn.commit()
    push(world, url)
    assert kept.of("Observation") == set(ids)


def test_a_transaction_in_conflict_is_taken_apart_and_what_fails_is_offered_again(
    world: Clinic, server
) -> None:
    kept, url = server
    hospital, _ = world.person()
    ids = [result(world, hospital, str(number)) for number in range(4)]
    kept.will_not_have, kept.says = frozenset({f"Observation/{ids[1]}"}), 409
    assert push(world, url)["failed"] == 1
    assert kept.of("Observation") == {ids[0], *ids[2:]}
    (standing,) = holdings.target_standings(world.conn)
    assert standing.problem == "answered 409"
    kept.will_not_have = frozenset()
    world.later(minutes=1)
    assert push(world, url)["given"] == 1
    assert kept.of("Observation") == set(ids)
    (standing,) = holdings.target_standings(world.conn)
    assert standing.problem is None


def test_nobody_pushes_to_a_target_at_the_same_time(world: Clinic, server) -> None:
    _, url = server
    world.person()
    push(world, url)
    world.conn.execute("SELECT pg_advisory_lock(%s)", ((pushing._LOCK << 14) + 1,))
    with pytest.raises(Conflict, match="another process"):
        push(world, url)
    world.conn.rollback()


def test_a_wrong_option_is_named(world: Clinic) -> None:
    with pytest.raises(ContentError, match=r"targets\.copy\.options\.urll"):
        push(world, "", options={"urll": "https://x.example"})


def test_what_is_about_nobody_comes_along_though_nothing_refers_to_it(world: Clinic, server) -> None:
    kept, url = server
    key = resource_id("https://hospital.example/", "Organization", "1")
    place = {"resourceType": "Organization", "id": key, "name": "Hospital"}
    world.publish(world.item("hospital", place))
    push(world, url)
    assert kept.of("Organization") == {key}


def test_what_is_as_it_was_two_passes_ago_has_another_key(world: Clinic, server) -> None:
    kept, url = server
    key = resource_id("https://hospital.example/", "Organization", "1")
    for labels in (Labels(), HIDDEN, Labels(), HIDDEN):
        place = {"resourceType": "Organization", "id": key, "name": "Hospital"}
        world.publish(world.item("hospital", place, labels=labels))
        push(world, url)
        assert bool(kept.of("Organization")) is (labels == Labels())
        world.later(minutes=1)
    assert len(kept.keys) == len(set(kept.keys)) == 4


def test_nothing_is_given_under_rules_that_are_not_in_force_any_more(world: Clinic, server) -> None:
    kept, url = server
    world.person()
    world.ask("UPDATE ruling SET digest = 'others' RETURNING true")
    with pytest.raises(Conflict, match="rules or participants changed"):
        push(world, url)
    assert kept.keys == []
