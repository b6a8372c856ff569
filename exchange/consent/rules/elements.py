"""`consent/elements.yaml`: what is left of a record for those who get the minimum necessary."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import Field

from exchange.consent.content import Content, Lines, line_of, load
from exchange.consent.participants import Participant
from exchange.consent.rules.policies import Mark, Policy
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.model.errors import ContentError
from exchange.model.fhir_types import fhir_type, type_names
from exchange.model.partner import OrganizationType
from exchange.model.records import Files

ELEMENTS = "elements.yaml"
MINIMUM = "minimum-necessary"
"""The obligation under which a record is cut."""

OTHERS = "*"
_ALWAYS = frozenset(("resourceType", "id", "meta"))

Left = Mapping[str, list[str] | None]
"""Names of the elements left by type, `*` for any other; None leaves all."""


class ElementProfile(Content):
    """Elements by type for requesters of these types and purposes; what is not written does not matter."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str
    citation: str
    mark: Mark
    steward: str
    reviewer: str | None = None
    review_by: date
    purpose: tuple[str, ...] = ()
    requester: tuple[OrganizationType, ...] = ()
    types: dict[str, tuple[str, ...] | Literal["all"]]


class ElementsFile(Content):
    """`always`: elements of every record; `otherwise`: of every type, for requesters without a profile."""

    always: tuple[str, ...]
    otherwise: tuple[str, ...]
    profiles: tuple[ElementProfile, ...]


_NOTHING = ElementsFile(always=(), otherwise=(), profiles=())


@dataclass(frozen=True, slots=True, eq=False)
class Elements:
    """The file with the vocabulary it was checked against."""

    file: ElementsFile = _NOTHING

    def left_for(self, who: Participant, purpose: str, vocabulary: Vocabulary) -> Left:
        """What such a requester is left of a record that must be cut to the minimum necessary."""
        always = (*sorted(_ALWAYS), *self.file.always)
        for one in self.file.profiles:
            if _fits(one, who, purpose, vocabulary):
                types = {OTHERS: self.file.otherwise, **one.types}
                return {name: None if kept == "all" else [*always, *kept] for name, kept in types.items()}
        return {OTHERS: [*always, *self.file.otherwise]}


def _fits(one: ElementProfile, who: Participant, purpose: str, vocabulary: Vocabulary) -> bool:
    granted = frozenset().union(*(vocabulary.granted[name] for name in one.purpose))
    return (not one.purpose or purpose in granted) and (not one.requester or who.type in one.requester)


NO_ELEMENTS = Elements()


def may_owe(policies: Collection[Policy], who: Participant, purpose: str, vocabulary: Vocabulary) -> bool:
    """Whether some rule may ask such a requester for the minimum necessary, whatever the record is."""
    return any(
        MINIMUM in policy.obligations
        and (not policy.when.purpose or any(purpose in vocabulary.granted[p] for p in policy.when.purpose))
        and (not policy.when.requester.type or who.type in policy.when.requester.type)
        for policy in policies
    )


def _is_element(resource_type: str, name: str) -> bool:
    found = fhir_type(resource_type).elements
    return name in found or any(one.choice == name for one in found.values())


def parse_elements(files: Files, vocabulary: Vocabulary) -> Elements:
    """Raises ContentError for a purpose, a type or an element that does not exist."""
    if ELEMENTS not in files:
        return NO_ELEMENTS
    read, lines = load(ElementsFile, ELEMENTS, files[ELEMENTS])
    for position, one in enumerate(read.profiles):
        _check(one, vocabulary, lines, ("profiles", position))
    return Elements(read)


def _check(one: ElementProfile, vocabulary: Vocabulary, lines: Lines, path: tuple[str | int, ...]) -> None:
    def wrong(message: str, field: str, *below: str, valid: Collection[str] = ()) -> ContentError:
        line = line_of(lines, *path, *below)
        return ContentError(message, file=ELEMENTS, line=line, field=field, valid=valid)

    if one.mark == "R" and one.reviewer is None:
        raise wrong("a remembered source (mark R) needs a `reviewer` before the profile may count", one.id)
    for purpose in one.purpose:
        if purpose not in vocabulary.granted:
            raise wrong("unknown word", f"purpose.{purpose}", "purpose", valid=list(vocabulary.granted))
    for name, kept in one.types.items():
        if name != OTHERS and name not in type_names("resource"):
            raise wrong("no resource type of FHIR R4", name, "types", name)
        for element in kept if name != OTHERS and kept != "all" else ():
            if not _is_element(name, element):
                raise wrong(f"{name} has no such element", f"{name}.{element}", "types", name)
