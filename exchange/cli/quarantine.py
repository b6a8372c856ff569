"""`exchange quarantine`: what could not be used, and how it comes back."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.app import balance, find_partner, replay_quarantine
from exchange.cli.common import JsonOption, PartnerArgument, console, exchange, print_json, table
from exchange.cli.runs import print_balances
from exchange.pipeline import quarantine

app = typer.Typer(help="Records that could not be used: list them, look at one, take them again.")


@app.command(name="list")
def list_findings(
    partner: Annotated[str | None, typer.Option(help="Only this partner's.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    json: JsonOption = False,
) -> None:
    """What waits for a fix: partner, feed, record number, element, its source and reason. No patient data."""
    opened = exchange()
    with opened.work.connect() as connection:
        found = quarantine.open_findings(connection, partner, limit)
    if json:
        print_json(found)
        return
    table(
        "Quarantine",
        ["record", "partner", "feed", "code", "element", "stands at", "reason"],
        [[str(f.record), f.partner, f.feed, f.code, f.expression, f.source, f.detail] for f in found],
    )


@app.command()
def show(record: Annotated[int, typer.Argument(help="Record number from the list.")]) -> None:
    """Where one record stood at the partner's, and its raw content: patient data, mind your screen."""
    opened = exchange()
    with opened.work.connect() as connection:
        found = quarantine.get_record(connection, record)
    console.print(f"{found.partner} / {found.feed}: {found.position}", highlight=False, markup=False)
    if found.address:
        raw = opened.work.landing.get(found.address).decode("utf-8", "replace")
        console.print(raw.replace("\r", "\n"), highlight=False, markup=False)


@app.command()
def replay(partner: PartnerArgument, json: JsonOption = False) -> None:
    """Take a partner's quarantined records through the steps again, after a fix in mappings/.

    A fix may as well be in partner.yaml: what could not be split into records is split again. A run that was
    interrupted is finished first. Pulls nothing.
    """
    opened = exchange()
    found = find_partner(opened.partners, partner)
    balances = [balance(opened, run) for run in replay_quarantine(opened, found)]
    if json:
        print_json(balances)
    else:
        print_balances(balances)
