"""Free text stays out unless the partner's agreement lets it in: the facts of a record, without its story."""

from __future__ import annotations

from functools import lru_cache
from operator import is_
from typing import Any, Literal

import orjson

from exchange.consent.labels.findings import findings
from exchange.consent.rules.ruleset import Rules
from exchange.model.records import Resource

Narrative = Literal["withheld", "screened", "released"]
"""What an agreement says of free text: none enters, what no word list objects to enters, all enters."""

_EMPTY = {
    "status": "empty",
    "div": '<div xmlns="http://www.w3.org/1999/xhtml">Not released under the agreement.</div>',
}
_CONTENT = frozenset(("data", "_data", "hash", "_hash", "size", "_size"))
_CONTAINED = b'"contained":'
_TEXT_VALUES = ("valueAnnotation", "valueMarkdown")


def without_free_text(resource: Resource, narrative: Narrative, rules: Rules) -> Resource:
    """The rendition with narrative, notes, conclusions and attached documents left out as the agreement says.

    Screened text goes when a word in it, not negated, would label the record, or when it cannot be read.
    Records about nobody, and the types in `free_text_kept`, keep theirs.
    """
    words = rules.vocabulary.file
    kind = resource["resourceType"]
    if narrative == "released" or kind in words.directory_types or kind in words.free_text_kept:
        return resource
    names = _free_text_names((*words.free_text.get("*", ()), *words.free_text.get(kind, ())))
    spelled = orjson.dumps(resource)
    found = [member for member in _members(names) if member in spelled]
    if not found:
        return resource  # nearly every record: one look at its bytes spares a copy of all its objects
    kept: Resource = resource if found == [_CONTAINED] else _element(resource, names, narrative, rules)
    if "contained" in resource:
        inner = [without_free_text(each, narrative, rules) for each in resource["contained"]]
        if kept is resource and all(map(is_, inner, resource["contained"])):
            return resource
        kept = {**kept, "contained": inner}
    if _is_narrative(resource.get("text")) and kept.get("text") == _EMPTY:
        del kept["text"]
    return kept


@lru_cache(maxsize=1024)
def _free_text_names(names: tuple[str, ...]) -> frozenset[str]:
    """With the names of what extends a primitive value."""
    return frozenset((*names, *(f"_{name}" for name in names)))


@lru_cache(maxsize=1024)
def _members(names: frozenset[str]) -> tuple[bytes, ...]:
    """Members under which text may be left out, as JSON has them; a quote within a string is escaped."""
    known = sorted({*names, "contained", "data", "div", *_TEXT_VALUES})
    return tuple(f'"{name}":'.encode() for name in known)


def _element(
    node: dict[str, Any], names: frozenset[str], narrative: Narrative, rules: Rules
) -> dict[str, Any]:
    if "data" in node and _leaves("attachment", node, narrative, rules):
        node = {name: value for name, value in node.items() if name not in _CONTENT}
    kept: dict[str, Any] = {}
    for name, value in node.items():
        if name == "contained":
            kept[name] = value
        elif type(value) is dict and "div" in value:
            kept[name] = _EMPTY if _leaves(name, value, narrative, rules) else value
        elif name not in names or not _leaves(name, value, narrative, rules):
            kept[name] = (
                _value(value, names, narrative, rules)
                if type(value) is dict or type(value) is list
                else value
            )
    return kept


def _value(value: Any, names: frozenset[str], narrative: Narrative, rules: Rules) -> Any:
    if isinstance(value, dict):
        return _element(value, names, narrative, rules)
    if isinstance(value, list):
        return [
            _value(item, names, narrative, rules)
            for item in value
            if not (_is_text_extension(item) and _leaves("extension", item, narrative, rules))
        ]
    return value


def _is_narrative(value: Any) -> bool:
    return isinstance(value, dict) and "div" in value


def _is_text_extension(value: Any) -> bool:
    return isinstance(value, dict) and any(name in value for name in _TEXT_VALUES)


def _leaves(name: str, value: Any, narrative: Narrative, rules: Rules) -> bool:
    if narrative != "screened":
        return True
    found = findings(name, [value] if not isinstance(value, list) else value)
    texts = [*found.texts, *_strings(value)]
    return found.mute > 0 or any(
        hit.strength != "never" for text in texts for hit in rules.lists.of_text(text)
    )


def _strings(value: Any) -> list[str]:
    """Every string in a piece of free text, whatever its field is called."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in _strings(item)]
