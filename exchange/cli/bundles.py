"""`exchange bundle`: check what came from an exchange, give away the keys it can be checked with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from exchange.app.secrets import load_signing_key
from exchange.cli.common import console, settings
from exchange.crypto import TokenRefused, public_jwk, verify_detached
from exchange.model.errors import ContentError

app = typer.Typer(help="Check the signature of a bundle.")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The bundle, byte for byte.")],
    signature: Annotated[
        Path | None, typer.Option(help="Its detached JWS (default: the file beside it, FILE.jws).")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="JSON Web Key Set of who signed (default: this exchange's own key).")
    ] = None,
) -> None:
    """Tell who signed exactly these bytes; exit 10 when nobody of the given keys did.

    Any JOSE library can do the same: the signature is detached and unencoded (RFC 7797), EdDSA.
    """
    beside = signature or file.with_name(f"{file.name}.jws")
    if not beside.exists():
        raise ContentError("there is no signature; name it with --signature", file=beside.name)
    known = orjson.loads(keys.read_bytes()) if keys else _own_keys()
    try:
        kid = verify_detached(file.read_bytes(), beside.read_text().strip(), known)
    except TokenRefused as problem:
        console.print(f"{file.name}: {problem}", highlight=False)
        raise typer.Exit(10) from None
    console.print(f"{file.name}: signed by key {kid}", highlight=False)


@app.command(name="keys")
def print_keys() -> None:
    """Print the public key of this exchange, a JSON Web Key Set; the API has it at /.well-known/jwks.json."""
    typer.echo(orjson.dumps(_own_keys(), option=orjson.OPT_INDENT_2).decode())


def _own_keys() -> dict[str, object]:
    return {"keys": [public_jwk(load_signing_key(settings().signing_key), "EdDSA")]}
