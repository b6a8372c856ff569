"""YAML with positions: every value of a map knows its file and line, before and after merging."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from exchange.model.errors import ContentError

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A YAML value with where it stands; `value` is a scalar, a list of Nodes or a dict of Nodes."""

    value: Any
    file: str
    line: int

    def fail(self, message: str, field: str = "", valid: Iterable[str] = ()) -> ContentError:
        """The error to raise about this value."""
        return ContentError(message, file=self.file, line=self.line, field=field, valid=valid)

    def table(self, field: str, allowed: Iterable[str] = ()) -> dict[str, Node]:
        """The value as a mapping; ContentError for anything else or for a key not allowed."""
        if not isinstance(self.value, dict):
            raise self.fail("a mapping is needed here", field)
        names = tuple(allowed)
        for key, node in self.value.items():
            if names and key not in names:
                raise node.fail("unknown field", f"{field}.{key}" if field else key, names)
        return self.value

    def items(self) -> list[Node]:
        """The value as a list; a single value is a list of one."""
        return self.value if isinstance(self.value, list) else [self]

    def text(self, field: str) -> str:
        """The value as text; ContentError for anything else."""
        if not isinstance(self.value, str):
            raise self.fail("text is needed here", field)
        return self.value


_QUOTES = " (an expression with `, `, `]`, `}` or a quotation mark inside […] or {…} needs quotes around it)"


def read_yaml(text: str, file: str) -> Node:
    """Parses one document; a key given twice is an error, as YAML would silently keep the last."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        hint = _QUOTES if "did not find expected" in str(error.problem) else ""
        raise ContentError(f"not YAML: {error.problem}{hint}", file=file, line=line) from None
    if root is None:
        raise ContentError("the file is empty", file=file, line=1)
    return _convert(root, file)


def _convert(node: yaml.Node, file: str) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return Node(_table(node, file), file, line)
    if isinstance(node, yaml.SequenceNode):
        return Node([_convert(item, file) for item in node.value], file, line)
    return Node(_scalar(node), file, line)


def _table(node: yaml.MappingNode, file: str) -> dict[str, Node]:
    table: dict[str, Node] = {}
    inherited: dict[str, Node] = {}
    for key, value in node.value:
        name = str(key.value)
        if name == "<<":
            inherited = _convert(value, file).table("<<")
            continue
        if name in table:
            raise ContentError("this key stands twice", file=file, line=key.start_mark.line + 1, field=name)
        table[name] = _convert(value, file)
    # As everywhere, null takes away what is inherited.
    taken = {name for name in inherited if name in table and table[name].value is None}
    return {name: node for name, node in {**inherited, **table}.items() if name not in taken}


def _scalar(node: yaml.Node) -> Scalar:
    """Numbers, true, false and null as such; all else (`.1`, `No`, `010`, dates) is text."""
    text = str(node.value)
    if node.tag.endswith(":null"):
        return None
    if node.tag.endswith(":bool") and text in ("true", "false"):
        return text == "true"
    if node.tag.endswith((":int", ":float")) and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


INHERITED = "..."
"""As the first item of a list: what the list has in the map beneath."""


def merge(base: Node, over: Node) -> Node:
    """`over` laid on `base`: mappings key by key, else replaced; null removes, `[..., more]` adds."""
    if isinstance(over.value, list) and over.value and over.value[0].value == INHERITED:
        return Node([*base.items(), *over.value[1:]], over.file, over.line)
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        if node.value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged[key], node) if key in merged else node
    return Node(merged, over.file, over.line)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    children = node.value.values() if isinstance(node.value, dict) else node.value
    if isinstance(node.value, (dict, list)):
        for child in children:
            yield from walk(child)
