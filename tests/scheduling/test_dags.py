"""The DAGs as Airflow reads them from dags/."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from exchange.content import load_partners, read_tree
from exchange.model.errors import Conflict, ContentError, PartnerRefused, PartnerUnavailable
from exchange.scheduling.dags import delivery_dags, partner_dags, upkeep_dag
from exchange.scheduling.retry import retry_policy

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dags():
    return partner_dags()


def test_every_partner_that_sends_has_a_dag_and_nobody_else(dags):
    partners = load_partners(read_tree(ROOT / "mappings"))
    assert set(dags) == {code for code, partner in partners.items() if partner.feeds}


def test_a_record_travels_pull_map_safeguard_link_publish(dags):
    for dag in dags.values():
        order = [task.task_id for task in dag.topological_sort()]
        assert order == ["pull", "map_records", "safeguard", "link", "publish"]


def test_chunks_are_mapped_dynamically(dags):
    mapped = {task.task_id for task in dags["prairie_clinic"].tasks if task.is_mapped}
    assert mapped == {"map_records", "safeguard"}


def test_publishing_announces_an_update_of_the_repository(dags):
    outlets = dags["prairie_clinic"].get_task("publish").outlets
    assert [asset.name for asset in outlets] == ["repository"]


def test_schedule_and_pool_are_those_of_the_partner(dags):
    partner = load_partners(read_tree(ROOT / "mappings"))["prairie_clinic"]
    assert dags["prairie_clinic"].schedule == partner.schedule
    assert {task.pool for task in dags["prairie_clinic"].tasks} == {partner.pool}


def test_bundles_go_out_every_hour_and_every_night():
    assert {name: dag.schedule for name, dag in delivery_dags().items()} == {
        "deliveries_hourly": "@hourly",
        "deliveries_nightly": "0 3 * * *",
    }


def test_upkeep_decides_before_it_readmits():
    order = [task.task_id for task in upkeep_dag().topological_sort()]
    assert order == [
        "redecide", "sweep_labels", "readmit", "expire", "watch_access", "look_at_answers", "prune_audit",
        "seal_audit", "count_figures", "index_anew",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (PartnerUnavailable("away"), "retry"),
        (Conflict("busy"), "retry"),
        (OSError("disk"), "retry"),
        (PartnerRefused("no"), "fail"),
        (ContentError("wrong"), "fail"),
        (KeyError("ours"), "fail"),
    ],
)
def test_an_error_is_tried_again_only_when_that_can_help(error, action):
    decision = retry_policy().evaluate(error, 1, 5)
    assert decision.action.value == action


def test_a_partner_that_is_away_is_given_time():
    decision = retry_policy().evaluate(PartnerUnavailable("away"), 1, 5)
    assert decision.retry_delay >= timedelta(minutes=1)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (3600, timedelta(hours=1)),
        (5, timedelta(minutes=2)),
        (1_000_000, timedelta(hours=12)),
        (None, timedelta(minutes=2)),
    ],
)
def test_a_partner_that_says_when_to_come_back_is_left_alone_until_then(asked, given):
    decision = retry_policy().evaluate(PartnerUnavailable("away", retry_after=asked), 1, 5)
    assert (decision.action.value, decision.retry_delay) == ("retry", given)
