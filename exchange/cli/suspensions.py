"""`exchange audit suspend|suspensions|resume`: what an accounting does not tell of for a time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from exchange.app.privacy.suspending import Stated, Statement, end_suspension, read_suspensions, suspend
from exchange.cli.audit import Reader, reader_of
from exchange.cli.common import JsonOption, console, exchange, print_json, table

app = typer.Typer()
_DAY = ["%Y-%m-%d"]


@app.command(name="suspend")
def suspend_accounting(
    patient: Annotated[str, typer.Argument(help="Id of any Patient of the person.")],
    recipient: Annotated[str, typer.Option(help="The participant whose disclosures are not told of.")],
    official: Annotated[str, typer.Option(help="Who made the statement, and for which agency.")],
    statement: Annotated[Statement, typer.Option(help="An oral one holds for thirty days at most.")],
    stated: Annotated[datetime, typer.Option(formats=_DAY, help="Day the statement was made.")],
    until: Annotated[datetime, typer.Option(formats=_DAY, help="Last day it asks for.")],
    officer: Reader = "",
) -> None:
    """Leave an agency's disclosures out of a person's accounting while it asks so (45 CFR 164.528(a)(2))."""
    said = Stated(patient, recipient, official, statement, stated.date(), until.date())
    console.print(f"suspension {suspend(exchange(), said, reader_of(officer))}", highlight=False)


@app.command(name="suspensions")
def list_suspensions(officer: Reader = "", json: JsonOption = False) -> None:
    """List what was documented, latest first; that you looked is recorded."""
    opened = exchange()
    found = read_suspensions(opened, reader_of(officer))
    if json:
        print_json(found)
        return
    at = opened.work.now()
    table(
        "Suspensions of accountings",
        ["number", "patient", "recipient", "official", "statement", "stated", "until", "by", "holds"],
        [
            [
                str(s.suspension), str(s.patient), s.participant, s.official, s.statement, f"{s.stated}",
                f"{s.until}", s.recorded_by, "yes" if s.holds(at) else "no",
            ]
            for s in found
        ],
    )  # fmt: skip


@app.command(name="resume")
def resume_accounting(
    number: Annotated[int, typer.Argument(help="Number of the suspension.")], officer: Reader = ""
) -> None:
    """End a suspension before its time; by itself it ends with its last day."""
    end_suspension(exchange(), number, reader_of(officer))
    console.print(f"suspension {number}: ended", highlight=False)
