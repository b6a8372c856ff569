"""The command itself: start everything, let Airflow run, tell what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from exchange.api.serve import Address, serving
from exchange.app import Exchange, balance, open_exchange
from exchange.cli.common import console, settings
from exchange.cli.demo import report
from exchange.cli.demo.laws import check_laws
from exchange.cli.demo.notices import Noticed, nursing_home
from exchange.cli.demo.processes import free_port, log_says, port_answers, process
from exchange.cli.demo.truth import identity_quality
from exchange.cli.demo.wanted import Wanted, wanted
from exchange.cli.demo.watch import run_dags
from exchange.cli.runs import print_balances
from exchange.cli.service import api_service
from exchange.pipeline import ledger
from exchange.pipeline.balance import Balance
from exchange.pipeline.steps import run_partner
from exchange.scheduling.local import local_airflow
from exchange.settings import Settings

T = TypeVar("T")


def run_demo(size: int, seed: int, day: int) -> bool:
    """Starts everything, lets Airflow run, tells what came of it; False when something is wrong."""
    started = perf_counter()
    found = settings()
    coalition = found.data / "coalition"
    target = wanted(coalition, size, seed, day, datetime.now(UTC))
    found = replace(found, environment_file=coalition / "environment.json")
    with ExitStack() as stack:
        opened = _started(stack, "PostgreSQL", nullcontext(open_exchange(found)))
        _started(stack, "the partners' systems", _partner_systems(found, coalition, target))
        airflow = _started(stack, "Airflow", local_airflow(found, opened.database_url))
        for partner in opened.partners.values():
            if not partner.feeds:
                run_partner(opened.work, partner)
        notices = _started(stack, "a nursing home that wants to be told", nursing_home(opened))
        began = perf_counter()
        states = run_dags(airflow, [p.code for p in opened.partners.values() if p.feeds])
        console.print(f"  Airflow ran {len(states)} DAGs in {perf_counter() - began:.0f} s")
        noticed = notices.hear()
    console.print(f"  it is day {target.day} of the coalition, {target.date:%Y-%m-%d}", highlight=False)
    good = _tell(opened, coalition, states, noticed)
    console.print(f"\n[bold]The demo took {perf_counter() - started:.0f} s.[/] Where to go next:")
    console.print(report.NEXT, highlight=False)
    return good


def _started(stack: ExitStack, what: str, starting: AbstractContextManager[T]) -> T:
    """Enters a context that takes a while, and says how long it took."""
    began = perf_counter()
    with console.status(f"starting {what} …"):
        value = stack.enter_context(starting)
    console.print(f"  {what}: ready in {perf_counter() - began:.0f} s", highlight=False)
    return value


@contextmanager
def _partner_systems(found: Settings, coalition: Path, target: Wanted) -> Iterator[None]:
    """The hospital's listener, then the partners' systems; the hospital sends before READY is said."""
    port = free_port()
    coalition.mkdir(parents=True, exist_ok=True)
    os.environ["LAKESIDE_MLLP_HOST"], os.environ["LAKESIDE_MLLP_PORT"] = "127.0.0.1", str(port)
    listen = ("exchange", "listen", "lakeside_hospital")
    serve = (
        "exchange.synthetic", "serve", "--folder", str(coalition), "--size", str(target.size),
        "--seed", str(target.seed), "--today", target.today.isoformat(), "--day", str(target.day),
        "--mllp-host", "127.0.0.1", "--mllp-port", str(port),
    )  # fmt: skip
    ready = log_says(found.data / "logs" / "partners.log", "READY")
    with (
        process("listener", listen, found, port_answers(port)),
        process("partners", serve, found, ready),
    ):
        yield


def _tell(opened: Exchange, coalition: Path, states: dict[str, str], noticed: Noticed) -> bool:
    """Prints everything; False when something is not as it must be."""
    failed = [dag for dag, state in states.items() if state != "success"]
    for dag in failed:
        console.print(f"[red]DAG {dag} failed[/]; see {opened.settings.data / 'airflow' / 'logs'}")
    balances = latest_balances(opened)
    print_balances(balances)
    with opened.work.connect() as connection:
        report.print_identity(identity_quality(connection, coalition / "truth"))
        report.print_seconds([ledger.get_run(connection, b.run) for b in balances])
    with api_service(opened, f"http://127.0.0.1:{free_port()}") as service:
        port = int(service.base_url.rsplit(":", 1)[1])
        with serving(service, Address(port=port)):
            report.print_queries(opened, service, coalition)
        verdicts = list(check_laws(opened, service, balances, coalition))
    report.print_notices(noticed)
    report.print_laws(verdicts)
    heard = noticed.notices == noticed.signed == noticed.acknowledged == noticed.receipts
    return not failed and heard and all(verdict.holds for verdict in verdicts)


def latest_balances(opened: Exchange) -> list[Balance]:
    """The balance of each participant's newest run."""
    with opened.work.connect() as connection:
        runs = [found for code in opened.partners for found in ledger.recent_runs(connection, code, 1)]
    return [balance(opened, run.run) for run in runs]
