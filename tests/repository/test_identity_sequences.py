"""Every law of the house about identity after every step of a random life, against plain arithmetic.

`EXCHANGE_SEEDS=200` tries more lives than a run of all tests has time for.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from random import Random

import orjson
import pytest
from identity_sequences import AT, Lives, word
from repository_world import CLINIC, HOSPITAL, SHELTER
from test_identity import state

from exchange.linkage import Features, parse_model
from exchange.model.ids import golden_id
from exchange.model.records import Merge
from exchange.repository.disclosure.overlay import held
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.identity.links import IncomingPatient, decide_review, link_patients
from exchange.repository.identity.reviews import changes_of_persons

ROOT = Path(__file__).parents[2] / "mappings"
STEPS = 30
SEEDS = range(int(os.environ.get("EXCHANGE_SEEDS", "1")))


@pytest.fixture(scope="module")
def model():
    paths = (ROOT / "_shared" / "identity").iterdir()
    return parse_model({str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths})


@pytest.mark.parametrize("seed", SEEDS)
def test_every_law_holds_after_every_step_of_a_random_life(world, model, seed):
    lives = Lives(world, model, Random(seed))
    told = []
    for _ in range(STEPS):
        told.append(lives.step())
        try:
            for law in LAWS:
                law(lives)
        except AssertionError as error:
            raise AssertionError(f"{law.__name__} after\n" + "\n".join(told)) from error


def nothing_sent_is_overwritten(lives):
    """The current version is what was last said, and every version said is kept."""
    rows = lives.world.conn.execute(
        "SELECT fhir_id::text, body FROM resource WHERE type = 'Patient'"
        " UNION ALL SELECT fhir_id::text, body FROM resource_history WHERE type = 'Patient' AND NOT deleted"
    ).fetchall()
    kept = defaultdict(list)
    for fhir_id, body in rows:
        kept[fhir_id].append(said(orjson.loads(body)))
    for fhir_id, versions in lives.said.items():
        for version in versions:
            assert not version or version in kept[fhir_id]
    now = dict(
        lives.world.conn.execute("SELECT fhir_id::text, body FROM resource WHERE type = 'Patient'").fetchall()
    )
    last = {fhir_id: versions[-1] for fhir_id, versions in lives.said.items() if versions[-1]}
    assert {fhir_id: said(orjson.loads(body)) for fhir_id, body in now.items()} == last


def said(body):
    return {element: value for element, value in body.items() if element != "meta"}


def ids_are_stable(lives):
    """A person is named by the smallest of its records; numbers and golden ids never change."""
    rows = lives.world.conn.execute(
        "SELECT patient, fhir_id::text, golden_id::text, person::text FROM patient"
    ).fetchall()
    groups = defaultdict(set)
    for number, fhir_id, golden, person in rows:
        assert golden == golden_id(fhir_id)
        assert lives.numbers.setdefault(fhir_id, number) == number
        groups[person].add(fhir_id)
    assert all(person == min(group) for person, group in groups.items())


def a_stewards_word_holds(lives):
    """Who was taken apart is apart, whatever was edited since."""
    person = persons(lives)
    for pair, decision in lives.words.items():
        a, b = pair
        if decision == "keep-apart":
            assert person[a] != person[b]
        elif "keep-apart" not in lives.words.values():
            assert person[a] == person[b]


def the_links_are_those_of_a_fresh_start(lives):
    conn = lives.world.conn
    now = state(conn)
    with conn.transaction(force_rollback=True):
        conn.execute("DELETE FROM patient_edge; DELETE FROM match_review; DELETE FROM patient_apart")
        conn.execute("DELETE FROM blocking_key")
        conn.execute("UPDATE patient SET person = fhir_id, features = '{}', active = true")
        records = [
            IncomingPatient(
                fhir_id,
                lives.partner[fhir_id],
                lives.read(versions[-1]) if versions[-1] else Features(),
                bool(versions[-1]),
            )
            for fhir_id, versions in lives.said.items()
        ]
        lives.random.shuffle(records)
        for record in records:
            link_patients(conn, [record], [], lives.model, AT)
        link_patients(conn, [], [Merge(*pair) for pair in lives.merges], lives.model, AT)
        known = dict(conn.execute("SELECT fhir_id::text, patient FROM patient").fetchall())
        for pair, decision in lives.words.items():
            a, b = pair
            decide_review(conn, (known[a], known[b]), word(decision), lives.model, AT)
        assert state(conn) == now
    conn.commit()


def consents_follow_the_person(lives):
    """Whom a denial of anybody linked names sees nothing but his own; nor does anybody of a doubtful one."""
    person, conn = persons(lives), lives.world.conn
    numbers = dict(conn.execute("SELECT fhir_id::text, patient FROM patient").fetchall())
    doubtful = {fhir_id for fhir_id, n in numbers.items() if n in held(conn, numbers.values())}
    certain = set(conn.execute("SELECT a, b FROM patient_edge WHERE grade = 'certain'").fetchall())
    conn.commit()
    for viewer in (SHELTER, CLINIC, HOSPITAL):
        who = viewer.participant
        denied = {person[p] for p, whom in lives.denials.items() if whom == who}
        denied |= {person[p] for p in doubtful}
        expected = set()
        for fact, body in lives.facts.items():
            about = body["subject"]["reference"].removeprefix("Patient/")
            if lives.partner[about] == who or (
                person[about] not in denied
                and (who == "shelter" or treats(lives, who, about, numbers, certain, person))
            ):
                expected.add(fact)
        with lives.world.as_viewer(viewer) as view:
            seen = view.conn.execute("SELECT fhir_id::text FROM resource WHERE type = 'Observation'")
            assert {row[0] for row in seen.fetchall()} == expected, who


def treats(lives, who, about, numbers, certain, person):
    """A care relationship reaches the records certainly linked with the one it is with."""
    with_records = {body["subject"]["reference"].removeprefix("Patient/") for body in lives.facts.values()}
    return any(
        lives.partner[other] == who
        and other in with_records
        and (about == other or (numbers[about], numbers[other]) in certain)
        and person[about] == person[other]
        for other in numbers
    )


def the_feed_tells_of_every_person_that_changed(lives):
    """Whoever had been a person and is another, or went over into one, is told of, once."""
    now = persons(lives)
    told = changes_of_persons(lives.world.conn, lives.seen, 1000)
    lives.world.conn.commit()
    went = {(before, now[p]) for p, before in lives.persons.items() if now[p] != before}
    assert {(change.before, change.after) for change in told} == went
    assert len(told) == len(went)
    for change in told:
        goes = {now[p] for p, before in lives.persons.items() if before == change.before}
        assert change.kind == ("person.merged" if goes == {change.after} else "person.split")
    lives.persons, lives.seen = now, max([lives.seen, *(change.event for change in told)])


def reprofiling_everybody_changes_nothing(lives):
    conn = lives.world.conn
    with conn.transaction(force_rollback=True):
        everybody = {row[0] for row in conn.execute("SELECT patient FROM patient").fetchall()}
        done = reprofile(conn, everybody, lives.world.context, AT)
        assert (done.patients, done.moved, done.withdrawn) == (0, 0, 0)
        odd = conn.execute(
            "SELECT count(*) FROM index_token t JOIN resource r USING (rid) WHERE t.class <> r.class"
        ).fetchone()
        assert odd == (0,)
    conn.commit()


def persons(lives):
    found = dict(lives.world.conn.execute("SELECT fhir_id::text, person::text FROM patient").fetchall())
    lives.world.conn.commit()
    return found


LAWS = (
    nothing_sent_is_overwritten,
    ids_are_stable,
    a_stewards_word_holds,
    the_links_are_those_of_a_fresh_start,
    consents_follow_the_person,
    the_feed_tells_of_every_person_that_changed,
    reprofiling_everybody_changes_nothing,
)
