"""Why a run's records did not enter the repository: the rules, and how many resources each kept out."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.app.opening import Exchange
from exchange.app.privacy.explaining import rule_titles
from exchange.repository import reasons_withheld


@dataclass(frozen=True, slots=True)
class Withheld:
    """`rule` is a rule's id, or `consent:…` where the person decided; then there is no title."""

    rule: str
    title: str
    citation: str
    resources: int


def withheld_of(exchange: Exchange, run: int) -> list[Withheld]:
    """What kept resources of the run out, most first."""
    titles = rule_titles(exchange.context)
    with exchange.work.connect() as connection:
        counts = reasons_withheld(connection, run)
    found: dict[tuple[str, str, str], int] = {}
    for because, number in counts.items():
        rule = "consent" if because.startswith("consent:") else because
        title, citation = titles.get(rule, ("the person's own consent" if rule == "consent" else "", ""))
        found[rule, title, citation] = found.get((rule, title, citation), 0) + number
    return [Withheld(*key, number) for key, number in found.items()]
