"""Reads `mappings/` and `consent/` from disk; everything behind it gets text, not paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from exchange.mapping.golden import Golden
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.model.records import Files

TEXT = {".yaml", ".yml", ".csv", ".json", ".txt", ".md"}


def read_tree(root: Path) -> Files:
    """Every content file under `root` by its path relative to it; samples are left out.

    Raises ContentError for a file that cannot be read or is not UTF-8. What an editor lays down while it
    has a file open (Emacs: a link `.#name` to nowhere) is no content.
    """
    return {
        path.relative_to(root).as_posix(): _text(path, root)
        for path in sorted(root.rglob("*"))
        if path.suffix in TEXT
        and not path.name.startswith(".#")
        and not {"samples", "expected"} & set(path.relative_to(root).parts)
    }


def _text(path: Path, root: Path) -> str:
    file = f"{root.name}/{path.relative_to(root).as_posix()}"
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ContentError("is not UTF-8; save it in that encoding", file=file) from None
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror}", file=file) from None


def parse_partner(code: str, text: str, file: str, shared: Files | None = None) -> Partner:
    """A Partner from partner.yaml; raises ContentError naming the file, the field and what is valid.

    A feed that is `like: hmis/client` begins as the feed `client` of `_shared/feeds/hmis.yaml` in `shared`.
    """
    try:
        data = yaml.load(text, Loader=yaml.CSafeLoader) or {}
        if not isinstance(data, dict):
            raise ContentError("must hold fields and their values, such as `namespace: …`", file=file)
        if data.get("code", code) != code:
            message = f"must be the name of the folder, `{code}`"
            raise ContentError(message, file=file, line=_line_of(text, ("code",)), field="code")
        return Partner.model_validate({**_with_shared_feeds(data, text, file, shared or {}), "code": code})
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ContentError("not valid YAML", file=file, line=mark.line + 1 if mark else None) from None
    except ValidationError as error:
        # A misspelt field is also a missing one: the misspelling is the better thing to say.
        first, *_ = sorted(
            error.errors(include_input=False, include_url=False), key=lambda e: e["type"] != "extra_forbidden"
        )
        valid = _fields_beside(first["loc"], data) if first["type"] == "extra_forbidden" else ()
        raise ContentError(
            "no such field" if valid else str(first["msg"]).removeprefix("Value error, "),
            file=file,
            line=_line_of(text, first["loc"]),
            field=".".join(str(part) for part in first["loc"]),
            valid=valid,
        ) from None


def _with_shared_feeds(data: dict[str, Any], text: str, file: str, shared: Files) -> dict[str, Any]:
    feeds = data.get("feeds")
    if not isinstance(feeds, dict):
        return data
    known = _shared_feeds(shared)
    laid = dict(feeds)
    for name, feed in feeds.items():
        if isinstance(feed, dict) and "like" in feed:
            if feed["like"] not in known:
                where = ("feeds", name, "like")
                raise ContentError(
                    f"there is no shared feed `{feed['like']}`",
                    file=file, line=_line_of(text, where), field=".".join(map(str, where)), valid=known,
                )  # fmt: skip
            laid[name] = {**known[feed["like"]], **{k: v for k, v in feed.items() if k != "like"}}
    return {**data, "feeds": laid}


def _shared_feeds(files: Files) -> dict[str, dict[str, Any]]:
    """Feeds of `_shared/feeds/*.yaml` by file and name, such as `hmis/client`."""
    return {
        f"{path.removeprefix('_shared/feeds/').removesuffix('.yaml')}/{name}": feed
        for path in sorted(files)
        if path.startswith("_shared/feeds/") and path.endswith(".yaml")
        for name, feed in (yaml.load(files[path], Loader=yaml.CSafeLoader) or {}).items()
    }


def _fields_beside(location: tuple[int | str, ...], data: Any) -> tuple[str, ...]:
    """The fields of the model that the last name of `location` is none of; none for a feed's own options."""
    schema = Partner.model_json_schema()
    node = schema
    for part in location[:-1]:
        data = data[part]
        node = node.get("properties", {}).get(part) or node.get("additionalProperties", {})
        for variant in (node, *node.get("anyOf", ())):
            if "$ref" in variant:
                node = schema["$defs"][variant["$ref"].rsplit("/", 1)[1]]
    return tuple(node.get("properties", {})) if location[-1] in data else ()


def load_partners(mappings: Files) -> dict[str, Partner]:
    """All participants by code: one per folder of `mappings/` with a partner.yaml."""
    partners = {
        code: parse_partner(code, mappings[path], f"mappings/{path}", mappings)
        for path in sorted(mappings)
        if path.count("/") == 1 and path.endswith("/partner.yaml")
        for code in [path.split("/")[0]]
    }
    _told_apart(partners, mappings)
    return partners


def _told_apart(partners: Mapping[str, Partner], mappings: Files) -> None:
    """Raises ContentError where two participants share what one is known by, or one belongs to nobody."""
    owners: dict[tuple[str, str], str] = {}
    for code, partner in partners.items():
        place = f"{code}/partner.yaml"
        for path, value in (
            (("namespace",), partner.namespace),
            (("organization", "npi"), partner.organization.npi),
        ):
            owner = owners.setdefault((path[-1], value), code) if value else code
            if owner != code:
                raise ContentError(
                    f"is `{owner}`'s already; each participant has its own",
                    file=f"mappings/{place}",
                    line=_line_of(mappings[place], path),
                    field=".".join(path),
                )
        whole = partner.organization.part_of
        if whole is not None and whole not in partners:
            line = _line_of(mappings[place], ("organization", "part_of"))
            raise ContentError(
                f"there is no participant `{whole}`",
                file=f"mappings/{place}", line=line, field="organization.part_of", valid=partners,
            )  # fmt: skip


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


def write_expected(mappings: Path, case: Golden) -> None:
    """Writes what a sample becomes now as what it must become."""
    path = mappings / case.expected_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(case.actual, encoding="utf-8")
