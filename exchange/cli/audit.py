"""`exchange audit`: prove the log, seal it, account for a person's disclosures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from exchange.app.auditing import disclosures_of, seal_audit_log, verify_audit_log
from exchange.cli.common import JsonOption, console, exchange, print_json, table

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
def accounting(
    patient: Annotated[str, typer.Argument(help="Id of any Patient of the person.")],
    json: JsonOption = False,
) -> None:
    """Who received what about a person, when, why, and under which rules."""
    found = disclosures_of(exchange(), patient)
    if json:
        print_json(found)
        return
    table(
        "Disclosures",
        ["when", "recipient", "purpose", "how", "what", "because"],
        [
            [
                f"{d.at:%Y-%m-%d %H:%M}", d.recipient, d.purpose, d.kind, _counted(d.resources),
                ", ".join(d.because),
            ]
            for d in found
        ],
    )  # fmt: skip


def _counted(resources: Sequence[str]) -> str:
    """The one resource, or how many there were of each type."""
    types = Counter(name.partition("/")[0] for name in resources)
    many = ", ".join(f"{kind} {number}" for kind, number in sorted(types.items()))
    return resources[0] if len(resources) == 1 else many
