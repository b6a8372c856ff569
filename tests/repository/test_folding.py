"""What is worked out ahead shows what the permits themselves show, whatever they are, and no longer."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from repository_world import AT, CLINIC, HOSPITAL, SHELTER, observation

from exchange.model.records import Viewer
from exchange.repository import fold_new_classes, redecide_all
from exchange.repository.disclosure.folding import fold_shown

DAY = timedelta(days=1)
EMERGENCY = Viewer("hospital", "organization", "BTG")
TIMES = [AT - 9 * DAY, AT, AT + 3 * DAY, AT + 7 * DAY, AT + 9 * DAY]


@pytest.fixture(scope="module")
def stocked(shared_world):
    """Four people, linked in pairs, with records; one more viewer, for emergencies."""
    world, conn = shared_world, shared_world.conn
    people = [world.patient("hospital", str(n), name=[{"family": f"Family{n}"}]) for n in range(4)]
    for n, patient in enumerate(people):
        world.publish(
            *(world.item("hospital", observation("hospital", patient, f"{n}-{k}")) for k in range(6))
        )
    world.link(people[0], people[1])
    world.link(people[2], people[3])
    conn.execute(
        "INSERT INTO viewer (participant, role, purpose, emergency) VALUES (%s, %s, %s, true)",
        [EMERGENCY.participant, EMERGENCY.role, EMERGENCY.purpose],
    )
    conn.execute(  # a redacted form of two Patients
        "INSERT INTO resource (type, fhir_id, rendition, partner, patient, class, rank, version,"
        " updated, record, content_hash, mapping_digest, rules_digest, body)"
        " SELECT type, fhir_id, 1, partner, patient, class, rank, version,"
        " updated, record, content_hash, mapping_digest, rules_digest, body"
        " FROM resource WHERE type = 'Patient' ORDER BY patient LIMIT 2"
    )
    conn.commit()
    return world


def _classes(conn, number):
    for n in range(number):
        conn.execute(
            "INSERT INTO disclosure_class (digest, source, type, confidentiality, labels, matched)"
            " VALUES (%s, 'hospital', 'Observation', 'N', '{}', '{}') ON CONFLICT DO NOTHING",
            [f"class {n}"],
        )
    return [row[0] for row in conn.execute("SELECT class FROM disclosure_class").fetchall()]


def _scatter(conn, random):
    """Every row in some class, and permits and relationships as nobody would write them."""
    classes = _classes(conn, 12)
    for (rid,) in conn.execute("SELECT rid FROM resource").fetchall():
        for table in ("resource", "index_token", "index_date"):
            conn.execute(f"UPDATE {table} SET class = %s WHERE rid = %s", [random.choice(classes), rid])
    conn.execute("DELETE FROM disclosure")
    viewers = [row[0] for row in conn.execute("SELECT viewer FROM viewer").fetchall()]
    edges = [AT - 20 * DAY, AT - 2 * DAY, AT, AT + 2 * DAY, AT + 3 * DAY, AT + 7 * DAY, AT + 90 * DAY]
    for _ in range(len(viewers) * 14):
        start, end = sorted(random.sample(edges, 2))
        conn.execute(
            "INSERT INTO disclosure VALUES (%s, %s, %s, %s, %s, '{}', '{}', %s) ON CONFLICT DO NOTHING",
            [
                *(random.choice(viewers), random.choice(classes), start, end, random.random() < 0.6),
                random.choice(["any", "any", "access", "disclose"]),
            ],
        )
    conn.execute("DELETE FROM relationship")
    for (patient,) in conn.execute("SELECT patient FROM patient").fetchall():
        for basis in random.sample(["encounter", "panel", "break-glass"], 2):
            conn.execute(
                "INSERT INTO relationship VALUES (%s, %s, %s, %s)",
                [random.choice(["hospital", "clinic"]), patient, basis, random.choice(edges)],
            )


def _permitted(conn, viewer, action, at):
    """The same by another hand: which (class, patient) are shown, told from the tables as they are."""
    names = [viewer.participant, viewer.role, viewer.purpose]
    number, emergency = conn.execute(
        "SELECT viewer, emergency FROM viewer WHERE participant = %s AND role = %s AND purpose = %s", names
    ).fetchone()
    permits = conn.execute(
        "SELECT class, valid_from, valid_until, needs_relationship, action FROM disclosure WHERE viewer = %s",
        [number],
    ).fetchall()
    cared = {
        patient
        for participant, patient, basis, until in conn.execute("SELECT * FROM relationship").fetchall()
        if participant == viewer.participant and until > at and (basis == "break-glass") == emergency
    }
    now = [(c, needs) for c, start, end, needs, a in permits if start <= at < end and a in ("any", action)]
    return lambda class_, patient: any(c == class_ and (not needs or patient in cared) for c, needs in now)


def _expected(conn, viewer, action, at):
    shown = _permitted(conn, viewer, action, at)
    rows = conn.execute("SELECT rid, class, patient, type FROM resource").fetchall()
    known = {patient for _, class_, patient, kind in rows if kind == "Patient" and shown(class_, patient)}
    edges = conn.execute("SELECT a, b FROM patient_edge").fetchall()
    index = {
        table: {
            (rid, class_)
            for rid, class_, patient in conn.execute(f"SELECT rid, class, patient FROM {table}").fetchall()
            if shown(class_, patient)
        }
        for table in ("index_token", "index_date")
    }
    return (
        {rid for rid, class_, patient, _ in rows if shown(class_, patient)},
        known,
        {(a, b) for a, b in edges if a in known and b in known},
        index,
    )


def _found(world, viewer, action, at):
    with world.as_viewer(viewer, at) as view:
        view.conn.execute("SELECT set_config('exchange.action', %s, true)", [action])
        found = [
            set(view.conn.execute(statement).fetchall())
            for statement in (
                *("SELECT rid FROM resource", "SELECT patient FROM patient", "SELECT a, b FROM patient_edge"),
                *("SELECT rid, class FROM index_token", "SELECT rid, class FROM index_date"),
            )
        ]
    return (
        {r for (r,) in found[0]},
        {p for (p,) in found[1]},
        found[2],
        {"index_token": found[3], "index_date": found[4]},
    )


@pytest.mark.parametrize("seed", range(4))
def test_folded_or_not_a_viewer_sees_what_the_permits_say(stocked, seed):
    conn = stocked.conn
    conn.execute("RESET ROLE")
    _scatter(conn, Random(seed))
    fold_shown(conn, AT)
    conn.execute("SELECT setval('latest_instant', 1)")
    conn.commit()
    seen = 0
    for folded in (True, False):
        for at in TIMES:
            for viewer in (HOSPITAL, CLINIC, SHELTER, EMERGENCY):
                for action in ("access", "disclose"):
                    expected = _expected(conn, viewer, action, at)
                    assert _found(stocked, viewer, action, at) == expected, (folded, viewer, action, at)
                    seen += len(expected[0])
                    conn.execute("RESET ROLE")
        conn.execute("SELECT setval('latest_instant', 1)")
        assert conn.execute("SELECT count(*) > 0 FROM shown").fetchone() == (folded,)
        conn.execute("DELETE FROM shown")
        conn.commit()
    assert seen


def _folded(conn):
    return conn.execute("SELECT count(*) FROM shown").fetchone()[0]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE disclosure SET valid_until = valid_until - interval '1 day'",
        "DELETE FROM disclosure WHERE class = (SELECT min(class) FROM disclosure)",
        "TRUNCATE disclosure",
        # of one for which there is no room
        "INSERT INTO disclosure_class (class, digest, source, type, confidentiality, labels, matched)"
        " OVERRIDING SYSTEM VALUE VALUES (900000, 'far', 'hospital', 'Observation', 'N', '{}', '{}');"
        " INSERT INTO disclosure SELECT v.viewer, 900000, '2020-01-01', '2030-01-01', false, '{}', '{}',"
        " 'any' FROM viewer v",
    ],
)
def test_a_permit_that_changes_takes_what_was_worked_out_with_it(stocked, change):
    conn = stocked.conn
    conn.execute("RESET ROLE")
    fold_shown(conn, AT)
    assert _folded(conn)
    conn.execute(change)
    assert _folded(conn) == 0
    conn.rollback()


def test_a_permit_of_a_class_that_was_worked_out_does_not_go_unnoticed(stocked):
    conn = stocked.conn
    conn.execute("RESET ROLE")
    fold_shown(conn, AT)
    top = conn.execute("SELECT max(class) FROM disclosure_class").fetchone()[0]
    told = "SELECT count(*) FROM shown WHERE get_byte(classes, %s) <> 3"
    assert conn.execute(told, [top]).fetchone()[0]
    conn.execute(
        "INSERT INTO disclosure SELECT viewer, %s, '2020-01-01', '2030-01-01', false, '{}', '{}', 'disclose'"
        " FROM viewer ON CONFLICT DO NOTHING",
        [top],
    )
    assert conn.execute(told, [top]).fetchone() == (0,)
    conn.rollback()


def test_a_class_for_which_there_is_no_room_costs_nobody_his_search(world):
    """A first load brings more new classes than there is room for, most with no permit for most viewers."""
    conn = world.conn
    patient = world.patient("hospital", "1", name=[{"family": "Rivera"}])
    world.publish(world.item("hospital", observation("hospital", patient, "a")))
    fold_shown(conn, AT)
    conn.execute(
        "INSERT INTO disclosure_class (class, digest, source, type, confidentiality, labels, matched)"
        " OVERRIDING SYSTEM VALUE VALUES (900000, 'far', 'hospital', 'Observation', 'N', '{}', '{}')"
    )
    (moved,) = conn.execute(
        "UPDATE resource SET class = 900000 WHERE type = 'Observation' RETURNING rid"
    ).fetchone()
    conn.execute(
        "INSERT INTO disclosure SELECT viewer, 900000, '2020-01-01', '2030-01-01', false, '{}', '{}', 'any'"
        " FROM viewer WHERE participant = 'clinic'"
    )
    conn.commit()
    for viewer in (HOSPITAL, CLINIC, SHELTER):
        expected = _expected(conn, viewer, "access", AT)
        assert (moved in expected[0]) == (viewer == CLINIC)
        assert _found(world, viewer, "access", AT) == expected
        conn.execute("RESET ROLE")


def test_new_classes_are_folded_when_there_are_any(world):
    conn = world.conn
    assert not fold_new_classes(conn, AT)
    patient = world.patient("hospital", "1", name=[{"family": "Rivera"}])
    item = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(item)
    assert fold_new_classes(conn, AT)
    assert not fold_new_classes(conn, AT)
    conn.commit()
    classes = [row[0] for row in conn.execute("SELECT DISTINCT class FROM resource").fetchall()]
    for viewer, code in ((HOSPITAL, 1), (CLINIC, 2)):  # its own, and that of the people one cares for
        with world.as_viewer(viewer) as view:
            (codes,) = view.conn.execute("SELECT shown_classes()").fetchone()
        assert {codes[class_] for class_ in classes} == {code}


def test_rules_that_change_are_folded_with_them(world):
    world.patient("hospital", "1", name=[{"family": "Rivera"}])
    redecide_all(world.conn, world.context, AT)
    rows = world.conn.execute(
        "SELECT v.emergency, classes FROM shown JOIN viewer v USING (viewer)"
    ).fetchall()
    assert {2 in codes for _, codes in rows} == {True, False}


def test_a_patient_says_what_forms_it_has(world):
    patient = world.patient("hospital", "1", name=[{"family": "Rivera"}])

    def noted():
        return world.conn.execute(
            "SELECT whole_class, redacted FROM patient WHERE fhir_id = %s", [patient]
        ).fetchone()

    (own,) = world.conn.execute("SELECT class FROM resource WHERE fhir_id = %s", [patient]).fetchone()
    assert noted() == (own, False)
    world.conn.execute("UPDATE resource SET rendition = 1 WHERE fhir_id = %s", [patient])
    assert noted() == (None, True)
    world.conn.execute("DELETE FROM resource WHERE fhir_id = %s", [patient])
    assert noted() == (None, False)
