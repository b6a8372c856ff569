"""`exchange audit workforce`: who of those who look is a patient himself."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.app.privacy.workforce import (
    account_looker,
    declare_member,
    end_member,
    read_workforce,
    user_looker,
)
from exchange.cli.audit import Reader, reader_of
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.model.errors import ContentError

app = typer.Typer(
    help="Who of those who look is a patient too: looks at their own home and chart are questions."
)


@app.command()
def declare(
    patient: Annotated[str, typer.Argument(help="Id of any Patient of the person.")],
    account: Annotated[str | None, typer.Option(help="The login of the console's account.")] = None,
    participant: Annotated[str | None, typer.Option(help="Whose user it is.")] = None,
    user: Annotated[
        str | None, typer.Option(help="The user's `subject_id` in the participant's tokens.")
    ] = None,
    officer: Reader = "",
) -> None:
    """Declare that an account, or a participant's user, is a Patient; shown to privacy officers alone."""
    if (account is None) == (user is None) or (participant is None) != (user is None):
        raise ContentError("name either --account, or --participant and --user", field="--account")
    looker = account_looker(account) if account is not None else user_looker(participant or "", user or "")
    entry = declare_member(exchange(), looker, patient, reader_of(officer))
    console.print(f"entry {entry}", highlight=False)


@app.command(name="list")
def list_workforce(officer: Reader = "", json: JsonOption = False) -> None:
    """List who is declared; that you looked is recorded."""
    found = read_workforce(exchange(), reader_of(officer))
    if json:
        print_json(found)
        return
    table(
        "Workforce that are patients",
        ["entry", "who", "patient", "declared", "by"],
        [[str(m.entry), m.looker, str(m.patient), f"{m.declared:%Y-%m-%d}", m.declared_by] for m in found],
    )


@app.command()
def end(
    entry: Annotated[int, typer.Argument(help="Number of the entry, from the list.")], officer: Reader = ""
) -> None:
    """End an entry; nobody ends the one about himself."""
    end_member(exchange(), entry, reader_of(officer))
    console.print(f"entry {entry}: ended", highlight=False)
