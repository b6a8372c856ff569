"""A pass over a target: what its viewer may not see any more is deleted, what is new or changed is given.

Whoever is killed loses nothing: what leaves is noted as leaving in the transaction that reads and records it,
and is offered again, under the same key, until the server says that it has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg

from exchange.audit import Sending
from exchange.connectors.channels import target_options
from exchange.delivery import bundles
from exchange.delivery.channels import Send, open_server
from exchange.delivery.composing import record_sending, words_owed
from exchange.delivery.parcel import Office, Parcel
from exchange.delivery.targets.holdings import (
    Name,
    advance,
    begin,
    held_after,
    holdings,
    note_gone,
    note_leaving,
    note_problem,
    note_refused,
    note_taken,
    progress,
)
from exchange.delivery.told import consents_behind, high_water_mark
from exchange.model.delivery import Target
from exchange.model.errors import Conflict, PartnerUnavailable
from exchange.model.records import Viewer
from exchange.repository import (
    Lent,
    Reader,
    Wanted,
    about_nobody,
    chosen,
    hold_ruling,
    leads_of,
    led,
    patients_after,
    reader,
    still_seen,
    wanted_of,
)

_LOCK = 0x746172676574
_HELD_AT_ONCE = 500
_NOBODY_AT_ONCE = 300
_PEOPLE_AT_ONCE = 10
_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Destination:
    """One of the `targets:` of a partner.yaml."""

    participant: str
    name: str
    target: Target

    @property
    def code(self) -> str:
        return f"{self.participant}/{self.name}"

    @property
    def viewer(self) -> Viewer:
        return Viewer(self.participant, self.target.role, self.target.purpose)


@dataclass(frozen=True, slots=True)
class _Push:
    """One process's work on one target."""

    conn: psycopg.Connection
    office: Office
    destination: Destination
    send: Send
    target: int
    number: int
    counts: Counter[str]


def push_target(
    connect: Callable[[], AbstractContextManager[psycopg.Connection]],
    office: Office,
    destination: Destination,
    environment: Mapping[str, str],
) -> Counter[str]:
    """Takes a target through one pass, or on from where the last process left it; counts what was done.

    Raises PartnerUnavailable when the server does not answer well, Conflict when another process is at it or
    the rules in force are not those of `office`, ContentError for a wrong option.
    """
    options = target_options(destination.participant, destination.name, destination.target, environment)
    with (
        connect() as conn,
        _alone(conn, destination) as stands,
        open_server(destination.participant, options, office.signing_key) as send,
    ):
        push = _Push(conn, office, destination, send, stands.target, stands.number, Counter())
        note_problem(conn, push.target, None)
        _withdraw(push)
        if stands.after == 0:
            _give_directory(push)
        after: int | None = stands.after
        while after is not None:
            after = _give_people(push, after)
            advance(conn, push.target, after, office.now())
        return push.counts


@contextmanager
def _alone(conn: psycopg.Connection, destination: Destination) -> Iterator[_Standing]:
    conn.autocommit = True
    found = progress(conn, destination.participant, destination.name)
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", ((_LOCK << 14) + found.target,)).fetchone()
    if not row or not row[0]:
        raise Conflict(f"{destination.code}: another process is pushing to it")
    found = progress(conn, destination.participant, destination.name)
    if found.after is None:
        found = begin(conn, found.target)
    yield _Standing(found.target, found.number, found.after or 0)


@dataclass(frozen=True, slots=True)
class _Standing:
    target: int
    number: int
    after: int


@contextmanager
def _view(push: _Push) -> Iterator[Reader]:
    """The viewer's own view; once it is read, `_as_owner` goes on in its transaction."""
    with reader(Lent(push.conn), push.destination.viewer, push.office.now(), action="disclose") as view:
        yield view


def _as_owner(view: Reader, push: _Push) -> None:
    view.conn.execute("RESET ROLE")
    hold_ruling(view.conn, push.office.context, view.at)


def _withdraw(push: _Push) -> None:
    """First, and all of it: what has been revoked waits for nothing else."""
    after: Name | None = None
    while names := held_after(push.conn, push.target, after, _HELD_AT_ONCE):
        after = names[-1]
        with _view(push) as view:
            seen = still_seen(view, names)
            _as_owner(view, push)
        gone = [name for name in names if name not in seen]
        if gone:
            entries = [bundles.Entry(name.type, str(name.fhir_id), None) for name in gone]
            _send(push, entries, "N", lambda taken: note_gone(push.conn, push.target, taken), "deleted")


def _give_directory(push: _Push) -> None:
    """What is about nobody: others refer to it."""
    after = ("", UUID(int=0))
    while True:
        with _view(push) as view:
            wanted = about_nobody(view, after, _NOBODY_AT_ONCE)
            leaving = _leaving(view, push, wanted)
        if not wanted:
            return
        _give(push, leaving)
        after = (wanted[-1].type, wanted[-1].fhir_id)


def _give_people(push: _Push, after: int) -> int | None:
    """The next people after a patient's number; returns the number of the last, None at the end."""
    with _view(push) as view:
        patients = patients_after(view, after, _PEOPLE_AT_ONCE)
        leaving = _leaving(view, push, wanted_of(view, patients) if patients else [])
    _give(push, leaving)
    return patients[-1] if patients else None


@dataclass(frozen=True, slots=True)
class _Leaving:
    entries: Sequence[bundles.Entry]
    confidentiality: str = "N"


def _leaving(view: Reader, push: _Push, wanted: Sequence[Wanted]) -> _Leaving:
    """What of the wanted, and of what goes along, the server does not have as it is; recorded and noted."""
    if not wanted:
        return _Leaving(())
    seen = chosen(view, wanted)
    leads = leads_of(view, seen.all)
    told = [led(one, leads) for one in seen.all if f"{one.type}/{one.id}" not in leads]
    _as_owner(view, push)
    consents = consents_behind(view.conn, seen, push.destination.viewer, view.at)
    extra = words_owed(view.conn, seen.terms, consents, push.office)
    ids = {one.id for one in told}
    served = [*told, *(one for one in seen.provenance if one.id in ids)]
    found = {_name(entry): entry for entry in bundles.entries(served, extra, ())}
    digests = {name: sha256(entry.body or b"").digest() for name, entry in found.items()}
    known = holdings(view.conn, push.target, found)
    changed = {
        name
        for name, digest in digests.items()
        if name not in known or digest not in (known[name].held, known[name].refused)
    }
    # What was noted as leaving and never answered for has its record already.
    fresh = {name for name in changed if name not in known or known[name].leaving != digests[name]}
    entries = [entry for name, entry in found.items() if name in changed]
    if fresh:
        items = [one for one in told if Name(one.type, UUID(one.id)) in fresh]
        sending = Sending(_key(push, entries), "fhir", consents)
        where = f"urn:mosaic:target:{push.destination.code}"
        record_sending(
            view.conn,
            push.destination.viewer,
            push.destination.code,
            push.office,
            (view.at, where),
            sending,
            items,
            seen.terms.people,
        )
        along = {Name(words["resourceType"], UUID(words["id"])) for words in extra}
        note_leaving(view.conn, push.target, {name: digests[name] for name in fresh}, along)
    push.counts["unchanged"] += len(found) - len(changed)
    return _Leaving(entries, high_water_mark(view.conn, seen))


def _name(entry: bundles.Entry) -> Name:
    return Name(entry.type, UUID(entry.id))


def _give(push: _Push, leaving: _Leaving) -> None:
    def taken(names: Sequence[Name]) -> None:
        note_taken(push.conn, push.target, names)

    _send(push, leaving.entries, leaving.confidentiality, taken, "given")


def _send(
    push: _Push,
    entries: Sequence[bundles.Entry],
    confidentiality: str,
    taken: Callable[[Sequence[Name]], None],
    as_what: str,
) -> None:
    """Transaction by transaction; one that is not taken is taken apart until what is not stands alone.

    A server may be in conflict with a transaction (409) and take each of its halves.
    """
    waiting = [entries[n : n + _ENTRIES] for n in range(0, len(entries), _ENTRIES)]
    while waiting:
        part = waiting.pop(0)
        names = [_name(entry) for entry in part]
        verdict = push.send(_parcel(push, part, confidentiality))
        if verdict.kind == "acknowledged":
            taken(names)
            push.counts[as_what] += len(part)
        elif verdict.whole:
            note_problem(push.conn, push.target, verdict.detail)
            raise PartnerUnavailable(f"{push.destination.code}: {verdict.detail}", retry_after=verdict.wait)
        elif len(part) > 1:
            half = len(part) // 2
            waiting[:0] = [part[:half], part[half:]]
        elif verdict.kind == "refused":
            note_refused(push.conn, push.target, names)
            push.counts["refused"] += 1
        else:  # offered again in the next pass
            push.counts["failed"] += 1
            note_problem(push.conn, push.target, verdict.detail)


def _parcel(push: _Push, entries: Sequence[bundles.Entry], confidentiality: str) -> Parcel:
    key = _key(push, entries)
    head = bundles.Head(key, push.office.now(), confidentiality, push.office.base_url)
    sent = tuple(("DELETE" if e.body is None else "PUT", f"{e.type}/{e.id}") for e in entries)
    body = bundles.transaction(head, entries)
    return Parcel(key, body, "application/fhir+json", "json", _digest(entries), sent)


def _key(push: _Push, entries: Iterable[bundles.Entry]) -> str:
    """The same for the same content in the same pass, and another in the next."""
    name = f"urn:mosaic:target:{push.destination.code}:{push.number}:{_digest(entries).hex()}"
    return str(uuid5(NAMESPACE_URL, name))


def _digest(entries: Iterable[bundles.Entry]) -> bytes:
    digest = sha256()
    for entry in entries:
        digest.update(f"\n{entry.type}/{entry.id} ".encode() + (entry.body or b"deleted"))
    return digest.digest()
