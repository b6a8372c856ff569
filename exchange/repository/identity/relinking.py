"""What another model would make of everybody: told before it happens, and done only as it was told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256

import orjson
import psycopg

from exchange.consent import Context
from exchange.linkage import Model
from exchange.model.errors import Conflict
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.identity.links import relink

Seen = set[tuple[int, str]]
"""(viewer, `Type/id`) of what is disclosed."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one viewer would see that he does not, and the other way round, as `Type/id`."""

    participant: str
    role: str
    purpose: str
    opened: tuple[str, ...]
    closed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """`merged` and `split`: the ids of the persons before and after; `possible`: doubts before and after.

    `exposures` are those of viewers for whom something would open or close.
    """

    model: str
    patients: int
    merged: tuple[tuple[tuple[str, ...], str], ...]
    split: tuple[tuple[str, tuple[str, ...]], ...]
    links: tuple[int, int]
    possible: tuple[int, int]
    exposures: tuple[Exposure, ...]

    @property
    def digest(self) -> str:
        """Names this very report."""
        return sha256(orjson.dumps(asdict(self))).hexdigest()


def difference(conn: psycopg.Connection, model: Model, context: Context, at: datetime) -> Difference:
    """Everybody linked anew under the model, and undone again: nothing of it stays.

    Keeps other writers of identity waiting while it runs.
    """
    with conn.transaction(force_rollback=True):
        return _relinked(conn, model, context, at)


def activate(conn: psycopg.Connection, model: Model, context: Context, at: datetime, seen: str) -> Difference:
    """Links everybody anew, consents and releases with it, in the caller's transaction.

    Raises Conflict when what it would do is not what the report with the digest `seen` told.
    """
    with conn.transaction():
        done = _relinked(conn, model, context, at)
        if done.digest != seen:
            raise Conflict("what linking everybody anew would change is not what was reported; look again")
        return done


def _relinked(conn: psycopg.Connection, model: Model, context: Context, at: datetime) -> Difference:
    persons, links, possible = _persons(conn), _count(conn, _LINKS), _count(conn, _POSSIBLE)
    touched = relink(conn, model, at)
    # Nothing is released anew before the consents follow: this is still what is seen now.
    before = _seen(conn, touched, at)
    reprofile(conn, touched, context, at)
    after = _seen(conn, touched, at)
    now = _persons(conn)
    merged, split = changed_persons(persons, now)
    return Difference(
        model=f"{model.version} {model.digest}",
        patients=sum(now[patient] != person for patient, person in persons.items()),
        merged=merged,
        split=split,
        links=(links, _count(conn, _LINKS)),
        possible=(possible, _count(conn, _POSSIBLE)),
        exposures=_exposures(conn, before, after),
    )


_LINKS = "SELECT count(*) FROM patient_edge WHERE a < b"
_POSSIBLE = "SELECT count(*) FROM match_review WHERE decision IS NULL"


def changed_persons(
    before: Mapping[int, str], now: Mapping[int, str]
) -> tuple[tuple[tuple[tuple[str, ...], str], ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """(persons who become one, its id) and (a person, the ids of those it becomes), by person of a patient.

    >>> changed_persons({1: "a", 2: "b", 3: "c", 4: "c"}, {1: "a", 2: "a", 3: "c", 4: "d"})
    (((('a', 'b'), 'a'),), (('c', ('c', 'd')),))
    """
    comes, goes = defaultdict(set), defaultdict(set)
    for patient, person in before.items():
        comes[now[patient]].add(person)
        goes[person].add(now[patient])
    return (
        tuple(sorted((tuple(sorted(old)), new) for new, old in comes.items() if len(old) > 1)),
        tuple(sorted((old, tuple(sorted(new))) for old, new in goes.items() if len(new) > 1)),
    )


def _persons(conn: psycopg.Connection) -> dict[int, str]:
    return dict(conn.execute("SELECT patient, person::text FROM patient").fetchall())


def _count(conn: psycopg.Connection, query: str) -> int:
    row = conn.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def _seen(conn: psycopg.Connection, patients: Iterable[int], at: datetime) -> Seen:
    """As the policy of `resource` has it, for all viewers at once; broken glasses aside."""
    rows = conn.execute(
        "SELECT DISTINCT d.viewer, r.type || '/' || r.fhir_id FROM resource r JOIN disclosure d USING (class)"
        " JOIN viewer v USING (viewer)"
        " WHERE r.patient = ANY(%(of)s) AND d.valid_from <= %(at)s AND d.valid_until > %(at)s"
        " AND (NOT d.needs_relationship OR EXISTS (SELECT FROM relationship s"
        "  WHERE s.participant = v.participant AND s.patient = r.patient AND s.until > %(at)s"
        "  AND s.basis <> 'break-glass'))",
        {"of": list(patients), "at": at},
    )
    return set(rows.fetchall())


def _exposures(conn: psycopg.Connection, before: Seen, after: Seen) -> tuple[Exposure, ...]:
    changes: dict[int, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, changed in enumerate((after - before, before - after)):
        for viewer, reference in sorted(changed):
            changes[viewer][side].append(reference)
    names = conn.execute(
        "SELECT viewer, participant, role, purpose FROM viewer WHERE viewer = ANY(%s)"
        " ORDER BY participant, role, purpose",
        (list(changes),),
    )
    return tuple(
        Exposure(participant, role, purpose, tuple(changes[viewer][0]), tuple(changes[viewer][1]))
        for viewer, participant, role, purpose in names
    )


def by_type(references: Iterable[str]) -> dict[str, int]:
    """
    >>> by_type(["Observation/1", "Observation/2"])
    {'Observation': 2}
    """
    return dict(sorted(Counter(reference.partition("/")[0] for reference in references).items()))
