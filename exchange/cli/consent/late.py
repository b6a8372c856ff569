"""`sweep`, `late` and `close`: labels that came late, and what had gone out before they came."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.app.privacy.deciding import decide_late
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.model.errors import ContentError
from exchange.pipeline.sweep import sweep as sweep_history
from exchange.repository import Closing, late_disclosures

app = typer.Typer()


@app.command()
def sweep(
    batch: Annotated[int, typer.Option(min=1, help="Source records in one transaction.")] = 500,
    json: JsonOption = False,
) -> None:
    """Label history again, after a list changed or a program was registered; go on if it was interrupted.

    Labels are only added; one that was wrong goes when its record is taken again.
    """
    done = sweep_history(exchange().work, batch)
    if json:
        print_json(done)
        return
    columns = ["partner", "records", "relabelled", "withdrawn", "late disclosures"]
    table(
        "Labelled again",
        columns,
        [[d.partner, d.records, d.relabelled, d.withdrawn, d.late_disclosures] for d in done],
    )


@app.command()
def late(
    everything: Annotated[bool, typer.Option("--all", help="Also those already decided.")] = False,
    json: JsonOption = False,
) -> None:
    """List what recipients got before a label came and would be denied now, to be decided one by one."""
    with exchange().work.connect() as connection:
        found = late_disclosures(connection, everything)
    if json:
        print_json(found)
        return
    rows = [
        [str(d.entry), f"{d.type}/{d.fhir_id}", ", ".join(d.labels), d.participant, d.purpose, d.times,
         ", ".join(d.because), d.decision or ""]
        for d in found
    ]  # fmt: skip
    columns = ["entry", "resource", "labels", "recipient", "purpose", "times", "denied by", "decision"]
    table("Disclosed before the label came", columns, rows)


@app.command()
def close(
    entry: Annotated[int, typer.Argument(help="Number of the entry, from the list.")],
    decision: Annotated[Closing, typer.Option(help="Ask for it back, assess as a breach, or nothing to do.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence. No patient data.")],
    officer: Annotated[str, typer.Option("--as", help="Name of the officer who decided.")],
) -> None:
    """Record what was decided about one late disclosure; a decision stands and is never changed.

    Example: [bold]exchange consent close 7 --decision recall --reason "opened by mistake" --as anna[/bold]
    """
    if not reason.strip() or not officer.strip():
        raise ContentError("say why, and who decided", field="--reason" if officer.strip() else "--as")
    work = exchange().work
    with work.connect() as connection:
        decide_late(connection, entry, decision, reason, officer, work.now())
        connection.commit()
    console.print(f"entry {entry}: {decision}", highlight=False)
