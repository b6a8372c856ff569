"""Reads a content file into its model; what is wrong is named by file, line and field."""

from __future__ import annotations

from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from exchange.model.errors import ContentError

Lines = dict[tuple[str | int, ...], int]


class Content(BaseModel):
    """A part of a content file: closed fields, never changed after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


M = TypeVar("M", bound=Content)


class _Loader(yaml.CSafeLoader):
    """Leaves dates as they are written: FHIR's own precision would be lost."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def load(model: type[M], file: str, text: str) -> tuple[M, Lines]:
    """The file as `model`, and the line each field stands on. Raises ContentError."""
    body, lines = read_yaml(file, text)
    try:
        return model.model_validate(body), lines
    except ValidationError as error:
        raise _content_error(model, file, lines, error) from None


def read_yaml(file: str, text: str) -> tuple[Any, Lines]:
    """Plain values and the line of each path; a key written twice is an error. Raises ContentError."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: Lines = {}
        if node is not None:
            _note_lines(node, (), lines, file)
        return (loader.construct_document(node) if node is not None else None), lines
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ContentError(f"{error.problem}{_hint(error)}", file=file, line=line) from None
    finally:
        loader.dispose()


def _hint(error: yaml.MarkedYAMLError) -> str:
    """What is meant when an entry stands under none of those above it."""
    misplaced = str(error.problem).startswith(("did not find expected", "mapping values are not allowed"))
    return ": begin it in the same column as the lines like it above" if misplaced else ""


def _note_lines(node: yaml.Node, path: tuple[str | int, ...], lines: Lines, file: str) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _note_lines(item, (*path, position), lines, file)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            if below in lines:
                raise ContentError(
                    "written twice", file=file, line=key.start_mark.line + 1, field=_dotted(below)
                )
            _note_lines(value, below, lines, file)
            lines[below] = key.start_mark.line + 1


def line_of(lines: Lines, *path: str | int) -> int | None:
    """The line of `path`, or of the nearest thing around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _content_error(model: type[Content], file: str, lines: Lines, error: ValidationError) -> ContentError:
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    path = tuple(first["loc"])
    valid: list[str] = []
    if first["type"] == "extra_forbidden":
        message, valid = "is not a field here", _fields(model, path[:-1])
    elif first["type"] == "literal_error":
        message, valid = (
            "is not one of the words for this",
            [
                word.strip().strip("'")
                for word in str(first["ctx"]["expected"]).replace(" or ", ", ").split(",")
            ],
        )
    else:
        message = first["msg"][0].lower() + first["msg"][1:]
    return ContentError(message, file=file, line=line_of(lines, *path), field=_dotted(path), valid=valid)


def _fields(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """Names allowed at `path`, following the annotations of nested models."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            inner = _model_in(model.model_fields[part].annotation)
            if inner is not None:
                model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
