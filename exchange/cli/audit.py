"""`exchange audit`: prove the log, seal it, account for a person's disclosures."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from exchange.app.privacy.auditing import seal_audit_log, verify_audit_log
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.model.errors import ContentError
from exchange.repository import emergency_accesses, review_emergency

Reader = Annotated[str, typer.Option("--as", help="Who reads (default: the login of this machine).")]
app = typer.Typer(help="The log of disclosures: prove that it is whole, seal it, account to a person.")


@app.command()
def verify() -> None:
    """Find every changed, removed, reordered or inserted record; exit 10 when there is one."""
    findings = verify_audit_log(exchange())
    for finding in findings:
        console.print(f"{finding.kind} {finding.sequence}-{finding.last}: {finding.detail}", highlight=False)
    if findings:
        raise typer.Exit(10)
    console.print("the audit log is as it was written")


@app.command()
def seal() -> None:
    """Sign the end of the chain now; Airflow's upkeep does it every hour."""
    console.print(f"sealed {seal_audit_log(exchange()):,} records")


@app.command()
def emergencies(
    every: Annotated[bool, typer.Option("--all", help="Those that were reviewed as well.")] = False,
    json: JsonOption = False,
) -> None:
    """Emergency access (broken glasses) that waits for its review by the privacy officer."""
    with exchange().work.connect() as connection:
        found = emergency_accesses(connection, every)
    if json:
        print_json(found)
        return
    table(
        "Emergency access",
        ["entry", "when", "until", "participant", "recipient", "nature", "review"],
        [
            [
                str(e.entry), f"{e.at:%Y-%m-%d %H:%M}", f"{e.until:%H:%M}", e.participant,
                e.statement.get("recipient", ""), e.statement.get("emergency_nature", ""), e.decision or "",
            ]
            for e in found
        ],
    )  # fmt: skip


@app.command()
def review(
    entry: Annotated[int, typer.Argument(help="Number of the emergency access.")],
    finding: Annotated[str, typer.Option(help="justified or not-justified.")],
    reason: Annotated[str, typer.Option(help="What the finding rests on.")],
    officer: Annotated[str, typer.Option(help="Who reviewed it.")],
) -> None:
    """Write down the after-review of an emergency access; it stands once it is written."""
    if finding not in ("justified", "not-justified"):
        raise ContentError("no such finding", field="--finding", valid=("justified", "not-justified"))
    with exchange().work.connect() as connection:
        review_emergency(
            connection, entry, "justified" if finding == "justified" else "not-justified",
            reason, officer, datetime.now(UTC),
        )  # fmt: skip
        connection.commit()
    console.print(f"emergency access {entry}: {finding}", highlight=False)


def reader_of(named: str) -> str:
    """Who reads the log."""
    return named or getpass.getuser()
