"""References become source: `-> entry`, `-> entry(key)`, `-> Type(key)` and `-> *`."""

from __future__ import annotations

from functools import partial
from typing import Any

from exchange.mapping import expression as ex
from exchange.mapping.entries import Entry, inside_of
from exchange.mapping.language import Language, Spot
from exchange.mapping.source import Write, Writer, called
from exchange.model.fhir_types import type_names


def compile_reference(expression: ex.Ref, language: Language, spot: Spot, key: list[Write]) -> Write:
    """What writes `-> …`: References to what an entry makes here, or to a resource by its key."""
    target = expression.target
    if target == "*":
        return _all_inside(language, spot)
    if key and target in language.entries and target not in type_names("resource"):
        return _keyed(f"{{}}({target!r}, {{}}, run)", partial(_keyed_entry, language.targets), key)
    if not key:
        if target not in language.entries:
            raise spot.node.fail(
                f"`-> {target}` is no entry of this map", f"{spot.element}.{target}", language.entries
            )
        return _to_entry(language, target, spot.entry)
    if target not in type_names("resource"):
        raise spot.node.fail(
            f"`-> {target}(…)`: no such resource type", f"{spot.element}.{target}", type_names("resource")
        )
    return _keyed(f"{{}}(run.resource_id({target!r}, {{}}))", partial(_reference_to, target), key)


def _keyed(call: str, function: Any, key: list[Write]) -> Write:
    """A call with the key, where no part of it is missing."""

    def keyed(writer: Writer, at: str) -> str:
        parts = [part(writer, at) for part in key]
        text = "|".join(f"{{{part}}}" for part in parts)
        made, missing = call.format(writer.constant(function), f"f{text!r}"), writer.missing(parts)
        return writer.new(f"None if {missing} else {made}" if missing else made)

    return keyed


def _reference_to(target: str, own: str) -> dict[str, str]:
    return {"reference": f"{target}/{own}"}


def _to_entry(language: Language, target: str, here: str) -> Write:
    """References to what an entry makes in this place: known once for all places that see the same."""

    def write(writer: Writer, at: str) -> str:
        entry = language.targets[target]  # all entries are compiled by now
        if entry.is_own(here):
            own = f"{writer.constant(partial(_own_references, entry, here))}(run)"
            name = f"-> {target} in {here}"
            return _kept(writer, "run.context.memo", name, own) if entry.everywhere else writer.new(own)
        references = f"{writer.constant(partial(_references, entry))}({at}, run)"
        if not entry.everywhere:
            return _kept(writer, "run.memo", f"-> {target} of the record", references)
        if entry.anchor is None:
            return writer.new(references)
        name = f"-> {target} from here"
        anchored = writer.constant(partial(_anchored, entry, name))
        return _kept(writer, f"{at}.memo", name, f"{anchored}({at}, run)")

    return lambda writer, at: writer.once(("->", target, here, at), lambda: write(writer, at))


_UNKNOWN = object()


def _kept(writer: Writer, memo: str, name: str, call: str) -> str:
    unknown = writer.constant(_UNKNOWN)
    out = writer.new(f"{memo}.get({name!r}, {unknown})")
    with writer.block(f"if {out} is {unknown}"):
        writer.line(f"{out} = {memo}[{name!r}] = {call}")
    return out


def _anchored(entry: Entry, name: str, node: Any, run: Any) -> list[dict[str, str]] | None:
    """What is known of the anchor is the same for all places that have it."""
    if not entry.may_be(run.root):
        return None
    anchor: Any = entry.anchor(node, entry.named)  # type: ignore[misc]
    known: list[dict[str, str]] | None = anchor.memo.get(name, _UNKNOWN)
    if known is _UNKNOWN:
        known = anchor.memo[name] = _references(entry, anchor, run)
    return known


def _own_references(entry: Entry, here: str, run: Any) -> list[dict[str, str]] | None:
    return _referring(entry, entry.own_places(here, run), run)


def _references(entry: Entry, node: Any, run: Any) -> list[dict[str, str]] | None:
    return _referring(entry, entry.places_from(node, run), run)


def _referring(entry: Entry, places: list[Any], run: Any) -> list[dict[str, str]] | None:
    if not places:
        return None
    if len(places) == 1:
        reference = entry.reference(places[0], run)
        return None if reference is None else [{"reference": reference}]
    found = [entry.reference(place, run) for place in places]
    return [{"reference": text} for text in dict.fromkeys(found) if text] or None


def _keyed_entry(targets: Any, target: str, key: str, run: Any) -> dict[str, str] | None:
    """`-> entry(key)`: what the entry makes of this record under that key; nothing where it makes none."""
    entry = targets[target]
    own = run.resource_id(entry.resource, key)
    return _reference_to(entry.resource, own) if own in entry.ids(run) else None


def _all_inside(language: Language, spot: Spot) -> Write:
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

    return called(inside)
