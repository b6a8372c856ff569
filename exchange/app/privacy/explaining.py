"""Why a requester does, or does not, see what is known of a person: rule by rule, from decide() itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import get_args
from uuid import UUID

from exchange.app.opening import Exchange
from exchange.consent import Context, decide
from exchange.model.audit import Giving
from exchange.model.errors import ContentError
from exchange.model.records import Decision, Viewer
from exchange.pipeline.ledger import Connection
from exchange.repository import consents_of, load_classes


@dataclass(frozen=True, slots=True)
class Explained:
    """One disclosure class of a record, and what was decided about giving it in one way.

    `reference`: its `Type/id`. `consents`: by position in the person's profile, the
    `Consent/<id>/_history/<version>` that say it.
    """

    source: str
    type: str
    labels: tuple[str, ...]
    confidentiality: str
    rendition: int
    action: Giving
    decision: Decision
    related: bool
    reference: str
    consents: tuple[tuple[str, ...], ...] = ()

    @property
    def visible(self) -> bool:
        """Does the requester see it?"""
        return self.decision.effect == "permit" and (self.related or not self.decision.needs_relationship)


def explain_resource(
    exchange: Exchange, connection: Connection, reference: str, viewer: Viewer, at: datetime
) -> list[Explained]:
    """The decision for each rendition of `Type/id`, asked for and sent; ContentError: no such record."""
    kind, _, fhir_id = reference.partition("/")
    try:
        wanted = UUID(fhir_id)
    except ValueError:
        raise ContentError(
            "name a record as Type/id, the id as the repository gave it", field=reference
        ) from None
    rows = connection.execute(
        "SELECT class, patient, rendition, type || '/' || fhir_id FROM resource"
        " WHERE type = %s AND fhir_id = %s ORDER BY 3",
        [kind, wanted],
    ).fetchall()
    if not rows:
        raise ContentError("no such record in the repository", field=reference)
    return [
        item
        for action in get_args(Giving)
        for item in _explain(exchange.context, connection, rows, viewer, at, action)
    ]


def explain_person(
    exchange: Exchange, connection: Connection, person: str, viewer: Viewer, at: datetime
) -> list[Explained]:
    """The decision for every record known of a person when it is asked for."""
    rows = connection.execute(
        "SELECT r.class, r.patient, r.rendition, r.type || '/' || r.fhir_id"
        " FROM resource r JOIN patient p USING (patient)"
        " WHERE p.person = %s::uuid AND r.rendition = 0 ORDER BY r.rid",
        [person],
    ).fetchall()
    return _explain(exchange.context, connection, rows, viewer, at, "access")


def _explain(
    context: Context,
    connection: Connection,
    rows: Iterable[tuple[int, int | None, int, str]],
    viewer: Viewer,
    at: datetime,
    action: Giving,
) -> list[Explained]:
    rows = list(rows)
    classes = load_classes(connection, {number for number, *_ in rows})
    decisions = {number: decide(found, viewer, context, at, action) for number, found in classes.items()}
    related = {
        row[0]
        for row in connection.execute(
            "SELECT patient FROM relationship WHERE participant = %s AND until > %s"
            " AND (basis = 'break-glass') = %s",
            [viewer.participant, at, viewer.purpose in context.rules.vocabulary.file.emergency_purposes],
        )
    }
    consents = {
        patient: consents_of(connection, patient)
        for patient in {patient for number, patient, *_ in rows if _consented(decisions[number])}
        if patient is not None
    }
    return [
        Explained(
            source=classes[number].source,
            type=classes[number].type,
            labels=classes[number].labels,
            confidentiality=classes[number].confidentiality,
            rendition=rendition,
            action=action,
            decision=decisions[number],
            related=patient in related,
            reference=reference,
            consents=consents.get(patient, ()) if patient is not None else (),
        )
        for number, patient, rendition, reference in rows
    ]


def _consented(decision: Decision) -> bool:
    return any(reason.startswith("consent:") for reason in decision.because)


def reasons(explained: Iterable[Explained]) -> Counter[str]:
    """What kept records from the requester, by rule."""
    counts: Counter[str] = Counter()
    for item in explained:
        if item.visible:
            continue
        because = item.decision.because if item.decision.effect == "deny" else ("no care relationship",)
        counts.update(because[:1] or ("no rule permits it",))
    return counts


def rule_titles(context: Context) -> dict[str, tuple[str, str]]:
    """(title, citation) by rule id."""
    return {rule.policy.id: (rule.policy.title, rule.policy.citation) for rule in context.rules.rules}
