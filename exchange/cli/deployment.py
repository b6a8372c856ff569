"""`exchange doctor`, `exchange backup`, `exchange restore`: a deployment as a whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exchange.app.deployment.backup import restore_backup, take_backup
from exchange.app.deployment.doctor import Around, examine, now_utc
from exchange.cli.common import JsonOption, console, print_json, settings, table

app = typer.Typer()

FolderArgument = Annotated[Path, typer.Argument(help="Folder of the backup.", file_okay=False)]


@app.command()
def doctor(
    certificate: Annotated[Path | None, typer.Option(help="PEM file of the API's certificate.")] = None,
    airflow: Annotated[str | None, typer.Option(help="Address of Airflow's API server.")] = None,
    json: JsonOption = False,
) -> None:
    """Check a deployment: database, roles, keys, clock, stores, rules, audit log; exit 1 when one fails."""
    found = examine(settings(), Around(certificate, airflow), now_utc)
    if json:
        print_json(found)
    else:
        table("Checks", ["check", "state", "what"], [[s.check, s.state, s.detail] for s in found])
    if any(symptom.state == "failed" for symptom in found):
        raise typer.Exit(1)


@app.command()
def backup(folder: FolderArgument) -> None:
    """Write database, landing store and the audit log's anchor into a new folder; keys are only named.

    The dump is encrypted under the keyring. Keep the keys apart: without them nobody can restore.
    """
    made = take_backup(settings(), folder, datetime.now(UTC))
    console.print(
        f"{made.audit_sequence:,} audit records, {made.landing_files:,} files of the landing store",
        highlight=False,
    )


@app.command()
def restore(folder: FolderArgument) -> None:
    """Fill an empty deployment from a backup and prove its audit log; exit 10 when that is not whole.

    Put the keys of the backup into place first.
    """
    made, findings = restore_backup(settings(), folder)
    for finding in findings:
        console.print(f"{finding.kind} {finding.sequence}-{finding.last}: {finding.detail}", highlight=False)
    if findings:
        raise typer.Exit(10)
    console.print(
        f"restored the backup of {made.taken[:16]}; the audit log is as it was written", highlight=False
    )
