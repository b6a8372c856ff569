"""Recalls after random histories, against what the test's receivers and askers saw themselves."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from exchange.app.privacy.recalling import _late_label
from exchange.delivery.affected import Sent, revoked, wrongly_linked
from exchange.delivery.corrections import corrected
from exchange.delivery.outcomes import replay
from exchange.delivery.subscriptions import pause
from exchange.repository import late_disclosures, read
from exchange.repository.disclosure.late import Moved, note_late_disclosures
from tests.delivery.test_recall import CATEGORY, CLINIC, HOSPITAL, person  # noqa: F401
from tests.delivery.world import HIDDEN, PART2, delivery
from tests.repository.repository_world import observation

STEPS = 30


@dataclass
class Seen:
    """Everything that reached somebody: (who, which content or answer, the record as he got it)."""

    world: Any
    chance: random.Random
    records: list[tuple[str, str, str]] = field(default_factory=list)  # partner, patient, key
    got: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    status: int = 200
    paused: bool = False

    def arrives(self, request: Any) -> tuple[int, bytes, dict[str, str]]:
        """A receiver that has read what came, whatever it answers."""
        content = [r for r in request.resources if r["resourceType"] != "Parameters"]
        way = f"{request.key} {json.dumps(content, sort_keys=True)}"
        self.got += [("clinic", way, r) for r in content if r["resourceType"] in ("Observation", "Patient")]
        return self.status, b"", {}

    def publish(self, partner: str, patient: str, key: str, **changes: Any) -> None:
        made = observation(partner, patient, key, category=CATEGORY, **changes)
        labels = {"labels": PART2} if partner == "harbor" else {}
        self.world.publish(self.world.item(partner, made, **labels))

    def new(self, partner: str, patient: str) -> None:
        self.records.append((partner, patient, f"o{len(self.records)}"))
        self.publish(*self.records[-1])
        self.send()

    def correct(self) -> None:
        if self.records:
            one = self.chance.choice(self.records)
            self.publish(*one, valueString=f"corrected {len(self.got)} {self.world.now}")

    def ask(self) -> None:
        if self.records:
            partner, patient, key = self.chance.choice(self.records)
            viewer = self.chance.choice((CLINIC, HOSPITAL))
            name = observation(partner, patient, key)["id"]
            body = self.world.ask_api(viewer, "Observation", name)
            if body:
                self.got.append((viewer.participant, f"asked {len(self.got)}", json.loads(body)))

    def send(self) -> None:
        """To one who takes it, is away for a while, or refuses it: then it is parked."""
        self.status = self.chance.choice((200, 200, 200, 500, 422))
        self.world.send()
        if self.status == 500:
            self.status = 200
            self.world.later(hours=2)
            if self.chance.random() < 0.7:
                self.world.send()

    def replay(self) -> None:
        """What is parked is decided and sent anew."""
        self.status = self.chance.choice((200, 422))
        replay(self.world.conn, "clinic/results", None, self.world.now)
        self.world.conn.commit()
        self.world.send()

    def pause(self) -> None:
        """Or go on, with what waited meanwhile."""
        self.paused = not self.paused
        pause(self.world.conn, "clinic/results", self.world.now if self.paused else None)
        self.world.conn.commit()
        self.send()

    def times(self, *affected: tuple[str, str, dict[str, Any]]) -> Counter[tuple[str, str]]:
        """How often each got each; a delivery that came twice the same is one."""
        return Counter((who, name) for who, _, name in {(who, way, _name(r)) for who, way, r in affected})

    def step(self, *acts: Any) -> None:
        self.world.conn.commit()
        self.world.later(minutes=5)
        self.chance.choice(acts)()
        self.world.later(minutes=5)


SEEDS = [
    random.randrange(1 << 32),
    pytest.param(random.randrange(1 << 32), marks=pytest.mark.slow),
]


def _name(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _times(found: list[Sent]) -> Counter[tuple[str, str]]:
    told: Counter[tuple[str, str]] = Counter()
    for one in found:
        told[one.viewer.participant, one.record] += len(one.disclosures)
    return told


def _linked(patient: dict[str, Any]) -> set[str]:
    return {link["other"]["reference"].split("/")[1] for link in patient.get("link", ())}


@pytest.mark.parametrize("seed", SEEDS)
def test_revocations_and_errors_of_the_source_have_the_list_that_was_seen(world, receiver, person, seed):  # noqa: F811
    seen = Seen(world, random.Random(seed))
    hospital, _, harbor = person
    world.subscribe(results=delivery(receiver(seen.arrives).url, "new-result"))
    versions, given = iter(range(2, 99)), [True]

    def word() -> None:
        given.append(not given[-1])
        world.consent(harbor, str(next(versions)), "active" if given[-1] else "inactive")

    for step in range(STEPS):
        hospitals, harbors = (lambda: seen.new("hospital", hospital)), (lambda: seen.new("harbor", harbor))
        seen.step(
            hospitals, harbors, harbors, seen.ask, seen.ask, seen.correct, word, seen.replay, seen.pause
        )
        where = f"seed {seed}, step {step}"
        of_harbor = {_observed("harbor", harbor, key) for who, _, key in seen.records if who == "harbor"}
        protected = [
            one
            for one in seen.got
            if _name(one[2]) in of_harbor
            or (one[2]["resourceType"] == "Patient" and harbor in _linked(one[2]))
        ]
        truth = seen.times(*protected) if not given[-1] else Counter()
        assert _times(revoked(world.conn, harbor, world.context, world.now)) == truth, where
        for partner, patient, key in seen.records:
            name = _observed(partner, patient, key)
            now = _today(world, partner, patient, key)
            wrong = [one for one in seen.got if _name(one[2]) == name and one[2].get("valueString") != now]
            assert _times(corrected(world.conn, name)) == seen.times(*wrong), where
    assert seen.got


def _observed(partner: str, patient: str, key: str) -> str:
    return f"Observation/{observation(partner, patient, key)['id']}"


def _today(world: Any, partner: str, patient: str, key: str) -> str | None:
    """What the source says today, as the test itself reads it from the table."""
    (body,) = world.ask(
        "SELECT body FROM resource WHERE (type, fhir_id) = ('Observation', %s)",
        observation(partner, patient, key)["id"],
    ) or [b"{}"]
    return json.loads(body).get("valueString")


@pytest.mark.parametrize("seed", SEEDS)
def test_wrong_links_have_the_list_that_was_seen(world, receiver, seed):
    seen = Seen(world, random.Random(seed))
    world.subscribe(results=delivery(receiver(seen.arrives).url, "new-result", panel="everyone"))
    people = {
        name: (world.patient("clinic", name), world.patient("hospital", name)) for name in ("ana", "eva")
    }
    one = [False]
    for pair in people.values():
        world.link(*pair)

    def link() -> None:
        if not one[0]:
            _say(world, people, "linked")
            for a in people["ana"]:
                for b in people["eva"]:
                    world.link(a, b)
            one[0] = True

    def split() -> None:
        if one[0]:
            _say(world, people, "unlinked")
            world.conn.execute("DELETE FROM patient_edge")
            world.conn.execute("UPDATE patient SET person = fhir_id")
            for pair in people.values():
                world.link(*pair)
            one[0] = False

    for step in range(STEPS):
        new = [lambda who=who: seen.new("hospital", people[who][1]) for who in people]
        seen.step(*new, seen.ask, seen.ask, link, split, seen.replay, seen.pause)
        if one[0]:
            continue
        wrong = [
            (who, way, resource)
            for who, way, resource in seen.got
            if (
                both(resource, people)
                if resource["resourceType"] == "Patient"
                else _of_other(world, who, resource)
            )
        ]
        found = wrongly_linked(world.conn, [people["ana"][1], people["eva"][1]], world.now)
        assert _times(found) == seen.times(*wrong), f"seed {seed}, step {step}"
    assert seen.got


def _say(world: Any, people: dict[str, tuple[str, str]], kind: str) -> None:
    """As linkage writes down what it did."""
    world.conn.execute(
        "INSERT INTO link_event (at, kind, a, b, grade, probability, basis)"
        " SELECT %s, %s, p.patient, q.patient, 'certain', 1, 'steward' FROM patient p, patient q"
        " WHERE (p.fhir_id, q.fhir_id) = (%s, %s)",
        (world.now, kind, people["ana"][1], people["eva"][1]),
    )


def both(patient: dict[str, Any], people: dict[str, tuple[str, str]]) -> bool:
    return all(_linked(patient) & set(pair) for pair in people.values())


def _of_other(world: Any, who: str, resource: dict[str, Any]) -> bool:
    """Whether he got it under another person's id than he would today."""
    world.conn.commit()
    with world.as_viewer({"clinic": CLINIC, "hospital": HOSPITAL}[who]) as view:
        today = read(view, "Observation", resource["id"])
    return today is not None and json.loads(today.body)["subject"] != resource["subject"]


@pytest.mark.parametrize("seed", [random.randrange(1 << 32)])
def test_late_labels_have_the_list_that_was_seen(world, receiver, person, seed):  # noqa: F811
    """Results that turn out to be hidden from everybody else after they went out, or before they did."""
    seen = Seen(world, random.Random(seed))
    hospital, *_ = person
    world.subscribe(results=delivery(receiver(seen.arrives).url, "new-result"))
    for _ in range(STEPS // 2):
        new = (lambda: seen.new("hospital", hospital)), (lambda: seen.new("hospital", hospital))
        seen.step(*new, seen.ask, seen.correct, seen.replay, seen.pause)
    world.conn.commit()
    world.later(minutes=5)
    assert seen.got
    late = [one for one in seen.records if seen.chance.random() < 0.6]
    moved = []
    for partner, patient, key in late:
        made = observation(partner, patient, key, category=CATEGORY)
        where, before = _class_of(world, made["id"])
        world.publish(world.item(partner, {**made, "language": "x-late"}, labels=HIDDEN))
        after = _class_of(world, made["id"])[1]
        moved.append(Moved("Observation", UUID(made["id"]), partner, where, before, after))
    note_late_disclosures(world.conn, moved, world.context, world.now)
    world.conn.commit()
    found = [
        sent
        for entry in late_disclosures(world.conn)
        for sent in _late_label(None, world.conn, str(entry.entry), world.now)
    ]
    names = {_observed(*one) for one in late}
    assert _times(found) == seen.times(
        *(one for one in seen.got if one[0] == "clinic" and _name(one[2]) in names)
    ), f"seed {seed}"


def _class_of(world: Any, fhir_id: str) -> tuple[int, int]:
    return world.conn.execute(
        "SELECT patient, class FROM resource WHERE (type, fhir_id, rendition) = ('Observation', %s, 0)",
        (fhir_id,),
    ).fetchone()
