"""`exchange map`: golden samples, and where each value of a record came from."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.app import content, find_partner
from exchange.app.records.lineage import trace
from exchange.cli import changing
from exchange.cli.common import JsonOption, console, exchange, print_json, settings, table
from exchange.content import read_samples, write_expected
from exchange.mapping.golden import SHARED, golden_cases, shared_maps

app = typer.Typer(
    help="Maps: run their samples, explain a record, find what they lose, see what a change does, map codes."
)


@app.command()
def check(
    partner: Annotated[str | None, typer.Argument(help="Only this partner's.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write what differs to expected/; read it before you commit it.")
    ] = False,
) -> None:
    """Run the samples of every partner and of the shared maps (`_shared`), compare with expected/.

    Exit 1 on a difference.
    """
    found = settings()
    mappings, partners, _ = content(found)
    partners = {**partners, SHARED: shared_maps(mappings)}
    chosen = [find_partner(partners, partner)] if partner else [p for p in partners.values() if p.feeds]
    wrong = 0
    for one in chosen:
        files = {**mappings, **read_samples(found.home / "mappings", one.code)}
        cases = golden_cases(files, one)
        differing = [case for case in cases if not case.holds]
        wrong += 0 if write else len(differing)
        done = "written" if write else "differ"
        console.print(f"{one.code}: {len(cases)} samples, {len(differing)} {done}", highlight=False)
        for case in differing:
            if write:
                write_expected(found.home / "mappings", case)
            console.print(f"  mappings/{case.expected_path}", highlight=False, markup=False)
    raise typer.Exit(1 if wrong else 0)


@app.command()
def explain(
    record: Annotated[str, typer.Argument(help="Record number, or Type/id of a published resource.")],
    json: JsonOption = False,
) -> None:
    """For each FHIR element of a record: source position, map row, functions and code maps. No values.

    Below it: what was filled in from earlier messages, what the record holds and no row read, and which of
    that is clinical content.
    """
    found = trace(exchange(), record)
    if json:
        print_json(found)
        return
    rows = [list(row) for row in found.values]
    table(f"Lineage of record {found.record}", ["element", "source", "map row", "functions"], rows)
    console.print(f"raw record sha256 {found.source}, mapping {found.mapping}", highlight=False)
    if found.filled:
        table("Filled in", ["field", "stated at", "by record"], [list(row) for row in found.filled])
    if found.unread:
        left = [[name, "lost" if name in found.lost else ""] for name in found.unread]
        table("Not read", ["position", "clinical content"], left)


app.registered_commands += changing.app.registered_commands
