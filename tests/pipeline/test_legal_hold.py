"""What is held for a court is not forgotten when its time is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.app.privacy.auditing import prune_audit_log, seal_audit_log, verify_audit_log
from exchange.app.privacy.holding import holds, lift_hold, set_hold
from exchange.model.errors import Conflict, ContentError
from exchange.pipeline import upkeep
from exchange.settings import load_settings
from tests.pipeline.coalition import patient, write_ndjson
from tests.pipeline.pantry import make_pantry, open_pantry
from tests.pipeline.test_whole_runs import one, run_clinic


def test_a_held_persons_partners_forget_nothing_until_the_hold_is_lifted(tmp_path, database):
    make_pantry(tmp_path)
    write_ndjson(tmp_path / "records/1.ndjson", [patient(1)])
    run_clinic(open_pantry(tmp_path, database))
    later = open_pantry(tmp_path, database, now=lambda: datetime.now(UTC) + timedelta(days=500))
    person = one(later, "SELECT fhir_id::text FROM patient")
    hold = set_hold(later, person, "a complaint is open", "anna")
    assert "elm_clinic" not in upkeep.expire(later.work)
    assert [h.hold for h in holds(later)] == [hold]
    lift_hold(later, hold, "settled", "anna")
    assert upkeep.expire(later.work)["elm_clinic"] > 0
    with pytest.raises(Conflict):
        lift_hold(later, hold, "again", "anna")
    with pytest.raises(ContentError, match="no such Patient"):
        set_hold(later, "00000000-0000-4000-8000-000000000009", "a hold of nothing", "anna")
    assert one(later, "SELECT string_agg(kind, ' ' ORDER BY sequence) FROM audit_event") == (
        "hold.set hold.lifted"
    )


def test_the_log_is_pruned_where_a_deployment_says_after_how_many_years(tmp_path, database):
    make_pantry(tmp_path)
    then = open_pantry(tmp_path, database, now=lambda: datetime(2018, 6, 1, tzinfo=UTC))
    lift_hold(then, set_hold(then, None, "a complaint is open", "anna"), "settled", "anna")
    seal_audit_log(then)
    now = open_pantry(tmp_path, database)
    assert prune_audit_log(now) == 0
    told = replace(now, settings=replace(now.settings, audit_years=6))
    assert prune_audit_log(told) == 2
    assert one(now, "SELECT string_agg(kind, ' ') FROM audit_event") == "log.pruned"
    assert verify_audit_log(now) == []


@pytest.mark.parametrize("years", ["5", "six", "-7", "6.5"])
def test_fewer_years_than_six_are_no_setting(years):
    with pytest.raises(ContentError, match="whole number of years"):
        load_settings({"EXCHANGE_HOME": str(Path(__file__).parents[2]), "EXCHANGE_AUDIT_YEARS": years})
