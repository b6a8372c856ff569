"""`exchange client`: software of a participant that may ask for tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from exchange.api import Client, disable_client, let_in_again, list_clients, register_client
from exchange.app import find_partner
from exchange.audit import append, client_entry
from exchange.cli.common import JsonOption, PartnerArgument, console, exchange, print_json, table
from exchange.crypto import new_jwk_pair
from exchange.model.errors import ContentError

app = typer.Typer(help="Clients of the API: register one with its public keys, list them, switch one off.")


@app.command()
def add(
    partner: PartnerArgument,
    jwks: Annotated[
        Path | None, typer.Option(help="File with the client's JSON Web Key Set (public keys).")
    ] = None,
    jwks_url: Annotated[
        str | None, typer.Option(help="https address where the client publishes its keys, and changes them.")
    ] = None,
    client_id: Annotated[str | None, typer.Option(help="Default: the partner's code.")] = None,
    scope: Annotated[str, typer.Option(help="SMART scopes the client may ask for.")] = "system/*.rs",
    purpose: Annotated[
        list[str] | None,
        typer.Option(help="Purpose of use it may ask for, several times; default: all of the participant's."),
    ] = None,
) -> None:
    """Register a client for a participant, or let one in again; it may ask for purposes of its partner.yaml.

    A client with one purpose needs no hl7-b2b extension: any software for SMART Backend Services will do.
    """
    opened = exchange()
    found = find_partner(opened.partners, partner)
    if (jwks is None) == (jwks_url is None):
        raise ContentError("give --jwks or --jwks-url, one of them", field="--jwks")
    client = Client(
        client_id=client_id or partner,
        participant=partner,
        jwks=_read_keys(jwks) if jwks else {"keys": []},
        scopes=scope.split(),
        roles=list(found.requests.roles),
        purposes=purpose or list(found.requests.purposes),
        jwks_url=jwks_url,
    )
    at = datetime.now(UTC)
    with opened.work.connect() as connection:
        register_client(connection, client, found, at)
        let_in_again(connection, client.client_id, "exchange", at)
        append(connection, [client_entry(partner, "exchange", "C", client.client_id, at)])
        connection.commit()
    console.print(f"client `{client.client_id}` may ask for {', '.join(client.purposes)}", highlight=False)


def _read_keys(jwks: Path) -> dict[str, Any]:
    try:
        keys: dict[str, Any] = orjson.loads(jwks.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        raise ContentError("is not a readable JSON Web Key Set", file=str(jwks)) from None
    return keys


@app.command(name="new-key")
def new_key(
    folder: Annotated[
        Path, typer.Argument(help="Where private.pem and jwks.json are written.", file_okay=False)
    ],
    algorithm: Annotated[str, typer.Option(help="ES384 or RS384.")] = "ES384",
) -> None:
    """Make a key pair for a client: private.pem stays with it, jwks.json is registered here."""
    private, public = new_jwk_pair(algorithm)
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "private.pem"
    secret.touch(mode=0o600)
    secret.write_text(private)
    (folder / "jwks.json").write_bytes(orjson.dumps({"keys": [public]}, option=orjson.OPT_INDENT_2))
    console.print(f"wrote {secret} and {folder / 'jwks.json'}", highlight=False)


@app.command(name="list")
def list_all(json: JsonOption = False) -> None:
    """Every registered client."""
    with exchange().work.connect() as connection:
        found = list_clients(connection)
    if json:
        print_json(found)
        return
    table(
        "Clients",
        ["client", "participant", "scopes", "purposes", "disabled", "by"],
        [
            [
                c.client_id,
                c.participant,
                " ".join(c.scopes),
                " ".join(c.purposes),
                str(c.disabled or ""),
                c.disabled_by or "",
            ]
            for c in found
        ],
    )


@app.command()
def disable(client_id: Annotated[str, typer.Argument()]) -> None:
    """Switch a client off; its tokens are refused from now on."""
    at = datetime.now(UTC)
    with exchange().work.connect() as connection:
        owner = next(
            (one.participant for one in list_clients(connection) if one.client_id == client_id), None
        )
        if owner is None:
            raise ContentError("no such client", field=client_id)
        disable_client(connection, client_id, "exchange", at)
        append(connection, [client_entry(owner, "exchange", "D", client_id, at)])
        connection.commit()
    console.print(f"client `{client_id}` is switched off", highlight=False)
