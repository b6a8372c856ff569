"""`explain`: why somebody sees a record, or does not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from exchange.app import find_partner
from exchange.app.explaining import explain_resource, rule_titles
from exchange.cli.common import JsonOption, console, exchange, print_json
from exchange.model.records import Viewer

app = typer.Typer()


@app.command()
def explain(
    record: Annotated[str, typer.Argument(help="Type/id as the repository gave it.")],
    partner: Annotated[str, typer.Option("--as", help="Participant who asks.")],
    purpose: Annotated[str, typer.Option("--for", help="Purpose of use, e.g. TREAT.")],
    role: Annotated[str, typer.Option(help="Role it asks under.")] = "organization",
    json: JsonOption = False,
) -> None:
    """Say whether a participant sees a record now, and which rules, consents and labels decide it.

    Example: [bold]exchange consent explain Condition/… --as north_shelter --for COC[/bold]
    """
    opened = exchange()
    find_partner(opened.partners, partner)
    with opened.work.connect() as connection:
        viewer = Viewer(partner, role, purpose)
        found = explain_resource(opened, connection, record, viewer, opened.work.now())
    if json:
        print_json([{"visible": item.visible, **asdict(item)} for item in found])
        return
    titles = rule_titles(opened.context)
    for item in found:
        name = "whole record" if item.rendition == 0 else "redacted rendition"
        console.print(f"{name}: {'visible' if item.visible else 'not visible'}", style="bold")
        console.print(
            f"  from {item.source}, labels: {', '.join(item.labels) or 'none'} ({item.confidentiality})"
        )
        for cause in item.decision.because:
            title, citation = titles.get(cause, ("", ""))
            console.print(f"  {cause}: {title} [{citation}]" if title else f"  {cause}", markup=False)
        if item.decision.needs_relationship:
            console.print(
                f"  needs a care relationship: {'there is one' if item.related else 'there is none'}"
            )
