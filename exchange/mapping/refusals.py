"""What a map refuses: records that the law, or an agreement, keeps out whatever they say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from exchange.mapping.compile_elements import compile_condition
from exchange.mapping.content import Node
from exchange.mapping.entries import holds
from exchange.mapping.language import Language, Spot
from exchange.mapping.paths.grammar import Reader
from exchange.mapping.paths.places import SEGMENTS
from exchange.mapping.run import Run
from exchange.model.errors import RecordRejected

FIELDS = ("when", "because")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A condition on the whole record, and what is said of a record for which it holds."""

    when: Reader
    because: str


def refusals(node: Node, language: Language) -> tuple[Refusal, ...]:
    """The refusals of a map, by name; ContentError for one without a condition or a reason."""
    if language.format == "fhir_json":
        raise node.fail("a fhir_json map cannot have this", "refuse")
    return tuple(_refusal(name, item, language) for name, item in node.table("refuse").items())


def _refusal(name: str, node: Node, language: Language) -> Refusal:
    field = f"refuse.{name}"
    table = node.table(field, FIELDS)
    for part in FIELDS:
        if part not in table:
            raise node.fail(f"a refusal needs `{part}`", field)
    spot = Spot(node, field, place=SEGMENTS if language.format == "hl7v2" else "")
    return Refusal(compile_condition(table["when"], language, spot), table["because"].text(field))


def check_refusals(rules: Iterable[Refusal], root: Any, run: Run) -> None:
    """Raises RecordRejected, `forbidden`, for a record that is refused."""
    for rule in rules:
        if holds(rule.when, root, run):
            raise RecordRejected(rule.because, code="forbidden")
