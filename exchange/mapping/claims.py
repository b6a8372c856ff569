"""Profiles that the resources of an entry claim."""

from __future__ import annotations

from exchange.mapping.compile_elements import write_condition
from exchange.mapping.content import Node
from exchange.mapping.language import Language, Spot
from exchange.mapping.source import Write
from exchange.model.terms import US_CORE_PROFILE, US_CORE_PROFILES


def compile_claims(table: dict[str, Node], language: Language, spot: Spot) -> list[tuple[str, Write | None]]:
    """Profiles to claim, and when: names, or `{when: condition, claim: name}`."""
    return (
        [_claim_of(item, language, spot) for item in table["profile"].items()] if "profile" in table else []
    )


def _claim_of(node: Node, language: Language, spot: Spot) -> tuple[str, Write | None]:
    field, resource = f"entries.{spot.entry}.profile", language.entries[spot.entry]
    if isinstance(node.value, dict):
        table = node.table(field, ("when", "claim"))
        if set(table) != {"when", "claim"}:
            raise node.fail("a conditional claim needs `when` and `claim`", field)
        return _claim_of(table["claim"], language, spot)[0], write_condition(table["when"], language, spot)
    name = node.text(field)
    if ":" not in name and US_CORE_PROFILES.get(name, resource) != resource:
        words = f"`{name}` is a profile of {US_CORE_PROFILES[name]}"
        raise node.fail(words, field, [own for own, kind in US_CORE_PROFILES.items() if kind == resource])
    if ":" not in name and name not in US_CORE_PROFILES:
        raise node.fail(f"`{name}` is no US Core profile", f"{field}.{name}", US_CORE_PROFILES)
    return (name if ":" in name else US_CORE_PROFILE + name), None
