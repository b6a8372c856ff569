"""`exchange audit unusual|look|decide|export|hold|holds|lift`: the privacy officer's work on the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from exchange.app.privacy.auditing import look_at_new_answers, read_log
from exchange.app.privacy.holding import holds, lift_hold, set_hold
from exchange.audit import append, officer_entries, siem
from exchange.audit.watch import Decision, decide_unusual, look, unusual
from exchange.cli.audit import Reader, reader_of
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.delivery.answers import left_out
from exchange.model.errors import ContentError

app = typer.Typer()


@app.command()
def withheld(
    partner: Annotated[str | None, typer.Option("--from", help="Answers to this participant alone.")] = None,
    who: Reader = "",
    json: JsonOption = False,
) -> None:
    """What answers of the API left out, each with its exception of 45 CFR 171; looks at new answers first."""
    opened = exchange()
    look_at_new_answers(opened)
    with opened.work.connect() as connection:
        found = left_out(connection, partner)
        act = officer_entries("log.read", reader_of(who), "what answers left out", [], opened.work.now())
        append(connection, act)
        connection.commit()
    if json:
        print_json(found)
        return
    table(
        "Left out of answers",
        ["answer", "when", "to", "purpose", "records", "kept back by", "because", "exception"],
        [
            [
                str(one.sequence), f"{one.at:%Y-%m-%d %H:%M}", one.participant, one.purpose, str(one.records),
                one.category, ", ".join(one.because), one.exception,
            ]
            for one in found
        ],
    )  # fmt: skip


Reason = Annotated[str, typer.Option(help="In a sentence. No patient data.")]


@app.command(name="look")
def look_at(
    day: Annotated[str | None, typer.Option(help="YYYY-MM-DD, in UTC (default: yesterday).")] = None,
) -> None:
    """Compare one day's access with each participant's own thirty days before; upkeep may do it daily."""
    opened = exchange()
    at = opened.work.now()
    start = _day(day) if day else datetime(at.year, at.month, at.day, tzinfo=UTC) - timedelta(days=1)
    with opened.work.connect() as connection:
        found = look(connection, start, at)
        connection.commit()
    console.print(f"{found:,} new questions for {start:%Y-%m-%d}", highlight=False)


@app.command(name="unusual")
def list_unusual(
    everything: Annotated[bool, typer.Option("--all", help="Also those decided.")] = False,
    json: JsonOption = False,
    reader: Reader = "",
) -> None:
    """List access that differs from what is usual, to be decided one by one; that you looked is recorded."""
    opened = exchange()
    with opened.work.connect() as connection:
        found = unusual(connection, everything)
        patients = sorted({str(one.patient) for one in found if one.patient})
        read_log(connection, reader_of(reader), "unusual access", patients, opened.work.now())
        connection.commit()
    rows = [
        [str(u.entry), u.kind, u.participant, u.role, f"{u.day}", f"{u.measured:g} (usual {u.usual:.2g})",
         f"{u.first_event}-{u.last_event}", u.decision or ""]
        for u in found
    ]  # fmt: skip
    if json:
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
        return
    table("Unusual access", _COLUMNS, rows)


_COLUMNS = ["entry", "kind", "participant", "role", "day", "measured", "records", "decision"]


@app.command()
def decide(
    entry: Annotated[int, typer.Argument(help="Number of the entry, from the list.")],
    decision: Annotated[Decision, typer.Option(help="What was found.")],
    reason: Reason,
    officer: Reader = "",
) -> None:
    """Record what was found about unusual access; it stands."""
    opened = exchange()
    with opened.work.connect() as connection:
        decide_unusual(connection, entry, decision, reader_of(officer), reason, opened.work.now())
        connection.commit()
    console.print(f"entry {entry}: {decision}", highlight=False)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File of CEF lines to add to.")],
    after: Annotated[int, typer.Option(min=0, help="Number of the last record exported before.")] = 0,
    officer: Reader = "",
) -> None:
    """Write the log for a security system, one line of Common Event Format a record; that is recorded too."""
    opened, last, count = exchange(), after, 0
    with opened.work.connect() as connection:
        with out.open("a", encoding="utf-8") as file:
            for number, line in siem.lines(connection, after, version("mosaic-exchange")):
                file.write(line + "\n")
                last, count = number, count + 1
        told = f"records {after + 1} to {last}" if count else f"none after {after}"
        append(connection, officer_entries("log.exported", reader_of(officer), told, [], opened.work.now()))
        connection.commit()
    console.print(f"{count:,} records; go on with --after {last}", highlight=False)


@app.command()
def hold(
    reason: Reason,
    patient: Annotated[str | None, typer.Option(help="Id of any Patient (default: everything).")] = None,
    officer: Reader = "",
) -> None:
    """Keep raw records and those of the log past their retention, for a court or an investigation."""
    number = set_hold(exchange(), patient, reason, reader_of(officer))
    console.print(f"hold {number}", highlight=False)


@app.command()
def lift(
    number: Annotated[int, typer.Argument(help="Number of the hold.")], reason: Reason, officer: Reader = ""
) -> None:
    """End a legal hold; what it kept goes when its time is over."""
    lift_hold(exchange(), number, reason, reader_of(officer))
    console.print(f"hold {number}: lifted", highlight=False)


@app.command(name="holds")
def list_holds(
    everything: Annotated[bool, typer.Option("--all", help="Also those lifted.")] = False,
) -> None:
    """List the legal holds in force."""
    rows = [
        [str(h.hold), str(h.patient or "everything"), f"{h.since:%Y-%m-%d}", h.set_by, h.reason,
         f"{h.lifted:%Y-%m-%d}" if h.lifted else ""]
        for h in holds(exchange(), everything)
    ]  # fmt: skip
    table("Legal holds", ["hold", "about", "since", "by", "reason", "lifted"], rows)


def _day(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise ContentError("a day is YYYY-MM-DD", field="--day") from None
