"""Resources of any R4 type made from the element table, and ways of breaking one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from exchange.model.fhir_types import Element, fhir_type, is_primitive, value_set

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "base64Binary": st.sampled_from(["YQ==", "YWI=", "YWJj"]),
    "boolean": st.booleans(),
    "canonical": st.just("http://example.org/x|1"),
    "code": st.from_regex(r"\A[a-z-]{1,9}\Z"),
    "date": st.sampled_from(["2024", "2024-02", "2024-02-29", "1999-12-31", "2000-02-29"]),
    "dateTime": st.sampled_from(
        ["2024", "2024-02-29", "2023-05-06T23:59:60Z", "2023-05-06T01:02:03.5-06:00"]
    ),
    "decimal": st.decimals(0, 999, places=2).map(float),
    "id": st.from_regex(r"\A[A-Za-z0-9.-]{1,64}\Z"),
    "instant": st.just("2023-05-06T01:02:03.5-06:00"),
    "integer": st.integers(0, 9),
    "markdown": st.just("*text*"),
    "oid": st.just("urn:oid:1.2.3"),
    "positiveInt": st.integers(1, 9),
    "string": st.text("abc éЖ", min_size=1).filter(str.strip),
    "time": st.just("12:00:00"),
    "unsignedInt": st.integers(0, 9),
    "uri": st.sampled_from(["urn:x", "http://example.org/a"]),
    "url": st.just("https://example.org/a"),
    "uuid": st.just("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
    "xhtml": st.just('<div xmlns="http://www.w3.org/1999/xhtml">text</div>'),
}


@st.composite
def resources(draw: Callable[..., Any], type_name: str) -> dict[str, Any]:
    """A resource with what R4 requires and some of the rest; its invariants may not hold."""
    return {"resourceType": type_name, **draw(_objects(type_name, 3))}


@st.composite
def _objects(draw: Callable[..., Any], type_name: str, depth: int) -> dict[str, Any]:
    wanted = [e for e in _one_form_each(draw, type_name) if e.type != "Resource"]
    chosen = [e for e in wanted if e.required or (depth and draw(st.integers(0, 9)) == 0)]
    out = {e.name: draw(_values(e, max(depth - 1, 0))) for e in chosen}
    if out.keys() - {"id"}:
        return out
    filler = min((e for e in wanted if e.name != "id"), key=lambda e: not is_primitive(e.type))
    return {**out, filler.name: draw(_values(filler, 0))}


def _one_form_each(draw: Callable[..., Any], type_name: str) -> Iterator[Element]:
    """Every plain element and one form of every choice."""
    groups: dict[str, list[Element]] = {}
    for element in fhir_type(type_name).elements.values():
        if element.choice:
            groups.setdefault(element.choice, []).append(element)
        elif element.name not in ("extension", "modifierExtension"):
            yield element
    for forms in groups.values():
        yield draw(st.sampled_from([f for f in forms if is_primitive(f.type)] or forms))


def _values(element: Element, depth: int) -> st.SearchStrategy[Any]:
    one = _one(element, depth)
    return st.lists(one, min_size=1, max_size=2) if element.list else one


def _one(element: Element, depth: int) -> st.SearchStrategy[Any]:
    if element.type == "Reference":
        return st.just({"reference": f"{(element.targets or ('Patient',))[0]}/1"})
    if element.codes:
        return _coded(element)
    if is_primitive(element.type):
        return VALUES[element.type]
    return _objects(element.type, depth)


def _coded(element: Element) -> st.SearchStrategy[Any]:
    codes = sorted((s, c) for s, cs in value_set(element.codes or "").items() for c in cs)
    if element.type == "code":
        return st.sampled_from([code for _, code in codes])
    coding = st.sampled_from(codes).map(lambda c: {"system": c[0], "code": c[1]})
    return coding.map(lambda c: {"coding": [c]}) if element.type == "CodeableConcept" else coding


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path below a resource."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(
    resource: dict[str, Any], path: tuple[Any, ...], change: Callable[[Any, Any], None]
) -> dict[str, Any]:
    """A copy in which `change(parent, key)` has been applied at `path`."""
    out = copy.deepcopy(resource)
    parent: Any = out
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return out


def _put(value: Any) -> Callable[[Any, Any], None]:
    return lambda parent, key: parent.__setitem__(key, value)


def _beside(name: str, value: Any) -> Callable[[Any, Any], None]:
    return lambda parent, _: parent.__setitem__(name, value) if isinstance(parent, dict) else None


DEFECTS: dict[str, Callable[[Any, Any], None]] = {
    "gone": lambda parent, key: parent.__delitem__(key),
    "null": _put(None),
    "number": _put(7),
    "text": _put("some text"),
    "blank": _put(""),
    "object": _put({}),
    "list": _put([]),
    "month 13": _put("2024-13-01"),
    "30 February": _put("2024-02-30"),
    "unknown element": _beside("colour", "red"),
    "a second value": _beside("valueString", "x"),
    "bad id": _beside("id", "no/slash"),
    "wrapped": lambda parent, key: parent.__setitem__(key, [parent[key]]),
}
