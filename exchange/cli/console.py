"""`exchange console`: the pages, and the accounts that may sign in to them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from exchange.app import Exchange
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.model.errors import ContentError

if TYPE_CHECKING:
    from exchange.console import OpenIdProvider

app = typer.Typer(help="The console in the browser, and the people who may sign in to it.")

_INVITATION = timedelta(days=7)
_DEMO_LINK = timedelta(hours=8)

LoginArgument = Annotated[str, typer.Argument(help="The name somebody signs in with.")]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8766,
    base_url: Annotated[
        str | None, typer.Option(help="Where people reach it, behind a proxy that ends TLS.")
    ] = None,
) -> None:
    """Serve the console until interrupted. A demo prints a link for each role that signs in once."""
    from exchange.cli.desk import desk_of
    from exchange.console.serve import serve as serve_console

    opened = exchange()
    url = (base_url or f"http://{host}:{port}").rstrip("/")
    console.print(f"Console: {url}", highlight=False)
    if opened.settings.activation == "demo" and url.startswith("http://127.0.0.1:"):
        for role, link in demo_links(opened, url):
            console.print(f"  as {role}: {link}", highlight=False, soft_wrap=True)
    with desk_of(opened, url, _provider(), os.environ.get("EXCHANGE_AIRFLOW_URL")) as desk:
        serve_console(desk, host, port)


def _provider() -> OpenIdProvider | None:
    """The issuer of EXCHANGE_OPENID_ISSUER; its client and secret stand in the environment too."""
    issuer = os.environ.get("EXCHANGE_OPENID_ISSUER")
    if not issuer:
        return None
    from exchange.console import OpenIdProvider

    named = ("EXCHANGE_OPENID_CLIENT", "EXCHANGE_OPENID_SECRET")
    client, secret = (os.environ.get(name, "") for name in named)
    if not client or not secret:
        raise ContentError(
            "is needed with EXCHANGE_OPENID_ISSUER", field=named[0] if not client else named[1]
        )
    return OpenIdProvider(issuer, client, secret)


def demo_links(opened: Exchange, url: str) -> list[tuple[str, str]]:
    """(role, link) for an account of each role, made where it is missing; for a demo on this machine only."""
    from exchange.console.accounts import ROLES, add_account, find_account, make_link

    at = opened.work.now()
    member = min((code for code, p in opened.partners.items() if p.requests.purposes), default=None)
    links: list[tuple[str, str]] = []
    with opened.work.connect() as connection:
        for role in ROLES:
            login = f"demo-{role}"
            if role == "partner" and member is None:
                continue
            if find_account(connection, login) is None:
                participant = member if role == "partner" else None
                add_account(connection, login, role.replace("-", " ").capitalize(), [role], participant, at)
            links.append((role, f"{url}/link/{make_link(connection, login, at + _DEMO_LINK)}"))
        connection.commit()
    return links


@app.command()
def invite(
    login: LoginArgument,
    role: Annotated[list[str], typer.Option(help="May be given several times.")],
    name: Annotated[str, typer.Option(help="As colleagues know them.")] = "",
    participant: Annotated[str | None, typer.Option(help="Whose partner account it is.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="`issuer|subject` of OpenID Connect, for who signs in there.")
    ] = None,
    base_url: Annotated[str, typer.Option(help="Where people reach the console.")] = "http://127.0.0.1:8766",
) -> None:
    """Make an account and a link that signs in once, valid for a week; they choose a password then."""
    from exchange.console.accounts import add_account, make_link

    opened = exchange()
    at = opened.work.now()
    if participant is not None:
        from exchange.app import find_partner

        find_partner(opened.partners, participant)
    with opened.work.connect() as connection:
        add_account(connection, login, name or login, role, participant, at, subject)
        token = make_link(connection, login, at + _INVITATION)
        connection.commit()
    console.print(f"{base_url.rstrip('/')}/link/{token}", highlight=False, soft_wrap=True)


@app.command()
def people(json: JsonOption = False) -> None:
    """List the accounts that may sign in."""
    from exchange.console.accounts import accounts

    with exchange().work.connect() as connection:
        found = accounts(connection)
    if json:
        print_json(found)
        return
    table(
        "Accounts",
        ["login", "name", "roles", "participant"],
        [[a.login, a.name, ", ".join(a.roles), a.participant or "-"] for a in found],
    )


@app.command()
def dismiss(login: LoginArgument) -> None:
    """End an account and sign it out everywhere."""
    from exchange.console.accounts import disable_account

    opened = exchange()
    with opened.work.connect() as connection:
        disable_account(connection, login, opened.work.now())
        connection.commit()
    console.print(f"{login} can no longer sign in", highlight=False)
