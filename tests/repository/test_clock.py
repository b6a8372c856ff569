"""Permits end by themselves, and a clock that is set back opens nothing again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from repository_world import AT, HOSPITAL, SHELTER, observation
from test_reprofile import consent, deny_to

from exchange.repository import (
    ClockRunsBackwards,
    accept_clock,
    latest_instant,
    read,
    redecide_all,
)

ONE_DAY, ONE_SECOND = timedelta(days=1), timedelta(seconds=1)
THREE_DAYS = {"start": "2026-11-01", "end": "2026-11-25"}  # AT is the 23rd


@pytest.fixture
def measured(world):
    patient = world.patient("hospital", "1", name=[{"family": "Rivera"}])
    item = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(item)
    return item


def _sees(world, item, at):
    with world.as_viewer(SHELTER, at) as view:
        return read(view, "Observation", item.resource["id"]) is not None


def _give(world, patient, provision):
    world.publish(world.item("hospital", consent(patient, provision=provision)))


def test_a_permit_for_some_days_ends_by_itself(world, measured):
    _give(world, measured.patient, {"type": "permit", "period": THREE_DAYS})
    assert [_sees(world, measured, AT + n * ONE_DAY) for n in range(4)] == [True, True, True, False]


def test_a_denial_for_some_days_ends_by_itself(world, measured):
    shut = deny_to("shelter")
    shut["provision"][0]["period"] = THREE_DAYS
    _give(world, measured.patient, shut)
    assert [_sees(world, measured, AT + n * ONE_DAY) for n in range(4)] == [False, False, False, True]


def test_what_the_repository_may_hold_no_longer_is_shown_to_nobody_and_leaves_with_the_next_upkeep(
    world, measured
):
    _give(world, measured.patient, {"type": "permit", "period": THREE_DAYS})
    later = AT + 3 * ONE_DAY
    with world.as_viewer(HOSPITAL, later) as view:
        assert read(view, "Observation", measured.resource["id"]) is None
    redecide_all(world.conn, world.context, later)
    kept = "SELECT (SELECT count(*) FROM resource), (SELECT count(*) FROM withheld)"
    assert world.conn.execute(kept).fetchone()[0] == 0


def test_a_clock_set_back_shows_nothing_stores_nothing_and_decides_nothing(world, measured):
    _give(world, measured.patient, {"type": "permit", "period": THREE_DAYS})
    assert not _sees(world, measured, AT + 3 * ONE_DAY)
    with pytest.raises(ClockRunsBackwards):
        _sees(world, measured, AT)
    with pytest.raises(ClockRunsBackwards):
        world.publish(measured)
    world.conn.rollback()
    with pytest.raises(ClockRunsBackwards):
        redecide_all(world.conn, world.context, AT)


def test_clocks_of_two_machines_that_differ_a_little_give_the_later_time(world):
    for behind in (0, 4):
        with world.as_viewer(SHELTER, AT + ONE_DAY - behind * ONE_SECOND) as view:
            assert view.at == AT + ONE_DAY


def test_work_that_began_before_other_work_is_stored(world, measured):
    _sees(world, measured, AT + timedelta(minutes=30))
    world.conn.commit()
    again = world.item("hospital", measured.resource | {"status": "amended"})
    world.publish(again)
    assert latest_instant(world.conn) == AT + timedelta(minutes=30)


LATER = AT + timedelta(minutes=30)


def test_what_others_decided_meanwhile_holds_for_work_that_began_before(world, measured):
    """Of two who meet a class at one moment, the one that began later may be the first to decide it."""
    conditions = [
        {**observation("hospital", measured.patient, key), "resourceType": "Condition"} for key in "bc"
    ]
    world.at = LATER
    world.publish(world.item("hospital", conditions[0]))
    world.at = AT
    (outcome,) = world.publish(world.item("hospital", conditions[1])).outcomes
    assert outcome.kind == "published"


def test_a_redecision_that_overtakes_a_batch_withholds_nothing_of_it(world, measured):
    redecide_all(world.conn, world.context, LATER)
    world.conn.commit()
    again = world.item("hospital", measured.resource | {"status": "amended"})
    (outcome,) = world.publish(again).outcomes
    assert outcome.kind == "published"


def test_what_a_consent_asks_about_takes_out_nothing_that_came_meanwhile(world, measured):
    about = {"meaning": "related", "reference": {"reference": f"Observation/{measured.resource['id']}"}}
    denial = {**deny_to("shelter")["provision"][0], "data": [about]}
    _give(world, measured.patient, {"type": "permit", "provision": [denial]})
    world.at = LATER
    given = {**observation("hospital", measured.patient, "b"), "resourceType": "Condition"}
    world.publish(world.item("hospital", given))
    world.at = AT
    world.publish(measured._replace(resource=measured.resource | {"status": "amended"}))
    assert world.conn.execute("SELECT count(*) FROM withheld").fetchone() == (0,)


def test_an_instant_counts_also_when_the_transaction_that_used_it_failed(world):
    with pytest.raises(ZeroDivisionError), world.as_viewer(SHELTER, AT + ONE_DAY):
        raise ZeroDivisionError
    assert latest_instant(world.conn) == AT + ONE_DAY


def test_a_clock_that_was_ahead_is_accepted_once_it_is_right(world, measured):
    assert not _sees(world, measured, AT + 1000 * ONE_DAY)
    accept_clock(world.conn, AT)
    assert _sees(world, measured, AT)


def test_the_role_of_the_api_cannot_set_the_clock(world):
    with world.as_viewer(SHELTER) as view:
        rights = view.conn.execute(
            "SELECT has_sequence_privilege('latest_instant', 'UPDATE'),"
            " has_function_privilege('advance_clock(timestamptz)', 'EXECUTE')"
        ).fetchone()
    assert rights == (False, False)
