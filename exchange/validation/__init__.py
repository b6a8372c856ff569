"""The border between mapping and everything behind it: is this valid FHIR R4, and good US Core?

Errors send a resource to quarantine; warnings travel with it as findings. No issue repeats a value.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain

from exchange.model.records import Issue, Resource
from exchange.validation.references import check_references
from exchange.validation.sanity import sanity_issues
from exchange.validation.sound import is_sound, is_sound_whatever_it_claims
from exchange.validation.structure import MOST, structural_issues
from exchange.validation.us_core import missing_elements, profiles_checked, us_core_issues

__all__ = [
    "check_references",
    "missing_elements",
    "profiles_checked",
    "structural_issues",
    "told",
    "validate",
    "validated",
]


def validate(resource: Resource) -> tuple[Issue, ...]:
    """Errors and warnings; a resource of which nothing is to be told is walked once."""
    if is_sound(resource):
        return ()
    if is_sound_whatever_it_claims(resource):
        return _first(us_core_issues(resource))
    return told(resource)


def told(resource: Resource) -> tuple[Issue, ...]:
    """Structure, required bindings and invariants; where these hold also sanity and US Core's demands."""
    broken = structural_issues(resource)
    if broken:
        return _first(broken)
    return _first(chain(sanity_issues(resource), us_core_issues(resource)))


def _first(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """The first errors and the first warnings, and that there are more."""
    counts = Counter[str]()
    kept = []
    for issue in issues:
        counts[issue.severity] += 1
        if counts[issue.severity] <= MOST:
            kept.append(issue)
    if max(counts.values(), default=0) > MOST:
        kept.append(Issue("information", "too-costly", f"more is to be told than the first {MOST} findings"))
    return tuple(kept)


def validated(resources: Iterable[Resource]) -> Callable[[Resource], tuple[Issue, ...]]:
    """As `validate`; these are read before, each object once: a map gives the same one again.

    One type after the other: what is compiled for a type is large, and to fetch it costs more than to use it.
    """
    known: dict[int, tuple[Resource, tuple[Issue, ...]]] = {}

    def checked(resource: Resource) -> tuple[Issue, ...]:
        found = known.get(id(resource))
        if found is None:
            # Held with its issues, so that no other object can get its id.
            found = known[id(resource)] = resource, validate(resource)
        return found[1]

    for resource in sorted({id(each): each for each in resources}.values(), key=_kind):
        checked(resource)
    return checked


def _kind(resource: Resource) -> str:
    return str(resource.get("resourceType"))
