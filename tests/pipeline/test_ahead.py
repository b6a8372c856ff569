"""Large runs are mapped and labelled by several processes: the same result, and no process is left behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from exchange.app import Exchange, balance, find_partner, open_exchange
from exchange.model.errors import Conflict
from exchange.model.partner import Partner
from exchange.pipeline import ahead, ledger, others, pull, steps
from exchange.pipeline.others import ProcessEnded, other_processes
from exchange.pipeline.steps import finish_run, pull_step, waiting_chunks
from exchange.pipeline.work import Others
from exchange.settings import load_settings
from tests.pipeline.coalition import make_home, observation, patient, write_ndjson

PEOPLE, RESULTS = 60, 180


@pytest.fixture
def exchange(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Exchange:
    monkeypatch.setattr(ahead, "WORTH_IT", 0)
    home = make_home(tmp_path, tmp_path / "records")
    people = [patient(n) for n in range(PEOPLE)]
    write_ndjson(
        tmp_path / "records" / "1.ndjson", [*people, *(observation(n, of=n % PEOPLE) for n in range(RESULTS))]
    )
    environment = {
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(tmp_path / "data"),
        "EXCHANGE_DATABASE_URL": database,
        "EXCHANGE_PROCESSES": "2",
    }
    return open_exchange(load_settings(environment))


def test_every_chunk_is_taken_once_by_one_process_or_the_other(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = find_partner(exchange.partners, "elm_clinic")
    run = pull_step(exchange.work, partner)
    chunks = waiting_chunks(exchange.work, run, "mapped")
    here: list[int] = []
    read = type(exchange.work.landing).get_many

    def noted(*arguments: object) -> object:
        here.append(len(arguments))
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(exchange.work.landing), "get_many", noted)
    with exchange.work.others() as beside:
        done = list(ahead.take_ahead(beside, steps.prepare_step, exchange.work, partner, run, chunks))
    assert done[-1] == len(chunks)
    assert 0 < len(here) < len(chunks)  # and the others took the rest
    assert waiting_chunks(exchange.work, run, "safeguarded") == []
    finish_run(exchange.work, partner, run)
    found = balance(exchange, run).records
    assert found["published"] == PEOPLE + RESULTS + 1, found


def test_both_pure_steps_in_one_go_leave_what_they_leave_one_by_one(exchange: Exchange) -> None:
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run = pull_step(work, partner)
    one, two = waiting_chunks(work, run, "mapped")[:2]
    steps.prepare_step(work, partner, run, one)
    with pytest.raises(FileNotFoundError):
        work.batches.read(run, one, "mapped")
    assert gc.isenabled()
    at_once = work.batches.read(run, one, "safeguarded")
    with work.connect() as connection:
        connection.execute("UPDATE chunk SET step = 'pulled' WHERE run = %s AND chunk = %s", [run, one])
    steps.map_step(work, partner, run, one)
    steps.safeguard_step(work, partner, run, one)
    assert work.batches.read(run, one, "safeguarded") == at_once
    steps.map_step(work, partner, run, two)  # as a scheduler left it
    steps.prepare_step(work, partner, run, two)
    assert waiting_chunks(work, run, "linked")[:2] == [one, two]
    assert not {one, two} & set(waiting_chunks(work, run, "safeguarded"))


def test_batches_that_an_earlier_version_left_are_taken(exchange: Exchange) -> None:
    work, partner = exchange.work, find_partner(exchange.partners, "elm_clinic")
    run = pull_step(work, partner)
    for chunk in waiting_chunks(work, run, "mapped"):
        steps.map_step(work, partner, run, chunk)
        rows = work.batches.read(run, chunk, "mapped")
        without = [{name: value for name, value in row.items() if name != "refers"} for row in rows]
        assert without != rows
        work.batches.write(run, chunk, "mapped", without)
        steps.safeguard_step(work, partner, run, chunk)
        rows = work.batches.read(run, chunk, "safeguarded")
        for entry in (entry for row in rows for entry in row["resources"]):
            del entry["refers"]
        work.batches.write(run, chunk, "safeguarded", rows)
    done = finish_run(work, partner, run)
    assert (done.status, balance(exchange, run).records["published"]) == ("balanced", PEOPLE + RESULTS + 1)


def test_a_process_that_dies_loses_nothing(exchange: Exchange) -> None:
    partner = find_partner(exchange.partners, "elm_clinic")
    run = pull_step(exchange.work, partner)
    chunks = waiting_chunks(exchange.work, run, "mapped")
    with pytest.raises(ProcessEnded), other_processes(partial(os._exit, 1), 2) as dying:
        list(ahead.take_ahead(dying, steps.prepare_step, exchange.work, partner, run, chunks))
    finish_run(exchange.work, partner, run)
    found = balance(exchange, run).records
    assert found["published"] == PEOPLE + RESULTS + 1, found


def test_what_a_chunk_raises_in_another_process_is_raised_here(exchange: Exchange) -> None:
    partner = find_partner(exchange.partners, "elm_clinic")
    run = pull_step(exchange.work, partner)
    with pytest.raises(Conflict, match="no chunk 7"), exchange.work.others() as beside:
        list(ahead.take_ahead(beside, steps.prepare_step, exchange.work, partner, run, chunks=[7]))


def test_small_runs_start_no_process(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "WORTH_IT", PEOPLE + RESULTS + 100)
    monkeypatch.setattr(others, "_take", None)
    partner = find_partner(exchange.partners, "elm_clinic")
    run = pull_step(exchange.work, partner)
    chunks = waiting_chunks(exchange.work, run, "mapped")
    with exchange.work.others() as beside:
        assert not ahead.worth_it(beside, partner, chunks)
        monkeypatch.setattr(ahead, "WORTH_IT", 0)
        assert ahead.worth_it(beside, partner, chunks)
        assert not ahead.worth_it(replace(beside, number=0), partner, chunks)
    monkeypatch.setattr(ahead, "WORTH_IT", PEOPLE + RESULTS + 100)
    assert finish_run(exchange.work, partner, run).status == "balanced"


class Later:
    """Processes that end nothing before they are told to."""

    def __init__(self) -> None:
        self.given: dict[int, Future[Any]] = {}

    def give(self, step: Any, partner: str, run: int, chunk: int) -> Future[Any]:
        assert chunk not in self.given
        self.given[chunk] = Future()
        return self.given[chunk]

    def end(self) -> None:
        for future in self.given.values():
            if not future.done():
                future.set_result(None)


def pulled_in_parts(exchange: Exchange, asked: Partner, later: Later) -> list[tuple[list[int], list[int]]]:
    """After each commit: the chunks there were, and those that other processes had been given."""
    seen: list[tuple[list[int], list[int]]] = []
    beside = Others(1, later.give)
    partner = find_partner(exchange.partners, asked.code)
    with ahead.taken_meanwhile(beside, steps.prepare_step, exchange.work, asked) as filled:

        def noted(run: int) -> None:
            filled(run)
            with exchange.work.connect() as connection:
                seen.append((ledger.chunks_of(connection, run), sorted(later.given)))

        pull_step(exchange.work, partner, filled=noted)
        later.end()
    return seen


def test_full_chunks_are_taken_while_the_rest_is_pulled(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "_parts", lambda arrivals: ([each] for each in arrivals))
    monkeypatch.setattr(pull, "_COMMIT_RECORDS", 30)
    partner = find_partner(exchange.partners, "elm_clinic")
    later = Later()
    seen = pulled_in_parts(exchange, partner, later)
    assert [len(chunks) for chunks, _ in seen] == [1, 2, 3, 4, 4, 5, 6, 7, 7]
    assert [given for _, given in seen] == [[], [0], [0, 1], *[[0, 1]] * 6]  # and no more while these last


def test_what_depends_on_all_messages_waits_for_all(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "_COMMIT_RECORDS", 30)
    partner = find_partner(exchange.partners, "elm_clinic")
    messages = partner.feeds["records"].model_copy(update={"format": "hl7v2"})
    later = Later()
    feeds = {**partner.feeds, "messages": messages}
    pulled_in_parts(exchange, partner.model_copy(update={"feeds": feeds}), later)
    assert later.given == {}


def test_what_a_chunk_raised_while_the_rest_was_pulled_is_raised(exchange: Exchange) -> None:
    partner = find_partner(exchange.partners, "elm_clinic")
    later = Later()

    def failing(*_: object) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(Conflict("there"))
        return future

    later.give = failing  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="there"):
        pulled_in_parts(exchange, partner, later)


_PARENT = """
import multiprocessing, time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from exchange.pipeline.others import _begin

if __name__ == "__main__":
    pool = ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(partial(time.sleep, 600),)
    )
    pool.submit(abs, 1)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(600)
"""


def test_the_others_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        (child,) = map(int, parent.stdout.readline().split())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        ends = time.monotonic() + 60
        while _is_there(child) and time.monotonic() < ends:
            time.sleep(0.05)
        assert not _is_there(child)


def _is_there(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False
