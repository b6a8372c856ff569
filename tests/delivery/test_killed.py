"""Publishing and sending killed at any instant: nothing is lost, and nothing is told under two keys."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from tests.delivery.receiver import Receiver
from tests.pipeline.coalition import CLINIC, make_home, observation, patient, write_ndjson

PEOPLE, RESULTS = 20, 80
DELIVERIES = """\
deliveries:
  results:
    topics: [new-result]
    purpose: TREAT
    own_records: true
    news_days: 9999
    channel: {type: rest_hook, options: {url: "${INBOX_URL}"}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    records = tmp_path / "records"
    write_ndjson(records / "1-people.ndjson", [patient(n) for n in range(PEOPLE)])
    write_ndjson(records / "2-facts.ndjson", [observation(n, of=n % PEOPLE) for n in range(RESULTS)])
    make_home(tmp_path, records)
    yaml = tmp_path / "mappings" / "elm_clinic" / "partner.yaml"
    yaml.write_text(CLINIC.format(folder=records) + DELIVERIES)
    return tmp_path


def start(home: Path, database: str, inbox: Receiver, *words: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(home / "data"),
        "EXCHANGE_DATABASE_URL": database,
        "INBOX_URL": inbox.url,
    }
    command = [sys.executable, "-m", "exchange", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[bytes]) -> None:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()


def wait_for(process: subprocess.Popen[bytes], database: str, query: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        while process.poll() is None:
            try:
                if connection.execute(query).fetchone() is not None:
                    return
            except psycopg.errors.UndefinedTable:
                pass
            time.sleep(0.005)


@pytest.mark.slow
def test_every_result_is_told_and_each_under_one_key(home: Path, database: str, receiver) -> None:
    inbox, seed = receiver(lambda got: (time.sleep(0.02), (200, b"", {}))[1]), random.randrange(1 << 32)
    chance = random.Random(seed)
    publishing = start(home, database, inbox, "run", "elm_clinic")
    wait_for(publishing, database, "SELECT FROM outbox OFFSET 5 LIMIT 1")
    publishing.send_signal(signal.SIGKILL)
    publishing.wait()
    sending = start(home, database, inbox, "delivery", "run")
    finish(start(home, database, inbox, "run", "elm_clinic"))
    for _ in range(2):
        before = len(inbox.got)
        deadline = time.monotonic() + 60
        while len(inbox.got) < before + 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.1))
        sending.send_signal(signal.SIGKILL)
        sending.wait()
        sending = start(home, database, inbox, "delivery", "run", "--once")
    finish(sending)
    finish(start(home, database, inbox, "delivery", "run", "--once"))
    told: dict[str, list[str]] = {}
    for got in inbox.got:
        results = sorted(resource["id"] for resource in got.of("Observation"))
        assert told.setdefault(got.key, results) == results, f"seed {seed}"
    counted = Counter(result for results in told.values() for result in results)
    assert len(counted) == RESULTS, f"seed {seed}"
    assert set(counted.values()) == {1}, f"seed {seed}"
    with psycopg.connect(database) as connection:
        states = connection.execute("SELECT state, count(*) FROM delivery GROUP BY 1").fetchall()
        receipts = connection.execute(
            "SELECT count(*) FROM receipt WHERE outcome = 'acknowledged'"
        ).fetchone()
    assert states == [("acknowledged", len(told))]
    assert receipts == (len(told),)
