"""Which policies apply to one atom of one request, by what they do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from exchange.consent.rules.conditions import Facts
from exchange.consent.rules.ruleset import Rule, Rules


@dataclass(frozen=True, slots=True, eq=False)
class Gates:
    """The rules that apply; where the same ones do, it is the same object."""

    prohibited: tuple[Rule, ...]
    released: tuple[Rule, ...]
    emergency: tuple[Rule, ...]
    required: tuple[Rule, ...]
    allowed: tuple[Rule, ...]
    relationship: tuple[Rule, ...]
    obligation: tuple[Rule, ...]
    own_consent: tuple[Rule, ...]


@lru_cache(maxsize=1 << 17)
def gates(rules: Rules, in_force: int, facts: Facts) -> Gates:
    """`in_force` is the number of the slice of time, see Rules.in_force."""
    return _gates(tuple(rule for rule in rules.slices[in_force] if rule.applies(facts)))


@lru_cache(maxsize=1 << 16)
def _gates(applying: tuple[Rule, ...]) -> Gates:
    by_effect: dict[str, list[Rule]] = {}
    for rule in applying:
        by_effect.setdefault(rule.policy.effect, []).append(rule)

    def of(effect: str) -> tuple[Rule, ...]:
        return tuple(by_effect.get(effect, ()))

    return Gates(
        prohibited=of("prohibited"),
        released=of("released"),
        emergency=of("emergency-only"),
        required=of("required"),
        allowed=of("allowed"),
        relationship=of("relationship"),
        obligation=of("obligation"),
        own_consent=of("own-consent"),
    )
