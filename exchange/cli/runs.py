"""`exchange run`, `runs`, `upkeep`."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.app import Exchange, balance, begin_run, find_partner, withheld_of
from exchange.app.figures import count_figures
from exchange.app.privacy.auditing import look_at_new_answers, prune_audit_log
from exchange.cli.common import JsonOption, console, exchange, print_json, step_progress, table
from exchange.pipeline import ledger, upkeep
from exchange.pipeline.balance import OUTCOMES, Balance, balance_of
from exchange.pipeline.steps import finish_run
from exchange.pipeline.sweep import sweep

app = typer.Typer()


@app.command()
def run(
    partners: Annotated[list[str], typer.Argument(help="Folder names in mappings/; or `all`.")],
    replay_from: Annotated[
        str | None, typer.Option(help="Take records again that were pulled from this time on (ISO 8601).")
    ] = None,
    replay_until: Annotated[str | None, typer.Option(help="… and before this time.")] = None,
    json: JsonOption = False,
) -> None:
    """Pull what is new from a partner, map, safeguard, link and publish it; print the balance.

    A run that was interrupted is gone on with. Example: [bold]exchange run prairie_clinic[/bold]
    """
    opened = exchange()
    codes = list(opened.partners) if partners == ["all"] else partners
    found = [find_partner(opened.partners, code) for code in codes]
    balances: list[Balance] = []
    for partner in found:
        progress, report = step_progress()
        with progress:
            number = begin_run(opened, partner, {"replay_from": replay_from, "replay_until": replay_until})
            finish_run(opened.work, partner, number, report)
        balances.append(balance(opened, number))
    if json:
        print_json(balances)
    else:
        print_balances(balances)
        for one in balances:
            print_withheld(opened, one)


def print_withheld(opened: Exchange, one: Balance) -> None:
    """What kept resources of a run out of the repository; nothing where nothing was."""
    for reason in withheld_of(opened, one.run):
        law = f" [{reason.citation}]" if reason.citation else ""
        console.print(
            f"{one.partner}: {reason.resources:,} resources withheld by {reason.rule}: {reason.title}{law}",
            highlight=False,
            markup=False,
        )


def print_balances(balances: list[Balance]) -> None:
    """The balance sheet: one line per run, records by outcome."""
    table(
        "Balance: pulled = " + " + ".join(OUTCOMES),
        ["run", "partner", "pulled", *OUTCOMES, "balances"],
        [
            [str(b.run), b.partner, b.pulled, *b.records.values(), "yes" if b.balanced else "NO"]
            for b in balances
        ],
    )


@app.command()
def runs(
    partner: Annotated[str | None, typer.Option(help="Only this partner's.")] = None,
    run: Annotated[int | None, typer.Option(help="Only this run.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 20,
    json: JsonOption = False,
) -> None:
    """List the latest runs: when, how long each step took, and whether they balance."""
    opened = exchange()
    with opened.work.connect() as connection:
        found = [ledger.get_run(connection, run)] if run else ledger.recent_runs(connection, partner, limit)
        balances = {r.run: balance_of(connection, r.run) for r in found}
    if json:
        print_json([{"run": r, "balance": balances[r.run]} for r in found])
        return
    table(
        "Runs",
        ["run", "partner", "kind", "status", "started", "seconds", "pulled", *OUTCOMES],
        [
            [
                str(r.run), r.partner, r.kind, r.status, f"{r.started:%Y-%m-%d %H:%M:%S}",
                f"{sum(r.seconds.values()):.1f}", balances[r.run].pulled, *balances[r.run].records.values(),
            ]
            for r in found
        ],
    )  # fmt: skip


@app.command(name="upkeep")
def upkeep_command() -> None:
    """Do what is due: consents that begin or end, late labels, re-admission, retention, figures, index."""
    opened = exchange()
    classes = upkeep.redecide(opened.work)
    swept = sweep(opened.work)
    readmitted = upkeep.readmit(opened.work)
    expired = upkeep.expire(opened.work)
    console.print(f"decided {classes:,} disclosure classes again")
    console.print(f"labelled {sum(done.relabelled for done in swept):,} rows again")
    console.print(f"readmitted {sum(readmitted.values()):,} records that were withheld")
    looked, gone = look_at_new_answers(opened), prune_audit_log(opened)
    console.print(f"removed {sum(expired.values()):,} landing files past their retention")
    console.print(f"looked at {looked:,} answers for what they left out")
    console.print(f"removed {gone:,} records of the audit log past their retention")
    console.print(
        f"counted {count_figures(opened):,} records of the audit log and everybody's records for the console"
    )
    console.print(f"indexed {upkeep.index_anew(opened.work):,} records anew for search")
