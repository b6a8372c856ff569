"""What is held for a court is not forgotten when its time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from exchange.app.privacy.holding import holds, lift_hold, set_hold
from exchange.model.errors import Conflict
from exchange.pipeline import upkeep
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
    assert one(later, "SELECT string_agg(kind, ' ' ORDER BY sequence) FROM audit_event") == (
        "hold.set hold.lifted"
    )
