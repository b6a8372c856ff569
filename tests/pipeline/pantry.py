"""A pantry that sends tables: people as a daily snapshot, visits one file a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from exchange.app import Exchange, balance, find_partner, open_exchange
from exchange.pipeline.balance import Balance
from exchange.pipeline.steps import run_partner
from exchange.settings import load_settings
from tests.pipeline.coalition import make_home

PARTNER = """\
namespace: https://pantry.example/
organization: {{name: Corner Pantry, type: food}}
agreement: {{type: DUA, signed: 2020-01-01}}
connector: {{type: folder, options: {{path: {folder}, settle_seconds: 0}}}}
chunk_records: 40
feeds:
  people:
    format: delimited
    map: people.map.yaml
    match: "people_*.csv"
    key: [id]
    snapshot: true
  visits:
    format: delimited
    map: visits.map.yaml
    match: "visits_*.csv"
    key: [id]
"""

PEOPLE = """\
format: delimited
entries:
  patient:
    resource: Patient
    id: id
    set:
      identifier: {system: 'concat($namespace, "person")', value: id}
      name: {text: name, family: name}
      birthDate: born | date("%m/%d/%Y")
"""

VISITS = """\
format: delimited
entries:
  visit:
    resource: Observation
    when: size
    id: [id, =size]
    set:
      status: =final
      category: {coding: {system: <observation_category>, code: =survey}}
      code: {coding: {system: <loinc>, code: "=63512-8"}}
      subject: -> Patient(person)
      effectiveDateTime: day | date
      valueQuantity: {value: size | integer, unit: =people, system: <ucum>, code: "={#}"}
  came:
    resource: Encounter
    id: id
    set:
      status: =finished
      class: {system: =http://terminology.hl7.org/CodeSystem/v3-ActCode, code: =AMB}
      subject: -> Patient(person)
"""


def make_pantry(folder: Path) -> Path:
    """The content of an exchange with the pantry in it; returns the folder its files go to."""
    make_home(folder / "home", folder / "records")
    (folder / "home/mappings/pantry").mkdir()
    write(folder, "home/mappings/pantry/people.map.yaml", PEOPLE)
    write(folder, "home/mappings/pantry/visits.map.yaml", VISITS)
    (folder / "files").mkdir()
    return folder / "files"


def open_pantry(
    folder: Path, database: str, partner: str = PARTNER, now: Callable[[], datetime] | None = None
) -> Exchange:
    """The exchange with the pantry as `partner` describes it; opened again, it keeps its data."""
    write(folder, "home/mappings/pantry/partner.yaml", partner.format(folder=folder / "files"))
    environment = {
        "EXCHANGE_HOME": str(folder / "home"),
        "EXCHANGE_DATA": str(folder / "data"),
        "EXCHANGE_DATABASE_URL": database,
    }
    return open_exchange(load_settings(environment), now)


def write(folder: Path, name: str, content: str | bytes) -> None:
    """A file, whole at once."""
    part = folder / f"{name}.part"
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    part.rename(folder / name)


def run(exchange: Exchange) -> Balance:
    """One run of the pantry through all steps."""
    done = run_partner(exchange.work, find_partner(exchange.partners, "pantry"))
    return balance(exchange, done.run)


def held(exchange: Exchange, resource_type: str) -> int:
    """How many current resources of a type the repository holds."""
    with exchange.work.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM resource WHERE type = %s AND rendition = 0", [resource_type]
        ).fetchone()
    assert row is not None
    return int(row[0])
