from datetime import UTC, datetime

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
    "text", ["2024-02-30", "2024-13", "yesterday", "24-01-01", "2024-01-01T25:00:00Z", 20240101, None, ""]
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
    from datetime import timedelta

    assert span.contains(at) == Span(at, at + timedelta(microseconds=1)).overlaps(span)
