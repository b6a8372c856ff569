"""Law 7 attacked: each step fails over a person's record, and nobody learns who it was."""

from __future__ import annotations

import ast
import logging
import sys
import traceback
from pathlib import Path

import orjson
import psycopg
import pytest

from exchange.app import Exchange, find_partner
from exchange.cli import main
from exchange.pipeline import quarantine, steps
from exchange.scheduling.discreet import discreetly
from tests.pipeline.coalition import ROOT, observation, patient, write_ndjson
from tests.pipeline.pantry import make_pantry, open_pantry, write

NAME, NUMBER, DAY = "Quetzalcoatlson", "MRN-98237-ZX", "1931-07-19"
PLANTED = (NAME, NUMBER, DAY)


def planted(number: int = 1, **changes: object) -> dict[str, object]:
    told = {"family": NAME, "given": [NAME]}
    identifier = {"system": "https://elm-clinic.example/mrn", "value": NUMBER}
    return {**patient(number), "name": [told], "identifier": [identifier], "birthDate": DAY, **changes}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    make_pantry(tmp_path)
    write_ndjson(tmp_path / "records/1.ndjson", [planted(), observation(1, of=1)])
    return tmp_path / "records"


@pytest.fixture
def exchange(records: Path, tmp_path: Path, database: str) -> Exchange:
    return open_pantry(tmp_path, database)


def run(exchange: Exchange) -> None:
    steps.run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic"))


def crash(*_: object, **__: object) -> None:
    """An error of a library that quotes the record, on top of another that does."""
    try:
        {}[f"{NAME} {NUMBER}"]
    except KeyError as error:
        raise ValueError(f"cannot use {NAME}, born {DAY}") from error


def break_step(step: str, exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing fails in the database itself, whose error quotes the row; the other steps in our process."""
    if step == "publish":
        with psycopg.connect(exchange.database_url, autocommit=True) as connection:
            connection.execute(
                "ALTER TABLE index_string ADD CONSTRAINT full_disk CHECK (value NOT LIKE 'quetz%')"
            )
    elif step == "pull":
        monkeypatch.setattr("exchange.pipeline.pull.split", crash)
    else:
        monkeypatch.setattr(steps, f"{step}_chunk", crash)


STEPS = ("pull", "map", "safeguard", "link", "publish")


@pytest.mark.parametrize("step", STEPS)
def test_the_scheduler_logs_a_failed_step_without_saying_whom_it_was_about(
    step, exchange, monkeypatch, caplog
):
    break_step(step, exchange, monkeypatch)
    with pytest.raises(Exception) as raw:  # noqa: PT011 - whatever the step fails with
        run(exchange)
    assert NAME.lower() in "".join(traceback.format_exception(raw.value)).lower()
    with pytest.raises(Exception) as told:  # noqa: PT011
        discreetly(run)(exchange)
    logging.getLogger("task").error("failed", exc_info=told.value)
    text = caplog.text + "".join(traceback.format_exception(told.value))
    assert not any(word.lower() in text.lower() for word in PLANTED)
    assert told.value.__cause__ is None
    assert told.value.__context__ is None


@pytest.mark.parametrize("step", STEPS)
def test_the_terminal_and_the_servers_log_say_no_more(step, exchange, tmp_path, monkeypatch, capfd):
    break_step(step, exchange, monkeypatch)
    monkeypatch.setenv("EXCHANGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EXCHANGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EXCHANGE_DATABASE_URL", exchange.database_url)
    monkeypatch.setattr(sys, "argv", ["exchange", "run", "elm_clinic"])
    with pytest.raises(SystemExit):
        main()
    told = capfd.readouterr()
    assert told.out + told.err
    assert not any(word.lower() in (told.out + told.err).lower() for word in PLANTED)
    with psycopg.connect(exchange.database_url) as connection:
        log = connection.execute("SHOW data_directory").fetchone()[0]
    text = (Path(log).parent / "log").read_text("utf-8", "replace").lower()
    assert text
    assert not any(word.lower() in text for word in PLANTED)


def test_an_error_that_is_tried_again_is_still_of_that_kind(exchange):
    def busy(_: object) -> None:
        with psycopg.connect(exchange.database_url) as connection:
            connection.execute(f"SELECT '{NAME}'::int")

    with pytest.raises(psycopg.Error) as told:
        discreetly(busy)(exchange)
    assert NAME not in str(told.value)
    assert "22P02" in str(told.value)
    with pytest.raises(OSError, match="refused") as told:
        discreetly(lambda: (_ for _ in ()).throw(ConnectionRefusedError(111, "refused")))()
    assert isinstance(told.value, OSError)


def test_every_task_of_the_scheduler_is_discreet():
    tree = ast.parse((ROOT / "exchange/scheduling/tasks.py").read_text())
    tasks = [
        [ast.unparse(d).partition("(")[0] for d in node.decorator_list]
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]
    assert tasks
    assert {tuple(names) for names in tasks} == {("task", "discreetly")}


BAD = {
    "json": ("bad.ndjson", f'{{"resourceType":"Patient","id":"p1","name":[{{"family":"{NAME}" {NUMBER}\n'),
    "types": ("bad.ndjson", orjson.dumps(planted(2, gender=NAME, birthDate=f"{DAY}-{NAME}")).decode() + "\n"),
    "extra": ("bad.ndjson", orjson.dumps(planted(2, **{NAME: NUMBER})).decode() + "\n"),
    "no type": ("bad.ndjson", orjson.dumps({**planted(2), "resourceType": NAME}).decode() + "\n"),
    "reference": (
        "bad.ndjson",
        orjson.dumps({**observation(9, of=1), "subject": {"reference": NAME}}).decode() + "\n",
    ),
    "quantity": (
        "bad.ndjson",
        orjson.dumps({**observation(9, of=1), "valueQuantity": {"value": NAME}}).decode() + "\n",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_in_quarantine_is_listed_without_its_values(
    bad, exchange, records, caplog, capsys, monkeypatch
):
    name, text = BAD[bad]
    write(records, name, text)
    with caplog.at_level(logging.DEBUG):
        run(exchange)
    with exchange.work.connect() as connection:
        found = quarantine.open_findings(connection, "elm_clinic", 50)
        rows = connection.execute("SELECT q::text FROM quarantine q").fetchall()
        rows += connection.execute("SELECT u::text FROM unmapped_code u").fetchall()
    assert rows
    told = repr((found, rows)) + caplog.text
    assert not any(word in told for word in PLANTED), told


def test_no_file_of_ours_is_named_after_anybody(exchange, records, tmp_path):
    run(exchange)
    write(records, *BAD["json"])
    run(exchange)
    names = [str(path) for path in (tmp_path / "data").rglob("*")]
    assert len(names) > 5
    assert not any(word in name for name in names for word in PLANTED)
    bodies = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not any(NAME.encode() in body for body in bodies)
