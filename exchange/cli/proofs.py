"""`exchange audit proof` and `check`: one record of the log, proved without the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from exchange.app.privacy.auditing import proof_of
from exchange.app.secrets import load_signing_key
from exchange.audit import proves
from exchange.cli.audit import Reader, reader_of
from exchange.cli.common import console, exchange, print_json, settings
from exchange.crypto import public_key

app = typer.Typer()


@app.command()
def proof(
    sequence: Annotated[int, typer.Argument(help="Number of the record in the log.")],
    officer: Reader = "",
) -> None:
    """Print the proof that one record is in the log: the record, its path to a sealed root, the seal.

    Whoever has the exchange's public key can check it without the rest: [bold]exchange audit check[/bold]
    """
    print_json(proof_of(exchange(), sequence, reader_of(officer)))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A proof, as JSON.")],
    key: Annotated[
        Path | None, typer.Option(help="PEM public key of who sealed (default: this exchange's own).")
    ] = None,
) -> None:
    """Tell whether a proof holds; exit 10 when it does not. Needs no database."""
    public = key.read_text() if key else public_key(load_signing_key(settings().signing_key))
    try:
        problem = proves(orjson.loads(file.read_bytes()), public)
    except orjson.JSONDecodeError:
        problem = "it is not JSON"
    console.print(f"{file.name}: {problem or 'the record is in the log that was sealed'}", highlight=False)
    if problem:
        raise typer.Exit(10)
