"""HL7 v2 messages through whole runs: order, repetition, batches, and bytes that are none."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.app import Exchange
from exchange.content import load_partners, read_tree
from exchange.formats import Rejected, split
from exchange.mapping import Maps, load_maps
from exchange.model.records import Document
from exchange.pipeline import quarantine
from exchange.pipeline.map import map_source
from tests.pipeline.coalition import ROOT
from tests.pipeline.pantry import PARTNER, held, make_pantry, open_pantry, run, write

MESSAGES = PARTNER.split("feeds:\n")[0] + (
    'feeds:\n  messages: {{format: hl7v2, map: _shared/maps/hl7v2.map.yaml, match: "*.hl7"}}\n'
)
ADMISSION = (
    "MSH|^~\\&|ADT|PANTRY|||{sent}||ADT^{event}|{control}|P|2.5.1\r"
    "PID|1||7^^^PANTRY&1.2.3.4&ISO^MR||Sample^{given}||19800102|F\r"
)
SAMPLES = [path.read_bytes() for path in sorted((ROOT / "mappings").glob("*/samples/*/*.hl7"))]


def told(given: str, sent: str, control: str, event: str = "A08") -> str:
    return ADMISSION.format(given=given, sent=sent, control=control, event=event)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return make_pantry(tmp_path)


def given_name(exchange: Exchange) -> str:
    with exchange.work.connect() as connection:
        row = connection.execute(
            "SELECT convert_from(body, 'UTF8')::jsonb #>> '{name,0,given,0}' FROM resource"
            " WHERE type = 'Patient'"
        ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("together", [True, False], ids=["one run", "two runs"])
def test_what_was_sent_last_holds_whichever_arrives_last(
    together: bool, files: Path, tmp_path: Path, database: str
) -> None:
    exchange = open_pantry(tmp_path, database, MESSAGES)
    write(files, "1.hl7", told("Newest", "20260302120000-0600", "2"))
    if not together:
        run(exchange)
    write(files, "2.hl7", told("Older", "20260301235959-0600", "1"))
    assert run(exchange).balanced
    assert given_name(exchange) == "Newest"


def test_a_time_without_an_offset_is_the_partners(files: Path, tmp_path: Path, database: str) -> None:
    """10:00 in Chicago is 16:00 UTC, an hour after 15:00 UTC."""
    exchange = open_pantry(tmp_path, database, MESSAGES)
    write(files, "1.hl7", told("Later", "20260302100000", "1"))
    write(files, "2.hl7", told("Earlier", "20260302150000+0000", "2"))
    run(exchange)
    assert given_name(exchange) == "Later"


def test_a_message_sent_twice_is_counted_as_such_and_a_new_control_id_is_a_new_message(
    files: Path, tmp_path: Path, database: str
) -> None:
    first = told("Robin", "20260302120000-0600", "1")
    write(files, "1.hl7", first + first + first.replace("|1|P|", "|2|P|"))
    exchange = open_pantry(tmp_path, database, MESSAGES)
    balance = run(exchange)
    assert balance.balanced
    assert (balance.records["duplicate"], balance.records["quarantined"]) == (1, 0)
    write(files, "2.hl7", first.replace("|1|P|", "|2|P|"))
    assert run(exchange).records["unchanged"] >= 1
    assert held(exchange, "Patient") == 1


def test_a_message_that_waits_goes_on_waiting_when_another_takes_its_number(
    files: Path, tmp_path: Path, database: str
) -> None:
    """Interfaces count from 1 again; a corrected one of the same time is what it waited for."""
    waits = told("Robin", "20260302120000-0600", "1", event="Z99")
    write(files, "1.hl7", waits)
    write(files, "2.hl7", told("Robin", "20260302130000-0600", "1"))
    exchange = open_pantry(tmp_path, database, MESSAGES)
    run(exchange)
    with exchange.work.connect() as connection:
        assert [f.code for f in quarantine.open_findings(connection, None, 10)] == ["not-supported"]
    write(files, "3.hl7", waits.replace("Z99", "A08"))
    run(exchange)
    with exchange.work.connect() as connection:
        assert quarantine.open_findings(connection, None, 10) == []


def test_a_batch_that_counts_wrong_is_told_and_loses_nothing(
    files: Path, tmp_path: Path, database: str
) -> None:
    batch = f"FHS|^~\\&\rBHS|^~\\&\r{told('Robin', '20260302120000-0600', '1')}BTS|7\rFTS|1\r"
    write(files, "1.hl7", batch)
    exchange = open_pantry(tmp_path, database, MESSAGES)
    balance = run(exchange)
    with exchange.work.connect() as connection:
        found = connection.execute("SELECT detail, expression, position FROM quarantine").fetchall()
    assert (balance.balanced, balance.records["quarantined"], held(exchange, "Patient")) == (True, 1, 1)
    assert found == [("BTS-1 counts 7 messages, the batch holds 1", "BTS-1", "1.hl7 BTS-1")]


def broken(payload: bytes, draw: random.Random) -> bytes:
    """The bytes with a few of them cut out, doubled, swapped or replaced."""
    out = bytearray(payload)
    for _ in range(draw.randint(1, 12)):
        at, length = draw.randrange(len(out)), draw.choice((1, 1, 2, 7, 60))
        part = out[at : at + length]
        change = draw.randrange(4)
        if change == 0 and len(out) > 2 * length:
            del out[at : at + length]
        elif change == 1:
            out[at:at] = part
        elif change == 2:
            out[at : at + length] = draw.randbytes(len(part))
        else:
            out[at:at] = draw.choice(
                (b"|", b"^", b"~", b"\\", b"&", b"\r", b'""', b"\0", b"\r\rMSH|^~\\&|", b"\xff")
            )
    return bytes(out)


@cache
def hospital() -> Maps:
    files = read_tree(ROOT / "mappings")
    return load_maps(files, load_partners(files)["lakeside_hospital"])


@settings(max_examples=120)
@given(sample=st.sampled_from(SAMPLES), seed=st.integers(0, 2**32))
def test_broken_bytes_become_resources_or_a_reason_and_never_a_crash(sample: bytes, seed: int) -> None:
    document = Document("messages", "broken.hl7", broken(sample, random.Random(seed)))
    for item in split(document, hospital().partner.feeds["messages"], hospital().partner):
        if isinstance(item, Rejected):
            assert item.issue.severity == "error"
            continue
        mapped, _ = map_source(item, hospital())
        found = Counter(issue.code for issue in mapped.issues)
        assert found["exception"] == 0, item.payload
        assert mapped.resources or mapped.deleted or mapped.issues


def test_a_run_of_broken_files_balances(files: Path, tmp_path: Path, database: str) -> None:
    draw = random.Random(3)
    for number, sample in enumerate(SAMPLES * 4):
        write(files, f"{number}.hl7", broken(sample, draw))
    exchange = open_pantry(tmp_path, database, MESSAGES)
    balance = run(exchange)
    assert (balance.status, balance.balanced) == ("balanced", True)
    assert balance.records["published"] > 20
    assert balance.records["quarantined"] > 20
