"""`exchange audit accounting`: who received what about a person, as the law or the person asks for it."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from exchange.app.privacy.accountings import Asked, account, as_csv, as_fhir, as_pdf
from exchange.app.privacy.subjects import Language, subject_of
from exchange.audit.report import Law, Report
from exchange.cli.audit import Reader, reader_of
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.model.errors import ContentError

app = typer.Typer()
Form = Literal["table", "fhir", "csv", "pdf"]


@app.command()
def accounting(
    patient: Annotated[str, typer.Argument(help="Id of any Patient of the person.")],
    law: Annotated[
        Law,
        typer.Option(help="hipaa: 45 CFR 164.528, six years · part2: 42 CFR 2.25, three · all: everything."),
    ] = "all",
    form: Annotated[Form, typer.Option(help="How it is written.")] = "table",
    language: Annotated[
        Language | None, typer.Option(help="en, es or uk (default: the person's own, as far as known).")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="No earlier than this day.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write to (default: standard output).")] = None,
    json: JsonOption = False,
    officer: Reader = "",
) -> None:
    """Who received what about a person, when, why, and under which rules; that you looked is recorded.

    Example: [bold]exchange audit accounting PATIENT --law hipaa --form pdf --out page.pdf[/bold]
    """
    opened = exchange()
    reader = reader_of(officer)
    found = account(opened, Asked(patient, law, since.date() if since else None), reader)
    if json:
        print_json(found)
    elif form == "table":
        _print(found)
    elif form == "fhir":
        _write(as_fhir(opened, found), form, out)
    else:
        with opened.work.connect() as connection:
            subject = subject_of(connection, patient)
        read = language or subject.language
        _write(as_csv(found, read) if form == "csv" else as_pdf(found, read, subject, reader), form, out)


def _write(content: bytes, form: Form, out: Path | None) -> None:
    if out is None and form == "pdf" and sys.stdout.isatty():
        raise ContentError("a PDF is no text: name a file", field="--out")
    if out is None:
        sys.stdout.buffer.write(content)
        return
    out.write_bytes(content)
    console.print(f"{out.name}: {len(content):,} bytes", highlight=False)


def _print(found: Report) -> None:
    rows = [
        [f"{n.first:%Y-%m-%d %H:%M}", f"{n.last:%Y-%m-%d %H:%M}", n.times, n.recipient, n.purpose,
         ", ".join(f"{kind} {number}" for kind, number in n.records.items()), ", ".join(n.because)]
        for n in found.lines
    ]  # fmt: skip
    table("Disclosures", ["first", "last", "times", "recipient", "purpose", "what", "because"], rows)
