"""A large repository in a few statements: a small published population, and rows derived from it."""

from __future__ import annotations

import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "repository"))

from repository_world import World, observation

from exchange.app import Exchange
from exchange.app.figures import count_figures
from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels
from exchange.pipeline.quarantine import count_waiting
from exchange.repository.storage.items import PublishItem
from exchange.repository.write import publish
from tests.pipeline.coalition import ROOT
from tests.pipeline.twins import make_twins

PEOPLE, EACH = 200, 50
SENDERS = ("elm_clinic", "oak_clinic", "lakeside_hospital", "prairie_clinic", "southside_clinic",
           "harbor_recovery", "willow_nursing", "county_health")  # fmt: skip
LABELS = [
    *[Labels()] * 12, Labels("R", frozenset({"HIV"})), Labels("R", frozenset({"SUD", "42CFRPart2"})),
    Labels("R", frozenset({"PSY"})), Labels("R", frozenset({"SDV"})),
]  # fmt: skip
KINDS = ("Observation", "Observation", "Observation", "Encounter", "Condition", "Immunization",
         "MedicationRequest", "ServiceRequest")  # fmt: skip


def make_home(folder: Path) -> None:
    """The project's own participants, and two clinics whose records lie in a folder."""
    home = make_twins(folder)
    shutil.copytree(ROOT / "mappings", home / "mappings", dirs_exist_ok=True)
    for code, npi in (("elm_clinic", "1888888801"), ("oak_clinic", "1888888819")):
        path = home / "mappings" / code / "partner.yaml"
        path.write_text(re.sub(r'npi: "\d+"', f'npi: "{npi}"', path.read_text()))


def fill(connection: psycopg.Connection, exchange: Exchange, resources: int) -> None:
    """Publishes a small population by the repository's own code and derives the rest from its rows."""
    _publish(connection, exchange)
    copies = max(1, resources // (PEOPLE * (EACH + 1)) - 1)
    connection.execute("SET session_replication_role = replica")
    connection.execute("SET maintenance_work_mem = '256MB'")
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    values = {":copies": str(copies), ":senders": f"'{{{','.join(SENDERS)}}}'::text[]"}
    for statement in re.sub(r":copies|:senders", lambda found: values[found[0]], text).split(";\n"):
        if statement.strip():
            connection.execute(statement.encode())
            connection.commit()
    for sender in SENDERS:
        count_waiting(connection, sender)
    connection.commit()
    count_figures(exchange)
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


def _publish(connection: psycopg.Connection, exchange: Exchange) -> None:
    at, random = datetime.now(UTC), Random(1)
    world = World(connection, exchange.context, at)
    for number in range(PEOPLE):
        partner = SENDERS[number % len(SENDERS)]
        fhir_id = resource_id(f"https://{partner}.example/", "Patient", f"bench-{number}")
        connection.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%s, %s, %s, %s, '{}')",
            (fhir_id, golden_id(fhir_id), partner, fhir_id),
        )
        items = [
            world.item(partner, {
                "resourceType": "Patient", "id": fhir_id, "birthDate": "1980-01-01",
                "name": [{"family": f"Family{random.randrange(500)}", "given": ["Given"]}],
            })
        ]  # fmt: skip
        items += [_item(world, random, partner, fhir_id, number) for number in range(EACH)]
        publish(connection, items, (), exchange.context, at)
    connection.execute(
        "INSERT INTO relationship SELECT s.partner, p.patient, 'contribution', now() + interval '1 year'"
        " FROM patient p CROSS JOIN unnest(%s::text[]) WITH ORDINALITY AS s (partner, place)"
        " WHERE p.partner = s.partner OR s.place = p.patient %% 8 + 1 ON CONFLICT DO NOTHING",
        [list(SENDERS)],
    )
    connection.commit()


def _item(world: World, random: Random, partner: str, patient: str, number: int) -> PublishItem:
    kind = random.choice(KINDS)
    day = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=random.randrange(1000))
    found = observation(partner, patient, f"{patient}-{number}", note=[{"text": "x" * 300}])
    made = {**found, "resourceType": kind, "id": resource_id("bench", kind, found["id"])}
    return world.item(partner, made, labels=random.choice(LABELS), event_time=day)
