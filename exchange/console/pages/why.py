"""The privacy officer's pages on why: decisions behind a cell, the rules and consents, a label's evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from exchange.app.privacy.explaining import Explained, explain_person, rule_titles
from exchange.app.privacy.persons import Person, person_of
from exchange.app.privacy.shares import reasons_of_all
from exchange.app.records.evidence import evidence_of
from exchange.consent.proof.words import answer_words
from exchange.console.accounts import Role
from exchange.console.codes import CODES
from exchange.console.desk import Desk
from exchange.console.given import uuid_of
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Visit
from exchange.console.pages.officer import SAID, consents_said
from exchange.console.places import Place
from exchange.console.rendering import day
from exchange.console.speech import Speech
from exchange.console.tables import Column, Row, table
from exchange.model.records import Decision, Evidence, Viewer
from exchange.pipeline.ledger import Connection

_ROLES: tuple[Role, ...] = ("privacy-officer",)
_CARDS = 40
_RECORDS = 10  # of a card, that lead to their evidence
_EVIDENCE = (
    Column("label", _("Label")),
    Column("basis", _("Because of"), "word:basis"),
    Column("detail", _("What it is")),
    Column("expression", _("Stands at"), "code"),
)


def overall_why(desk: Desk, visit: Visit) -> Answer:
    """Every reason for one cell of everybody's matrix; whose records these are is not shown."""
    viewer, kind = _asked(desk, visit)
    with desk.exchange.work.connect() as connection:
        found = reasons_of_all(desk.exchange.context, connection, viewer, kind, visit.at)
    rules, said = desk.exchange.context.rules, Speech(visit.language, desk.exchange)
    shown = found[:_CARDS]
    answers = [
        {"reason": one, "words": answer_words(_of_anybody(one.decision), rules, (), said.say)}
        for one in shown
    ]
    named = _rules(desk, [one.decision for one in shown])
    values = {"answers": answers, "more": len(found) - len(shown), "rules": named}
    return Page("officer/overall_why.html", {**values, "viewer": viewer, "kind": kind})


def _of_anybody(decision: Decision) -> Decision:
    """Which consent of a person it was tells nothing of everybody: it is said once that it was one."""
    because = dict.fromkeys("consent" if one.startswith("consent:") else one for one in decision.because)
    return replace(decision, because=tuple(because))


def _asked(desk: Desk, visit: Visit) -> tuple[Viewer, str]:
    """Who would ask, and of which label the records are; `` for none."""
    viewer = Viewer(
        visit.query.get("participant", ""),
        visit.query.get("role", "organization"),
        visit.query.get("purpose", ""),
    )
    if viewer.participant not in desk.exchange.partners:
        raise NotFound
    return viewer, visit.query.get("kind", "")


def _rules(desk: Desk, decisions: Sequence[Decision]) -> list[tuple[str, str, str]]:
    """(id, title, citation) of the rules that decided."""
    titles = rule_titles(desk.exchange.context)
    return [(n, *titles[n]) for n in sorted({n for one in decisions for n in one.because if n in titles})]


def why(desk: Desk, visit: Visit) -> Answer:
    """Every reason for one cell of a person's matrix, with the rules, their citations and the consents."""
    viewer, kind = _asked(desk, visit)
    with desk.exchange.work.connect() as connection:
        known = _known(connection, visit)
        found = explain_person(desk.exchange, connection, known.person, viewer, visit.at)
        said = consents_said(desk, visit, connection, known)
    chosen = [one for one in found if (kind in one.labels if kind else not one.labels)]
    names = {name for one in chosen for name in _origins(one)}
    counting = [
        {**row, "at": row["at"] or f"/privacy/people/{known.person}#said"}
        for row in said
        if not names.isdisjoint(_names(row))
    ]
    shown = table("consents", SAID, counting, visit.query, shown=Speech(visit.language, desk.exchange).shown)
    return Page(
        "officer/why.html",
        {
            "person": known,
            "viewer": viewer,
            "kind": kind,
            "answers": _cards(desk, visit, chosen, counting),
            "rules": _rules(desk, [one.decision for one in chosen]),
            "consents": shown,
        },
        patients=known.ids,
    )


def _known(connection: Connection, visit: Visit) -> Person:
    known = person_of(connection, uuid_of(visit.path["person"]))
    if not known.patients:
        raise NotFound
    return known


def _names(row: Row) -> tuple[str, ...]:
    """What a decision calls it by: with its version, or, where that is the latest, without."""
    name = f"Consent/{row['consent']}"
    return (f"{name}/_history/{row['version']}", *([] if row["ended"] else [name]))


def _origins(one: Explained) -> list[str]:
    """The Consents, by version, that the decision rests on."""
    positions = {
        int(reason.split(":")[1]) for reason in one.decision.because if reason.startswith("consent:")
    }
    return [name for at, names in enumerate(one.consents) if at in positions for name in names]


def _cards(
    desk: Desk, visit: Visit, chosen: Sequence[Explained], counting: Sequence[Row]
) -> list[Mapping[str, object]]:
    """Records of which the same is said for the same reason are one card."""
    rules, said = desk.exchange.context.rules, Speech(visit.language, desk.exchange)
    words = {name: _consent_words(row, said) for row in counting for name in _names(row)}
    grouped: dict[tuple[object, ...], list[Explained]] = defaultdict(list)
    for one in chosen:
        reason = one.decision.effect, one.decision.because, one.visible, one.type, one.source, one.labels
        grouped[(*reason, *_origins(one))].append(one)
    return [
        {
            "visible": group[0].visible, "type": group[0].type, "source": group[0].source,
            "count": len(group), "labels": group[0].labels, "related": group[0].related,
            "needs": group[0].decision.needs_relationship,
            "records": [one.reference for one in group[:_RECORDS]],
            "words": answer_words(group[0].decision, rules, _named(group[0], words, said), said.say),
        }
        for group in grouped.values()
    ]  # fmt: skip


def _named(one: Explained, words: Mapping[str, str], said: Speech) -> tuple[str, ...]:
    """Consents in words, by position; without a name it is none: records held back as nobody knows whose."""
    doubtful = said.say(_("whose records these are is doubtful"))
    return tuple(", ".join(words.get(name, name) for name in names) or doubtful for names in one.consents)


def _consent_words(row: Row, said: Speech) -> str:
    stored = day(said.language, row["stored"])
    asked = {"kind": row["kind"], "partner": said.participant(row["partner"]), "day": stored}
    return said.say(_("%(kind)s, stored by %(partner)s on %(day)s")) % asked


def evidence(desk: Desk, visit: Visit) -> Answer:
    """What the labels of one record rest on, found by labelling it once more."""
    with desk.exchange.work.connect() as connection:
        known = _known(connection, visit)
    reference = f"{visit.path['type']}/{uuid_of(visit.path['record'])}"
    found = evidence_of(desk.exchange, known.person, reference)
    if found is None:
        raise NotFound
    said = Speech(visit.language, desk.exchange)
    rows = [_evidence(one, said) for one in dict.fromkeys(found.evidence)]
    shown = table("evidence", _EVIDENCE, rows, visit.query, shown=said.shown)
    values = {"person": known, "found": found, "type": visit.path["type"], "reference": reference}
    return Page("officer/evidence.html", {**values, "evidence": shown}, patients=known.ids)


def _evidence(one: Evidence, said: Speech) -> Row:
    """A program by its organization and feed; words of ours in the language; a row of a list as it is."""
    detail = said.word("evidence", one.detail) if one.detail in CODES["evidence"] else one.detail
    if one.basis == "program":
        partner, _space, feed = one.detail.partition(" ")
        detail = f"{said.participant(partner)}, {feed}"
    levels = said.exchange.context.rules.vocabulary.levels
    label = (
        said.say(_("Confidentiality")) + f" ({one.label})" if one.label in levels else said.label(one.label)
    )
    return {"label": label, "basis": one.basis, "detail": detail, "expression": one.expression or None}


PLACES = (
    Place("/privacy/matrix/why", overall_why, _ROLES),
    Place("/privacy/people/{person}/why", why, _ROLES, purpose="HCOMPL"),
    Place("/privacy/people/{person}/records/{type}/{record}", evidence, _ROLES, purpose="HCOMPL"),
)
