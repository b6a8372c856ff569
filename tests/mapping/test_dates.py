from __future__ import annotations

from datetime import datetime as moment_of
from zoneinfo import ZoneInfo

import pytest

from exchange.mapping.dates import datetime, instant


@pytest.mark.parametrize("zone", ["America/Chicago", "Australia/Lord_Howe", "UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("day", ["20260308", "20261101", "20260405", "20261004", "18500101", "20260715"])
def test_a_time_has_the_offset_of_its_hour_also_on_a_day_when_clocks_change(zone: str, day: str) -> None:
    place = ZoneInfo(zone)
    for hour in range(24):
        text = f"{day}{hour:02}2959"
        expected = moment_of.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=place).isoformat()
        assert datetime(text, zone=place) == instant(text, zone=place) == expected


@pytest.mark.parametrize("text", ["20260230120000", "20260101240000", "202601011260", "20260101120060"])
def test_what_no_clock_or_calendar_shows_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"day|hour|minute|second"):
        datetime(text, zone=ZoneInfo("America/Chicago"))


def test_a_time_without_seconds_has_none_of_them() -> None:
    assert datetime("202611031420", zone=ZoneInfo("America/Chicago")) == "2026-11-03T14:20:00-06:00"
