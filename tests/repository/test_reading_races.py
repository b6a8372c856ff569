"""Readers beside a writer: an answer is that of before or that of after, never something in between."""

from __future__ import annotations

import threading
from pkgutil import resolve_name

import orjson
import psycopg
import pytest
from repository_world import AT, BASE, KEY, SHELTER, World, observation
from test_reprofile import consent, deny_to

from exchange.model.ids import golden_id
from exchange.repository import compartment, everything, search, summary

RECORDS, CHANGES = 6, 12


@pytest.fixture
def patient(world):
    found = world.patient("hospital", "1", name=[{"family": "Rivera"}])
    world.publish(*(world.item("hospital", observation("hospital", found, str(n))) for n in range(RECORDS)))
    return found


def _read(database, context, patient, stop, answers):
    """Searches as the shelter until told to stop; keeps how many records each answer had and whose."""
    asked = [("patient", golden_id(patient)), ("_total", "accurate")]
    with psycopg.connect(database) as conn:
        world = World(conn, context)
        while not stop.is_set():
            with world.as_viewer(SHELTER) as view:
                page = search(view, "Observation", asked, BASE, KEY)
            bodies = [orjson.loads(entry.body) for entry in page.entries]
            about = {body["subject"]["reference"] for body in bodies}
            answers.append((page.total, len(bodies), tuple(sorted(about))))


def test_a_consent_that_comes_and_goes_shows_all_or_nothing(world, database, context, patient):
    stop, answers = threading.Event(), []
    readers = [
        threading.Thread(target=_read, args=(database, context, patient, stop, answers)) for _ in range(2)
    ]
    for reader in readers:
        reader.start()
    try:
        for n in range(CHANGES):
            provision = deny_to("shelter") if n % 2 == 0 else {"type": "permit"}
            given = {**consent(patient, provision=provision), "dateTime": f"2026-01-{n + 1:02}"}
            world.publish(world.item("hospital", given, event_time=AT))
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    whole = (RECORDS, RECORDS, (f"Patient/{golden_id(patient)}",))
    assert set(answers) <= {whole, (0, 0, ())}
    assert whole in answers


def _everything(view, golden):
    return everything(view, golden, [], BASE, KEY)


def _compartment(view, golden):
    return compartment(view, golden, [], BASE, KEY)


def _summary(view, golden):
    found = summary(view, golden, BASE)
    return found and found.page


def _searched(kind, *asked):
    return lambda view, golden: search(
        view, kind, [(name, value.format(golden)) for name, value in asked], BASE, KEY
    )


@pytest.mark.parametrize(
    ("module", "function", "ask"),
    [
        ("patients", "golden_patients", _searched("Patient", ("family", "rivera"))),
        ("patients", "find_people", _searched("Patient", ("family", "rivera"), ("_sort", "family"))),
        ("patients", "included", _searched("Patient", ("_id", "{}"), ("_revinclude", "Observation:patient"))),
        (
            "search",
            "included",
            _searched("Observation", ("patient", "{}"), ("_include", "Observation:subject")),
        ),
        ("search", "serve", _searched("Observation", ("patient", "{}"), ("_total", "accurate"))),
        ("everything", "golden_patients", _everything),
        ("everything", "serve", _everything),
        ("everything", "golden_patients", _compartment),
        ("summary", "_entries", _summary),
    ],
)
def test_what_a_consent_hides_between_two_statements_was_hidden_before_the_first(
    world, database, context, patient, monkeypatch, module, function, ask
):
    place = f"exchange.repository.reading.{module}.{function}"
    real, golden = resolve_name(place.replace(f".{function}", f":{function}")), golden_id(patient)

    def denied_meanwhile(*given):
        monkeypatch.setattr(place, real)
        with psycopg.connect(database) as conn:
            other = World(conn, context)
            other.publish(
                other.item("hospital", consent(patient, provision=deny_to("shelter")), event_time=AT)
            )
            conn.commit()
        return real(*given)

    with world.as_viewer(SHELTER) as view:
        before = ask(view, golden)
    monkeypatch.setattr(place, denied_meanwhile)
    with world.as_viewer(SHELTER) as view:
        meanwhile = ask(view, golden)
        after = ask(view, golden)
    assert before.entries
    assert meanwhile == after
