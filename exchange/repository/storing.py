"""Renditions into the tables: what the repository may hold is versioned and indexed, the rest withheld."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import psycopg

from exchange.consent import REPOSITORY, Context, decide
from exchange.model.fhir import references
from exchange.repository.disclosure.viewers import permitted_to_hold
from exchange.repository.disclosure.withdraw import Kept, withhold
from exchange.repository.storage import history, outbox, store
from exchange.repository.storage.index import IndexRows, index_rows
from exchange.repository.storage.items import ItemOutcome
from exchange.repository.storage.moments import step_back
from exchange.repository.storage.plan import Change, Rendition, change_of, is_late, later, row_of
from exchange.repository.storage.store import Key


def store_renditions(
    conn: psycopg.Connection,
    renditions: Mapping[int, list[Rendition]],
    context: Context,
    at: datetime,
    stored: datetime,
) -> dict[int, ItemOutcome]:
    """Versions, withholds or leaves as they are the forms of each item; what became of each.

    `at`: the instant for which it is decided; `stored`: the moment of what is stored, see moment_after().
    """
    each = [r for forms in renditions.values() for r in forms]
    held = permitted_to_hold(conn, {r.number for r in each}, at)
    references = {r.reference for r in each}
    present, past = store.present(conn, references), history.past(conn, references)
    forms: dict[tuple[str, UUID], list[store.Present]] = {}
    for key, row in present.items():
        forms.setdefault((key.type, key.fhir_id), []).append(row)
    late = {r.reference for r in each if r.reference in forms and is_late(r, forms[r.reference])}
    changes = {
        r.key: change_of(r, present.get(r.key), past.get(r.key), stored, r.reference in late)
        for r in each
        if r.number in held
    }
    refused = {r.key for r in each if r.number not in held}
    history.withdraw_rows(conn, [row.rid for key, row in present.items() if key in refused])
    vanished = [
        row.rid
        for key, row in present.items()
        if key not in refused and key not in changes and (key.type, key.fhir_id) not in late
    ]
    _apply(conn, list(changes.values()), vanished, stored)
    because = _because(
        [forms[0] for forms in renditions.values() if forms[0].number not in held], context, at
    )
    _write_ledger(conn, [forms[0] for forms in renditions.values()], because, at)
    return {p: _outcome(forms, changes, because) for p, forms in renditions.items()}


def _outcome(
    forms: Sequence[Rendition], changes: Mapping[Key, Change], because: Mapping[int, tuple[str, ...]]
) -> ItemOutcome:
    kinds = {changes[r.key].kind for r in forms if r.key in changes}
    if not kinds:
        return ItemOutcome("withheld", because[forms[0].number])
    return ItemOutcome(
        "unchanged" if kinds <= {"same", "known"} else "published", because.get(forms[0].number, ())
    )


def _because(refused: Sequence[Rendition], context: Context, at: datetime) -> dict[int, tuple[str, ...]]:
    """Why the repository may not hold a class, by its number."""
    classes = {r.number: r.class_ for r in refused}
    return {number: decide(c, REPOSITORY, context, at).because for number, c in classes.items()}


def _apply(
    conn: psycopg.Connection, changes: Sequence[Change], vanished: Sequence[int], at: datetime
) -> None:
    """Writes all changes with a few statements; replaced rows keep their row number."""
    by_kind: dict[str, list[Change]] = {"new": [], "newer": [], "older": [], "same": [], "known": []}
    for change in changes:
        by_kind[change.kind].append(change)
    replaced = [c.present.rid for c in by_kind["newer"] if c.present]
    written = [*by_kind["newer"], *by_kind["new"]]
    history.revive(conn, [c.rendition.reference for c in by_kind["new"] if c.version > 1])
    stored = [_stored(c) for c in written]
    before = outbox.states_before(conn, stored)
    history.archive(conn, replaced)
    history.vanish(conn, vanished)
    _step_back(conn, by_kind["newer"], at)
    store.remove(conn, [*replaced, *vanished])
    rids = [*replaced, *store.new_rids(conn, len(by_kind["new"]))]
    store.insert(conn, (_row(c, rid, at) for c, rid in zip(written, rids, strict=True)))
    outbox.note_stored(conn, stored, before, at)
    history.insert_past(conn, [row_of(c, 0, at) for c in by_kind["older"]])
    _adjust(conn, by_kind["same"])


def _step_back(conn: psycopg.Connection, newer: Sequence[Change], at: datetime) -> None:
    tied = [c.rendition.key for c in newer if c.present and c.present.updated == at]
    if tied:
        step_back(conn, tied, at)


def _row(change: Change, rid: int, at: datetime) -> tuple[store.Row, IndexRows]:
    rendition = change.rendition
    refers = references(rendition.resource) if rendition.key.rendition else rendition.item.references()
    return row_of(change, rid, at), index_rows(rendition.resource, refers)


def _stored(change: Change) -> outbox.Stored:
    r = change.rendition
    replaces = change.present.rid if change.present else None
    return outbox.Stored(r.key, r.resource, replaces, r.item.partner, r.subject.patient, r.item.event_time)


def _adjust(conn: psycopg.Connection, unchanged: Sequence[Change]) -> None:
    """Same content may still have come into another class or cluster, and holds until it was last said.

    What is older than that must not take its place, in whatever order the two arrive.
    """
    pairs = [(c.rendition, c.present) for c in unchanged if c.present]
    store.redate(
        conn, {row.rid: said for r, row in pairs if (said := later(r.item.event_time, row.event_time))}
    )
    store.move(conn, {row.rid: r.number for r, row in pairs if r.number != row.class_})
    store.rerank(
        conn,
        {
            row.rid: (r.item.cluster, r.item.trust)
            for r, row in pairs
            if (r.item.cluster, r.item.trust) != (row.cluster, row.rank)
        },
    )


def _write_ledger(
    conn: psycopg.Connection,
    wholes: Sequence[Rendition],
    because: Mapping[int, tuple[str, ...]],
    at: datetime,
) -> None:
    store.clear_withheld(conn, [r.reference for r in wholes if r.number not in because])
    withhold(
        conn,
        [
            Kept(
                *r.reference,
                r.item.partner,
                r.subject.patient,
                r.number,
                r.item.record,
                list(because[r.number]),
                at,
            )
            for r in wholes
            if r.number in because
        ],
    )
