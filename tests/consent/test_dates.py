from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.consent.dates import EXCHANGE_ZONE, Span, read_date, read_period
from exchange.model.errors import RecordRejected


def test_a_day_ends_at_midnight_of_the_exchange_and_not_of_greenwich():
    day = read_date("2024-12-31", EXCHANGE_ZONE, "x")
    assert day == Span(datetime(2024, 12, 31, 6, tzinfo=UTC), datetime(2025, 1, 1, 6, tzinfo=UTC))


def test_a_month_and_a_year_last_until_their_last_day():
    assert read_date("2024-12", EXCHANGE_ZONE, "x").end == datetime(2025, 1, 1, 6, tzinfo=UTC)
    assert read_date("2024", EXCHANGE_ZONE, "x").end == datetime(2025, 1, 1, 6, tzinfo=UTC)


def test_the_day_the_clocks_change_has_its_own_length():
    day = read_date("2026-03-08", EXCHANGE_ZONE, "x")
    assert day.start is not None
    assert day.end is not None
    assert (day.end - day.start).total_seconds() == 23 * 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-06-30T23:59:59-05:00", 1),
        ("2026-06-30T23:59:59.9-05:00", 0.1),
        ("2026-07-01T04:59:59.999Z", 0.001),
        ("2026-07-01T04:59:59.9999994Z", 0.000001),
        ("2026-06-30T23:59-05:00", 60),
    ],
)
def test_a_time_is_as_long_as_its_last_digit(text, seconds):
    time = read_date(text, EXCHANGE_ZONE, "x")
    assert (time.end - time.start).total_seconds() == seconds
    assert read_period({"end": text}, EXCHANGE_ZONE, "x").end == time.end


ENDS = {
    # as written, and the first moment after it, in the zone of the exchange (five or six hours behind)
    "2026": "2027-01-01T06:00:00Z",
    "2026-06": "2026-07-01T05:00:00Z",
    "2024-02": "2024-03-01T06:00:00Z",
    "2026-11": "2026-12-01T06:00:00Z",
    "2026-06-30": "2026-07-01T05:00:00Z",
    "2026-03-08": "2026-03-09T05:00:00Z",
    "2026-11-01": "2026-11-02T06:00:00Z",
    "2024-02-29": "2024-03-01T06:00:00Z",
    "2026-06-30T23:59:59-05:00": "2026-07-01T05:00:00Z",
    "2026-07-01T04:59:59Z": "2026-07-01T05:00:00Z",
    "2026-11-01T01:59:59-05:00": "2026-11-01T07:00:00Z",
    "2026-11-01T01:59:59-06:00": "2026-11-01T08:00:00Z",
}


@pytest.mark.parametrize(("text", "after"), ENDS.items())
def test_an_end_includes_all_that_it_stands_for_and_nothing_after_it(text, after):
    """What happens at the edge is inside to the last microsecond, as data and as the time of a request."""
    period, edge = read_period({"end": text}, EXCHANGE_ZONE, "x"), datetime.fromisoformat(after)
    before = edge - timedelta(microseconds=1)
    assert (period.contains(before), period.contains(edge)) == (True, False)
    at = {"inside": before, "outside": edge}
    for where, moment in at.items():
        data = read_date(moment.isoformat(), EXCHANGE_ZONE, "x")
        assert (data.within(period), data.overlaps(period)) == ((where == "inside",) * 2), where
        other = read_period({"start": moment.isoformat()}, EXCHANGE_ZONE, "x")
        assert (other.within(period), other.overlaps(period)) == (False, where == "inside")
    itself = read_date(text, EXCHANGE_ZONE, "x")
    assert itself.within(period)
    assert not itself.overlaps(read_period({"start": after}, EXCHANGE_ZONE, "x"))


@pytest.mark.parametrize("text", ["9999-12-31", "9999", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-06:00"])
def test_the_last_year_of_the_calendar_is_no_end(text):
    """It is no time limit either, where the law asks for one."""
    assert read_period({"start": "2026-01-01", "end": text}, EXCHANGE_ZONE, "x").end is None


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30",
        "2024-13",
        "yesterday",
        "24-01-01",
        "2024-01-01T25:00:00Z",
        "9999-02-30",
        20240101,
        None,
        "",
    ],
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(RecordRejected):
        read_date(text, EXCHANGE_ZONE, "x")


def test_a_period_that_ends_before_it_begins_is_refused():
    with pytest.raises(RecordRejected, match="ends before it begins"):
        read_period({"start": "2026-02-01", "end": "2026-01-31"}, EXCHANGE_ZONE, "x")


def test_a_period_without_bounds_is_refused():
    with pytest.raises(RecordRejected):
        read_period({}, EXCHANGE_ZONE, "x")


moments = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
spans = st.builds(
    lambda pair: Span(*pair),
    st.tuples(moments | st.none(), moments | st.none()).filter(lambda p: not (p[0] and p[1]) or p[0] < p[1]),
)


@given(spans, spans)
def test_what_lies_within_also_overlaps(inner, outer):
    if inner.within(outer):
        assert inner.overlaps(outer)
    assert inner.overlaps(outer) == outer.overlaps(inner)


@given(spans, moments)
def test_a_span_contains_a_moment_when_it_overlaps_it(span, at):
    assert span.contains(at) == Span(at, at + timedelta(microseconds=1)).overlaps(span)
