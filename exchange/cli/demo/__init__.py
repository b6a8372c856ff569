"""`exchange demo`: the main job from end to end, on a synthetic coalition.

What it needs beyond a server (Airflow, the makers of names and partner systems) is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.model.errors import ContentError

app = typer.Typer()


@app.command()
def demo(
    size: Annotated[int, typer.Option(min=50, help="People in the synthetic coalition.")] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed, another community.")] = 1,
    day: Annotated[int, typer.Option(min=1, help="Which day of the coalition it shall be, up to 10.")] = 1,
) -> None:
    """Run the whole exchange on a synthetic coalition and print what came of it.

    Starts PostgreSQL, the partners' systems, the hospital's listener and Airflow, runs every partner's DAG,
    asks the same questions as three organizations, and checks the laws of the house. Exit 10 when a run does
    not balance, a DAG failed or a law is broken. After a demo, `--day 2` brings the next day: merged charts,
    corrections, deletions, revoked consents.
    """
    try:
        from exchange.cli.demo.command import run_demo
    except ModuleNotFoundError as missing:
        message = (
            f"`{missing.name}` is not installed: the demo needs the extras airflow and demo (`make setup`)"
        )
        raise ContentError(message) from None
    raise typer.Exit(0 if run_demo(size, seed, day) else 10)
