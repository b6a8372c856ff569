"""The production form is valid, watched, and has no default password."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from exchange.repository.database import embedded

ROOT = Path(__file__).parents[2]
TEXT = "\n".join(
    line
    for line in (ROOT / "docker-compose.yml").read_text().splitlines()
    if not line.lstrip().startswith("#")
)
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
REQUIRED = set(re.findall(r"\$\{(\w+):\?", TEXT))
SECRET = re.compile(r"PASSWORD|SECRET|FERNET|TOKEN|KEY$")
EXPECTED = {
    "postgres",
    "redis",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "airflow-worker",
    "api",
    "deliveries",
    "arrivals",
    "mllp-listener",
}


def test_the_database_in_production_logs_no_more_than_the_embedded_one():
    given = dict(option.removeprefix("-c").split("=") for option in SERVICES["postgres"]["command"][1:])
    assert given == {name: value for name, value in embedded._SETTINGS.items() if name in given}
    assert {name for name in embedded._SETTINGS if name.startswith("log_")} - {"log_timezone"} == given.keys()


def _one_shot() -> set[str]:
    """Services that others wait for to end."""
    return {
        name
        for service in SERVICES.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }


def test_the_file_is_valid_by_the_compose_specification():
    schema = json.loads(
        files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    )
    errors = [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(COMPOSE)]
    assert errors == []


def test_every_part_of_the_exchange_is_a_service():
    assert set(SERVICES) >= EXPECTED


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_that_stays_has_a_health_check(name):
    assert ("healthcheck" in SERVICES[name]) != (name in _one_shot())


def test_every_variable_without_a_default_stops_the_start_by_name():
    used = set(re.findall(r"(?<!\$)\$\{(\w+)[^:}\w]?[^}]*\}", TEXT))
    defaulted = set(re.findall(r"\$\{(\w+):-", TEXT))
    assert used - defaulted == REQUIRED
    assert not any(SECRET.search(name) for name in defaulted)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_secret_of_a_service_is_written_down(name):
    given = SERVICES[name].get("environment", {})
    literal = [
        key
        for key, value in given.items()
        if SECRET.search(key) and "${" not in str(value) and not str(value).startswith("/run/secrets/")
    ]
    assert literal == []


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_address_of_a_service_holds_a_literal_password(name):
    text = json.dumps(SERVICES[name].get("environment", {}))
    assert [found for found in re.findall(r"://[^/@\s\"]*?:([^/@\s\"]+)@", re.sub(r":[?][^}]*", "", text))
            if not found.startswith("${")] == []  # fmt: skip


def test_the_example_names_exactly_the_variables_required_and_gives_no_value():
    lines = re.findall(r"^(\w+)=(.*)$", (ROOT / "docs/production.env.example").read_text(), re.MULTILINE)
    assert {name for name, _ in lines} == REQUIRED
    assert [name for name, value in lines if value] == []
