"""`exchange database`: the embedded PostgreSQL and the schema."""

from __future__ import annotations

import typer

from exchange.app import database_url
from exchange.cli.common import console, settings
from exchange.repository import migrate as migrate_schema
from exchange.repository import stop as stop_embedded

app = typer.Typer(help="The PostgreSQL underneath: start, stop, bring its schema up to this version.")


@app.command()
def start() -> None:
    """Start the embedded PostgreSQL, or reach EXCHANGE_DATABASE_URL, and print its address."""
    console.print(database_url(settings()), highlight=False, soft_wrap=True)


@app.command()
def stop() -> None:
    """Stop the embedded PostgreSQL of EXCHANGE_DATA; the data stay."""
    stop_embedded(settings().data / "postgres")


@app.command()
def migrate() -> None:
    """Bring the schema up to this version; does nothing when it is."""
    applied = migrate_schema(database_url(settings()))
    console.print("\n".join(applied) if applied else "the schema is of this version")
