"""Token buckets let a burst through, then the steady rate."""

from __future__ import annotations

from exchange.api.limits import Buckets, Rate


def test_a_burst_passes_and_the_next_must_wait():
    buckets = Buckets(Rate(per_second=2, burst=3), timer=lambda: 0.0)
    assert [buckets.wait("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_waiting_as_long_as_told_is_enough():
    now = [0.0]
    buckets = Buckets(Rate(per_second=2, burst=1), timer=lambda: now[0])
    buckets.wait("a")
    now[0] += buckets.wait("a")
    assert buckets.wait("a") == 0.0


def test_one_key_does_not_pay_for_another():
    buckets = Buckets(Rate(per_second=1, burst=1), timer=lambda: 0.0)
    buckets.wait("a")
    assert buckets.wait("b") == 0.0


def test_the_longest_unused_keys_are_forgotten():
    buckets = Buckets(Rate(per_second=1, burst=1), timer=lambda: 0.0)
    for number in range(20_000):
        buckets.wait(str(number))
    assert len(buckets._levels) == 10_000
