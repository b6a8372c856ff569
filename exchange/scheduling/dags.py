"""The DAGs: one per folder of `mappings/` that sends, and the upkeep of the whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, XComArg

from exchange.content import load_partners, read_tree
from exchange.model.partner import Partner
from exchange.scheduling import tasks
from exchange.scheduling.retry import RETRIES, retry_policy
from exchange.settings import load_settings

_START = datetime(2026, 1, 1, tzinfo=UTC)


def partner_dags() -> dict[str, DAG]:
    """A DAG per partner with feeds, by DAG id; raises ContentError when a partner.yaml is wrong."""
    partners = load_partners(read_tree(load_settings().home / "mappings"))
    return {code: partner_dag(partner) for code, partner in partners.items() if partner.feeds}


def partner_dag(partner: Partner) -> DAG:
    """pull >> map >> safeguard >> link >> publish, chunks mapped dynamically."""
    with DAG(
        dag_id=partner.code,
        description=f"{partner.organization.name}: {', '.join(partner.feeds)}",
        schedule=partner.schedule,
        start_date=_START,
        catchup=False,
        max_active_runs=1,
        tags=["partner", partner.organization.type],
        params={
            "replay_from": _time("take records again from this time on"),
            "replay_until": _time("… and before this time (default: now)"),
            "replay_quarantine": Param(False, "take again what waits there", type="boolean"),
        },
        default_args={
            "pool": partner.pool,
            "retries": RETRIES,
            "retry_delay": timedelta(seconds=30),
            "retry_policy": retry_policy(),
        },
        render_template_as_native_obj=True,
    ) as dag:
        batches = tasks.pull(
            partner.code,
            {
                "replay_from": "{{ params.replay_from }}",
                "replay_until": "{{ params.replay_until }}",
                "replay_quarantine": "{{ params.replay_quarantine }}",
            },
        )
        mapped = tasks.map_records.partial(partner=partner.code).expand(batch=batches)
        safeguarded = tasks.safeguard.partial(partner=partner.code).expand(batch=mapped)
        run = _number_of_run(batches)
        safeguarded >> tasks.link(partner.code, run) >> tasks.publish(partner.code, run)
    return dag


def _number_of_run(pulled: XComArg) -> Any:
    """Resolves to an int when a task runs: the run that was pulled, whichever is the newest by then."""
    return pulled["run"]  # type: ignore[index]


def _time(description: str) -> Param:
    return Param(None, description, type=["string", "null"], format="date-time")


def upkeep_dag() -> DAG:
    """Every hour: consents that begin or end, late labels, re-admission, retention, seal, figures, index."""
    with DAG(
        dag_id="upkeep",
        description="Consents that begin or end, late labels, withheld records, retention, the audit seal",
        schedule="@hourly",
        start_date=_START,
        catchup=False,
        max_active_runs=1,
        tags=["upkeep"],
        default_args={
            "retries": RETRIES,
            "retry_delay": timedelta(seconds=30),
            "retry_policy": retry_policy(),
        },
    ) as dag:
        (
            tasks.redecide()
            >> tasks.sweep_labels()
            >> tasks.readmit()
            >> tasks.expire()
            >> tasks.watch_access()
            >> tasks.look_at_answers()
            >> tasks.prune_audit()
            >> tasks.seal_audit()
            >> tasks.count_figures()
            >> tasks.index_anew()
        )
    return dag


def delivery_dags() -> dict[str, DAG]:
    """One DAG for each rhythm of deliveries; what goes at once is a worker's (`exchange delivery run`)."""
    return {f"deliveries_{every}": _delivery_dag(every, cron) for every, cron in _RHYTHMS.items()}


_RHYTHMS = {"hourly": "@hourly", "nightly": "0 3 * * *"}


def _delivery_dag(every: str, cron: str) -> DAG:
    with _outgoing(f"deliveries_{every}", f"Bundles that participants want {every}", cron) as dag:
        tasks.deliver(every)
    return dag


def targets_dag() -> DAG:
    """Every hour: FHIR servers of participants are brought to what they may see."""
    with _outgoing("targets", "FHIR servers that hold what a participant may see", "@hourly") as dag:
        tasks.push_targets()
    return dag


def _outgoing(name: str, description: str, cron: str) -> DAG:
    return DAG(
        dag_id=name,
        description=description,
        schedule=cron,
        start_date=_START,
        catchup=False,
        max_active_runs=1,
        tags=["delivery"],
        default_args={
            "retries": RETRIES,
            "retry_delay": timedelta(seconds=30),
            "retry_policy": retry_policy(),
        },
    )
