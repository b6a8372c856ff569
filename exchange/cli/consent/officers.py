"""`officer` and `activate`: who may put rules into force, and putting them into force."""

from __future__ import annotations

import sys
from base64 import b64encode
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from exchange.app.privacy.activation import append, officers_record, standing, store_ruleset
from exchange.app.privacy.rulesets import read_rules
from exchange.cli.common import JsonOption, console, exchange, print_json, settings, table
from exchange.cli.consent.trying import RulesOption
from exchange.consent.activation import Act, Kind, Standing, stated
from exchange.crypto import new_signing_key, public_key, sign
from exchange.model.errors import ContentError

app = typer.Typer()
officer = typer.Typer(help="Privacy officers: two of them, each with a key of his own, put rules into force.")
AsOption = Annotated[str, typer.Option("--as", help="Name of the officer who signs.")]
KeyOption = Annotated[Path, typer.Option("--key", help="Private key of the officer who signs (PEM).")]


@officer.command(name="new-key")
def new_key(file: Annotated[Path, typer.Argument(help="Where the private key is written.")]) -> None:
    """Make an officer's key pair: FILE stays with the officer, FILE.pub is given to the exchange."""
    if file.exists():
        raise ContentError("exists already; keys are never overwritten", file=str(file))
    private = new_signing_key()
    file.touch(mode=0o600)
    file.write_text(private)
    public = file.with_name(f"{file.name}.pub")
    public.write_text(public_key(private))
    console.print(f"private: {file}\npublic:  {public}", highlight=False)


@officer.command()
def add(
    name: Annotated[str, typer.Argument(help="Name of the new officer.")],
    public: Annotated[Path, typer.Option(help="Public key of the new officer (PEM).")],
    signer: AsOption,
    key: KeyOption,
) -> None:
    """Add an officer: the first two sign for themselves, every later one needs two officers' signatures.

    Example: [bold]exchange consent officer add anna --public anna.pem.pub --as anna --key anna.pem[/bold]
    """
    after = _sign("officer-added", name, _read(public), signer, key)
    _say(
        f"{name} is an officer"
        if name in after.officers
        else f"{name} needs the signature of a second officer"
    )


@officer.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the officer.")], signer: AsOption, key: KeyOption
) -> None:
    """Take an officer's right to sign away; one signature is enough, rules in force stay in force."""
    _sign("officer-revoked", name, "", signer, key)
    _say(f"{name} is no officer any more")


@officer.command(name="sign")
def sign_elsewhere(key: KeyOption) -> None:
    """Sign what the console's page Activation shows, on a machine that reaches nothing: print the signature.

    Reads the statement from standard input and says what it is; a text that is none is not signed.

    Example: [bold]exchange consent officer sign --key anna.pem[/bold]
    """
    text = input().strip()
    act = stated(text)
    if act is None:
        raise ContentError("is no statement of a privacy officer; nothing was signed")
    print(f"{act.officer} signs: {act.kind} {act.subject}, {act.at:%Y-%m-%d %H:%M}", file=sys.stderr)
    print(b64encode(sign(text.encode(), _read(key))).decode())


@officer.command(name="list")
def list_officers(json: JsonOption = False) -> None:
    """List the officers, the ruleset in force and what waits for a second signature."""
    with officers_record(settings()) as (connection, signing_key):
        found = standing(connection, signing_key)
    waiting = [
        {"what": kind, "subject": subject, "signed_by": sorted(names)}
        for (kind, subject, _), names in found.waiting.items()
    ]
    if json:
        print_json({"officers": sorted(found.officers), "active": found.active, "waiting": waiting})
        return
    table("Privacy officers", ["officer"], [[name] for name in sorted(found.officers)])
    _say(f"In force: {found.active or 'no rules'}")
    for (kind, subject, _), names in found.waiting.items():
        _say(f"Waits for a second signature: {kind} {subject}, signed by {', '.join(sorted(names))}")


@app.command()
def activate(signer: AsOption, key: KeyOption, rules: RulesOption = None) -> None:
    """Sign the rules of consent/ (or of --rules): with the second officer's signature they are in force.

    Look at what they change first: [bold]exchange consent simulate[/bold]
    """
    found = settings()
    files = read_rules(found, rules)
    with officers_record(found) as (connection, signing_key):
        digest = store_ruleset(connection, files, datetime.now(UTC)).digest
        act = Act("ruleset-activated", digest, "", signer, datetime.now(UTC))
        after = append(connection, signing_key, act, partial(sign, private_pem=_read(key)))
    if after.active != digest:
        _say(f"ruleset {digest} needs the signature of a second officer")
    elif found.activation == "demo":
        _say(f"ruleset {digest} is signed, and in force where EXCHANGE_ACTIVATION=officers")
    else:
        exchange()  # decides everything again, in one transaction
        _say(f"ruleset {digest} is in force")


def _sign(kind: Kind, subject: str, subject_key: str, signer: str, key: Path) -> Standing:
    with officers_record(settings()) as (connection, signing_key):
        act = Act(kind, subject, subject_key, signer, datetime.now(UTC))
        return append(connection, signing_key, act, partial(sign, private_pem=_read(key)))


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        raise ContentError("is not a readable key file", file=str(file)) from None


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
