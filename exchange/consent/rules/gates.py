"""Which policies apply to one atom of one request, by what they do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from exchange.consent.participants import Participant
from exchange.consent.rules.conditions import Facts
from exchange.consent.rules.ruleset import Rule, Rules


@dataclass(frozen=True, slots=True, eq=False)
class Gates:
    """The rules that apply; where the same ones do, it is the same object."""

    every: tuple[Rule, ...]
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
    """`in_force` is the number of the slice of time, see Rules.in_force; `facts` are best impersonal()."""
    asked = _asked(rules, in_force, facts.action, facts.purpose)
    return _gates(tuple(rule for rule in asked if rule.applies(facts)))


@lru_cache(maxsize=4096)
def _asked(rules: Rules, in_force: int, action: str, purpose: str) -> tuple[Rule, ...]:
    """Those that may apply to such a request at all, so that the others are not looked at each time."""
    return tuple(rule for rule in rules.slices[in_force] if rule.asked(action, purpose))


@lru_cache(maxsize=1 << 16)
def _gates(applying: tuple[Rule, ...]) -> Gates:
    by_effect: dict[str, list[Rule]] = {}
    for rule in applying:
        by_effect.setdefault(rule.policy.effect, []).append(rule)

    def of(effect: str) -> tuple[Rule, ...]:
        return tuple(by_effect.get(effect, ()))

    return Gates(
        every=applying,
        prohibited=of("prohibited"),
        released=of("released"),
        emergency=of("emergency-only"),
        required=of("required"),
        allowed=of("allowed"),
        relationship=of("relationship"),
        obligation=of("obligation"),
        own_consent=of("own-consent"),
    )


@lru_cache(maxsize=1 << 16)
def impersonal(source: Participant, requester: Participant) -> tuple[Participant, Participant]:
    """Both by facts alone, so that requests that rules cannot tell apart are looked at once.

    Rules compare who is the source and who asks only with each other.
    """
    asking = "source" if requester.code == source.code else "requester"
    return nameless(source, "source"), nameless(requester, asking)


@lru_cache(maxsize=4096)
def nameless(participant: Participant, code: str = "") -> Participant:
    """What rules may ask of a participant."""
    return replace(participant, code=code, npi=None, part_of=None, groups=(), roles=(), purposes=())


@lru_cache(maxsize=64)
def types_told_apart(rules: Rules) -> frozenset[str]:
    """The types of records that rules name; all others are alike to them."""
    conditions = [c for rule in rules.rules for c in (rule.policy.when, *rule.policy.unless)]
    return frozenset(kind for condition in conditions for kind in condition.record.type)
