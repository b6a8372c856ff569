"""Which disclosures a cause makes wrong: every record a recipient got, asked for again as that recipient.

The log of disclosures is the one source: deliveries are in it as answers of the API are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg

from exchange.audit import Disclosure, accounting
from exchange.consent import Context, DisclosureClass, decide
from exchange.delivery.receipt_items import items_sent
from exchange.model.audit import Giving
from exchange.model.records import Viewer
from exchange.repository import Lent, load_classes, read, reader

_Way = tuple[Viewer, Giving, str]


@dataclass(frozen=True, slots=True)
class Sent:
    """One record that one recipient got in one way, every time he did; `about`: the person as he knew him."""

    viewer: Viewer
    given_as: Giving
    record: str
    about: str | None
    disclosures: tuple[Disclosure, ...]

    @property
    def way(self) -> _Way:
        return self.viewer, self.given_as, self.record

    @property
    def events(self) -> list[int]:
        return [found.sequence for found in self.disclosures]


@dataclass(frozen=True, slots=True)
class Now:
    """How it stands today: about whom the recipient would get the record (None: he would not get it)."""

    shown: bool
    about: str | None


def sent_about(conn: psycopg.Connection, patients: Iterable[str]) -> list[Sent]:
    """Everything that went out about the people of these Patients, by recipient, purpose and record."""
    found = {d.sequence: d for patient in patients for d in accounting(conn, patient)}
    together: dict[tuple[Viewer, Giving, str, str | None], list[Disclosure]] = {}
    for _, d in sorted(found.items()):
        for record in d.resources:
            viewer = Viewer(d.participant, d.role, d.purpose)
            together.setdefault((viewer, d.given_as, record, d.about), []).append(d)
    return [Sent(*key, tuple(each)) for key, each in together.items()]


def standing_now(conn: psycopg.Connection, sent: Iterable[Sent], at: datetime) -> dict[_Way, Now]:
    """Each record asked for again by each recipient in the same way; `conn` is idle before and after."""
    wanted: dict[tuple[Viewer, Giving], set[str]] = {}
    for one in sent:
        if "/" in one.record:
            wanted.setdefault((one.viewer, one.given_as), set()).add(one.record)
    found: dict[_Way, Now] = {}
    for (viewer, given_as), records in wanted.items():
        with reader(Lent(conn), viewer, at, action=given_as) as view:
            for record in sorted(records):
                answer = read(view, *record.split("/")[:2])
                about = answer.patients[0] if answer and answer.patients else None
                found[viewer, given_as, record] = Now(answer is not None, about)
    return found


def revoked(conn: psycopg.Connection, patient: str, context: Context, at: datetime) -> list[Sent]:
    """What went out about a person and is denied now by the person's word, or for want of it.

    What a recipient would not get today for another reason (the relationship ended, the record is gone, a
    label came late) is not the revocation's doing.
    """
    sent = sent_about(conn, [patient])
    facts = [one for one in sent if not one.record.startswith("Patient/")]
    now = standing_now(conn, facts, at)
    gone = [one for one in facts if one.way in now and not now[one.way].shown]
    by_word = _denied_by_word(conn, gone, context, at)
    return [
        *(one for one in gone if one in by_word and not _came_late(conn, one)),
        *_composed_of_denied(conn, [one for one in sent if one not in facts], patient, context, at),
    ]


def _composed_of_denied(
    conn: psycopg.Connection, people: Sequence[Sent], patient: str, context: Context, at: datetime
) -> list[Sent]:
    """Golden Patients that had a contribution in them that is denied now.

    A receipt names the contributions; an answer of the API does not, and counts when a consent opened it.
    """
    rows = conn.execute(
        "SELECT p.fhir_id::text, x.class FROM patient p JOIN LATERAL ("
        " SELECT class FROM resource r WHERE (r.type, r.fhir_id) = ('Patient', p.fhir_id)"
        " UNION SELECT class FROM withheld h WHERE (h.type, h.fhir_id) = ('Patient', p.fhir_id)) AS x ON true"
        " WHERE p.person = (SELECT person FROM patient WHERE fhir_id = %s)",
        (patient,),
    ).fetchall()
    known = load_classes(conn, {number for _, number in rows})
    found = []
    for one in people:
        denied = {key for key, number in rows if _by_word(known[number], one, context, at)}
        held = [d for d in one.disclosures if denied and _held(conn, one.record, d, denied)]
        if held:
            found.append(replace(one, disclosures=tuple(held)))
    return found


def _held(conn: psycopg.Connection, record: str, disclosure: Disclosure, contributions: set[str]) -> bool:
    if disclosure.delivery is None:
        return any(reason.startswith("consent:") for reason in disclosure.because)
    items = items_sent(conn, record, disclosure.delivery, disclosure.at)
    return any(not contributions.isdisjoint(item.sources) for item in items)


def wrongly_linked(conn: psycopg.Connection, patients: Sequence[str], at: datetime) -> list[Sent]:
    """What went out about these people while they were taken for one, under an id that is another's today.

    A golden Patient counts when it was composed of both, as its receipt says; in an answer of the API, when
    its recipient sees both people today and it was given while they were one.
    """
    sent = sent_about(conn, patients)
    now = standing_now(conn, sent, at)
    golden = _golden_today(conn, patients, sent, at)
    apart = _members(conn, patients)
    facts = [one for one in sent if not one.record.startswith("Patient/") and _of_another(one, now)]
    people = [one for one in sent if one.record.startswith("Patient/")]
    return [*facts, *(of_both for one in people if (of_both := _of_both(conn, one, apart, golden)))]


def _of_another(one: Sent, now: Mapping[_Way, Now]) -> bool:
    today = now.get(one.way)
    return today is not None and today.shown and today.about != one.about


def _members(conn: psycopg.Connection, patients: Sequence[str]) -> list[list[str]]:
    """All Patients of each of these people."""
    return [[row[0] for row in conn.execute(_SAME, (patient,)).fetchall()] for patient in patients]


_SAME = (
    "SELECT fhir_id::text FROM patient WHERE person = (SELECT person FROM patient WHERE fhir_id = %s::uuid)"
)


def _of_both(
    conn: psycopg.Connection,
    one: Sent,
    apart: Sequence[Sequence[str]],
    golden: Mapping[tuple[Viewer, Giving], frozenset[str]],
) -> Sent | None:
    """The disclosures of a Patient that was composed of both people."""
    since, until = _joined(conn, apart)
    both = tuple(
        d
        for d in one.disclosures
        if (
            all(_held(conn, one.record, d, set(members)) for members in apart)
            if d.delivery
            else len(golden.get((one.viewer, one.given_as), ())) > 1 and since <= d.at <= until
        )
    )
    return replace(one, disclosures=both) if both else None


def _joined(conn: psycopg.Connection, apart: Sequence[Sequence[str]]) -> tuple[datetime, datetime]:
    """From the first link between the two people to the last word that they are two."""
    row = conn.execute(
        "SELECT min(e.at) FILTER (WHERE e.kind = 'linked'), max(e.at) FROM link_event e"
        " JOIN patient p ON p.patient = e.a JOIN patient q ON q.patient = e.b"
        " WHERE (p.fhir_id = ANY(%(a)s::uuid[]) AND q.fhir_id = ANY(%(b)s::uuid[]))"
        "  OR (p.fhir_id = ANY(%(b)s::uuid[]) AND q.fhir_id = ANY(%(a)s::uuid[]))",
        {"a": list(apart[0]), "b": list(apart[-1])},
    ).fetchone()
    first, last = row or (None, None)
    return first or _NEVER, last or _NEVER


_NEVER = datetime.min.replace(tzinfo=UTC)


def _golden_today(
    conn: psycopg.Connection, patients: Sequence[str], sent: Sequence[Sent], at: datetime
) -> dict[tuple[Viewer, Giving], frozenset[str]]:
    """Under which ids each recipient knows these people today."""
    found: dict[tuple[Viewer, Giving], frozenset[str]] = {}
    for viewer, given_as in {(one.viewer, one.given_as) for one in sent}:
        with reader(Lent(conn), viewer, at, action=given_as) as view:
            answers = [read(view, "Patient", patient) for patient in patients]
            found[viewer, given_as] = frozenset(
                key for answer in answers if answer for key in answer.patients
            )
    return found


def _denied_by_word(
    conn: psycopg.Connection, gone: Sequence[Sent], context: Context, at: datetime
) -> list[Sent]:
    classes = _classes(conn, gone)
    known = load_classes(conn, {number for numbers in classes.values() for number in numbers})
    return [
        one
        for one in gone
        if any(_by_word(known[number], one, context, at) for number in classes.get(one.record, ()))
    ]


def _by_word(cls: DisclosureClass, one: Sent, context: Context, at: datetime) -> bool:
    """Denied by a consent, or by a law that asks for one."""
    answer = decide(cls, one.viewer, context, at, one.given_as)
    required = {rule.policy.id for rule in context.rules.rules if rule.policy.effect == "required"}
    return answer.effect == "deny" and any(
        reason.startswith("consent:") or reason in required for reason in answer.because
    )


def _classes(conn: psycopg.Connection, sent: Sequence[Sent]) -> dict[str, set[int]]:
    """Classes of today of each record, also of those the repository may not hold any more."""
    pairs = sorted({(kind, fhir_id) for kind, _, fhir_id in (one.record.partition("/") for one in sent)})
    rows = conn.execute(
        "SELECT w.type || '/' || w.fhir_id, x.class FROM unnest(%s::text[], %s::uuid[]) AS w (type, fhir_id)"
        " JOIN LATERAL ("
        "  SELECT class FROM resource r WHERE (r.type, r.fhir_id) = (w.type, w.fhir_id)"
        "  UNION SELECT class FROM withheld h WHERE (h.type, h.fhir_id) = (w.type, w.fhir_id)"
        " ) AS x ON true",
        ([kind for kind, _ in pairs], [key for _, key in pairs]),
    ).fetchall()
    found: dict[str, set[int]] = {}
    for record, number in rows:
        found.setdefault(record, set()).add(number)
    return found


def _came_late(conn: psycopg.Connection, one: Sent) -> bool:
    """Whether a label that came later is what denies it: that is another list."""
    kind, _, fhir_id = one.record.partition("/")
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM late_disclosure WHERE (type, fhir_id) = (%s, %s::uuid)"
        " AND (participant, purpose) = (%s, %s))",
        (kind, fhir_id, one.viewer.participant, one.viewer.purpose),
    ).fetchone()
    return bool(row and row[0])
