"""`exchange target`: FHIR servers that hold what a participant may see."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.app.partners.mirroring import destinations, find_destination
from exchange.app.partners.mirroring import push as push_to
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.delivery.targets.holdings import offer_again, progress, target_standings

app = typer.Typer(help="FHIR servers of participants that hold what they may see.")
Code = Annotated[str, typer.Argument(help="The target: <participant>/<name of the target>.")]


@app.command(name="list")
def list_targets(json: JsonOption = False) -> None:
    """List the targets, what each holds and refused, and when it last had everything."""
    opened = exchange()
    declared = destinations(opened)
    with opened.work.connect() as connection:
        found = {f"{s.participant}/{s.name}": s for s in target_standings(connection)}
    if json:
        print_json(list(found.values()))
        return
    rows = []
    for code in sorted({*declared, *found}):
        s = found.get(code)
        held = (
            [s.items, s.refused, f"{s.completed:%Y-%m-%d %H:%M}" if s.completed else "never"]
            if s
            else [0, 0, "never"]
        )
        state = "not declared any more" if code not in declared else "under way" if s and s.underway else ""
        rows.append([code, *held, state, (s.problem or "") if s else ""])
    table("Targets", ["target", "records", "refused", "complete", "", "problem"], rows)


@app.command()
def push(
    code: Annotated[str | None, typer.Argument(help="<participant>/<name>; without it, all of them.")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Offer again what the server refused.")] = False,
) -> None:
    """Delete on the server what may not be seen any more, and give it what is new or changed."""
    opened = exchange()
    wanted = [find_destination(opened, code)] if code else list(destinations(opened).values())
    for destination in wanted:
        if refused:
            with opened.work.connect() as connection:
                stands = progress(connection, destination.participant, destination.name)
                offer_again(connection, stands.target)
                connection.commit()
        counts = push_to(opened, destination)
        told = ", ".join(f"{kind} {number:,}" for kind, number in sorted(counts.items()))
        console.print(f"{destination.code}: {told or 'nothing to give'}", highlight=False)
