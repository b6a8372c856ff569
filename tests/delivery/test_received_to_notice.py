"""From a message over MLLP to the notice at its recipient, through the real processes of one machine."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from exchange.app import Current, open_exchange
from exchange.app.records.following import Follower, arriving, turn
from exchange.connectors.journal import JournalWriter
from exchange.connectors.mllp import spool_folder
from exchange.model.errors import Conflict, ContentError, Taken
from exchange.pipeline import ledger, steps
from exchange.settings import load_settings
from tests.connectors.sender import Sender

ROOT = Path(__file__).parents[2]
HOSPITAL = "lakeside_hospital"
TOLD = """
deliveries:
  admissions:
    topics: [admission]
    purpose: TREAT
    own_records: true
    channel: {type: rest_hook, options: {url: "${INBOX_URL}"}}
"""
MESSAGES = 12


@pytest.fixture
def inbox(receiver):
    return receiver()


@pytest.fixture
def environment(tmp_path, database, inbox, monkeypatch):
    """The content of this home, with a hospital that is told of its own admissions."""
    for folder in ("mappings", "consent"):
        shutil.copytree(ROOT / folder, tmp_path / "home" / folder)
    with (tmp_path / "home/mappings" / HOSPITAL / "partner.yaml").open("a") as file:
        file.write(TOLD)
    values = {
        "EXCHANGE_HOME": str(tmp_path / "home"),
        "EXCHANGE_DATA": str(tmp_path / "data"),
        "EXCHANGE_DATABASE_URL": database,
        "LAKESIDE_MLLP_HOST": "127.0.0.1",
        "LAKESIDE_MLLP_PORT": "0",
        "INBOX_URL": inbox.url,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **values}


def admission(number: int) -> bytes:
    now = datetime.now(ZoneInfo("America/Chicago"))
    sample = ROOT / "mappings" / HOSPITAL / "samples/messages/admission.hl7"
    text = sample.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r").decode()
    changes = {
        "20261103142530-0600": f"{now:%Y%m%d%H%M%S%z}",
        "20261103142530": f"{now:%Y%m%d%H%M%S}",
        "20261103142000": f"{now:%Y%m%d%H%M%S}",
        "LH00000042": f"LH{number:08}",
        "L0001234": f"L{number:07}",
        "V00012345": f"V{number:08}",
        "Martinez Lopez": f"Roe{number:03}",
    }
    for old, new in changes.items():
        text = text.replace(old, new)
    return text.encode()


def _told(inbox):
    return {v["id"]: v for got in inbox.got for v in got.of("Encounter")}


def _spool(tmp_path):
    settings = load_settings()
    from exchange.app import local_paths

    local = local_paths(settings)
    return JournalWriter(spool_folder(local.spool, HOSPITAL), local.keyring)


def test_what_waits_is_taken_at_the_next_look_and_nothing_makes_no_run(environment, tmp_path, database):
    opened = open_exchange(load_settings())
    follower = Follower(Current(opened), (HOSPITAL,))
    assert list(turn(follower)) == []
    with _spool(tmp_path) as journal:
        journal.append([admission(1), admission(2)])
    ((code, run),) = turn(follower)
    assert (code, run.status, run.pulled) == (HOSPITAL, "balanced", 3), "two messages and the hospital itself"
    assert list(turn(follower)) == []
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (1,)


def _leave_open(database):
    with psycopg.connect(database) as connection:
        return connection.execute(
            "INSERT INTO run (partner, kind, status, started) VALUES (%s, 'pull', 'open', now())"
            " RETURNING run",
            [HOSPITAL],
        ).fetchone()[0]


def test_a_run_that_was_left_open_is_finished_at_the_first_look_and_an_open_one_left_alone_then(
    environment, tmp_path, database
):
    opened = open_exchange(load_settings())
    _leave_open(database)
    follower = Follower(Current(opened), (HOSPITAL,))
    ((_, run),) = turn(follower)
    assert run.status == "balanced"
    number = _leave_open(database)
    assert list(turn(follower)) == [], "somebody else is at it"
    follower.others[HOSPITAL] = number - 1, time.monotonic() - 601
    assert list(turn(follower)) == [], "that was another run"
    follower.others[HOSPITAL] = number, time.monotonic() - 601
    assert [run.status for _, run in turn(follower)] == ["balanced"], "nobody has been for ten minutes"


@pytest.mark.parametrize(
    "problem",
    [RuntimeError("of Roe001"), ContentError("a map is wrong"), Conflict("rules changed"), OSError(28, "x")],
)
def test_a_run_that_fails_half_way_is_told_and_gone_on_with_after_half_a_minute(
    environment, tmp_path, monkeypatch, problem
):
    follower = Follower(Current(open_exchange(load_settings())), (HOSPITAL,))
    with _spool(tmp_path) as journal:
        journal.append([admission(1)])
    with monkeypatch.context() as patch:
        patch.setattr(steps, "safeguard_chunk", _failing(problem))
        ((code, told),) = turn(follower)
    assert code == HOSPITAL
    assert "Roe001" not in str(told), "what is not ours is told without its text"
    assert list(turn(follower)) == []
    follower.not_before[HOSPITAL] -= 30
    assert [(run.status, run.pulled) for _, run in turn(follower)] == [("balanced", 2)]


def _failing(problem):
    def fail(*_):
        raise problem

    return fail


def test_two_who_follow_take_everything_once(environment, tmp_path, database):
    """The second comes while the first has the run in hand: it waits, and takes over nothing."""
    opened = open_exchange(load_settings())
    late = Follower(Current(opened), (HOSPITAL,))
    with _spool(tmp_path) as journal:
        journal.append([admission(1)])
    with opened.work.connect() as guard, ledger.run_lock(guard, HOSPITAL):
        ((_, told),) = turn(late)
        assert isinstance(told, Taken)
        late.not_before.clear()
        assert list(turn(late)) == [], "the run is somebody else's"
    assert [run.pulled for _, run in turn(Follower(Current(opened), (HOSPITAL,)))] == [2]
    assert list(turn(late)) == []
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (1,)


def test_who_has_to_be_asked_is_not_followed(environment):
    opened = open_exchange(load_settings())
    assert HOSPITAL in [p.code for p in arriving(opened, ())]
    with pytest.raises(ContentError, match="run it instead"):
        arriving(opened, ("prairie_clinic",))


@contextmanager
def _process(environment: dict[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "exchange", *words]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.slow
def test_the_median_from_received_to_told_is_under_ten_seconds(environment, inbox):
    with _process(environment, "listen", HOSPITAL) as listener:
        assert listener.stdout is not None
        port = int(listener.stdout.readline().rsplit(":", 1)[1])
        with _process(environment, "follow"), _process(environment, "delivery", "run"):
            took = []
            for number in range(MESSAGES):
                known, begun = len(_told(inbox)), time.monotonic()
                with Sender(port) as sender:
                    assert sender.exchange([admission(number)])[0][0] == "AA"
                while len(_told(inbox)) == known:
                    assert time.monotonic() - begun < 120
                    time.sleep(0.02)
                took.append(time.monotonic() - begun)
    print(f"received to told: median {statistics.median(took):.2f} s, longest {max(took):.2f} s")
    assert statistics.median(took[1:]) < 10, took
