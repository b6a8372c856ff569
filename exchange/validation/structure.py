"""Is a resource valid R4? A compiled check decides; only what fails is explained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import jsonschema_rs

from exchange.model.fhir_types import type_names
from exchange.model.records import Issue, Resource
from exchange.validation.schema import Schema, schema_of
from exchange.validation.second_reading import second_reading, spoken
from exchange.validation.windows import LONG, Path, parts

_ISSUE_CODES = {"enum": "code-invalid", "pattern": "value", "type": "value", "minLength": "value"}
_STRUCTURE = frozenset({"additionalProperties", "minItems", "minProperties"})
_HOLDERS = frozenset({"Bundle", "Parameters"})
MOST = 50
"""Issues that one resource is told: a record may be made to have millions."""
_INVARIANT = re.compile(r"[a-z]+-[0-9]+: ")


@cache
def _schema(resource_type: str) -> Schema:
    return schema_of(resource_type)


@cache
def compiled(resource_type: str) -> jsonschema_rs.Draft202012Validator:
    """The compiled schema of a resource type: some 20 ms the first time in a process."""
    return jsonschema_rs.Draft202012Validator(
        _schema(resource_type), pattern_options=jsonschema_rs.RegexOptions(), offline=True
    )


def structural_issues(resource: Resource, at: str = "") -> list[Issue]:
    """Errors against R4's elements, required bindings and invariants, in inner resources too.

    `at` is the FHIRPath expression of the resource where it is inside another.
    """
    type_ = resource.get("resourceType")
    if not isinstance(type_, str) or type_ not in type_names("resource"):
        return [Issue("error", "structure", "resourceType must name a resource type of FHIR R4", at)]
    where = at or type_
    own = [] if compiled(type_).is_valid(resource) else _explained(resource, type_, where)
    if type_ not in _HOLDERS and "contained" not in resource:
        return own
    for path, inner in inner_resources(resource):
        own += structural_issues(inner, f"{where}.{path}")
    return own


def inner_resources(resource: Resource) -> Iterator[tuple[str, Resource]]:
    """Resources inside a resource (contained, Bundle.entry, Parameters.parameter) with their paths."""
    yield from _resources("contained", _list(resource.get("contained")))
    if resource.get("resourceType") == "Bundle":
        for index, entry in enumerate(_list(resource.get("entry"))):
            for element in ("resource", "response"):
                inner = entry.get(element) if isinstance(entry, dict) else None
                if element == "response" and isinstance(inner, dict):
                    inner = inner.get("outcome")
                yield from _resources(f"entry[{index}].{element}", [inner])
    if resource.get("resourceType") == "Parameters":
        yield from _parameters("parameter", _list(resource.get("parameter")))


def _parameters(path: str, parameters: Sequence[Any]) -> Iterator[tuple[str, Resource]]:
    for index, parameter in enumerate(parameters):
        if isinstance(parameter, dict):
            yield from _resources(f"{path}[{index}].resource", [parameter.get("resource")])
            yield from _parameters(f"{path}[{index}].part", _list(parameter.get("part")))


def _resources(path: str, candidates: Sequence[Any]) -> Iterator[tuple[str, Resource]]:
    for index, candidate in enumerate(candidates):
        if isinstance(candidate, dict):
            yield (f"{path}[{index}]" if path == "contained" else path), candidate


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _explained(resource: Resource, type_: str, where: str) -> list[Issue]:
    """One issue per failed constraint, then what fhir.resources finds in places not named yet."""
    issues: dict[tuple[str, str], Issue] = {}
    for issue in chain.from_iterable(
        _issues_of(*error, _schema(type_), where) for error in _errors(resource, type_)
    ):
        issues.setdefault((issue.expression, issue.detail), issue)
        if len(issues) > MOST:
            return list(issues.values())
    first, _ = next(parts(resource))
    named = {issue.expression for issue in issues.values()}
    found = [*issues.values(), *second_reading(first, where, named)]
    return found or [
        Issue("error", "structure", f"is wrong where lists of more than {LONG} items hold others", where)
    ]


def _errors(resource: Resource, type_: str) -> Iterator[tuple[jsonschema_rs.ValidationError, Path]]:
    """Each with the path it has in the whole resource."""
    for part, moved in parts(resource):
        if not compiled(type_).is_valid(part):
            for error in compiled(type_).iter_errors(part):
                path = moved(error.instance_path)
                if path is not None:
                    yield error, path


def _issues_of(
    error: jsonschema_rs.ValidationError, path: Path, schema: Schema, where: str
) -> Iterator[Issue]:
    place = expression(where, path)
    comment, type_name = _words(schema, error.schema_path)
    keyword = str(error.schema_path[-1])
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        for name in error.kind.unexpected:
            yield Issue("error", "structure", f"is not an element of {type_name}", f"{place}.{spoken(name)}")
    elif comment.endswith(" is required"):
        name = comment.removesuffix(" is required")
        yield Issue("error", "required", "is required", f"{place}.{name}")
    else:
        yield Issue("error", _issue_code(keyword, comment), comment, place)


def _issue_code(keyword: str, comment: str) -> str:
    if _INVARIANT.match(comment):
        return "invariant"
    if keyword in _STRUCTURE:
        return "structure"
    if comment.startswith("must have a code of"):
        return "code-invalid"
    return _ISSUE_CODES.get(keyword, "invariant")


def _words(schema: Schema, path: Iterable[str | int]) -> tuple[str, str]:
    """The innermost `$comment` on the way to the failed keyword, and the type it belongs to."""
    node: Any = schema
    comment, type_name = "", ""
    previous: str | int = ""
    for step in path:
        node = node[step]
        if previous == "$defs":
            type_name = str(step)
        if isinstance(node, dict):
            comment = node.get("$comment", comment)
        previous = step
    return comment, type_name


def expression(where: str, path: Iterable[str | int]) -> str:
    """FHIRPath of an instance path.

    >>> expression("Patient", ["name", 0, "_given", 1])
    'Patient.name[0].given[1]'
    """
    steps = (f"[{step}]" if isinstance(step, int) else f".{step.removeprefix('_')}" for step in path)
    return where + "".join(steps)
