"""The day after: most is unchanged, some is new, corrected, withdrawn or deleted."""

import csv
import sqlite3

import pytest

from exchange.synthetic.drops import Spool
from exchange.synthetic.feeds.lakeside import Message


def counts(path):
    connection = sqlite3.connect(path)
    changed = connection.execute("SELECT count(*) FROM resource WHERE version > 1").fetchone()[0]
    return connection.execute("SELECT count(*) FROM resource").fetchone()[0], changed


def test_only_a_few_resources_of_the_clinic_change(second_day):
    total, changed = counts(second_day.partners / "prairie_clinic" / "records.sqlite")

    assert 0 < changed < total / 20


def test_what_changed_bears_the_time_of_the_change_and_the_rest_keeps_its_own(second_day):
    connection = sqlite3.connect(second_day.partners / "prairie_clinic" / "records.sqlite")
    reference = second_day.coalition.today.isoformat()

    after = "SELECT count(*) FROM resource WHERE version = 1 AND updated > ? AND type = 'Patient'"
    before = "SELECT count(*) FROM resource WHERE version > 1 AND updated < ?"

    assert connection.execute(before, (reference,)).fetchone() == (0,)
    assert connection.execute(after, (f"{reference}T23:59:59.999Z",)).fetchone() == (0,)


def test_the_program_withdraws_consents_and_deletes_results(second_day):
    connection = sqlite3.connect(second_day.partners / "harbor_recovery" / "records.sqlite")

    consents = connection.execute(
        "SELECT count(*) FROM resource WHERE version > 1 AND type = 'Consent'"
    ).fetchone()
    deleted = connection.execute("SELECT DISTINCT type FROM deleted").fetchall()

    assert consents > (0,)
    assert deleted == [("Observation",)]


def test_the_hospital_sends_only_what_is_new(second_day):
    first, second = sorted((second_day.partners / "lakeside_hospital").glob("*.mllp"))
    frames = set(first.read_bytes().split(b"\x1c\r")[:-1])
    new = second.read_bytes().split(b"\x1c\r")[:-1]

    assert new
    assert frames.isdisjoint(new)
    assert len(new) < len(frames) / 20


def test_a_snapshot_comes_whole_and_marks_or_leaves_out_what_is_gone(second_day):
    first, second = sorted((second_day.partners / "hearth_housing").iterdir())
    services = [{row["ServicesID"] for row in _rows(day / "Services.csv")} for day in (first, second)]

    assert services[0] - services[1] - {"S-FAULT-1"}
    assert not [row for row in _rows(first / "Client.csv") if row["DateDeleted"]]


def test_an_incremental_file_holds_only_changes(second_day):
    first, second = sorted((second_day.partners / "good_table").glob("referrals_*.csv"))

    assert len(list(_rows(second))) < len(list(_rows(first))) / 5


def _rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_day_that_was_not_drawn_is_refused(second_day):
    with pytest.raises(ValueError, match="between 1 and 10"):
        second_day.coalition.now(11)


def test_a_spool_puts_messages_in_order_across_months(tmp_path, second_day):
    spool, now = Spool(tmp_path), second_day.coalition.now()
    moments = [now.replace(month=month, day=day) for month in (11, 2) for day in (20, 3)]

    for moment in moments:
        spool.add(Message(moment, "C", moment.isoformat().encode()))

    assert [payload.decode() for payload in spool.in_order()] == [m.isoformat() for m in sorted(moments)]
