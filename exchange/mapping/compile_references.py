"""References become closures: `-> entry`, `-> entry(key)`, `-> Type(key)` and `-> *`."""

from __future__ import annotations

from functools import partial
from typing import Any

from exchange.mapping import expression as ex
from exchange.mapping.entries import inside_of
from exchange.mapping.language import Language, Spot
from exchange.mapping.paths.grammar import Reader
from exchange.model.fhir_types import type_names


def compile_reference(expression: ex.Ref, language: Language, spot: Spot, key: list[Reader]) -> Reader:
    """The reader of `-> …`: References to what an entry makes here, or to a resource by its key."""
    target = expression.target
    if target == "*":
        return _all_inside(language, spot)
    if key and target in language.entries and target not in type_names("resource"):
        return partial(_keyed_entry, targets=language.targets, target=target, key=key)
    if not key:
        if target not in language.entries:
            raise spot.node.fail(
                f"`-> {target}` is no entry of this map", f"{spot.element}.{target}", language.entries
            )
        return partial(_entry_references, targets=language.targets, target=target, here=spot.entry)
    if target not in type_names("resource"):
        raise spot.node.fail(
            f"`-> {target}(…)`: no such resource type", f"{spot.element}.{target}", type_names("resource")
        )

    def keyed(node: Any, run: Any) -> dict[str, str] | None:
        parts = [part(node, run) for part in key]
        if any(part is None for part in parts):
            return None
        return {"reference": f"{target}/{run.resource_id(target, '|'.join(map(str, parts)))}"}

    return keyed


def _entry_references(
    node: Any, run: Any, targets: Any, target: str, here: str
) -> list[dict[str, str]] | None:
    """References to what the target entry makes in this place (the entries are compiled by then)."""
    entry = targets[target]
    if not entry.same_from(here):
        return _references(entry, entry.places_from(here, node, run), run)
    name = f"-> {target} of the record"
    if name not in run.memo:
        run.memo[name] = _references(entry, entry.places_from(here, node, run), run)
    known: list[dict[str, str]] | None = run.memo[name]
    return known


def _references(entry: Any, places: Any, run: Any) -> list[dict[str, str]] | None:
    found = [entry.reference(place, run) for place in places]
    return [{"reference": text} for text in dict.fromkeys(found) if text] or None


def _keyed_entry(node: Any, run: Any, targets: Any, target: str, key: list[Reader]) -> dict[str, str] | None:
    """`-> entry(key)`: what the entry makes of this record under that key; nothing where it makes none."""
    parts = [part(node, run) for part in key]
    if any(part is None for part in parts):
        return None
    entry = targets[target]
    own = run.resource_id(entry.resource, "|".join(map(str, parts)))
    return {"reference": f"{entry.resource}/{own}"} if own in entry.ids(run) else None


def _all_inside(language: Language, spot: Spot) -> Reader:
    """`-> *`: what all entries make at places inside this one, each at the nearest place of this entry."""
    around = language.grammar.around
    if around is None:
        raise spot.node.fail(f"places of a {language.format} map do not lie in one another", spot.element)

    def inside(node: Any, run: Any) -> list[dict[str, str]] | None:
        name = f"-> * of {spot.entry}"
        if name not in run.memo:
            run.memo[name] = inside_of(language.targets, spot.entry, around, run)
        found = run.memo[name].get(node)
        return [{"reference": text} for text in dict.fromkeys(found)] if found else None

    return inside
