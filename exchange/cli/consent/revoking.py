"""`revoked`: what had gone out already when a consent was revoked."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.app.privacy.revoking import sent_before
from exchange.cli.common import JsonOption, console, exchange, print_json, table

app = typer.Typer()


@app.command()
def revoked(
    consent: Annotated[str, typer.Argument(help="Consent/id as the repository gave it.")],
    every: Annotated[
        bool, typer.Option("--all", help="Also what the recipient would be shown today as well.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List what went out about the person of a Consent, and to whom: those who may not have it any more.

    Example: [bold]exchange consent revoked Consent/…[/bold]
    """
    opened = exchange()
    with opened.work.connect() as connection:
        found = sent_before(connection, consent, opened.work.now())
    if json:
        print_json(found)
        return
    state = "is still in force" if found.in_force else "is not in force"
    console.print(
        f"{found.consent} {state}; {found.withheld} records of the person are kept out of the repository",
        highlight=False,
    )
    table(
        "Went out",
        ["recipient", "role", "purpose", "record", "first", "last", "times", "by consent", "today"],
        [
            [
                one.recipient, one.role, one.purpose, one.record, f"{one.first:%Y-%m-%d %H:%M}",
                f"{one.last:%Y-%m-%d %H:%M}", len(one.entries), "yes" if one.by_consent else "no",
                "shown" if one.shown else "not any more",
            ]
            for one in found.sent
            if every or not one.shown
        ],
    )  # fmt: skip
