"""Puts the commands together and turns errors into messages and exit codes."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from exchange.cli import (
    accountings,
    audit,
    bundles,
    clients,
    consent,
    database,
    deliveries,
    demo,
    deployment,
    following,
    maps,
    matching,
    officers,
    partners,
    proofs,
    prove,
    quarantine,
    recalls,
    runs,
    serving,
    suspensions,
    targets,
    timelines,
    workforce,
)
from exchange.cli import (
    console as console_pages,
)
from exchange.cli.common import console
from exchange.cli.exits import MEANINGS, exit_code, untold
from exchange.model.errors import ExchangeError

app = typer.Typer(
    name="exchange",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Mosaic Exchange: records of a community's partners, consented, de-duplicated, accountable.\n\n"
    "Start with [bold]exchange demo[/bold]; then [bold]exchange partner list[/bold],"
    " [bold]exchange run PARTNER[/bold], [bold]exchange runs[/bold], [bold]exchange serve[/bold].",
    epilog=MEANINGS,
)
for module in (runs, following, demo, serving, deployment):
    app.registered_commands += module.app.registered_commands
partners.app.registered_commands += timelines.app.registered_commands
for module in (accountings, suspensions, proofs, officers):
    audit.app.registered_commands += module.app.registered_commands
audit.app.add_typer(workforce.app, name="workforce", no_args_is_help=True)
for name, group in (
    ("partner", partners.app),
    ("quarantine", quarantine.app),
    ("map", maps.app),
    ("consent", consent.app),
    ("prove", prove.app),
    ("match", matching.app),
    ("delivery", deliveries.app),
    ("target", targets.app),
    ("bundle", bundles.app),
    ("recall", recalls.app),
    ("audit", audit.app),
    ("client", clients.app),
    ("console", console_pages.app),
    ("database", database.app),
):
    app.add_typer(group, name=name, no_args_is_help=True)


def main() -> None:
    """Entry point; an error is one line and an exit code, never a traceback with somebody's data."""
    try:
        app()
    except ExchangeError as error:
        console.print(f"[red]{type(error).__name__}[/red] {escape(str(error))}", highlight=False)
        sys.exit(exit_code(error))
    except Exception as error:
        console.print(f"[red]{type(error).__name__}[/red] {escape(untold(error))}", highlight=False)
        sys.exit(1)
