"""What a part of an HL7 v2 map reads of a message: where that is the same again, so is what it makes.

A doctor, a ward and mostly the patient too stand in one message after the other word for word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from exchange.mapping import expression as ex
from exchange.mapping.compile_elements import EACH
from exchange.mapping.compile_expression import parse_expression
from exchange.mapping.compile_references import compile_reference
from exchange.mapping.content import Node
from exchange.mapping.language import Field, Language, Spot
from exchange.mapping.paths.contents import Reads
from exchange.mapping.paths.names import SEGMENT_PATH
from exchange.mapping.paths.places import FIELD
from exchange.mapping.remembering import FEW, remembered_reads
from exchange.mapping.source import Write

_SAME_ALWAYS = ("partner", "feed")
_OF_ENTRY = ("id", "set")


class _Unknown(Exception):
    """It reads more than fields of segments: a group, another entry's key, a fact of the record."""


def remembered_entry(build: Write, table: dict[str, Node], language: Language, spot: Spot) -> Write:
    """What makes a place's resource, run once for places where all that it reads is the same.

    Whether it is deleted or conditional the kind of message says: that is asked each time.
    """
    claims = table["profile"].items() if "profile" in table else []
    parts = [table[name] for name in _OF_ENTRY if name in table]
    parts += [claim.value["when"] for claim in claims if isinstance(claim.value, dict)]
    reads = _reads_of(parts, language, spot)
    return build if reads is None else _remembered(build, reads, language, spot)


def remembered_element(field: Field, node: Node, language: Language, spot: Spot) -> Field:
    """An element, made once where the few fields that it reads are the same."""
    compiled = field.compiled
    if compiled.constant or not isinstance(node.value, (dict, list)):
        return field
    reads = _reads_of([node], language, spot)
    if reads is None or reads.references or not 0 < reads.count() <= FEW:
        return field
    named = spot.at(node, f"{spot.element}.{field.name}")
    return Field(field.name, replace(compiled, write=_remembered(compiled.write, reads, language, named)))


def _remembered(build: Write, reads: Reads, language: Language, spot: Spot) -> Write:
    references = [compile_reference(ex.Ref(name), language, spot, []) for name in sorted(reads.references)]
    return remembered_reads(build, reads, references, spot.element, in_field=spot.place == FIELD)


def _reads_of(nodes: Iterable[Node], language: Language, spot: Spot) -> Reads | None:
    if language.format != "hl7v2" or language.observed:
        return None
    reads = Reads()
    try:
        for node in nodes:
            _add(node, reads, "", language, spot)
    except _Unknown:
        return None
    return reads


def _add(node: Node, reads: Reads, inside: str, language: Language, spot: Spot) -> None:
    """Adds what is read below a node of the map, seen from the place, or from a segment `inside` of it."""
    if isinstance(node.value, list):
        for item in node.value:
            _add(item, reads, inside, language, spot)
    elif not isinstance(node.value, dict):
        _add_expression(node, reads, inside, language, spot)
    elif EACH in node.value:
        rest = {name: item for name, item in node.value.items() if name != EACH}
        _add_below(node.value[EACH], Node(rest, node.file, node.line), reads, inside, language, spot)
    else:
        for item in node.value.values():
            _add(item, reads, inside, language, spot)


def _add_below(each: Node, rest: Node, reads: Reads, inside: str, language: Language, spot: Spot) -> None:
    """Adds what is read at places; where that is more than their segment, it may not be there at all."""
    _add(each, reads, inside, language, spot)
    segment = str(each.value)
    if inside or not _is_segment(segment):
        _add(rest, reads, inside, language, spot)
        return
    try:
        _add(rest, Reads(), segment, language, spot)
    except _Unknown:
        reads.absent.add(segment)


def _is_segment(path: str) -> bool:
    found = SEGMENT_PATH.fullmatch(path)
    return found is not None and found.group(3) is None


def _add_expression(node: Node, reads: Reads, inside: str, language: Language, spot: Spot) -> None:
    bare = Node(node.value.removesuffix("??"), node.file, node.line) if isinstance(node.value, str) else node
    for item in ex.walk(parse_expression(language, spot.at(bare))):
        match item:
            case ex.Path(text, fragment):
                _add_path(text, reads, inside)
                if fragment is not None:
                    below = text if _is_segment(text) and not inside else inside
                    _add(language.types[fragment], reads, below, language, spot)
            case ex.Ref(target, key):
                _add_reference(target, key, reads, inside, language)
            case ex.Context(name) if name not in _SAME_ALWAYS and name not in language.sender:
                raise _Unknown
            case ex.Call("code" | "coding" | "concept", (_, ex.Literal(name), *_)):
                if name not in language.codes or language.codes[str(name)].dated:
                    raise _Unknown
            case _:
                continue


def _add_path(path: str, reads: Reads, inside: str) -> None:
    if path.startswith("."):
        return
    found = SEGMENT_PATH.fullmatch(path)
    if found is None or (inside and found.group(1) != inside):
        raise _Unknown
    name, every, number = found.group(1), found.group(2), found.group(3)
    if number is None or every or inside:
        reads.whole.add(name)
    else:
        reads.fields.setdefault(name, set()).add(int(number))


def _add_reference(
    target: str, key: tuple[ex.Expression, ...], reads: Reads, inside: str, language: Language
) -> None:
    """A reference by key reads its key alone; one to an entry is compared as it comes out."""
    if key and target not in language.entries:
        return
    if key or inside or target == "*":
        raise _Unknown
    reads.references.add(target)
