"""`exchange recall`: ask back what went out wrongly, and follow it until every recipient has answered."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from exchange.app.privacy.recalling import recall
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.delivery.recall import Cause, Item, Kind, Outcome, RecallTask, close_task, items, tasks
from exchange.model.errors import ContentError

app = typer.Typer(help="Ask back what went out wrongly: revocations, wrong links, late labels, errors.")
Officer = Annotated[str, typer.Option("--as", help="Name of the officer.")]


@app.command(name="open")
def open_one(
    kind: Annotated[Kind, typer.Argument(help="Why.")],
    what: Annotated[
        str,
        typer.Argument(
            help='Consent/id · "Patient/id Patient/id" · entry of consent late · Type/id of a record'
        ),
    ],
    reason: Annotated[str, typer.Option(help="In a sentence. No patient data.")],
    officer: Officer,
) -> None:
    """Find everything that is affected, and put a Task to each recipient.

    Example: [bold]exchange recall open revocation Consent/… --reason "withdrawn in writing" --as anna[/bold]
    """
    number = recall(exchange(), Cause(kind, what, officer, reason))
    if number is None:
        console.print("nothing of it went out: there is nobody to ask")
        return
    console.print(f"recall {number}; see exchange recall show {number}", highlight=False)


@app.command(name="list")
def list_tasks(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are closed.")] = False,
    json: JsonOption = False,
) -> None:
    """List what recipients were asked and have not answered."""
    with exchange().work.connect() as connection:
        found = tasks(connection, closed=everything)
    if json:
        print_json([_plain(task) for task in found])
        return
    rows = [
        [t.recall, t.kind, t.cause, t.participant, str(t.task), t.items, t.sent or "by hand",
         t.outcome or "", f"{t.opened:%Y-%m-%d}"]
        for t in found
    ]  # fmt: skip
    table(
        "Recalls",
        ["recall", "kind", "cause", "recipient", "task", "records", "sent", "outcome", "since"],
        rows,
    )


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="Number of the recall.")],
    participant: Annotated[str | None, typer.Option(help="Of one recipient alone.")] = None,
    json: JsonOption = False,
) -> None:
    """Show the exact list: who got which record, and the numbers of the audit log that say so."""
    with exchange().work.connect() as connection:
        found = items(connection, number, participant)
        asked = tasks(connection, number, closed=True)
    if not asked:
        raise ContentError("there is no such recall", field=str(number))
    if json:
        print_json({"tasks": [_plain(t) for t in asked], "items": [_plain(item) for item in found]})
        return
    rows = [
        [i.participant, i.purpose, i.record, ", ".join(map(str, i.events)), ", ".join(map(str, i.receipts))]
        for i in found
    ]
    table(f"Recall {number}", ["recipient", "purpose", "record", "audit", "receipts"], rows)


@app.command()
def close(
    task: Annotated[str, typer.Argument(help="Id of the Task, from the list.")],
    outcome: Annotated[Outcome, typer.Option(help="What the recipient did.")],
    note: Annotated[str, typer.Option(help="In a sentence. No patient data.")],
    officer: Officer,
) -> None:
    """Record what a recipient did with what he was asked; it stands."""
    opened = exchange()
    with opened.work.connect() as connection:
        close_task(connection, _uuid(task), outcome, officer, note, opened.work.now())
        connection.commit()
    console.print(f"{task}: {outcome}", highlight=False)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ContentError("name the Task by its id; list them: exchange recall list", field=text) from None


def _plain(found: RecallTask | Item) -> dict[str, object]:
    values = {name: getattr(found, name) for name in type(found).__slots__}
    return {name: str(value) if isinstance(value, UUID) else value for name, value in values.items()}
