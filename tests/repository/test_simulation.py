"""What a simulation foretells is what comes when the draft is put in force, to the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from repository_world import AT, CLINIC, HOSPITAL, SHELTER, observation

from exchange.consent import Context, parse_rules
from exchange.consent.proof.simulation import changes
from exchange.model.audit import Giving
from exchange.model.records import Labels
from exchange.repository import Lent, load_classes, reader, viewers
from exchange.repository.disclosure.affected import affected
from exchange.repository.disclosure.registering import register_participants

HERE = Path(__file__).parent
VOCABULARY = (HERE.parents[1] / "consent" / "vocabulary.yaml").read_text("utf-8")
POLICIES = (HERE / "policies.yaml").read_text("utf-8")
MORE = """
  - id: draft
    title: draft
    citation: tests
    mark: ours
    steward: tests
    in_force: {from: 2020-01-01}
    review_by: 2030-01-01
"""
DRAFTS = {
    "nobody sees HIV": "    when: {action: [access], record: {label: [HIV]}}\n    effect: prohibited\n",
    "shelters see all": "    when: {purpose: [HOPERAT], requester: {type: [shelter]}}\n    effect: allowed\n",
    "clinics need a relationship": "    when: {action: [access], requester: {type: [clinic]}}\n"
    "    effect: relationship\n",
    "HIV is not held": "    when: {action: [collect], record: {label: [HIV]}}\n    effect: prohibited\n",
    "HIV is not sent": "    when: {action: [disclose], record: {label: [HIV]}}\n    effect: prohibited\n",
    "nothing": "    when: {purpose: [HMARKT]}\n    effect: prohibited\n",
}


def _draft(context, text):
    files = {"vocabulary.yaml": VOCABULARY, "policies/tests.yaml": POLICIES + MORE + text}
    return Context(parse_rules(files), context.participants)


def _lapsed(context):
    """The clinic's agreement has ended."""
    clinic = replace(context.participants["clinic"], agreement_until=AT - timedelta(days=1))
    return Context(context.rules, {**context.participants, "clinic": clinic})


_KINDS = tuple((name, Labels("R", frozenset({name})) if name else Labels()) for name in ("", "HIV", "SUD"))


@pytest.fixture
def records(world):
    """Records of three organizations, some protected, one person known to two of them."""
    people = [world.patient(p, p, name=[{"family": "Rivera"}]) for p in ("hospital", "clinic", "shelter")]
    world.link(people[0], people[1])
    for partner, patient in zip(("hospital", "clinic", "shelter"), people, strict=True):
        for key, labels in _KINDS:
            world.publish(world.item(partner, observation(partner, patient, key), labels=labels))
    return people


def _seen(world, viewer, action):
    with reader(Lent(world.conn), viewer, AT, action=action) as view:
        rows = view.conn.execute("SELECT DISTINCT type, fhir_id FROM resource").fetchall()
    world.conn.commit()
    return set(rows)


def _foretold(world, draft):
    found = list(changes(load_classes(world.conn), viewers(world.context), world.context, draft, AT))
    rows, totals = affected(world.conn, found, draft, AT)
    world.conn.rollback()
    return rows, totals


@pytest.mark.parametrize("name", [*DRAFTS, "lapsed"])
def test_what_is_foretold_is_what_comes(world, records, name):
    draft = _lapsed(world.context) if name == "lapsed" else _draft(world.context, DRAFTS[name])
    asking = [(v, action) for v in (HOSPITAL, CLINIC, SHELTER) for action in get_args(Giving)]
    before = {way: _seen(world, *way) for way in asking}
    rows, _ = _foretold(world, draft)
    register_participants(world.conn, draft, AT)
    world.conn.commit()
    for viewer, action in asking:
        after, was = _seen(world, viewer, action), before[viewer, action]
        mine = [r for r in rows if (r.participant, r.action) == (viewer.participant, action)]
        gained = sum(r.records for r in mine if r.gained)
        lost = sum(r.records for r in mine if not r.gained)
        assert (gained, lost) == (len(after - was), len(was - after)), (viewer.participant, action)


def test_a_draft_that_opens_names_the_class_and_counts_people_once(world, records):
    rows, totals = _foretold(world, _draft(world.context, DRAFTS["shelters see all"]))
    labels = {load_classes(world.conn, [row.number])[row.number].labels for row in rows}
    assert ({row.participant for row in rows}, labels) == ({"shelter"}, {("SUD",)})
    assert [(t.action, t.gained, t.recipients) for t in totals] == [
        ("access", True, 1),
        ("disclose", True, 1),
    ]
    assert [t.records for t in totals] == [
        sum(row.records for row in rows if row.action == action) for action in ("access", "disclose")
    ]


def test_a_draft_that_changes_only_what_is_sent_says_so(world, records):
    rows, totals = _foretold(world, _draft(world.context, DRAFTS["HIV is not sent"]))
    assert {row.action for row in rows} == {"disclose"}
    assert [(t.action, t.gained) for t in totals] == [("disclose", False)]


def test_a_draft_that_changes_nothing_foretells_nothing(world, records):
    assert _foretold(world, _draft(world.context, DRAFTS["nothing"])) == ([], [])
