"""Consents in general: one of each kind that a decision can tell apart, given for what a point asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import count
from typing import Literal

from exchange.consent.dates import EXCHANGE_ZONE, Span
from exchange.consent.directives.normal_form import Provision
from exchange.consent.directives.profiles import Profile, Statement
from exchange.consent.directives.trees import ANYONE, BY_CLASS, BY_NAME
from exchange.consent.proof.space import ABOVE, REPOSITORY_CODE, SOURCE, Point
from exchange.consent.rules.ruleset import Rules
from exchange.consent.rules.vocabulary import Vocabulary

Says = Literal["permit", "refuse"]

_NUMBERS = count()
"""In place of digests, which would take longer than the decisions: no two profiles made here are equal."""

_NAMING = {ANYONE: "anybody", BY_CLASS: "a class the requester belongs to", BY_NAME: "the requester by name"}
_FLAWS = {
    "somebody-else": "but it names somebody else",
    "expired": "but it has expired",
    "other-purpose": "but it is for another purpose",
    "uncertain": "but it is not certain that it is this person's",
    "other-source": "but it speaks of another organization's records",
}
_REFUSED = {
    "everybody": "everybody",
    "requester": "the requester",
    "above": "the organization the requester is a part of",
    "labels": "records with these labels",
    "purpose": "this purpose",
    "exception": "the requester, as the exception to a permit for everybody",
}


@dataclass(frozen=True, slots=True)
class Archetype:
    """One kind of consent; a permit with a `flaw` opens nothing, `reach` is what a refusal is about.

    `own`: the person gave it, not somebody else for the person; `intermediary`: it names the exchange too.
    """

    domain: str
    says: Says
    naming: int = ANYONE
    written: bool = True
    ends: bool = False
    flaw: str = ""
    reach: str = "everybody"
    own: bool = True
    intermediary: bool = False

    @property
    def words(self) -> str:
        """The consent in a clause for people."""
        return self.told(lambda text: text)

    def told(self, say: Callable[[str], str]) -> str:
        """The clause in the language of `say`."""
        kind = say("a %(domain)s consent") % {"domain": self.domain}
        kind += "" if self.written else say(", without a signed source,")
        kind += say(" that names the exchange too,") if self.intermediary else ""
        kind += "" if self.own else say(", given by somebody else for the person,")
        if self.says == "refuse":
            return kind + say(" that refuses %(what)s") % {"what": say(_REFUSED[self.reach])}
        until = say(" until a date") if self.ends else ""
        flaw = f", {say(_FLAWS[self.flaw])}" if self.flaw else ""
        return kind + say(" that permits %(whom)s") % {"whom": say(_NAMING[self.naming])} + until + flaw


@lru_cache(maxsize=64)
def permits(rules: Rules) -> tuple[Archetype, ...]:
    """Permits that cover what is asked, of every domain: whom they name, written, ending, one's own."""
    return tuple(
        Archetype(domain, "permit", naming, written, ends, own=own, intermediary=intermediary)
        for domain in rules.vocabulary.file.domains
        for naming in (BY_NAME, BY_CLASS, ANYONE)
        for written in (True, False)
        for ends in (True, False)
        for own in (True, False)
        for intermediary in ((True, False) if naming > ANYONE and _asks_for_itself(rules) else (False,))
    )


def _asks_for_itself(rules: Rules) -> bool:
    """Whether any rule looks at who passes the records on."""
    return any(rule.policy.consent.intermediary for rule in rules.rules if rule.policy.consent)


def flawed(rules: Rules, domains: Iterable[str], collecting: bool) -> tuple[Archetype, ...]:
    """Permits that look good and must open nothing; those of limiting domains would refuse and are left out.

    Whom a permit names and for what does not matter for what the repository may hold.
    """
    known = rules.vocabulary.file.domains
    flaws = [flaw for flaw in _FLAWS if not collecting or flaw in ("expired", "uncertain")]
    return tuple(
        Archetype(name, "permit", BY_NAME, True, True, flaw)
        for name in domains
        for flaw in flaws
        if not known[name].limits and (flaw != "other-source" or known[name].only_source)
    )


def strongest(consents: Iterable[Archetype]) -> tuple[Archetype, ...]:
    """Without permits that open nothing another one of the same domain does not open."""
    kept: list[Archetype] = []
    for one in consents:
        if not any(_opens_as_much(other, one) for other in kept):
            kept = [other for other in kept if not _opens_as_much(one, other)] + [one]
    return tuple(kept)


def _opens_as_much(one: Archetype, other: Archetype) -> bool:
    return (
        (one.domain, one.says, one.flaw, one.reach) == (other.domain, other.says, other.flaw, other.reach)
        and one.says == "permit"
        and one.naming >= other.naming
        and one.written >= other.written
        and one.ends >= other.ends
        and one.own >= other.own
        and one.intermediary >= other.intermediary
    )


def speaks(consent: Archetype, point: Point, rules: Rules) -> bool:
    """Whether such a consent says anything about the point: one for research only about research."""
    if consent.domain == "research" and point.purpose not in rules.vocabulary.granted["HRESCH"]:
        return False
    return _statement(consent, point, rules) is not None


@lru_cache(maxsize=64)
def refusals(rules: Rules) -> tuple[Archetype, ...]:
    """Refusals of every domain, and the ways one can be said in the general one."""
    whole = [Archetype(domain, "refuse") for domain in rules.vocabulary.file.domains]
    ways = [Archetype("general", "refuse", reach=reach) for reach in _REFUSED if reach != "everybody"]
    return (*whole, *ways, Archetype("general", "refuse", written=False))


def profile_of(consents: tuple[Archetype, ...], point: Point, rules: Rules) -> Profile:
    """The profile of somebody who gave these consents for what the point asks, each on a day of its own."""
    groups = tuple(
        (statement,) for each in consents if (statement := _statement(each, point, rules)) is not None
    )
    return Profile(f"archetypes {next(_NUMBERS)}", groups)


def _statement(each: Archetype, point: Point, rules: Rules) -> Statement | None:
    """None where the requester is in no class, or the record without labels, that could be named."""
    root = _refusal(each, point, rules) if each.says == "refuse" else _permit(each, point, rules)
    if root is None:
        return None
    categories, policies = _kind(each.domain, rules.vocabulary)
    return Statement(
        categories=categories,
        policies=policies,
        organizations=("somebody-else",) if each.flaw == "other-source" else (SOURCE,),
        scope="research" if each.domain == "research" else "patient-privacy",
        written=each.written,
        certain=each.flaw != "uncertain",
        zone=str(EXCHANGE_ZONE),
        root=root,
        by="self" if each.own else "other",
    )


def _permit(each: Archetype, point: Point, rules: Rules) -> Provision | None:
    actors = _actors(each.naming, point, rules)
    if actors is None:
        return None
    actors = (*actors, REPOSITORY_CODE) if each.intermediary else actors
    ends = {"expired": -1}.get(each.flaw, 365) if each.ends else None
    return Provision(
        type="permit",
        actors=("somebody-else",) if each.flaw == "somebody-else" else actors,
        purposes=(_other_purpose(point.purpose, rules.vocabulary),) if each.flaw == "other-purpose" else (),
        period=Span(None, point.at + timedelta(days=ends)) if ends else None,
    )


def _actors(naming: int, point: Point, rules: Rules) -> tuple[str, ...] | None:
    if naming == ANYONE:
        return ()
    if naming == BY_NAME:
        return (point.requester.code,)
    who = point.requester
    groups = rules.vocabulary.file.groups.items()
    names = [
        f"group:{name}"
        for name, group in groups
        if (not group.types or who.type in group.types)
        and (group.covered_entity is None or group.covered_entity is who.covered_entity)
    ]
    return tuple(names) or None


def _other_purpose(purpose: str, vocabulary: Vocabulary) -> str:
    """A purpose that does not cover the one asked."""
    return next(code for code, covers in vocabulary.granted.items() if purpose not in covers)


def _refusal(each: Archetype, point: Point, rules: Rules) -> Provision | None:
    match each.reach:
        case "requester":
            return Provision(type="deny", actors=(point.requester.code,))
        case "above":
            return Provision(type="deny", actors=(ABOVE,)) if point.requester.part_of == ABOVE else None
        case "labels":
            atoms = tuple(label for label in point.labels if label in rules.vocabulary.atoms)
            return Provision(type="deny", labels=atoms) if atoms else None
        case "purpose":
            return Provision(type="deny", purposes=(point.purpose,))
        case "exception":
            hidden = Provision(type="deny", actors=(point.requester.code,))
            return Provision(type="permit", provisions=(hidden,))
        case _:
            return Provision(type="deny")


@lru_cache(maxsize=1024)
def _kind(domain: str, vocabulary: Vocabulary) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Categories and policies that put a consent into this domain alone."""
    return next(
        (categories, policies)
        for categories, policies in _candidates(domain, vocabulary)
        if vocabulary.domains_of(categories, policies) == (domain,)
    )


def _candidates(domain: str, vocabulary: Vocabulary) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    found = vocabulary.file.domains[domain]
    yield from (((category,), ()) for category in found.categories)
    yield from (((), (policy,)) for policy in found.policies)
    yield ("http://example.org/categories|other",), ()
