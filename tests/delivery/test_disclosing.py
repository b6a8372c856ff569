"""To be sent something is another permission (`disclose`) than to be answered (`access`)."""

from __future__ import annotations

import pytest

from exchange.model.records import Viewer
from tests.delivery.receiver import taken
from tests.delivery.world import PART2, delivery

CLINIC = Viewer("clinic", "organization", "TREAT")


@pytest.fixture
def client(world):
    """A client of the substance use program, whom the clinic knows too."""
    _, clinic = world.person()
    harbor = world.patient("harbor", "1", labels=PART2, name=[{"family": "Rivera1"}])
    world.link(clinic, harbor)
    return harbor


def _admitted(world, client, actions):
    """An admission to the program, under a consent for these actions; its id."""
    world.consent(client, actions=actions)
    world.patient("harbor", "1", labels=PART2, name=[{"family": "Rivera1"}])
    visit = world.visit(client, "in-progress")
    world.publish(world.item("harbor", visit, labels=PART2))
    return str(visit["id"])


@pytest.mark.parametrize(
    ("actions", "answered", "sent"),
    [
        (("access",), True, {"nothing": 1}),
        (("disclose",), False, {"acknowledged": 1}),
        (("access", "disclose"), True, {"acknowledged": 1}),
        ((), True, {"acknowledged": 1}),
    ],
)
def test_a_consent_opens_only_the_action_it_names(world, receiver, client, actions, answered, sent):
    inbox = receiver()
    world.subscribe(notices=delivery(inbox.url))
    visit = _admitted(world, client, actions)
    assert world.send() == sent
    assert [e["id"] for got in inbox.got for e in got.of("Encounter")] == [visit] * len(inbox.got)
    assert (world.ask_api(CLINIC, "Encounter", visit) is not None) is answered


def test_the_receipt_names_the_consent_by_which_it_was_sent(world, receiver, client):
    world.subscribe(notices=delivery(receiver().url))
    _admitted(world, client, ("disclose",))
    world.send()
    ((consents, because),) = world.conn.execute("SELECT consents, because FROM receipt").fetchall()
    assert [name.split("/")[0] for name in consents] == ["Consent"]
    assert any(reason.startswith("consent:") for reason in because)


def test_a_push_that_only_an_access_was_permitted_for_is_withheld_by_its_law(world, receiver, client):
    world.subscribe(notices=delivery(receiver().url))
    _admitted(world, client, ("access",))
    world.send()
    ((category, exception),) = world.conn.execute(
        "SELECT category, exception FROM delivery_withheld"
    ).fetchall()
    assert (category, exception) == ("law", "171.202(b)")


@pytest.mark.parametrize(
    ("actions", "answered", "sent"),
    [
        (("disclose",), True, {"nothing": 1}),
        (("access",), False, {"acknowledged": 1}),
        (("access", "disclose"), False, {"nothing": 1}),
        (("use",), True, {"acknowledged": 1}),
    ],
)
def test_a_denial_closes_only_the_action_it_names(world, receiver, actions, answered, sent):
    world.subscribe(notices=delivery(receiver().url))
    hospital, _ = world.person()
    world.refuse(hospital, actions)
    visit = world.admit(hospital)
    assert world.send() == sent
    assert (world.ask_api(CLINIC, "Encounter", visit) is not None) is answered


def test_a_permission_to_send_that_ends_between_the_tries_ends_them(world, receiver, client):
    inbox = receiver(lambda got: (500, b"", {}), taken)
    world.subscribe(notices=delivery(inbox.url))
    _admitted(world, client, ("access", "disclose"))
    assert world.send() == {"failed": 1}
    world.later(seconds=10)
    world.consent(client, version="2", actions=("access",))
    assert world.send() == {"nothing": 1}
    assert len(inbox.got) == 1
    assert world.ask("SELECT state FROM delivery") == ["nothing"]


def test_a_patient_is_composed_of_what_may_be_sent(world, receiver):
    """The hospital's word on the person may be read, not sent: the notice shows the clinic's own alone."""
    inbox = receiver()
    world.subscribe("clinic", notices=delivery(inbox.url, own_records=True))
    hospital, clinic = world.person()
    world.patient(
        "hospital", "1", name=[{"family": "Rivera1"}], telecom=[{"system": "phone", "value": "555"}]
    )
    world.refuse(hospital, ("disclose",))
    visit = world.visit(clinic, "in-progress", key="own")
    world.publish(world.item("clinic", visit, patient=clinic))
    assert world.send() == {"acknowledged": 1}
    (patient,) = inbox.got[0].of("Patient")
    assert "telecom" not in patient
