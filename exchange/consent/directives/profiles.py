"""A person's directives as content alone: people who chose the same share one profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exchange.consent.directives.normal_form import (
    IDENTITY_HOLD,
    Directive,
    Grantor,
    Provision,
    provision_from_json,
    provision_to_json,
)
from exchange.consent.rules.canonical import canonical, digest


@dataclass(frozen=True, slots=True)
class Statement:
    """What one Consent says, without its id, version, patient or date of signature.

    `certain`: the Patient it was given for is certainly this person; without that it may only deny. So it is
    from `opens_until` on. `by`: who gave it.
    """

    categories: tuple[str, ...]
    policies: tuple[str, ...]
    organizations: tuple[str, ...]
    scope: str
    written: bool
    certain: bool
    zone: str
    root: Provision
    rules: tuple[str, ...] = ()
    by: Grantor = ""
    opens_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """Groups of statements; within one group (signed at the same moment) the most restrictive counts.

    Two profiles are equal when their digests are. Positions count the statements through all groups.
    """

    digest: str
    groups: tuple[tuple[Statement, ...], ...] = field(compare=False)

    @property
    def statements(self) -> tuple[Statement, ...]:
        return tuple(statement for group in self.groups for statement in group)

    def to_json(self) -> list[list[dict[str, Any]]]:
        return [[statement_to_json(statement) for statement in group] for group in self.groups]

    @classmethod
    def from_json(cls, body: list[list[dict[str, Any]]]) -> Profile:
        return cls(digest(body), tuple(tuple(statement_from_json(s) for s in group) for group in body))


def statement_to_json(statement: Statement) -> dict[str, Any]:
    until = statement.opens_until
    return {
        "categories": list(statement.categories),
        "policies": list(statement.policies),
        "organizations": list(statement.organizations),
        "scope": statement.scope,
        "written": statement.written,
        "certain": statement.certain,
        "zone": statement.zone,
        "root": provision_to_json(statement.root),
        "rules": list(statement.rules),
        **({"by": statement.by} if statement.by else {}),
        **({"opens_until": until.isoformat()} if until else {}),
    }


def statement_from_json(body: dict[str, Any]) -> Statement:
    names = ("categories", "policies", "organizations", "rules")
    lists = {name: tuple(body.get(name, ())) for name in names}
    until = {name: datetime.fromisoformat(body[name]) for name in ("opens_until",) if name in body}
    return Statement(**{**body, **lists, **until, "root": provision_from_json(body["root"])})


def profile(directives: Iterable[tuple[Directive, bool]]) -> Profile:
    """Drop what does not bind or is superseded, then what says nothing about content, and sort.

    Each directive comes with whether its Patient is certainly this person.
    """
    bodies = sorted(
        {
            canonical([body for body, _ in group]): [body for body, _ in group]
            for group in _groups(directives)
        }.items()
    )
    return Profile.from_json([body for _, body in bodies])


def origins(directives: Iterable[tuple[Directive, bool]]) -> tuple[tuple[str, ...], ...]:
    """For each position of `profile(directives)`, the `Consent/<id>/_history/<version>` that say it."""
    found: dict[bytes, list[set[str]]] = {}
    for group in _groups(directives):
        names = found.setdefault(canonical([body for body, _ in group]), [set() for _ in group])
        for position, (_, origin) in enumerate(group):
            names[position] |= origin
    return tuple(tuple(sorted(names)) for _, group in sorted(found.items()) for names in group)


def _groups(directives: Iterable[tuple[Directive, bool]]) -> Iterator[list[tuple[dict[str, Any], set[str]]]]:
    """Newest signature of each (patient, scope, organization, policy, category); ties stay together.

    What is not dated may be as new as the newest. A consent to research takes the place of no other. What the
    person said is not replaced by what somebody says for the person later: both are heard.
    """
    binding = [(d, certain) for d, certain in directives if d.root is not None]
    last = _last_signed(d for d, _ in binding)
    last_own = _last_signed(d for d, _ in binding if d.by != "other")
    kept: dict[tuple[object, ...], dict[bytes, tuple[dict[str, Any], set[str]]]] = {}
    for directive, certain in binding:
        key = _kind(directive)
        newest = [last[key], *([last_own[key]] if directive.by == "self" else [])]
        signed = [moment for moment in newest if _may_be_signed_at(directive, moment)]
        if signed:
            body = statement_to_json(_statement(directive, certain))
            moment = (
                signed[0] if directive.signed else signed[-1]
            )  # undated, it stays beside the person's own
            group = kept.setdefault((key, moment), {})
            group.setdefault(canonical(body), (body, set()))[1].add(_origin(directive))
    for statements in kept.values():
        yield [statements[spelling] for spelling in sorted(statements)]


def _kind(directive: Directive) -> tuple[object, ...]:
    """Consents of one kind replace one another."""
    said = (directive.organizations, directive.policies, directive.categories)
    return (directive.patient, directive.scope, *said)


def _last_signed(directives: Iterable[Directive]) -> dict[tuple[object, ...], datetime | None]:
    last: dict[tuple[object, ...], datetime | None] = {}
    for one in directives:
        before = last.setdefault(_kind(one), one.signed)
        if one.signed and (before is None or one.signed > before):
            last[_kind(one)] = one.signed
    return last


def _may_be_signed_at(directive: Directive, newest: datetime | None) -> bool:
    """At that moment or later; a date alone may be any of its hours, none at all any moment."""
    if directive.signed is None or directive.signed == newest:
        return True
    return newest is not None and directive.signed_until is not None and directive.signed_until > newest


def _origin(directive: Directive) -> str:
    """What binds without having been signed has no version; a doubt about identity is no Consent."""
    if directive.consent == IDENTITY_HOLD:
        return "The review of this person's identity"
    version = f"/_history/{directive.version}" if directive.version else ""
    return f"Consent/{directive.consent}{version}"


def _statement(directive: Directive, certain: bool) -> Statement:
    if directive.root is None:
        raise ValueError("a Consent that does not bind says nothing")
    return Statement(
        categories=directive.categories,
        policies=directive.policies,
        organizations=directive.organizations,
        scope=directive.scope,
        written=directive.written,
        certain=certain,
        zone=directive.zone,
        root=directive.root,
        rules=directive.rules,
        by=directive.by,
        opens_until=directive.opens_until,
    )
