"""`exchange partner timeline`: what a participant sent, asked for and was sent, and what became of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from exchange.app import find_partner
from exchange.app.partners.timeline import Moment, Timeline, timeline
from exchange.cli.common import JsonOption, PartnerArgument, exchange, print_json, table

app = typer.Typer()


@app.command(name="timeline")
def show_timeline(
    partner: PartnerArgument,
    days: Annotated[int, typer.Option(min=1, help="How far back.")] = 30,
    json: JsonOption = False,
) -> None:
    """Show what a participant sent, asked for and was sent, and what became of it.

    It can be given to the participant: it says nothing that the participant may not know.
    """
    opened = exchange()
    find_partner(opened.partners, partner)
    until = opened.work.now()
    since, part = until - timedelta(days=days), Timeline([], until)
    found: list[Moment] = []
    with opened.work.connect() as connection:
        while part.earlier is not None:
            part = timeline(connection, partner, since, part.earlier)
            found += part.moments
    if json:
        print_json([{**asdict(moment), "what": moment.what} for moment in found])
        return
    rows = [[f"{m.at:%Y-%m-%d %H:%M}", m.what, m.number, m.outcome, m.why] for m in found]
    table(f"Timeline of {partner}", ["when", "what", "number", "outcome", "why"], rows)
