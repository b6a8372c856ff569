"""What each Airflow task does: call the same step the command line calls.

Only run and chunk numbers and counts cross task boundaries; records travel as sealed batches.
The exchange is imported when a task runs, so that parsing the DAG files stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from airflow.sdk import Asset, task

from exchange.scheduling.discreet import discreetly

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from exchange.app import Exchange
    from exchange.model.partner import Partner

# Announced whenever something was published; deliveries and partners' own DAGs schedule on it.
REPOSITORY = Asset(name="repository", uri="x-exchange://repository")


class Batch(TypedDict):
    """A reference to one chunk of a run; no content."""

    run: int
    chunk: int


class Replay(TypedDict):
    """Templates of a run's parameters: nothing for new records, a period, or what waits in quarantine."""

    replay_from: str
    replay_until: str
    replay_quarantine: str


def _open(code: str) -> tuple[Exchange, Partner]:
    from exchange.app import find_partner, open_exchange
    from exchange.settings import load_settings

    exchange = open_exchange(load_settings())
    return exchange, find_partner(exchange.partners, code)


@task
@discreetly
def pull(partner: str, replay: Replay, ti: RuntimeTaskInstanceProtocol | None = None) -> list[Batch]:
    """Pulls (or takes again) a partner's records and returns references to its chunks.

    The run's number goes on under the key `run`: there is one also when there is no chunk.
    """
    from exchange.app import begin_run
    from exchange.pipeline.steps import waiting_chunks

    exchange, found = _open(partner)
    run = begin_run(exchange, found, dict(replay), ti.run_id if ti is not None else "")
    if ti is not None:
        ti.xcom_push(key="run", value=run)
    return [Batch(run=run, chunk=chunk) for chunk in waiting_chunks(exchange.work, run, "mapped")]


@task(map_index_template="chunk {{ task.op_kwargs['batch']['chunk'] }}")
@discreetly
def map_records(partner: str, batch: Batch) -> Batch:
    """Maps one chunk to FHIR."""
    from exchange.pipeline.steps import map_step

    exchange, found = _open(partner)
    map_step(exchange.work, found, batch["run"], batch["chunk"])
    return batch


@task(map_index_template="chunk {{ task.op_kwargs['batch']['chunk'] }}")
@discreetly
def safeguard(partner: str, batch: Batch) -> None:
    """Labels one chunk."""
    from exchange.pipeline.steps import safeguard_step

    exchange, found = _open(partner)
    safeguard_step(exchange.work, found, batch["run"], batch["chunk"])


@task(trigger_rule="none_failed")
@discreetly
def link(partner: str, run: int) -> int:
    """Links the run's people; returns the number of chunks taken."""
    from exchange.pipeline.steps import link_step, waiting_chunks

    exchange, found = _open(partner)
    chunks = waiting_chunks(exchange.work, run, "linked")
    for chunk in chunks:
        link_step(exchange.work, found, run, chunk)
    return len(chunks)


@task(trigger_rule="none_failed", outlets=[REPOSITORY])
@discreetly
def publish(partner: str, run: int) -> dict[str, int]:
    """Publishes the run's chunks, closes the run and returns its balance."""
    from exchange.app import balance
    from exchange.pipeline.steps import publish_run

    exchange, found = _open(partner)
    publish_run(exchange.work, found, run)
    return balance(exchange, run).records


@task
@discreetly
def redecide() -> int:
    """Consents and rules that begin or end now take effect; returns the classes decided."""
    from exchange.app import open_exchange
    from exchange.pipeline import upkeep
    from exchange.settings import load_settings

    return upkeep.redecide(open_exchange(load_settings()).work)


@task
@discreetly
def sweep_labels() -> dict[str, int]:
    """Labels history again where lists or programs changed; rows relabelled by partner."""
    from exchange.app import open_exchange
    from exchange.pipeline.sweep import sweep
    from exchange.settings import load_settings

    return {done.partner: done.relabelled for done in sweep(open_exchange(load_settings()).work)}


@task
@discreetly
def readmit() -> dict[str, int]:
    """Takes in what was withheld and may be held now; records by partner."""
    from exchange.app import open_exchange
    from exchange.pipeline import upkeep
    from exchange.settings import load_settings

    return upkeep.readmit(open_exchange(load_settings()).work)


@task
@discreetly
def expire() -> dict[str, int]:
    """Forgets raw payloads past their partner's retention; files by partner."""
    from exchange.app import open_exchange
    from exchange.pipeline import upkeep
    from exchange.settings import load_settings

    return upkeep.expire(open_exchange(load_settings()).work)


@task
@discreetly
def watch_access() -> int:
    """Compares yesterday's access with what is usual; returns the new questions to the privacy officer."""
    from exchange.app import open_exchange
    from exchange.app.privacy.auditing import watch_yesterday
    from exchange.settings import load_settings

    return watch_yesterday(open_exchange(load_settings()))


@task
@discreetly
def look_at_answers() -> int:
    """Notes what answers of the API left out and under which exception; returns the answers looked at."""
    from exchange.app import open_exchange
    from exchange.app.privacy.auditing import look_at_new_answers
    from exchange.settings import load_settings

    return look_at_new_answers(open_exchange(load_settings()))


@task
@discreetly
def prune_audit() -> int:
    """Lets records of the log go whose time is over and that nobody holds; returns how many."""
    from exchange.app import open_exchange
    from exchange.app.privacy.auditing import prune_audit_log
    from exchange.settings import load_settings

    return prune_audit_log(open_exchange(load_settings()))


@task
@discreetly
def seal_audit() -> int:
    """Signs the head of the audit chain; returns the number of events under it."""
    from exchange.app import open_exchange
    from exchange.app.privacy.auditing import seal_audit_log
    from exchange.settings import load_settings

    return seal_audit_log(open_exchange(load_settings()))


@task
@discreetly
def count_figures() -> int:
    """Counts what the console shows of everything; returns the records of the audit log."""
    from exchange.app import figures, open_exchange
    from exchange.settings import load_settings

    return figures.count_figures(open_exchange(load_settings()))


@task
@discreetly
def index_anew() -> int:
    """After a new version: what search finds in the stored records; returns how many, the rest next time."""
    from exchange.app import open_exchange
    from exchange.pipeline import upkeep
    from exchange.settings import load_settings

    return upkeep.index_anew(open_exchange(load_settings()).work)


@task
@discreetly
def deliver(every: str) -> dict[str, int]:
    """Sends the bundles of this rhythm, and what is to be tried again; deliveries by outcome."""
    from exchange.app import open_exchange
    from exchange.app.partners.delivering import send_due
    from exchange.settings import load_settings

    return dict(send_due(open_exchange(load_settings()), (every,)))


@task
@discreetly
def push_targets() -> dict[str, dict[str, int]]:
    """Brings every target to what its viewer may see; counts by target and what was done."""
    from exchange.app import open_exchange
    from exchange.app.partners.mirroring import destinations, push
    from exchange.settings import load_settings

    exchange = open_exchange(load_settings())
    return {code: dict(push(exchange, destination)) for code, destination in destinations(exchange).items()}
