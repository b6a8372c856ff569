"""Names in HL7 v2 paths: the form of a path, which segments there are and how many fields they have."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from exchange.mapping.paths.grammar import WrongPath
from exchange.mapping.paths.places import FIELD, SEGMENTS

_SELECT = r"\[(?:\*|\d+|\d+(?:\.\d+)?=[\w|-]+)\]"
PARTS = r"(?:\.\d+){0,2}(?:\.\*)?"
SEGMENT_PATH = re.compile(rf"([A-Z][A-Z0-9]{{2}})(\[\*\])?(?:-(\d+)({_SELECT})?({PARTS}))?(?![\w\[])")
GROUP_NAME = re.compile(r"[a-z_][a-z_0-9]*")


def split_path(path: str) -> tuple[str, bool, int, str, str]:
    """Segment, whether all of that name, field, selection and parts; ValueError for what is no field."""
    found = SEGMENT_PATH.fullmatch(path)
    if found is None or found.group(3) is None:
        forms = f"`PID-5.1`, `PID-3[5=MR].1`, `OBX[*]-5` or `.1`, or a constant (`={path}`)"
        raise ValueError(f"`{path}` is no field: write {forms}")
    segment, star, number, select, parts = found.groups()
    return segment, bool(star), int(number), select or "", parts or ""


def place_below(path: str, place: str) -> str:
    """The kind of place a path leads to; WrongPath for a segment or field that HL7 v2 does not have."""
    if path.startswith("."):
        if place == SEGMENTS:
            raise WrongPath(f"`{path}` needs a field around it: write `PID-3{path}` or `$each: PID-3[*]`")
        return FIELD
    found = SEGMENT_PATH.fullmatch(path)
    if found is None:
        return SEGMENTS
    check_segment(found.group(1))
    if found.group(3) is None:
        return SEGMENTS
    _check_numbers(path, found.group(1), int(found.group(3)), found.group(4) or "", found.group(5) or "")
    return FIELD


def check_segment(name: str) -> None:
    """WrongPath for a name that is no segment of HL7 v2 and does not begin with Z."""
    if name not in fields_of_segments() and not name.startswith("Z"):
        raise WrongPath(f"HL7 v2 has no segment `{name}`", name, fields_of_segments())


def check_field(path: str) -> None:
    """WrongPath for what is no path of a field."""
    split_path(path)
    place_below(path, SEGMENTS)


def _check_numbers(path: str, name: str, number: int, select: str, parts: str) -> None:
    most = fields_of_segments().get(name, 10**6)
    if not 1 <= number <= most:
        raise WrongPath(f"`{path}`: {name} has fields 1 to {most}")
    if select == "[0]" or "0" in parts.split("."):
        raise WrongPath(f"`{path}`: repetitions and components are counted from 1")


@cache
def fields_of_segments() -> Mapping[str, int]:
    """How many fields each segment has, at most, in versions 2.1 to 2.8.2 (`segments.csv`)."""
    with files("exchange.mapping.paths").joinpath("segments.csv").open(encoding="utf-8") as lines:
        return {row["segment"]: int(row["fields"]) for row in csv.DictReader(lines)}
