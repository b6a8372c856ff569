"""`exchange audit`: prove the log, seal it, account for a person's disclosures."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from exchange.app.privacy.auditing import read_log, seal_audit_log, verify_audit_log
from exchange.app.privacy.deciding import (
    Verdict,
    consent_reviews,
    decide_consent,
    decide_emergency,
)
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.model.errors import ContentError
from exchange.pipeline.quarantine import consents_waiting
from exchange.repository import emergency_accesses

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
    reader: Reader = "",
) -> None:
    """Emergency access (broken glasses) that waits for its review; that you looked is recorded."""
    opened = exchange()
    with opened.work.connect() as connection:
        found = emergency_accesses(connection, every)
        patients = sorted({one.patient for one in found})
        read_log(connection, reader_of(reader), "emergency accesses", patients, opened.work.now())
        connection.commit()
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
        decide_emergency(
            connection, entry, "justified" if finding == "justified" else "not-justified",
            reason, officer, datetime.now(UTC),
        )  # fmt: skip
        connection.commit()
    console.print(f"emergency access {entry}: {finding}", highlight=False)


@app.command()
def uncomputable(
    every: Annotated[bool, typer.Option("--decided", help="Those decided instead.")] = False,
    json: JsonOption = False,
) -> None:
    """Consents that cannot be computed and wait for a decision; they release nothing in any case."""
    with exchange().work.connect() as connection:
        waiting = [] if every else consents_waiting(connection, None, _MOST)
        decided = consent_reviews(connection, None, _MOST) if every else []
    if json:
        print_json(decided if every else waiting)
    elif every:
        rows = [[str(d.record), d.decision, d.reason, d.decided_by] for d in decided]
        table("Consents decided", ["record", "decision", "reason", "by"], rows)
    else:
        rows = [[str(w.record), w.partner, w.expression, w.detail] for w in waiting]
        table("Consents that are not computable", ["record", "partner", "element", "reason"], rows)


@app.command()
def answer(
    record: Annotated[int, typer.Argument(help="Number of the record, from the list.")],
    decision: Annotated[
        Verdict, typer.Option(help="Sent back, captured from its paper, or no consent at all.")
    ],
    reason: Annotated[str, typer.Option(help="In a sentence. No patient data.")],
    officer: Reader = "",
) -> None:
    """Record what is done about a consent that cannot be computed; it stands."""
    if not reason.strip():
        raise ContentError("say why", field="--reason")
    opened = exchange()
    with opened.work.connect() as connection:
        decide_consent(connection, record, decision, reason, reader_of(officer), opened.work.now())
        connection.commit()
    console.print(f"record {record}: {decision}", highlight=False)


_MOST = 500


def reader_of(named: str) -> str:
    """Who reads the log."""
    return named or getpass.getuser()
