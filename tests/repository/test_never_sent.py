"""A version that a viewer may not see leaves nothing, just as if it had never been sent: not even a name."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from repository_world import AT, BASE, HOSPITAL, KEY, SHELTER, observation

from exchange.consent import with_security
from exchange.model.errors import Conflict
from exchange.model.records import Labels
from exchange.repository import history, is_gone, read, read_version
from exchange.repository.storage.history import past
from exchange.repository.storage.moments import stored_name, version_id
from exchange.repository.storage.plan import change_of
from exchange.repository.storage.store import present

HIV = Labels("R", frozenset({"HIV"}))
STATUSES = ("preliminary", "final", "amended")


@pytest.fixture
def patient(world):
    return world.patient("hospital", "1")


@pytest.fixture
def send(world, patient):
    """Sends batches: each a list of states (form, status, hours), or a deletion; each a second later."""

    def item(state):
        form, status, hours = state
        body = observation("hospital", patient, "a", status=status)
        changes = {"event_time": AT + timedelta(hours=hours)}
        secret = with_security({**body, "note": [{"text": f"secret {hours}"}]}, HIV)
        if form == "hidden":
            return world.item("hospital", secret, labels=HIV, **changes)
        if form == "redacted":
            return world.item("hospital", secret, labels=HIV, redacted=(body, Labels()), **changes)
        return world.item("hospital", body, **changes)

    def send(batches):
        for number, batch in enumerate(batches, 1):
            world.at = AT + timedelta(seconds=number)
            if batch == "deleted":
                world.publish(deleted=(f"Observation/{key(patient)}",))
            elif batch:
                world.publish(*map(item, batch))

    world.publish(*(item((form, "final", 0)) for form in ("open", "hidden")))  # decided from AT on
    forget(world)
    return send


def key(patient):
    return observation("hospital", patient, "a")["id"]


def forget(world):
    """As if nothing had been sent but the Patient."""
    world.conn.execute("DELETE FROM resource WHERE type = 'Observation'")
    for table in ("resource_history", "index_token", "index_date", "index_quantity", "withheld"):
        world.conn.execute(f"DELETE FROM {table}")
    world.conn.commit()


def everything_told(world, patient, viewer=SHELTER):
    """All that tells of a version, and the name of every version there is tried, with numbers besides."""
    stored = (
        "SELECT updated FROM resource WHERE type = 'Observation' UNION SELECT updated FROM resource_history"
    )
    tried = ["1", "2", "3", *(version_id(at) for (at,) in world.conn.execute(stored).fetchall())]
    world.conn.commit()
    with world.as_viewer(viewer) as view:
        found = read(view, "Observation", key(patient))
        pages = [history(view, "Observation", k, [], BASE, KEY) for k in (key(patient), "")]
        named = sorted(n for n in tried if read_version(view, "Observation", key(patient), n))
        return (
            found and (found.body, found.etag, found.updated),
            is_gone(view, "Observation", key(patient)),
            [page and [(e.version, e.updated, e.body) for e in page.entries] for page in pages],
            named,
        )


def kept(batches):
    """The batches without what the shelter is not shown at the end, and what it must not be told was there.

    Of all that became current: what follows the last state in another form than that of the end.
    """
    current, seen = [], (None, None)
    for number, batch in enumerate(batches):
        if batch == "deleted":
            current += [(number, None, seen[0])] if seen[0] else []
            seen = (None, None)
            continue
        for place, (form, _, hours) in enumerate(batch):
            if seen[1] is None or hours >= seen[1]:
                seen = (form, hours)
                current.append((number, place, form))
    last = current[-1][2]
    shown = []
    for number, place, form in reversed(current):
        if form != last or last == "hidden":
            break
        shown.append((number, place))
    return [
        ("deleted" if (n, None) in shown else [])
        if batch == "deleted"
        else [state for place, state in enumerate(batch) if (n, place) in shown]
        for n, batch in enumerate(batches)
    ]


def drawn(random):
    forms = random.choice((("open", "hidden"), ("open", "hidden", "redacted"), ("redacted", "hidden")))
    return [
        "deleted"
        if number and random.random() < 0.12
        else [
            (random.choice(forms), random.choice(STATUSES), random.choice((1, 2, 3)))
            for _ in range(random.choice((1, 1, 1, 2, 3)))
        ]
        for number in range(random.randrange(2, 7))
    ]


def test_as_it_was_before_says_nothing_of_what_was_between(world, send, patient):
    send([[("open", "final", 1)], [("hidden", "amended", 1)], [("open", "final", 1)]])
    told = everything_told(world, patient)
    assert told[3] == [version_id(AT + timedelta(seconds=3))]
    forget(world)
    send([[], [], [("open", "final", 1)]])
    assert everything_told(world, patient) == told


def test_what_is_hidden_is_told_as_if_it_had_never_been_sent(world, send, patient):
    shown = 0
    for seed in range(30):
        batches = drawn(Random(seed))
        send(batches)
        told = everything_told(world, patient)
        forget(world)
        send(kept(batches))
        assert everything_told(world, patient) == told, (seed, batches, kept(batches))
        forget(world)
        shown += len(told[3]) > 1
    assert shown > 5


def test_the_source_itself_is_told_every_state_by_a_name_of_its_own(world, send, patient):
    states = [("open", STATUSES[n % 3], 1) for n in range(4)]
    send([states, [("hidden", "final", 1), ("open", "final", 1)]])
    world.at = AT + timedelta(seconds=2)
    send([[], [("hidden", "amended", 1)]])
    _, _, ((*versions,), _), _ = everything_told(world, patient, HOSPITAL)
    names = [name for name, *_ in versions]
    assert len(versions) == 7
    assert names == sorted(set(names), reverse=True)
    assert all(f'"versionId":"{name}"'.encode() in body for name, _, body in versions)
    assert [version_id(updated) for _, updated, _ in versions] == list(map(stored_name, names))


def test_what_somebody_stored_later_meanwhile_is_a_conflict(world, send, patient):
    send([[("open", "final", 1)], [("open", "amended", 1)]])
    name = [("Observation", key(patient))]
    stored, before = present(world.conn, name), past(world.conn, name)
    (rendition,) = stored
    one = world.item("hospital", observation("hospital", patient, "a", status="corrected"))

    class Given:
        key, resource, item = rendition, one.resource, one

    with pytest.raises(Conflict):
        change_of(Given, stored[rendition], before[rendition], AT + timedelta(seconds=1), late=True)
    found = change_of(Given, stored[rendition], before[rendition], AT + timedelta(seconds=2), late=True)
    assert found.kind == "older"


def test_the_names_say_nothing_of_how_many_there_are(world, send, patient):
    """The last of a batch has the moment of the batch, however many states came before it."""
    send([[("hidden", "final", 1), ("hidden", "amended", 1), ("open", "final", 1)]])
    assert everything_told(world, patient)[3] == [version_id(AT + timedelta(seconds=1))]


def test_a_role_that_asks_by_hand_learns_of_no_hidden_version(world, send, patient):
    send([[("open", "final", 1)], [("hidden", "amended", 1)], [("open", "final", 1)]])
    asked = "SELECT unbroken('Observation', %s, 0::smallint, %s)"
    with world.as_viewer(SHELTER) as view:
        answers = [view.conn.execute(asked, (key(patient), n)).fetchone() for n in range(5)]
    assert answers == [(False,)] * 5
    with world.as_viewer(HOSPITAL) as view:
        answers = [view.conn.execute(asked, (key(patient), n)).fetchone() for n in range(5)]
    assert [found for (found,) in answers] == [False, True, True, False, False]
