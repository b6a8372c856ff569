"""What would change if other rules or other participants were in force, before anything is switched on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from exchange.app.opening import Exchange
from exchange.consent import Context, DisclosureClass, complete_rules, participant
from exchange.consent.proof.simulation import Change, changes
from exchange.content import load_partners
from exchange.model.audit import Giving
from exchange.model.records import Files
from exchange.repository import load_classes, viewers
from exchange.repository.disclosure.affected import Affected, Total, affected


@dataclass(frozen=True, slots=True)
class Simulated:
    """Counts by class and viewer and over all, with the classes named and why each change comes about.

    `out_of_reach`: answers that differ, too, for records of which whom they are given to reaches none today.
    `labels_differ`: the drafts label records differently; that is not simulated, records keep their labels.
    """

    affected: list[Affected]
    totals: list[Total]
    classes: Mapping[int, DisclosureClass]
    because: Mapping[tuple[int, str, str, str, Giving], tuple[str, ...]]
    looked_at: int
    out_of_reach: int
    labels_differ: bool


def simulate(exchange: Exchange, rules: Files | None, mappings: Files | None) -> Simulated:
    """Compares the rules and participants in force with drafts; writes nothing. Raises ContentError."""
    before = exchange.context
    after = Context(
        complete_rules(rules) if rules is not None else before.rules,
        {code: participant(partner) for code, partner in load_partners(mappings).items()}
        if mappings is not None
        else before.participants,
    )
    with exchange.work.connect() as connection:
        classes, at = load_classes(connection), exchange.work.now()
        everybody = dict.fromkeys((*viewers(before), *viewers(after)))
        found: list[Change] = list(changes(classes, everybody, before, after, at))
        counted, totals = affected(connection, found, after, at)
        connection.rollback()
    touched = {row.number for row in counted}
    reached = {row[:6] for row in counted}
    return Simulated(
        affected=counted,
        totals=totals,
        classes={number: classes[number] for number in touched},
        because={
            (c.number, c.viewer.participant, c.viewer.role, c.viewer.purpose, c.action): c.because
            for c in found
            if c.number in touched
        },
        looked_at=len(classes),
        out_of_reach=len({_answer(change) for change in found} - reached),
        labels_differ=_labelling(before) != _labelling(after),
    )


def _answer(change: Change) -> tuple[object, ...]:
    who = change.viewer
    return change.number, who.participant, who.role, who.purpose, change.action, change.gained


def _labelling(context: Context) -> object:
    lists, words = context.rules.lists, context.rules.vocabulary.file
    texts = [(pattern.regex.pattern, pattern.hit) for pattern in lists.patterns]
    own_care = [replace(row, place="") for row in context.rules.minors.rows]
    told = lists.exact, lists.prefixes, texts, own_care
    return told, words.sensitivity, words.law, words.programs, words.aliases
