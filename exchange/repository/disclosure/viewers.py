"""Viewers, classes and profiles as small integers, and what decide() permits between them.

`disclosure` is the only thing row-level security asks; nothing but this module writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import product

import orjson
import psycopg

from exchange.consent import REPOSITORY, Context, DisclosureClass, Profile, profile
from exchange.consent.alike import Permits, permits_of_all
from exchange.model.records import Decision, Viewer
from exchange.repository.disclosure.clock import SETTLED
from exchange.repository.disclosure.permit_rows import Permit, write_permits

NO_DIRECTIVES = profile(())

_HORIZON = timedelta(days=2 * 365)


def viewers(context: Context) -> list[Viewer]:
    """The repository, and every participant in each of its roles for each of its purposes."""
    asking = [
        Viewer(p.code, role, purpose)
        for p in context.participants.values()
        for role, purpose in product(p.roles, p.purposes)
    ]
    return [REPOSITORY, *asking]


def intern_profiles(conn: psycopg.Connection, profiles: Iterable[Profile]) -> dict[str, int]:
    """Numbers of the profiles by digest."""
    bodies = {p.digest: p for p in profiles}
    digests = sorted(bodies)
    conn.execute(
        "INSERT INTO consent_profile (digest, body)"
        " SELECT * FROM unnest(%s::text[], %s::jsonb[]) ON CONFLICT DO NOTHING",
        (digests, [orjson.dumps(bodies[digest].to_json()).decode() for digest in digests]),
    )
    return dict(
        conn.execute(
            "SELECT digest, profile FROM consent_profile WHERE digest = ANY(%s)", (digests,)
        ).fetchall()
    )


def load_profiles(conn: psycopg.Connection, numbers: Iterable[int]) -> dict[int, Profile]:
    """Profiles by their numbers."""
    rows = conn.execute(
        "SELECT profile, body::text FROM consent_profile WHERE profile = ANY(%s)", (list(set(numbers)),)
    ).fetchall()
    return {number: _profile(body) for number, body in rows}


@lru_cache(maxsize=20_000)
def _profile(body: str) -> Profile:
    return Profile.from_json(orjson.loads(body))


def intern_classes(
    conn: psycopg.Connection, classes: Iterable[DisclosureClass], context: Context, at: datetime
) -> dict[str, int]:
    """Numbers of the classes by digest; classes never met before are decided for every viewer."""
    by_digest = {c.digest: c for c in classes}
    digests = sorted(by_digest)
    known = _class_numbers(conn, digests)
    new = [digest for digest in digests if digest not in known]
    if new:
        created = _insert_classes(conn, {digest: by_digest[digest] for digest in new})
        decide_classes(conn, {number: by_digest[d] for d, number in created.items()}, context, at)
        known |= _class_numbers(conn, new)
    return known


def _class_numbers(conn: psycopg.Connection, digests: Sequence[str]) -> dict[str, int]:
    rows = conn.execute(
        "SELECT digest, class FROM disclosure_class WHERE digest = ANY(%s)", (list(digests),)
    ).fetchall()
    return dict(rows)


def _insert_classes(conn: psycopg.Connection, classes: Mapping[str, DisclosureClass]) -> dict[str, int]:
    profiles = intern_profiles(conn, [c.profile for c in classes.values() if c.profile])
    created: dict[str, int] = {}
    for digest, c in classes.items():
        row = conn.execute(
            "INSERT INTO disclosure_class (digest, source, type, confidentiality, labels, profile, matched)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING class",
            (
                digest,
                c.source,
                c.type,
                c.confidentiality,
                list(c.labels),
                profiles[c.profile.digest] if c.profile else None,
                list(c.matched),
            ),
        ).fetchone()
        if row:  # else another transaction created and decided it
            created[digest] = row[0]
    return created


def load_classes(
    conn: psycopg.Connection, numbers: Iterable[int] | None = None
) -> dict[int, DisclosureClass]:
    """Classes by their numbers; all of them by default."""
    rows = conn.execute(
        "SELECT class, source, type, confidentiality, labels, matched, p.body::text"
        " FROM disclosure_class c LEFT JOIN consent_profile p USING (profile)"
        " WHERE %(numbers)s::int[] IS NULL OR class = ANY(%(numbers)s)",
        {"numbers": None if numbers is None else list(set(numbers))},
    ).fetchall()
    return {
        number: DisclosureClass(
            source, kind, confidentiality, tuple(labels), _profile(body) if body else None, tuple(matched)
        )
        for number, source, kind, confidentiality, labels, matched, body in rows
    }


def repository_viewer(conn: psycopg.Connection) -> int | None:
    """Number of the viewer that is the repository itself; None before participants are registered."""
    row = conn.execute(
        "SELECT viewer FROM viewer WHERE (participant, role, purpose) = (%s, %s, %s)",
        (REPOSITORY.participant, REPOSITORY.role, REPOSITORY.purpose),
    ).fetchone()
    return row[0] if row else None


def permitted_to_hold(conn: psycopg.Connection, classes: Iterable[int], at: datetime) -> set[int]:
    """Those of the classes that the repository may store at `at`, or when what is decided by now holds."""
    rows = conn.execute(
        f"SELECT class FROM disclosure, {SETTLED} AS s (at) WHERE viewer = %(viewer)s"
        " AND class = ANY(%(classes)s) AND valid_from <= s.at AND valid_until > s.at",
        {"viewer": repository_viewer(conn), "classes": list(set(classes)), "at": at},
    ).fetchall()
    return {row[0] for row in rows}


def decide_classes(
    conn: psycopg.Connection, classes: Mapping[int, DisclosureClass], context: Context, at: datetime
) -> None:
    """Writes what every viewer may see of classes that have no row in `disclosure`."""
    write_permits(conn, _decided(classes, _known_viewers(conn, context), context, at))


def _known_viewers(conn: psycopg.Connection, context: Context) -> dict[Viewer, int]:
    rows = conn.execute("SELECT viewer, participant, role, purpose FROM viewer").fetchall()
    asking = set(viewers(context))
    known = {Viewer(*names): number for number, *names in rows}
    return {viewer: number for viewer, number in known.items() if viewer in asking}


def _decided(
    classes: Mapping[int, DisclosureClass], numbers: Mapping[Viewer, int], context: Context, at: datetime
) -> Iterator[Permit]:
    """The permits of all classes, cut to the time during which the repository may hold the record."""
    horizon = at + _HORIZON
    held = {
        found.number: found.permits for found in permits_of_all(classes, [REPOSITORY], context, at, horizon)
    }
    kept = {number: classes[number] for number in held}
    for found in permits_of_all(kept, list(numbers), context, at, horizon):
        asking = [numbers[viewer] for viewer in found.viewers]
        for start, end, decision in _within(found.permits, held[found.number]):
            yield Permit(asking, found.number, found.action, start, end, decision)


def _within(permits: Permits, held: Permits) -> Iterator[tuple[datetime, datetime, Decision]]:
    """The parts of the permits during which the repository may hold the record."""
    for start, end, decision in permits:
        for held_from, held_until, _ in held:
            first, last = max(start, held_from), min(end, held_until)
            if first < last:
                yield first, last, decision
