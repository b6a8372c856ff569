"""What the demo prints at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from exchange.api import Service
from exchange.app import Exchange
from exchange.app.privacy.explaining import explain_person, reasons, rule_titles
from exchange.cli.common import console
from exchange.cli.demo.laws import Verdict
from exchange.cli.demo.notices import NURSING, Noticed
from exchange.cli.demo.person import Chosen, choose_person
from exchange.cli.demo.queries import QUERIES, ask
from exchange.linkage import Quality
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Run

REQUESTERS = (
    Viewer("lakeside_hospital", "organization", "TREAT"),
    Viewer("north_shelter", "organization", "COC"),
    Viewer("southside_clinic", "organization", "TREAT"),
)
_STEPS = ("pull", "mapped", "safeguarded", "linked", "published")

NEXT = """  make serve                                       the FHIR API and the console on this data
  .venv/bin/exchange runs                          every run and its balance
  .venv/bin/exchange quarantine list               what could not be used, and why
  .venv/bin/exchange delivery receipts             who was sent which version of what, by whose word
  .venv/bin/exchange partner new --help            bring another partner on
  .venv/bin/exchange consent explain --help        why somebody sees a record, or not
  make demo DAY=2                                  the next day: merges, corrections, deletions, revocations
  make demo SIZE=5000 SEED=7                       another community (make reset first)"""


def print_identity(quality: Quality) -> None:
    """Who is who, against the coalition's truth."""
    console.print(
        f"\n[bold]Identity[/] of {quality.records:,} records against the truth:"
        f" precision {quality.precision:.4f}, recall {quality.recall:.4f},"
        f" {quality.review_pairs:,} pairs wait for a steward ({quality.review_right:,} of them true)",
        highlight=False,
    )


def print_seconds(runs: Sequence[Run]) -> None:
    """How long each step took, by partner."""
    table = Table(title="Seconds in each step", title_justify="left")
    table.add_column("partner")
    for step in (*_STEPS, "all"):
        table.add_column(step, justify="right")
    for run in runs:
        seconds = [run.seconds.get(step, 0.0) for step in _STEPS]
        table.add_row(run.partner, *(f"{s:.1f}" for s in (*seconds, sum(seconds))))
    console.print(table)


def print_queries(exchange: Exchange, service: Service, coalition: Path) -> None:
    """The same three queries by three requesters, side by side, and the rule that made the difference."""
    with exchange.work.connect() as connection:
        chosen = choose_person(exchange, connection, REQUESTERS)
    answers = [ask(exchange, service, viewer, chosen.search) for viewer in REQUESTERS]
    table = Table(title="The same person, asked for by three organizations", title_justify="left")
    table.add_column("query")
    for found in answers:
        table.add_column(f"{found.viewer.participant} ({found.viewer.purpose})")
    for number, query in enumerate(QUERIES):
        table.add_row(query, *(found.cells[number] for found in answers))
    table.add_row("kept back by", *(_kept_back(exchange, chosen, found.viewer) for found in answers))
    console.print(table)


def _kept_back(exchange: Exchange, chosen: Chosen, viewer: Viewer) -> str:
    with exchange.work.connect() as connection:
        explained = explain_person(exchange, connection, chosen.person, viewer, exchange.work.now())
    titles = rule_titles(exchange.context)
    lines = []
    for cause, count in reasons(explained).most_common(2):
        title, citation = titles.get(cause, (cause, ""))
        lines.append(f"{count} × {title}" + (f" [{citation}]" if citation else ""))
    return "\n".join(lines).replace("[", "\\[") or "nothing"


def print_notices(noticed: Noticed) -> None:
    """What a nursing home that subscribed was told, and that it said so."""
    told = _told(noticed) if noticed.notices or noticed.receipts else "nobody of theirs was discharged"
    console.print(
        f"\n[bold]Deliveries[/] {NURSING.participant} subscribed by the FHIR API to discharges: {told}.",
        highlight=False,
        soft_wrap=True,
    )


def _told(noticed: Noticed) -> str:
    withheld = ", ".join(f"{count} by {category}" for category, count in sorted(noticed.withheld.items()))
    return (
        f"told of {noticed.notices:,} ({noticed.signed:,} with a good signature) with {noticed.records:,}"
        f" records, {noticed.acknowledged:,} of {noticed.receipts:,} receipts acknowledged;"
        f" events withheld: {withheld or 'none'}"
    )


def print_laws(verdicts: Sequence[Verdict]) -> None:
    """Each law, and what was looked at."""
    table = Table(title="The laws of the house", title_justify="left")
    table.add_column("law")
    table.add_column("")
    table.add_column("looked at")
    for verdict in verdicts:
        table.add_row(
            verdict.law, "[green]holds[/]" if verdict.holds else "[red]BROKEN[/]", verdict.looked_at
        )
    table.add_row("8 pure core", "", "held by the import contracts in `make check`")
    console.print(table)
