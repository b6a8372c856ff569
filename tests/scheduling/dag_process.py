"""Takes DAG runs through Airflow's own task execution; Airflow is configured once per process."""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

from exchange.scheduling.dags import partner_dags


def execute(dag_id: str, conf: dict[str, Any]) -> dict[str, Any]:
    """State of the run, states of its task instances by task, and what each handed on."""
    run = partner_dags()[dag_id].test(run_conf=conf)
    with create_session() as session:
        instances = sorted(
            (ti.task_id, ti.map_index, str(ti.state)) for ti in run.get_task_instances(session=session)
        )
        rows = session.execute(
            select(XComModel.task_id, XComModel.key, XComModel.value).where(XComModel.run_id == run.run_id)
        ).all()
    return {
        "state": str(run.state),
        "run_id": run.run_id,
        "tasks": [[task, state] for task, _, state in instances],
        "handed_on": {
            f"{task}.{key}": value for task, key, value in rows if task not in ("map_records", "safeguard")
        },
    }


if __name__ == "__main__":
    for line in sys.stdin:
        print("DONE", json.dumps(execute("pantry", json.loads(line))), flush=True)
