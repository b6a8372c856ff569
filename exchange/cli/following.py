"""`exchange follow`: what partners send by themselves, taken as it comes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from exchange.app import Current
from exchange.app.records.following import Follower, arriving, turn
from exchange.cli.common import console, exchange

app = typer.Typer()


@app.command()
def follow(
    partners: Annotated[
        list[str] | None, typer.Argument(help="Folder names (default: all that send over MLLP or push).")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One look; without it, until interrupted.")] = False,
    pause_seconds: Annotated[float, typer.Option(min=0.05, help="Between two looks.")] = 0.5,
    heartbeat: Annotated[Path | None, typer.Option(help="File to touch after each look.")] = None,
) -> None:
    """Take what comes over MLLP or is pushed through all steps as it comes, not at the next scheduled run.

    Goes with [bold]exchange listen[/bold] and [bold]exchange delivery run[/bold].
    """
    opened = exchange()
    arriving(opened, partners or ())
    follower = Follower(Current(opened), partners or ())
    while True:
        for code, result in turn(follower):
            if isinstance(result, Exception):
                console.print(f"{code}: {type(result).__name__} {result}", highlight=False, markup=False)
            else:
                console.print(f"{code}: run {result.run}, {result.pulled} records", highlight=False)
        if heartbeat:
            heartbeat.touch()
        if once:
            return
        time.sleep(pause_seconds)
