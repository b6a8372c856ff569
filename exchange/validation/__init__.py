"""The border between mapping and everything behind it: is this valid FHIR R4, and good US Core?

Errors send a resource to quarantine; warnings travel with it as findings. No issue repeats a value.
"""

from exchange.model.records import Issue, Resource
from exchange.validation.references import check_references
from exchange.validation.sanity import sanity_issues
from exchange.validation.structure import structural_issues
from exchange.validation.us_core import us_core_issues

__all__ = ["check_references", "structural_issues", "validate"]


def validate(resource: Resource) -> tuple[Issue, ...]:
    """Structure, required bindings and invariants; where these hold also sanity and US Core's demands."""
    broken = structural_issues(resource)
    if broken:
        return tuple(broken)
    return (*sanity_issues(resource), *us_core_issues(resource))
