"""Reads `mappings/` and `consent/` from disk; everything behind it gets text, not paths."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.model.records import Files

TEXT = {".yaml", ".yml", ".csv", ".json", ".txt", ".md"}


def read_tree(root: Path) -> Files:
    """Every content file under `root` by its path relative to it; samples are left out."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.suffix in TEXT and not {"samples", "expected"} & set(path.relative_to(root).parts)
    }


def parse_partner(code: str, text: str, file: str) -> Partner:
    """A Partner from partner.yaml; raises ContentError naming the file, the field and what is valid."""
    try:
        data = yaml.load(text, Loader=yaml.CSafeLoader) or {}
        return Partner.model_validate({**data, "code": code})
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ContentError("not valid YAML", file=file, line=mark.line + 1 if mark else None) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ContentError(
            str(first["msg"]), file=file, line=_line_of(text, first["loc"]), field=field
        ) from None


def load_partners(mappings: Files) -> dict[str, Partner]:
    """All participants by code: one per folder of `mappings/` with a partner.yaml."""
    return {
        code: parse_partner(code, mappings[path], f"mappings/{path}")
        for path in sorted(mappings)
        if path.count("/") == 1 and path.endswith("/partner.yaml")
        for code in [path.split("/")[0]]
    }


def _line_of(text: str, location: tuple[int | str, ...]) -> int | None:
    """The line of the deepest key of `location` that stands in the file."""
    node = yaml.compose(text)
    line: int | None = None
    for key in location:
        if not isinstance(node, yaml.MappingNode):
            break
        found = [(k, v) for k, v in node.value if k.value == str(key)]
        if not found:
            break
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return line


def read_samples(mappings: Path, code: str) -> Files:
    """A partner's samples/ and expected/ by path relative to `mappings`."""
    return {
        path.relative_to(mappings).as_posix(): path.read_bytes().decode("utf-8", "surrogateescape")
        for folder in ("samples", "expected")
        for path in sorted((mappings / code / folder).rglob("*"))
        if path.is_file()
    }
