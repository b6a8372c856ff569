"""`exchange database`: the embedded PostgreSQL and the schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import psycopg
import typer

from exchange.app import database_url
from exchange.cli.common import console, settings
from exchange.repository import accept_clock, index_state, latest_instant, note_empty_index
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
    url = database_url(settings())
    applied = migrate_schema(url)
    console.print("\n".join(applied) if applied else "the schema is of this version")
    with psycopg.connect(url) as connection:
        note_empty_index(connection)
        if not index_state(connection).whole:
            console.print(
                "search: upkeep indexes stored records anew; `exchange database reindex` does it now"
            )


@app.command()
def reindex() -> None:
    """Write anew what search finds in stored records, at once; upkeep does it in parts when it must be."""
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
