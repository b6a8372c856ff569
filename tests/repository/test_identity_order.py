"""The order of arrival, and what a viewer may not see, change no byte of what is told of random lives."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from identity_sequences import AT, HIDDEN, OPEN, Lives, patient_of
from repository_world import BASE, CLINIC, HOSPITAL, KEY, SHELTER
from test_reprofile import consent, deny_to

from exchange.linkage import parse_model
from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Merge
from exchange.repository import everything, search, searchset
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.identity.links import IncomingPatient, link_patients
from exchange.repository.reading.persons import distinct, persons_of

ROOT = Path(__file__).parents[2] / "mappings"
STEPS = 30


@pytest.fixture(scope="module")
def model():
    paths = (ROOT / "_shared" / "identity").iterdir()
    return parse_model({str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths})


TABLES = "patient, resource, resource_history, withheld, match_review, link_event, overlay, directive"
INDEXES = "index_token, index_reference, index_date, index_string, index_quantity"


@pytest.mark.parametrize("seed", range(2))
def test_records_in_any_order_and_in_any_batches_give_every_viewer_the_same_bytes(world, model, seed):
    lives = Lives(world, model, Random(seed))
    for _ in range(8):
        lives.send()
    for _ in range(10):
        lives.measure()
    lives.deny(), lives.deny(), lives.merge()
    views = []
    for order in range(3):
        world.conn.execute(f"TRUNCATE {TABLES}, {INDEXES} CASCADE")
        world.conn.commit()
        again(lives, Random(order))
        views.append([answers(world, viewer) for viewer in (HOSPITAL, CLINIC, SHELTER)])
    assert views[0] == views[1] == views[2]
    assert all(answer[0].count(b"fullUrl") for answer in views[0])


@pytest.mark.parametrize(("labels", "people"), [(OPEN, 3), (HIDDEN, 1)], ids=["seen", "hidden"])
def test_whoever_sees_two_whom_a_record_may_be_sees_it_with_neither(world, model, labels, people):
    """And who sees one of the two is told as if there were no other."""
    lives, home = Lives(world, model, Random(0)), {"phone": "217-555-0147", "line": "12 Oak Street"}
    for key, given, shown in (("1", "Jayden", OPEN), ("2", "", OPEN), ("3", "Kayden", labels)):
        said = {"given": given, "family": "Harding", "born": "2015-04-01", "gender": "male", **home}
        fhir_id = resource_id("https://hospital.example/", "Patient", key)
        patient = patient_of(fhir_id, said)
        lives._link([IncomingPatient(fhir_id, "hospital", lives.read(patient))], [])
        lives._publish(world.item("hospital", patient, event_time=None, labels=shown))
    with world.as_viewer(SHELTER) as view:
        numbers = [row[0] for row in view.conn.execute("SELECT patient FROM patient")]
        assert len(distinct(persons_of(view, numbers).values())) == people


def again(lives, random):
    """Sends everything once more in another order, several at a time, each Patient before what is his."""
    world, model = lives.world, lives.model
    patients = [versions[-1] for versions in lives.said.values()]
    random.shuffle(patients)
    rest = [
        *lives.facts.values(),
        *(consent(p, provision=deny_to(whom)) for p, whom in lives.denials.items()),
    ]
    random.shuffle(rest)
    entered, merged = set(), False
    while patients or rest:
        batch = [patients.pop() for _ in range(min(len(patients), random.randint(1, 3)))]
        entered |= {patient["id"] for patient in batch}
        merged = merged or not patients
        incoming = [IncomingPatient(p["id"], lives.partner[p["id"]], lives.read(p)) for p in batch]
        merges = [Merge(*pair) for pair in lives.merges] if merged else []
        changed = link_patients(world.conn, incoming, merges, model, AT).changed
        reprofile(world.conn, changed, world.context, AT)
        ready = [body for body in rest if whose(body) in entered]
        chosen = ready[: random.randint(1, 5)] if patients else ready
        rest = [body for body in rest if body not in chosen]
        world.publish(*(lives.items[body["id"]] for body in [*batch, *chosen]))


def whose(body):
    return (body.get("subject") or body["patient"])["reference"].removeprefix("Patient/")


@contextmanager
def view_of(world, viewer):
    """As `world.as_viewer`, also inside a transaction that is to be rolled back."""
    with world.as_viewer(viewer) as view:
        yield view
    world.conn.execute("RESET ROLE")


def answers(world, viewer):
    """Every search and every person's everything."""
    found = []
    for kind, asked in (
        ("Patient", ()),
        ("Observation", ()),
        ("Observation", (("_include", "Observation:subject"),)),
    ):
        with view_of(world, viewer) as view:
            page = search(view, kind, [("_revinclude", "Provenance:target"), *asked], BASE, KEY)
        found.append(searchset(page, BASE))
    for patient in sorted(golden_id(fhir_id) for fhir_id in persons_known(world)):
        with view_of(world, viewer) as view:
            found.append(repr(everything(view, patient, [], BASE, KEY)).encode())
    return found


def persons_known(world):
    rows = world.conn.execute("SELECT fhir_id::text FROM patient").fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize("seed", range(3))
def test_a_golden_patient_is_the_same_byte_for_byte_without_the_records_a_viewer_may_not_see(
    world, model, seed
):
    lives = Lives(world, model, Random(seed), secrecy=0.4)
    for _ in range(6):
        lives.send()
    for _ in range(STEPS):
        lives.step()
    for viewer in (CLINIC, SHELTER):
        before = answers(world, viewer)
        with view_of(world, viewer) as view:
            seen = [row[0] for row in view.conn.execute("SELECT rid FROM resource").fetchall()]
            known = [row[0] for row in view.conn.execute("SELECT patient FROM patient").fetchall()]
        world.conn.commit()
        with world.conn.transaction(force_rollback=True):
            keep_only(world, seen, known)
            assert answers(world, viewer) == before
    assert lives.hidden


def keep_only(world, rids, patients):
    for table in ("resource", *INDEXES.split(", ")):
        world.conn.execute(f"DELETE FROM {table} WHERE rid <> ALL(%s)", (rids,))
    for table in ("patient_edge", "patient_apart"):
        world.conn.execute(f"DELETE FROM {table} WHERE a <> ALL(%(p)s) OR b <> ALL(%(p)s)", {"p": patients})
    world.conn.execute("DELETE FROM resource_history; DELETE FROM withheld")
