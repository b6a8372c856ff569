"""A batch of 1,000 against an index of many: the time must not grow with the index."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import psycopg

from exchange.linkage import Model
from exchange.model.ids import golden_id
from exchange.repository import IncomingPatient, ensure_running, link_patients, migrate, stop
from exchange.repository.identity.links import _keys

from .matchers import normalised
from .populations import Population, townsfolk

AT = datetime(2026, 11, 23, tzinfo=UTC)
_TOWN = 100_000


def speed(records: int, model: Model, seed: int) -> None:
    """Prints the seconds of a first and of a second batch; the index is filled without being linked."""
    with tempfile.TemporaryDirectory() as folder:
        url = ensure_running(Path(folder))
        try:
            migrate(url)
            with psycopg.connect(url) as connection:
                arriving = _arriving(records + 2_000, model, seed)
                batches = [list(islice(arriving, 1_000)) for _ in range(2)]
                _fill(connection, arriving)
                for batch in batches:
                    started = time.perf_counter()
                    result = link_patients(connection, batch, [], model, AT)
                    seconds = time.perf_counter() - started
                    print(f"1,000 against {records:,}: {seconds:.2f} s, {len(result.changed):,} touched")
                    connection.commit()
        finally:
            stop(Path(folder))


def _arriving(records: int, model: Model, seed: int) -> Iterator[IncomingPatient]:
    """Town after town, so that no more than one is in memory, one record of each person after the other."""
    number = 0
    while number < records:
        town = townsfolk(min(_TOWN, records), seed + number)
        order = sorted(range(len(town.truth)), key=lambda n: (n * 7919) % len(town.truth))
        mixed = Population(town.name, [town.patients[n] for n in order], [town.truth[n] for n in order])
        for record in normalised(mixed, model)[: records - number]:
            yield IncomingPatient(str(uuid5(NAMESPACE_URL, str(number))), "lakeside_hospital", record)
            number += 1


def _fill(connection: psycopg.Connection, patients: Iterator[IncomingPatient]) -> None:
    while chunk := list(islice(patients, 20_000)):
        with connection.cursor().copy(
            "COPY patient (fhir_id, golden_id, partner, person, features) FROM STDIN"
        ) as copy:
            for patient in chunk:
                features = patient.features.to_text()
                copy.write_row(
                    (patient.fhir_id, golden_id(patient.fhir_id), patient.partner, patient.fhir_id, features)
                )
        known = dict(
            connection.execute(
                "SELECT fhir_id::text, patient FROM patient WHERE fhir_id = ANY(%s::uuid[])",
                ([patient.fhir_id for patient in chunk],),
            ).fetchall()
        )
        with connection.cursor().copy("COPY blocking_key (key, patient) FROM STDIN") as copy:
            for patient in chunk:
                for key in _keys(patient):
                    copy.write_row((key, known[patient.fhir_id]))
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE patient, blocking_key")
    connection.autocommit = False
