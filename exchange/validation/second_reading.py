"""What `fhir.resources` finds wrong in a resource that the compiled check refused.

It models R4B: types that R4 alone has are not read a second time. It is far too slow for the hot path
and lets illegal codes pass, so it never decides. Its words may quote values; ours never do.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from exchange.model.records import Issue, Resource

_WORDS = {
    "missing": ("required", "is required"),
    "model_field_validation.missing": ("required", "is required"),
    "extra_forbidden": ("structure", "is not an element here"),
    "value_error.extra": ("structure", "is not an element here"),
}


def second_reading(resource: Resource, where: str, known: Collection[str]) -> list[Issue]:
    """Errors of fhir.resources at expressions outside `known`."""
    issues = {
        place: Issue("error", code, words, place)
        for place, code, words in _findings(resource, where)
        if not any(place == other or other.startswith(f"{place}.") for other in known)
    }
    return list(issues.values())


def spoken(name: str) -> str:
    """The name of an unknown property if it may be repeated in a message: it could be somebody's data.

    >>> spoken("colour"), spoken("Rivera, Ana")
    ('colour', '(unnamed)')
    """
    return name if _SPEAKABLE.match(name) else "(unnamed)"


_SPEAKABLE = re.compile(r"^_?[a-z][A-Za-z0-9]{0,60}$")


def accepts(resource: Resource) -> bool:
    """Whether fhir.resources finds nothing; True for a type that it does not model."""
    return not _findings(resource, "")


def _findings(resource: Resource, where: str) -> list[tuple[str, str, str]]:
    try:
        model: Any = get_fhir_model_class(resource["resourceType"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return []
    try:
        model.model_validate(resource)
    except ValidationError as refused:
        return [_finding(error, where) for error in refused.errors(include_url=False, include_input=False)]
    except (TypeError, AttributeError, KeyError):
        return [(where, "structure", "cannot be read as the elements that FHIR defines")]
    return []


def _finding(error: Any, where: str) -> tuple[str, str, str]:
    names = [step if isinstance(step, int) else str(step).removeprefix("_") for step in error["loc"]]
    if names and "extra" in error["type"]:
        names[-1] = spoken(str(names[-1]))
    steps = (f"[{name}]" if isinstance(name, int) else f".{name}" for name in names)
    place = where + "".join(step for step in steps if step not in (".root", ".__root__"))
    code, words = _WORDS.get(error["type"], ("value", f"is not of the right type or form ({error['type']})"))
    return place, code, words
