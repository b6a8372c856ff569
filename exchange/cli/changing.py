"""`exchange map report`, `diff`, `codes`, `add-code`: what the maps leave, and what a change of them does."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from exchange.app import parse_time
from exchange.app.records.coding import add_row, worklist
from exchange.app.records.differing import difference
from exchange.app.records.reporting import report as report_on
from exchange.cli.common import JsonOption, PartnerArgument, console, exchange, print_json, settings, table
from exchange.content import read_tree
from exchange.model.errors import ContentError

app = typer.Typer()
_WORDS = {
    "appears": "{} {} appear",
    "vanishes": "{} {} vanish",
    "fills": "{} resources get {}",
    "empties": "{} resources lose {}",
    "changes": "{} resources change {}",
    "issue": "{} records get the issue: {}",
    "no issue": "{} records lose the issue: {}",
}


@app.command()
def report(
    partner: PartnerArgument,
    records: Annotated[int, typer.Option(min=1, help="How many of the latest retained records.")] = 1000,
    json: JsonOption = False,
) -> None:
    """What the latest records hold and no row reads, must-supports never filled, unmapped codes, issues."""
    found = report_on(exchange(), partner, records)
    if json:
        print_json(found)
        return
    console.print(
        f"{partner}: {found.records:,} records, {found.rejected:,} rejected,"
        f" {found.losing:,} lose clinical content",
        highlight=False,
    )
    left = [[name, count, "lost" if name in found.lost else ""] for name, count in found.unread.items()]
    table("Never read", ["feed and position", "records", "clinical content"], left)
    empty = [[profile, ", ".join(paths)] for profile, paths in found.never_filled.items()]
    table("US Core must-support never filled", ["profile", "elements"], empty)
    codes = [[each.code_map, each.system, each.code or "(text)", each.records] for each in found.unmapped]
    table("Unmapped codes", ["code map", "system", "code", "records"], codes)
    table("Issues", ["issue", "records"], [list(row) for row in found.issues.items()])


@app.command()
def diff(
    partner: PartnerArgument,
    since: Annotated[str, typer.Option(help="From when on records are replayed: `30d` or a time.")] = "30d",
    against: Annotated[
        str, typer.Option(help="The maps to compare with: a git revision, or a folder like mappings/.")
    ] = "HEAD",
    json: JsonOption = False,
) -> None:
    """Replays retained records through the maps of before and of now; shows what changes. No values."""
    opened = exchange()
    found = difference(opened, partner, _begin(since, opened.work.now()), against)
    if json:
        print_json(found)
        return
    console.print(f"{partner}: {found.records:,} records replayed, {found.changed:,} change", highlight=False)
    for kind, what, count in found.changes:
        console.print("  " + _WORDS[kind].format(f"{count:,}", what), highlight=False, markup=False)


def _begin(text: str, now: datetime) -> datetime:
    if days := re.fullmatch(r"(\d{1,5})d", text):
        return now - timedelta(days=int(days.group(1)))
    try:
        return parse_time(text, "--since")
    except ContentError as error:
        raise ContentError("neither days such as 30d nor an ISO 8601 time", field="--since") from error


@app.command()
def codes(
    partner: Annotated[str | None, typer.Argument(help="Only this partner's.")] = None,
    json: JsonOption = False,
) -> None:
    """The worklist: codes no code map answers, by volume and partner, with the likeliest targets."""
    found = worklist(exchange(), partner)
    if json:
        print_json(found)
        return
    rows = [
        [
            task.code.partner,
            task.code.code_map,
            task.code.code or "(text)",
            task.code.records,
            ", ".join(task.code.elements),
            ", ".join(f"{each.code} {each.score}" for each in task.suggestions[:3]),
        ]
        for task in found
    ]
    table("Codes to map", ["partner", "code map", "code", "records", "elements", "suggested"], rows)


@app.command("add-code")
def add_code(
    partner: Annotated[str, typer.Argument(help="Whose file gets the row: a partner, or _shared for all.")],
    code_map: Annotated[str, typer.Argument(help="The code map, as the worklist names it.")],
    source_code: Annotated[str, typer.Argument(help="The code as the partner sends it.")],
    target_code: Annotated[str, typer.Argument(help="What it means; with --equivalence unmatched: ''.")],
    target_system: Annotated[str, typer.Option(help="System of the target.")] = "",
    target_display: Annotated[str, typer.Option(help="Words of the target.")] = "",
    source_system: Annotated[str, typer.Option(help="Only for codes of this system.")] = "",
    equivalence: Annotated[str, typer.Option(help="As in FHIR's ConceptMap.")] = "equivalent",
    begins: Annotated[str, typer.Option("--from", help="First day it holds.")] = "",
    ends: Annotated[str, typer.Option("--to", help="Last day it holds.")] = "",
) -> None:
    """Adds a row to a code map: a change of the CSV file, to be reviewed and merged like any other."""
    mappings = settings().home / "mappings"
    row = {
        "source_system": source_system, "source_code": source_code, "target_system": target_system,
        "target_code": target_code, "target_display": target_display, "equivalence": equivalence,
        "from": begins, "to": ends,
    }  # fmt: skip
    written = add_row(mappings, read_tree(mappings), partner, code_map, row)
    console.print(f"mappings/{written}: one row added; review and commit it", highlight=False)
