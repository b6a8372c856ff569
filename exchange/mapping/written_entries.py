"""The key and the resource of an entry, as source."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from exchange.mapping.entries import Made
from exchange.mapping.language import Field, Language, Spot
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.source import Write, Writer, reader


def written_key(parts: list[tuple[Write, bool]], spot: Spot) -> Reader | None:
    """The partner's own key at a place, of parts that may be missing or not; None for a copy."""
    if not parts:
        return None

    def single(writer: Writer, at: str) -> str:
        value = parts[0][0](writer, at)
        return f"(None if {value} is None else str({value}) or None)"

    def key(writer: Writer, at: str) -> str:
        out = writer.new("[]")
        for part, optional in parts:
            value = part(writer, at)
            with writer.block(f"if {value} is not None"):
                writer.line(f"{out}.append(str({value}))")
            if not optional:
                with writer.block("else"):
                    writer.line("return None")
        return f"'|'.join({out}) or None"

    return reader(single if len(parts) == 1 else key, f"{spot.element}.id")


def written_places(each: Write | None, when: Write | None, spot: Spot) -> Reader:
    """Of the places around (`at` is their list) those where an entry makes something."""

    def places(writer: Writer, at: str) -> str:
        if each is None and when is None:
            return at
        out = writer.new("[]")
        with ExitStack() as blocks:
            place = blocks.enter_context(writer.each(at))
            if each is not None:
                place = blocks.enter_context(writer.each(each(writer, place)))
            if when is not None:
                blocks.enter_context(writer.block(f"if {writer.true(when(writer, place))}"))
            writer.line(f"{out}.append({place})")
        return out

    return reader(places, f"{spot.element}.$each")


def written_resource(
    name: str,
    resource: str,
    fields: Iterable[Field],
    claims: Iterable[tuple[str, Write | None]],
    language: Language,
) -> Write:
    """The resource made at a place: its id, then its elements in the order of the map."""

    def made(writer: Writer, at: str) -> str:
        entry = language.targets[name]
        if entry.key is None:
            out = writer.new("{**run.root, 'meta': {**run.root['meta'], 'source': run.source}}")
        else:
            own = writer.new(f"{writer.constant(entry.id_at)}({at}, run)")
            with writer.block(f"if {own} is None"):
                writer.line("return None")
            out = writer.new(
                f"{{'resourceType': {resource!r}, 'id': {own}, 'meta': {{'source': run.source}}}}"
            )
        for field in fields:
            _put(writer, out, field, field.compiled.write(writer, at))
        _claim(writer, at, out, claims)
        return out

    return made


def written_made(resource: Write, deleted: Write | None, conditional: Write | None) -> Write:
    """The resource with what the record says of it: is it gone, does it only count where none is known."""

    def made(writer: Writer, at: str) -> str:
        out = resource(writer, at)
        with writer.block(f"if {out} is None"):
            writer.line("return None")
        states = [writer.true(write(writer, at)) if write else "False" for write in (deleted, conditional)]
        # What Made(…) does, without a call in between.
        return f"{writer.constant(tuple.__new__)}({writer.constant(Made)}, ({out}, {', '.join(states)}))"

    return made


def _put(writer: Writer, out: str, field: Field, value: str) -> None:
    with writer.block(f"if {value} is not None"):
        if "." in field.name:
            writer.line(f"{writer.constant(_put_below)}({out}, {tuple(field.name.split('.'))!r}, {value})")
        else:
            writer.line(f"{out}[{field.name!r}] = {value}")


def _put_below(resource: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    target = resource
    for step in path[:-1]:
        inner = target.get(step)
        target[step] = target = dict(inner) if isinstance(inner, dict) else {}
    target[path[-1]] = value


def _claim(writer: Writer, at: str, out: str, claims: Iterable[tuple[str, Write | None]]) -> None:
    """Profiles claimed always, then those whose condition holds."""
    told = list(claims)
    if not told:
        return
    profiles = writer.new(repr([url for url, when in told if when is None]))
    for url, when in told:
        if when is not None:
            with writer.block(f"if {writer.true(when(writer, at))}"):
                writer.line(f"{profiles}.append({url!r})")
    with writer.block(f"if {profiles}"):
        meta = writer.new(f"{out}['meta']")
        with writer.block(f"if 'profile' in {meta}"):
            writer.line(f"{profiles} = [*{meta}['profile'], *{profiles}]")
        writer.line(f"{meta}['profile'] = list(dict.fromkeys({profiles}))")
