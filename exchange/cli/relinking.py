"""`exchange match diff` and `exchange match relink`: a new model told before it is activated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exchange.app.identity.relinking import Report, link_everybody_anew, model_difference
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.repository.identity.relinking import by_type

_SHOWN = 20


def diff(
    model: Annotated[
        Path | None,
        typer.Option(help="A model.json; without it the one in mappings/.", exists=True, dir_okay=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Who would merge and split, what would open and close, were everybody linked anew; changes nothing."""
    _print(model_difference(exchange(), model), json)


def relink(
    report: Annotated[
        str, typer.Option(help="Digest that `match diff` printed: it is done as told or not at all.")
    ],
    json: JsonOption = False,
) -> None:
    """Link everybody anew with the model in mappings/; consents and releases follow."""
    _print(link_everybody_anew(exchange(), report), json)


def _print(report: Report, json: bool) -> None:
    found = report.difference
    if json:
        print_json(report)
        return
    console.print(f"model {found.model}", highlight=False)
    console.print(
        f"{found.patients:,} patients become another person; links {found.links[0]:,} → {found.links[1]:,},"
        f" doubts {found.possible[0]:,} → {found.possible[1]:,}",
        highlight=False,
    )
    table(
        f"Persons merged: {len(found.merged):,}",
        ["persons", "become"],
        [[", ".join(old), new] for old, new in found.merged[:_SHOWN]],
    )
    table(
        f"Persons split: {len(found.split):,}",
        ["person", "becomes"],
        [[old, ", ".join(new)] for old, new in found.split[:_SHOWN]],
    )
    table(
        "Disclosures opened and closed",
        ["who", "purpose", "opened", "closed"],
        [
            [f"{e.participant} ({e.role})", e.purpose, _counted(e.opened), _counted(e.closed)]
            for e in found.exposures
        ],
    )
    console.print(f"report {report.digest}", highlight=False)


def _counted(references: tuple[str, ...]) -> str:
    return ", ".join(f"{number:,} {kind}" for kind, number in by_type(references).items()) or "-"
