"""What partner.yaml declares about the FHIR of a feed: `fhir_version` and `identified`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from exchange.mapping.fhir_keys import Keys
from exchange.mapping.stu3 import sent_as, to_r4
from exchange.mapping.stu3_left import left_out
from exchange.model.errors import ContentError
from exchange.model.fhir_types import type_names
from exchange.model.partner import Feed


def _as_it_is(parsed: Any) -> Any:
    return parsed


def _nothing(_: Any) -> tuple[str, ...]:
    return ()


def _same(_kind: str, path: str) -> str:
    return path


_Version = tuple[Callable[[Any], Any], Callable[[Any], Iterable[str]], Callable[[str, str], str]]
_VERSIONS: Mapping[str, _Version] = {
    "R4": (_as_it_is, _nothing, _same),
    "R4B": (_as_it_is, _nothing, _same),
    "STU3": (to_r4, left_out, sent_as),
}
"""R4B differs from R4 only in types that R4 does not have, and those are rejected by name."""


@dataclass(frozen=True, slots=True)
class FhirFeed:
    """How resources of a feed are identified and become R4, and what of them R4 has no place for.

    `sent_as` names a path of a type's R4 as the feed sends it.
    """

    keys: Keys
    to_r4: Callable[[Any], Any]
    left_out: Callable[[Any], Iterable[str]]
    sent_as: Callable[[str, str], str]


def fhir_feed(feed: Feed, file: str) -> FhirFeed:
    """The declaration of a feed; ContentError for a version or type there is none of."""
    declared = feed.options if feed.format == "fhir_json" else {}
    for name in declared:
        if name not in ("fhir_version", "identified"):
            raise ContentError("no such option", file=file, field=name, valid=("fhir_version", "identified"))
    version = str(declared.get("fhir_version", "R4"))
    if version not in _VERSIONS:
        raise ContentError("no such FHIR version", file=file, field="fhir_version", valid=_VERSIONS)
    identified = declared.get("identified", [])
    for kind in identified if isinstance(identified, list) else [identified]:
        if kind not in type_names("resource"):
            raise ContentError(
                f"`{kind}` is no resource type", file=file, field="identified", valid=type_names("resource")
            )
    return FhirFeed(Keys(frozenset(identified)), *_VERSIONS[version])
