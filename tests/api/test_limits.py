"""Token buckets let a burst through, then the steady rate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from exchange.api import create_app
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


@pytest.fixture
def database(emptied_database):
    return emptied_database


def test_a_participant_that_asks_too_often_waits_as_told_and_nobody_else(
    service, metrics, register, token_of, audit_rows
):
    now = [0.0]
    limits = replace(service.limits, participant=Rate(per_second=0.1, burst=2))
    slow = replace(service, limits=limits, timer=lambda: now[0])
    own, sibling, other = register(), register(client_id="another"), register("prairie_clinic")
    with TestClient(create_app(slow, metrics), base_url=service.base_url) as api:

        def asks(token):
            return api.get("/fhir/Patient", headers={"Authorization": f"Bearer {token}"})

        tokens = {who.client_id: token_of(who) for who in (own, sibling, other)}
        one, two = tokens[own.client_id], tokens[sibling.client_id]
        assert [asks(one).status_code, asks(two).status_code] == [200, 200]
        recorded = len(audit_rows())
        refused = asks(two)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        assert refused.json()["issue"][0]["code"] == "throttled"
        assert len(audit_rows()) == recorded, "a flood of refusals would fill the log"
        assert asks("made-up").status_code == 401
        assert asks(tokens[other.client_id]).status_code == 200
        now[0] += 10
        assert [asks(one).status_code, asks(one).status_code] == [200, 429]
