"""How a viewer may be named by a consent: himself, his groups and role, the organizations he is part of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from exchange.consent.classes import Context
from exchange.consent.participants import Participant
from exchange.model.records import Viewer

REPOSITORY = Viewer("exchange", "repository", "COLLECT")
"""The shared repository itself: what it may not collect never enters."""

EXCHANGE = Participant(
    code=REPOSITORY.participant,
    type="exchange",
    roles=(REPOSITORY.role,),
    agreement_from=datetime.min.replace(tzinfo=UTC),
    agreement="operator",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """`names`: what a permit may call the viewer; `wider`: what a denial may; `known`: all there are."""

    requester: Participant
    role: str
    names: frozenset[str]
    wider: frozenset[str]
    known: frozenset[str]


@lru_cache(maxsize=4096)
def standing(viewer: Viewer, context: Context) -> Standing | None:
    """None for a participant or role nobody has defined."""
    requester = participant_of(viewer.participant, context)
    if requester is None or viewer.role not in requester.roles:
        return None
    names = _names(requester, context) | {f"role:{viewer.role}"}
    return Standing(
        requester=requester,
        role=viewer.role,
        names=names,
        wider=names.union(*(_names(parent, context) for parent in _parents(requester, context))),
        known=_known(context),
    )


def participant_of(code: str, context: Context) -> Participant | None:
    """The participant of that code; the exchange itself is one."""
    return EXCHANGE if code == REPOSITORY.participant else context.participants.get(code)


def _names(participant: Participant, context: Context) -> frozenset[str]:
    declared = context.rules.vocabulary.file.groups
    by_facts = {
        name
        for name, group in declared.items()
        if (not group.types or participant.type in group.types)
        and (group.covered_entity is None or group.covered_entity is participant.covered_entity)
    }
    return frozenset({participant.code, *(f"group:{name}" for name in by_facts.union(participant.groups))})


def _parents(participant: Participant, context: Context) -> list[Participant]:
    """Upwards through `part_of`; a circle is walked once."""
    found: dict[str, Participant] = {}
    above = participant.part_of
    while above is not None and above not in found:
        parent = context.participants.get(above)
        if parent is None:
            break
        found[above] = parent
        above = parent.part_of
    return list(found.values())


def _known(context: Context) -> frozenset[str]:
    members = context.participants.values()
    groups = {*context.rules.vocabulary.file.groups, *(name for member in members for name in member.groups)}
    roles = {role for member in members for role in member.roles}
    return frozenset(
        {
            REPOSITORY.participant,
            *context.participants,
            *(f"group:{name}" for name in groups),
            *(f"role:{role}" for role in roles),
        }
    )
