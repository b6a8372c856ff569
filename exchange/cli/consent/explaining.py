"""`explain`: why somebody sees a record, or does not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from exchange.app import find_partner
from exchange.app.privacy.explaining import explain_resource
from exchange.cli.common import JsonOption, console, exchange, print_json
from exchange.consent.proof.words import GIVING_WORDS, answer_words
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
    """Say whether a participant gets a record now, and which rules, consents and labels decide it.

    For when it asks (action `access`) and for what is sent to it (`disclose`), as a person may allow one
    and not the other.

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
    for item in found:
        name = "whole record" if item.rendition == 0 else "redacted rendition"
        seen = "visible" if item.visible else "not visible"
        console.print(f"{name}, {GIVING_WORDS[item.action]}: {seen}", style="bold")
        labels = ", ".join(item.labels) or "none"
        _say(f"  It comes from {item.source}; labels: {labels}; confidentiality {item.confidentiality}.")
        named = tuple(", ".join(names) for names in item.consents)
        for sentence in answer_words(item.decision, opened.context.rules, named):
            _say(f"  {sentence}")
        if item.decision.needs_relationship:
            there = "is one" if item.related else "is none"
            _say(f"  It needs a care relationship with the person: there {there}.")


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
