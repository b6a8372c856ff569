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
        raise _content_error(model, file, body, lines, error) from None


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
        problem, line = _opening(error, text)
        raise ContentError(_plainly(problem), file=file, line=line) from None
    finally:
        loader.dispose()


def _opening(error: yaml.MarkedYAMLError, text: str) -> tuple[str, int | None]:
    """What is wrong and where it begins: a quotation mark that is not closed makes a later line wrong."""
    found = error.problem_mark.line if error.problem_mark else None
    if error.context_mark and str(error.problem).startswith(_ENDLESS):
        return _ENDLESS, error.context_mark.line + 1
    quoted = [(a, b) for a, b in _over_lines(text) if found is not None and b <= found <= b + 1]
    if quoted:
        return _SWALLOWED, quoted[-1][0] + 1
    return str(error.problem), None if found is None else found + 1


def _over_lines(text: str) -> list[tuple[int, int]]:
    """First and last line of everything between quotation marks that goes over the end of a line."""
    found = []
    try:
        for token in yaml.scan(text, Loader=yaml.CSafeLoader):
            first, last = token.start_mark.line, token.end_mark.line
            if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"') and first < last:
                found.append((first, last))
    except yaml.YAMLError:
        pass  # up to the mistake
    return found


_ENDLESS = "found unexpected end of stream"
_SWALLOWED = "a quotation mark that is opened here is closed on a later line: close it where its words end"

# What the YAML library calls it, and what to do about it.
_COLUMN = "it is not in line with what it belongs to: begin it in the same column as the lines like it above"
_BEGIN = (
    "words cannot begin so: begin lines with blanks and not with a tab,"
    " put such words between quotation marks"
)
_PLAIN = {
    "did not find expected ',' or": (
        "a [ or { is not closed: close it with ] or } on this line or the one before"
    ),
    "did not find expected": _COLUMN,
    "mapping values are not allowed": _COLUMN + ", or put words with a colon between quotation marks",
    "found character that cannot start any token": _BEGIN,
    _ENDLESS: "a quotation mark that is opened here is not closed",
}


def _plainly(problem: str) -> str:
    return next((words for start, words in _PLAIN.items() if problem.startswith(start)), problem)


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


# What pydantic calls it, and what would be right.
_SEVERAL = "there may be several: begin each on its own line with `- `, or write all of them between [ and ]"
_LINES = "lines `name: value` are needed below it, each two blanks further in"
_DAY = "it is no day: write it as 2026-06-30"
_NEEDED = {
    "missing": "it is missing",
    "tuple_type": _SEVERAL,
    "list_type": _SEVERAL,
    "date_from_datetime_parsing": _DAY,
    "date_parsing": _DAY,
    "bool_parsing": "it is neither true nor false",
    "int_parsing": "it is no whole number",
    "string_type": "words are needed: put them between quotation marks",
    "model_type": _LINES,
    "dict_type": _LINES,
}
_EMPTY = "nothing stands below it: write what belongs there, or delete the line"


def _needed(kind: str, given: object, words: str) -> str:
    if given is None and kind not in ("missing", "string_type"):
        return _EMPTY
    return _NEEDED.get(kind, words[0].lower() + words[1:])


def _content_error(
    model: type[Content], file: str, body: Any, lines: Lines, error: ValidationError
) -> ContentError:
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    path = _written(first["loc"], lines)
    valid: list[str] = []
    given = ""
    if first["type"] == "extra_forbidden":
        message, valid = "there is no such field here", _fields(model, path[:-1])
    elif first["type"] == "literal_error":
        message, valid = (
            "it is not one of the words for this",
            [
                word.strip().strip("'")
                for word in str(first["ctx"]["expected"]).replace(" or ", ", ").split(",")
            ],
        )
        given = str(first["input"])
    else:
        message = _needed(first["type"], first["input"], first["msg"])
    field = _dotted(_by_name(path, body))
    return ContentError(message, file=file, line=line_of(lines, *path), field=field, valid=valid, given=given)


def _written(loc: tuple[str | int, ...], lines: Lines) -> tuple[str | int, ...]:
    """The path as it stands in the file; pydantic also names which of several types it tried."""
    path: tuple[str | int, ...] = ()
    for place, part in enumerate(loc):
        last = place == len(loc) - 1 and not (isinstance(part, str) and "[" in part)
        if (*path, part) in lines or last:
            path = (*path, part)
    return path


def _by_name(path: tuple[str | int, ...], body: Any) -> tuple[str | int, ...]:
    """A rule by its id, not by how many stand before it."""
    if len(path) > 1 and path[0] == "policies" and isinstance(path[1], int):
        rule = body["policies"][path[1]]
        if isinstance(rule, dict) and isinstance(rule.get("id"), str):
            return (rule["id"], *path[2:])
    return path


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
