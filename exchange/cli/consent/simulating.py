"""`simulate`: what a draft would change, before anything is switched on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exchange.app.privacy.rulesets import read_rules
from exchange.app.privacy.simulating import Simulated
from exchange.app.privacy.simulating import simulate as compare
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.consent.proof.words import GIVING_WORDS
from exchange.content import read_tree
from exchange.model.errors import ContentError

app = typer.Typer()


@app.command()
def simulate(
    rules: Annotated[str | None, typer.Option(help="A folder with draft rules, or a git revision.")] = None,
    mappings: Annotated[
        Path | None, typer.Option(help="A folder with draft partner.yaml files: participants, agreements.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare drafts with what is in force over all records: who would gain and lose what. Changes nothing.

    Example: [bold]exchange consent simulate --rules ../draft[/bold]
    """
    opened = exchange()
    if rules is None and mappings is None:
        raise ContentError("name a draft", field="simulate", valid=["--rules", "--mappings"])
    files = read_rules(opened.settings, rules) if rules is not None else None
    found = compare(opened, files, read_tree(mappings) if mappings is not None else None)
    if json:
        print_json(_plain(found))
        return
    for total in found.totals:
        what = "gained" if total.gained else "lost"
        console.print(
            f"{what}, {GIVING_WORDS[total.action]}: {total.records:,} records of {total.patients:,} patients,"
            f" by {total.recipients:,} recipients",
            highlight=False,
        )
    if found.affected:
        _table(found)
    else:
        console.print(f"nobody gains or loses a record; {found.looked_at:,} classes of records looked at")
    if found.out_of_reach:
        console.print(
            f"{found.out_of_reach:,} more answers would be others and move no record today: those to whom"
            " they are given have no care relationship with these people, or no such record is left"
        )
    if found.labels_differ:
        console.print(
            "the drafts label records differently; this compares the labels the records have now, and the"
            " hourly upkeep, or `exchange consent sweep`, gives the new ones once the drafts are in force"
        )


def _table(found: Simulated) -> None:
    rows = []
    for row in found.affected:
        cls = found.classes[row.number]
        labels = ", ".join(cls.labels) or "none"
        because = ", ".join(found.because[row.number, row.participant, row.role, row.purpose, row.action])
        rows.append(
            [
                "gains" if row.gained else "loses",
                GIVING_WORDS[row.action],
                f"{row.participant} {row.purpose}",
                cls.type,
                cls.source,
                f"{labels} ({cls.confidentiality})",
                row.records,
                row.patients,
                because,
            ]
        )
    columns = ["", "when", "recipient", "type", "source", "labels", "records", "patients", "because"]
    table("By class of records", columns, rows)


def _plain(found: Simulated) -> dict[str, object]:
    return {
        "totals": [total._asdict() for total in found.totals],
        "labels_differ": found.labels_differ,
        "classes_looked_at": found.looked_at,
        "out_of_reach": found.out_of_reach,
        "changes": [
            {
                **row._asdict(),
                "source": found.classes[row.number].source,
                "type": found.classes[row.number].type,
                "labels": found.classes[row.number].labels,
                "confidentiality": found.classes[row.number].confidentiality,
                "because": found.because[row.number, row.participant, row.role, row.purpose, row.action],
            }
            for row in found.affected
        ],
    }
