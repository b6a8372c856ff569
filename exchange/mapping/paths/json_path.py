"""JSON paths: `name.family`, `phones[0].number`, `identifier[system="urn:x"].value`, `/id` from the record.

A path goes through lists as FHIRPath does; it gives one value when it meets no list, else a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from exchange.mapping.paths.grammar import Grammar, Reader, WrongPath
from exchange.model.fhir_types import fhir_type

_STEP = r"[A-Za-z_$][\w$-]*(?:\[(?:\d+|\*|[A-Za-z_][\w.-]*=\"[^\"]*\")\])*"
_PATH = re.compile(rf"/?{_STEP}(?:\.{_STEP})*|\.(?![\w])")
_FILTER = re.compile(r"\[(?:(\d+)|(\*)|([A-Za-z_][\w.-]*)=\"([^\"]*)\")\]")
_PLAIN = re.compile(r"[A-Za-z_$][\w$-]*")


def json_grammar() -> Grammar:
    """Values are as in the JSON; objects and lists may be copied whole."""
    return Grammar(_match, _value, _nodes, orjson.loads, lambda _node: "", lambda _path: True, typed=True)


def fhir_grammar() -> Grammar:
    """The same over FHIR R4 resources: a path names elements of the type it starts from."""
    return replace(json_grammar(), below=_type_below)


def _type_below(path: str, place: str) -> str:
    """The FHIR type a path leads to from a type (`` for either: unknown); WrongPath for no element of it."""
    type_name = "" if path.startswith("/") else place
    for name, filters in _named_steps(path.removeprefix("/")):
        type_name = _element_type(type_name, name)
        for _, _, key, _ in _FILTER.findall(filters):
            if key:
                _type_below(key, type_name)
    return type_name


def _element_type(type_name: str, name: str) -> str:
    if not type_name or name == "resourceType":
        return ""
    elements = fhir_type(type_name).elements
    if name.startswith("_") and name[1:] in elements:
        return "Element"
    if name not in elements:
        raise WrongPath(f"{type_name} has no element `{name}`", name, elements)
    found = elements[name].type
    return "" if found in ("Resource", "DomainResource") else found


def _match(text: str, at: int) -> int:
    found = _PATH.match(text, at)
    return found.end() if found else at


def _value(path: str) -> Reader:
    if path == ".":
        return lambda node, _run: _present(node)
    if _PLAIN.fullmatch(path):
        return lambda node, _run: _present(node.get(path)) if isinstance(node, dict) else None
    absolute, steps = path.startswith("/"), _steps(path.removeprefix("/"))
    if "[" not in path:
        return _members(tuple(path.removeprefix("/").split(".")), absolute)

    def read(node: Any, run: Any) -> Any:
        value = run.root if absolute else node
        for step in steps:
            value = step(value)
            if value is None:
                return None
        return _present(value)

    return read


def _members(names: tuple[str, ...], absolute: bool) -> Reader:
    """A path of names alone, in one function: most paths are, and most of a map's time is theirs."""

    def read(node: Any, run: Any) -> Any:
        value = run.root if absolute else node
        for name in names:
            if type(value) is dict:
                value = value.get(name)
            elif type(value) is list:
                value = _member_of_each(value, name)
            else:
                return None
        return _present(value)

    return read


def _member_of_each(values: list[Any], name: str) -> list[Any] | None:
    found: list[Any] = []
    for item in values:
        inner = item.get(name) if type(item) is dict else None
        if type(inner) is list:
            found += inner
        elif inner is not None:
            found.append(inner)
    return found or None


def _nodes(path: str) -> Reader:
    read = _value(path)

    def places(node: Any, run: Any) -> list[Any]:
        found = read(node, run)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    return places


def _present(value: Any) -> Any:
    return None if value is None or value == "" or value == [] or value == {} else value


def _steps(path: str) -> list[Callable[[Any], Any]]:
    steps: list[Callable[[Any], Any]] = []
    for name, filters in _named_steps(path):
        steps.append(_member(name))
        for index, star, key, wanted in _FILTER.findall(filters):
            steps.append(_index(int(index)) if index else _all() if star else _where(key, wanted))
    return steps


def _named_steps(path: str) -> list[tuple[str, str]]:
    """Member names and the brackets behind each."""
    found = re.findall(r"([A-Za-z_$][\w$-]*)((?:\[[^\]]*\])*)", _protect(path))
    return [(name, filters.replace("\x00", ".")) for name, filters in found]


def plain_path(path: str) -> str:
    """The member names of a path, joined by `/`.

    >>> plain_path('identifier[system="urn:x.y"].type.text')
    'identifier/type/text'
    """
    return "/".join(_PLAIN.findall(re.sub(r"\[[^\]]*\]", "", path)))


def _protect(path: str) -> str:
    """Dots inside brackets are no steps."""
    return re.sub(r"\[[^\]]*\]", lambda found: found.group().replace(".", "\x00"), path)


def _member(name: str) -> Callable[[Any], Any]:
    def step(value: Any) -> Any:
        if isinstance(value, dict):
            return value.get(name)
        return _member_of_each(value, name) if isinstance(value, list) else None

    return step


def _index(position: int) -> Callable[[Any], Any]:
    return lambda value: value[position] if isinstance(value, list) and len(value) > position else None


def _all() -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, list) else [value]


def _where(key: str, wanted: str) -> Callable[[Any], Any]:
    inner = _steps(key)

    def matches(item: Any) -> bool:
        for step in inner:
            item = step(item)
        return bool(item == wanted or (isinstance(item, list) and wanted in item))

    def step(value: Any) -> Any:
        found = [item for item in (value if isinstance(value, list) else [value]) if matches(item)]
        return found or None

    return step
