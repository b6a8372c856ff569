"""The worker: takes a job through its types, page by page as its viewer, and writes whole files.

A process that dies leaves a lease that ends; the next one goes on after the last file that was noted. A
job that was cancelled is noticed at the next page.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl

from exchange.api.export import jobs
from exchange.api.export.asked import ABOUT_NOBODY, ExportAsked
from exchange.api.export.files import Exports
from exchange.api.export.gone import bundle_of, is_open
from exchange.api.export.jobs import File, Job
from exchange.api.scopes import Scope, allows, parse_scopes, reach
from exchange.api.service import Service, as_api
from exchange.api.standby import NotAtStandby, seen_at
from exchange.repository import (
    Line,
    Portion,
    Reader,
    Steady,
    absorbed_since,
    bulk_slice,
    deleted_slice,
    reader,
)

_log = logging.getLogger("exchange.api")
_LEASE = timedelta(minutes=2)
_PAGE = 1_000
_FILE_LINES = 10_000
_FILE_BYTES = 16 << 20
_PATIENTS_AT_ONCE = 50
_NO_ID = "00000000-0000-0000-0000-000000000000"
_AFTER_ALL = "~"  # no type is called so
_IDLE_SECONDS = 1.0


class _Lost(Exception):
    """A signal: the job was cancelled, or belongs to another process by now."""


def work_once(service: Service) -> bool:
    """Finishes one job that waits, and deletes what has expired; False when there was none."""
    exports = service.exports
    if exports is None:
        return False
    _forget_ended(service, exports)
    now = service.clock()
    with as_api(service) as conn:
        job = jobs.claim(conn, now, now + _LEASE)
    if job is None:
        return False
    try:
        produce(service, exports, job)
    except _Lost:
        return True
    except Exception as error:  # its text may quote a row; the lease ends, and another attempt is made
        _log.error("export failed: %s", type(error).__name__)
    return True


def produce(service: Service, exports: Exports, job: Job) -> None:
    """Writes the files of a job whose lease this process holds."""
    _Production(service, exports, job).run()


@contextmanager
def worker(service: Service) -> Iterator[None]:
    """Works on exports in a thread while the block runs."""
    ended = Event()

    def work() -> None:
        while not ended.is_set():
            try:
                busy = work_once(service)
            except Exception as error:
                _log.error("exports rest: %s", type(error).__name__)
                busy = False
            if not busy:
                ended.wait(_IDLE_SECONDS)

    thread = Thread(target=work, name="exchange-exports", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10)


def _forget_ended(service: Service, exports: Exports) -> None:
    """The row with its key first: whatever is left of a file then is nothing to anybody."""
    now = service.clock()
    with as_api(service) as conn:
        ended = [str(row[0]) for row in conn.execute("SELECT ended_exports(%s)", (now,)).fetchall()]
    for job in ended:
        with as_api(service) as conn:
            conn.execute("SELECT forget_export(%s, %s)", (job, now))
        exports.remove(job)


@dataclass(slots=True)
class _Production:
    """One process's work on one job; `job.lease` is the lease it holds."""

    service: Service
    exports: Exports
    job: Job
    met: tuple[str, set[str]] = field(default_factory=lambda: ("", set()))

    def run(self) -> None:
        asked = ExportAsked.from_json(self.job.asked)
        since = datetime.fromisoformat(asked.since) if asked.since else None
        scopes = parse_scopes(self.job.scopes)
        portions = list(_portions(asked, since))
        start = int(self.job.position.get("portion", 0))
        for number in range(start, len(portions)):
            if allows(scopes, portions[number].type, "r"):
                after = str(self.job.position.get("after", "")) if number == start else ""
                self._write(portions, number, after, scopes)
        if since is not None:
            self._write_deleted(asked, since, scopes)
        self._note("done", {"portion": len(portions)})

    def _write(self, portions: Sequence[Portion], number: int, after: str, scopes: Sequence[Scope]) -> None:
        """The files of one portion: each is noted with the position after it."""
        portion = portions[number]
        overlaps = bool(portion.search) or portion.patients is not None
        met = self._met(portion.type) if overlaps else set()
        lines: list[Line] = []
        position: str | None = after
        while position is not None:
            scope = reach(scopes, portion.type, "r")
            found, position = self._page(portion, position, scope)
            lines += [_ended(line) for line in found if line.id not in met]
            met.update(line.id for line in found if overlaps)
            self._note("running")
            if len(lines) >= _FILE_LINES or sum(len(line.body) for line in lines) >= _FILE_BYTES:
                self._keep("output", portion.type, lines, _at(number, position))
                lines = []
        if lines:
            self._keep("output", portion.type, lines, _at(number, None))

    def _page(self, portion: Portion, after: str, scope: str) -> tuple[list[Line], str | None]:
        """Read at the standby, if it can; what changes until a file is fetched is left out of it then."""
        standby, key = self.service.standby, self.service.cursor_key
        if standby is not None and standby.may_be_asked():
            try:
                with (
                    self._reading(scope) as view,
                    seen_at(standby, view, scope, 0, "disclose") as there,
                ):
                    return bulk_slice(there, portion, after, _PAGE, key)
            except NotAtStandby as failed:
                standby.could_not(failed.reason)
        with self._reading(scope) as view:
            return bulk_slice(view, portion, after, _PAGE, key)

    def _reading(self, scope: str = "") -> AbstractContextManager[Reader]:
        """As the viewer, what may be sent to him, at one instant."""
        steady = Steady(self.service.pool)
        return reader(steady, self.job.viewer, self.service.clock(), scope, "disclose")

    def _met(self, kind: str) -> set[str]:
        """Ids that are in files of the type already: found by two searches, a resource comes once."""
        if self.met[0] != kind:
            with self._reading() as view:
                files = jobs.files_of(view.conn, self.job.job)
            kept = [f for f in files if f.type == kind and f.kind == "output"]
            read = [self.exports.read(self.job.job, file.ordinal, self.job.key) for file in kept]
            self.met = (kind, {line.id for file in read for line in file or ()})
        return self.met[1]

    def _write_deleted(self, asked: ExportAsked, since: datetime, scopes: Sequence[Scope]) -> None:
        """What was deleted, as transaction Bundles; types of which a scope reaches only some are left out."""
        open_types = [kind for kind in asked.types if is_open(scopes, kind)]
        place = self.job.position.get("deleted", ["", _NO_ID])
        after = (str(place[0]), str(place[1]))
        if after[0] == _AFTER_ALL:
            return
        while True:
            with self._reading() as view:
                gone = deleted_slice(view, open_types, since, after, _PAGE)
            if not gone:
                break
            after = gone[-1]
            position = {"portion": 1 << 30, "deleted": list(after)}
            self._keep("deleted", "Bundle", [bundle_of(gone)], position)
        if "Patient" in open_types:
            self._write_absorbed(since)

    def _write_absorbed(self, since: datetime) -> None:
        """People who became part of others: by their ids nobody is sent any more."""
        with self._reading() as view:
            found = absorbed_since(view, since)
        lines = [bundle_of((), found[n : n + _PAGE]) for n in range(0, len(found), _PAGE)]
        if lines:
            position = {"portion": 1 << 30, "deleted": [_AFTER_ALL, _NO_ID]}
            self._keep("deleted", "Bundle", lines, position)

    def _keep(self, kind: str, type_: str, lines: Sequence[Line], position: Mapping[str, Any]) -> None:
        ordinal = self.job.files
        self.exports.write(self.job.job, ordinal, self.job.key, lines)
        self._note("running", position, File(ordinal, kind, type_, len(lines)))
        self.job = replace(self.job, files=ordinal + 1)

    def _note(
        self, state: jobs.State, position: Mapping[str, Any] | None = None, file: File | None = None
    ) -> None:
        lease = self.service.clock() + _LEASE
        with as_api(self.service) as conn:
            if not jobs.note(conn, self.job, lease, state, position, file):
                raise _Lost
        self.job = replace(self.job, lease=lease)


def _portions(asked: ExportAsked, since: datetime | None) -> Iterator[Portion]:
    """Type by type; the people of a Group some at a time, and whole who joined it since."""
    for kind in asked.types:
        searches = [
            parse_qsl(query, keep_blank_values=True) for named, query in asked.filters if named == kind
        ]
        groups: list[tuple[datetime | None, tuple[str, ...] | None]] = [(since, None)]
        if asked.patients is not None and kind not in ABOUT_NOBODY:
            joined = set(asked.joined)
            known = tuple(one for one in asked.patients if one not in joined)
            groups = [(since, some) for some in _some(known)]
            groups += [(None, some) for some in _some(asked.joined)]
        for search in searches or [[]]:
            for after, patients in groups:
                yield Portion(kind, tuple(search), after, patients)


def _some(people: tuple[str, ...]) -> list[tuple[str, ...] | None]:
    return [people[n : n + _PATIENTS_AT_ONCE] for n in range(0, len(people), _PATIENTS_AT_ONCE)]


def _at(number: int, after: str | None) -> dict[str, Any]:
    return {"portion": number + 1} if after is None else {"portion": number, "after": after}


def _ended(line: Line) -> Line:
    return replace(line, body=line.body + b"\n")
