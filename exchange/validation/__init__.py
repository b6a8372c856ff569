"""The border between mapping and everything behind it: is this valid FHIR R4, and good US Core?

Errors send a resource to quarantine; warnings travel with it as findings. No issue repeats a value.
"""

from collections.abc import Callable
from typing import Any

from exchange.model.records import Issue, Resource
from exchange.validation.references import check_references
from exchange.validation.sanity import sanity_issues
from exchange.validation.structure import structural_issues
from exchange.validation.us_core import us_core_issues

__all__ = ["check_references", "structural_issues", "validate", "validates_once"]


def validate(resource: Resource, sound: dict[int, Any] | None = None) -> tuple[Issue, ...]:
    """Structure, required bindings and invariants; where these hold also sanity and US Core's demands."""
    broken = structural_issues(resource)
    if broken:
        return tuple(broken)
    return (*sanity_issues(resource, sound), *us_core_issues(resource))


def validates_once() -> Callable[[Resource], tuple[Issue, ...]]:
    """As `validate`, for one batch: the same object, which a map may give again, is not read again."""
    known: dict[int, tuple[Resource, tuple[Issue, ...]]] = {}
    sound: dict[int, Any] = {}

    def checked(resource: Resource) -> tuple[Issue, ...]:
        found = known.get(id(resource))
        if found is None:
            # Held with its issues, so that no other object can get its id; so are sound elements.
            found = known[id(resource)] = resource, validate(resource, sound)
        return found[1]

    return checked
