"""Reading as one viewer: a transaction in which row-level security shows what that viewer may see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import orjson
import psycopg

from exchange.consent import minimum
from exchange.consent.rules.elements import MINIMUM, Left
from exchange.model.audit import Giving
from exchange.model.records import Viewer
from exchange.repository.disclosure.clock import forwards_only


class Pool(Protocol):
    """What lends connections: a psycopg_pool.ConnectionPool."""

    def connection(self) -> AbstractContextManager[psycopg.Connection]: ...


@dataclass(frozen=True, slots=True)
class Lent:
    """A connection of the owner's, lent as a pool would lend one; the role ends with the view."""

    held: psycopg.Connection

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        yield self.held
        self.held.execute("RESET ROLE")


@dataclass(frozen=True, slots=True)
class Reader:
    """An open view; `conn` is in its transaction.

    `left`: the elements left to this viewer of what he is shown under the minimum necessary, if ever.
    `recorder`: the connection to the primary for the view of a standby.
    `reached`: by type the only people of whom he sees anything, where that was asked and they are few.
    """

    conn: psycopg.Connection
    viewer: Viewer
    at: datetime
    left: Left | None = None
    recorder: psycopg.Connection | None = None
    reached: dict[str, frozenset[int] | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def log(self) -> psycopg.Connection:
        """Whose transaction takes the record of what is disclosed; it ends after the view, or with it."""
        return self.recorder or self.conn


class Shown(NamedTuple):
    """A visible row of `resource`."""

    rid: int
    type: str
    fhir_id: UUID
    rendition: int
    patient: int | None
    class_: int
    updated: datetime
    body: bytes


CONSENT_COPY = "consent-copy"
"""The obligation to send a consent, or an explanation of its scope, along (42 CFR 2.32(b))."""

SHOWN = "r.rid, r.type, r.fhir_id, r.rendition, r.patient, r.class, r.updated, r.body"
"""Columns of Shown, from `resource r`."""


def best_rendition(alias: str = "r") -> str:
    """SQL: no less redacted rendition of this row is visible to this viewer; of a whole one none is asked."""
    return f"""({alias}.rendition = 0 OR NOT EXISTS (
    SELECT FROM resource b
    WHERE b.type = {alias}.type AND b.fhir_id = {alias}.fhir_id AND b.rendition < {alias}.rendition
))"""


def better_in_cluster(alias: str, other: str) -> str:
    """SQL: FROM and WHERE of better members of the cluster, of this or a certainly linked Patient or nobody.

    A link that is only probable hides nothing: it may hold for neither of two people it fits. Nor does one
    beside which somebody is kept apart: whoever forms the persons may pass it over (`cluster.partition`), and
    of two people both are told, even where each says the same.
    """
    first, then = (f"({of}.rendition, {of}.rank, {of}.fhir_id)" for of in (other, alias))
    return f"FROM {same_facts(alias)} AS {other} WHERE {first} < {then}"


def same_facts(alias: str) -> str:
    """SQL: the members of the same cluster, of this or a certainly linked Patient or of nobody, as a table.

    Reached by whom they are about: many people's records say the same.
    """
    member = f"SELECT m.* FROM resource m WHERE m.cluster = {alias}.cluster AND m.type = {alias}.type"
    return (
        f"({member} AND m.patient = ANY(same_people({alias}.patient))"
        f" UNION ALL {member} AND m.patient IS NULL AND {alias}.patient IS NULL)"
    )


def best_of_cluster(alias: str = "r") -> str:
    """SQL: no better member of its cluster is visible."""
    return f"({alias}.cluster IS NULL OR NOT EXISTS (SELECT {better_in_cluster(alias, 'b')}))"


BEST_RENDITION = best_rendition()
BEST_OF_CLUSTER = best_of_cluster()


# One statement, from left to right. Planning policies costs more than running them: each that follows
# is planned once per connection.
_OPEN = """
SELECT enter_view(%s, %s, %s, %s, %s), current_minimum(), set_config('role', 'exchange_api', true),
       set_config('plan_cache_mode', 'force_generic_plan', true), set_config('exchange.scope', %s, true)
"""


@contextmanager
def reader(
    pool: Pool, viewer: Viewer, at: datetime | None = None, scope: str = "", action: Giving = "access"
) -> Iterator[Reader]:
    """Opens the view of `viewer` at `at` (by default the database's clock); an unknown viewer sees nothing.

    `scope` narrows it to what a token reaches (see `scope_setting`); "" leaves it as it is. `action`: whether
    what is read answers a question or is sent, as itself or in a file.
    Commits at the end, so that the record of the disclosure and the reading are one transaction. Raises
    ClockRunsBackwards.
    """
    with pool.connection() as conn, conn.transaction():
        with forwards_only():
            names = (viewer.participant, viewer.role, viewer.purpose)
            row = conn.execute(_OPEN, (*names, at, action, scope), prepare=True).fetchone()
        if row is None:
            raise psycopg.InternalError("enter_view() returned nothing")
        yield Reader(conn, viewer, row[0], row[1])


def act(reader: Reader, action: Giving) -> None:
    """From here on the view shows what this action is permitted for."""
    reader.conn.execute("SELECT set_config('exchange.action', %s, true)", (action,))


def select(reader: Reader, statement: str, arguments: Mapping[str, Any] | Sequence[Any]) -> list[Any]:
    """Rows of a statement of ours, seen as the viewer."""
    return reader.conn.execute(statement, arguments, prepare=True).fetchall()


@dataclass(frozen=True, slots=True)
class Terms:
    """Why something is shown, and what must travel with it.

    `scopes`: what the consents say that must go along: `organizations`, `purposes`, `period` of each.
    `people`: the reasons for what is about each; for the log alone, which names consents to nobody who asks.
    """

    because: tuple[str, ...]
    obligations: tuple[str, ...]
    scopes: tuple[Mapping[str, Any], ...] = ()
    people: Mapping[str | None, tuple[str, ...]] = field(default_factory=dict)


def terms(reader: Reader, shares: Iterable[tuple[str | None, Iterable[int]]]) -> Terms:
    """Reasons and obligations of what this viewer is shown, each once and sorted.

    `shares`: whom something is about, as the viewer knows him, and its classes.
    """
    pairs = {(about, one) for about, classes in shares for one in classes}
    asked = sorted({one for _, one in pairs})
    rows: list[Any] = select(
        reader, "SELECT class, because, obligations FROM disclosure WHERE class = ANY(%s)", (asked,)
    )
    reasons: dict[int, set[str]] = {}
    for number, found, _ in rows:
        reasons.setdefault(number, set()).update(found)
    people = _people(reader, pairs, reasons)
    obligations = {obligation for _, _, found in rows for obligation in found}
    scopes: list[Any] = []
    if CONSENT_COPY in obligations:
        scopes = select(reader, "SELECT consent_scopes(%s)", (asked,))
    return Terms(
        tuple(sorted({reason for each in people.values() for reason in each})),
        tuple(sorted(obligations)),
        tuple(sorted((scope for (scope,) in scopes), key=orjson.dumps)),
        people,
    )


def _people(
    reader: Reader, pairs: Iterable[tuple[str | None, int]], reasons: Mapping[int, set[str]]
) -> dict[str | None, tuple[str, ...]]:
    """The reasons of each person's share; a consent that is known is told by id, version and provision."""
    consented = [
        (about, number)
        for about, number in pairs
        if about and any(reason.startswith("consent:") for reason in reasons.get(number, ()))
    ]
    named: dict[tuple[str, int, str], set[str]] = {}
    if consented:
        about, numbers = zip(*consented, strict=True)
        for person, number, reason, said in select(
            reader,
            "SELECT person::text, class, reason, said FROM consents_shown(%s::uuid[], %s)",
            (list(about), list(numbers)),
        ):
            named.setdefault((person, number, reason), set()).add(f"consent:{said}")
    found: dict[str | None, set[str]] = {}
    for person, number in pairs:
        for reason in reasons.get(number, ()):
            found.setdefault(person, set()).update(named.get((person or "", number, reason), (reason,)))
    return {person: tuple(sorted(each)) for person, each in found.items()}


def fetch(reader: Reader, condition: str, arguments: dict[str, Any], most: int | None = None) -> list[Shown]:
    """Visible rows (`most` at most) in their best rendition, for which SQL about `resource r` holds."""
    limit = "" if most is None else " LIMIT %(most)s"
    rows = select(
        reader,
        f"SELECT {SHOWN} FROM resource r WHERE {condition} AND {BEST_RENDITION}"
        f" ORDER BY r.type, r.fhir_id{limit}",
        arguments if most is None else {**arguments, "most": most},
    )
    return shown(reader, rows)


def shown(reader: Reader, rows: Iterable[Sequence[Any]]) -> list[Shown]:
    """Rows of SHOWN as they may leave: cut where the viewer gets the minimum necessary, and whole else."""
    found = [Shown(*row) for row in rows]
    left = reader.left
    if left is None:
        return found
    cut = _cut_classes(reader, {row.class_ for row in found})
    return [
        row._replace(body=orjson.dumps(minimum(orjson.loads(row.body), left))) if row.class_ in cut else row
        for row in found
    ]


def _cut_classes(reader: Reader, classes: set[int]) -> set[int]:
    """Classes this viewer is shown under the minimum necessary: all that are not plainly shown without."""
    rows = select(
        reader,
        "SELECT class FROM disclosure WHERE class = ANY(%s) AND NOT obligations @> %s",
        (sorted(classes), [MINIMUM]),
    )
    return classes - {row[0] for row in rows}
