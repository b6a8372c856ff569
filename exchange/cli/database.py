"""`exchange database`: the embedded PostgreSQL and the schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import psycopg
import typer

from exchange.app import database_url
from exchange.cli.common import console, settings
from exchange.repository import accept_clock, latest_instant
from exchange.repository import migrate as migrate_schema
from exchange.repository import reindex as rewrite
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


@app.command()
def reindex() -> None:
    """Write anew what search finds in the stored records; after an upgrade that serves other parameters."""
    url = database_url(settings())
    migrate_schema(url)
    with psycopg.connect(url, autocommit=True) as connection:
        written = sum(rewrite(connection))
    console.print(f"{written} records indexed")


@app.command()
def clock(
    accept: Annotated[
        bool, typer.Option("--accept", help="Go on from the present; a clock that was ahead is right now.")
    ] = False,
) -> None:
    """Show the latest time anything was decided at; with a clock behind it the exchange shows nothing."""
    url = database_url(settings())
    migrate_schema(url)
    with psycopg.connect(url) as connection:
        console.print(f"latest: {latest_instant(connection):%Y-%m-%d %H:%M:%S} UTC", highlight=False)
        if accept:
            accept_clock(connection, datetime.now(UTC))
            console.print("accepted: time goes on from the present")
