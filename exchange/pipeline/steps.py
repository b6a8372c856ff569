"""The journey of a record: pull → map → safeguard → link → publish.

Each step reads what the one before left, leaves its own result, and does nothing when that is there
already. `run_partner` is the journey on one screen; a scheduler calls the same functions one by one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

from psycopg.errors import DeadlockDetected

from exchange.model.errors import Conflict
from exchange.model.fhir import references
from exchange.model.partner import Partner
from exchange.pipeline import ledger
from exchange.pipeline.ahead import Publishing, publish_beside, take_ahead, taken_meanwhile, worth_it
from exchange.pipeline.balance import close_run
from exchange.pipeline.carry import known_before
from exchange.pipeline.claims import claims_before
from exchange.pipeline.footprints import ALONE, Footprint, footprint_of
from exchange.pipeline.ledger import Connection, Run, Step
from exchange.pipeline.link import link_chunk, of_people, with_clusters
from exchange.pipeline.map import map_chunk
from exchange.pipeline.publish import Origin, publish_chunk
from exchange.pipeline.pull import pull
from exchange.pipeline.safeguard import labelling_digest, outside_references, safeguard_chunk
from exchange.pipeline.work import Others, Work, lasting
from exchange.repository import fold_new_classes, known_labels, references_of_stored, refresh_statistics

Progress = Callable[[str, int, int], None]
Row = dict[str, Any]
_ATTEMPTS = 3


def no_progress(step: str, done: int, total: int) -> None:
    """Reports to nobody."""


def run_partner(work: Work, partner: Partner, progress: Progress = no_progress) -> Run:
    """Takes a partner's records through all five steps and closes the run with its balance."""
    with lasting(work) as kept, kept.others() as others:
        with taken_meanwhile(others, prepare_step, kept, partner) as filled:
            run = pull_step(kept, partner, filled=filled)
        return _finish(kept, others, partner, run, progress)


def finish_run(work: Work, partner: Partner, run: int, progress: Progress = no_progress) -> Run:
    """Takes a run that has pulled all its records through the other four steps.

    Raises Conflict while another process does.
    """
    with lasting(work) as kept, kept.others() as others:
        return _finish(kept, others, partner, run, progress)


def _finish(work: Work, others: Others, partner: Partner, run: int, progress: Progress) -> Run:
    with _run_of(work, partner):
        _prepare(work, others, partner, run, progress)
        for chunk in _reported("linked", waiting_chunks(work, run, "linked"), progress):
            link_step(work, partner, run, chunk)
        _publish(work, others, partner, run, progress)
        return close_step(work, run)


@contextmanager
def _run_of(work: Work, partner: Partner) -> Iterator[None]:
    with work.connect() as guard, ledger.run_lock(guard, partner.code):
        yield


def publish_run(work: Work, partner: Partner, run: int) -> Run:
    """Publishes what is linked and closes the run; raises Conflict while another process does."""
    with lasting(work) as kept, kept.others() as others, _run_of(kept, partner):
        _publish(kept, others, partner, run, no_progress)
        return close_step(kept, run)


def _prepare(work: Work, others: Others, partner: Partner, run: int, progress: Progress) -> None:
    chunks = waiting_chunks(work, run, "safeguarded")
    if worth_it(others, partner, chunks):
        for done in take_ahead(others, prepare_step, work, partner, run, chunks):
            progress("safeguarded", done, len(chunks))
    else:
        for chunk in _reported("safeguarded", chunks, progress):
            prepare_step(work, partner, run, chunk)


def _publish(work: Work, others: Others, partner: Partner, run: int, progress: Progress) -> None:
    chunks = waiting_chunks(work, run, "published")
    if worth_it(others, partner, chunks):
        how = Publishing(publish_beside_step, publish_step, partial(_footprint, work, run))
        for done in publish_beside(others, how, work, partner, run, chunks):
            progress("published", done, len(chunks))
    else:
        for chunk in _reported("published", chunks, progress):
            publish_step(work, partner, run, chunk)


def _reported(step: Step, chunks: Sequence[int], progress: Progress) -> Iterator[int]:
    for done, chunk in enumerate(chunks):
        progress(step, done, len(chunks))
        yield chunk
    progress(step, len(chunks), len(chunks))


def waiting_chunks(work: Work, run: int, step: Step) -> list[int]:
    """Chunks of the run that `step` has still to take."""
    with work.connect() as connection:
        return ledger.chunks_before(connection, run, step)


def pull_step(
    work: Work, partner: Partner, scheduled: str = "", filled: Callable[[int], None] = lambda run: None
) -> int:
    """Pulls everything new into the partner's open run; returns the run's number.

    `filled` is told the run whenever some of it was committed: chunks of it may be full.
    """
    started = perf_counter()
    run = pull(work, partner, scheduled, filled)
    with work.connect() as connection:
        ledger.add_seconds(connection, run, "pull", perf_counter() - started)
    return run


def map_step(work: Work, partner: Partner, run: int, chunk: int) -> None:
    """Maps one chunk; safe to run for many chunks at once."""

    def take(connection: Connection) -> None:
        work.batches.write(run, chunk, "mapped", _mapped(work, connection, partner, run, chunk))

    _take(work, run, chunk, "mapped", take)


def _mapped(work: Work, connection: Connection, partner: Partner, run: int, chunk: int) -> list[Row]:
    records = ledger.chunk_records(connection, run, chunk)
    connection.commit()
    maps = work.maps(partner)
    known = partial(known_before, connection, maps=maps, keyring=work.batches.keyring)
    rows = map_chunk(records, partner, maps, work.landing, known)
    connection.commit()
    return rows


def _read_mapped(work: Work, run: int, chunk: int) -> list[Row]:
    """The batch between the steps; also one that an earlier version left, whose rows have no `refers`."""
    rows = work.batches.read(run, chunk, "mapped")
    return [
        row if "refers" in row else {**row, "refers": [references(each) for each in row["resources"]]}
        for row in rows
    ]


def safeguard_step(work: Work, partner: Partner, run: int, chunk: int) -> None:
    """Labels one chunk and names the facts it states; safe to run for many chunks at once."""

    def take(connection: Connection) -> None:
        _safeguard(work, connection, partner, run, chunk, _read_mapped(work, run, chunk))

    _take(work, run, chunk, "safeguarded", take)


def prepare_step(work: Work, partner: Partner, run: int, chunk: int) -> None:
    """Both pure steps of one chunk, with no batch in between; safe to run for many chunks at once."""

    def take(connection: Connection) -> float:
        if ledger.chunk_step(connection, run, chunk) == "mapped":
            _safeguard(work, connection, partner, run, chunk, _read_mapped(work, run, chunk))
            return 0.0
        started = perf_counter()
        rows = _mapped(work, connection, partner, run, chunk)
        mapping = perf_counter() - started
        _safeguard(work, connection, partner, run, chunk, rows)
        return mapping

    _take(work, run, chunk, "safeguarded", take)


def _safeguard(
    work: Work, connection: Connection, partner: Partner, run: int, chunk: int, rows: list[Row]
) -> None:
    known = known_labels(connection, outside_references(rows))
    claimed = {one for each in claims_before(connection, partner.code, rows).values() for one in each}
    referred = references_of_stored(connection, claimed.union(*(row["ids"] for row in rows)))
    connection.commit()
    labelled = safeguard_chunk(rows, partner, work.context.rules, known, work.partners.values())
    clustered = with_clusters(labelled, partner, work.duplicates)
    work.batches.write(run, chunk, "people", of_people(labelled))
    work.batches.write(run, chunk, "footprint", [footprint_of(clustered, claimed, referred).to_json()])
    work.batches.write(run, chunk, "safeguarded", clustered)


def _footprint(work: Work, run: int, chunk: int) -> Footprint:
    """What a chunk is about; one that an earlier version left is published alone."""
    try:
        (row,) = work.batches.read(run, chunk, "footprint")
    except FileNotFoundError:
        return ALONE
    return Footprint.from_json(row)


def link_step(work: Work, partner: Partner, run: int, chunk: int) -> None:
    """Links one chunk's people."""

    def take(connection: Connection) -> None:
        rows = work.batches.read(run, chunk, "people")
        link_chunk(connection, rows, partner, work.model, work.context, work.features, work.now())
        connection.commit()

    with work.connect() as guard, ledger.partner_lock(guard, partner.code):
        _take(work, run, chunk, "linked", take)


def publish_step(work: Work, partner: Partner, run: int, chunk: int) -> None:
    """Publishes one chunk; chunks of a run must come in order."""

    def take(connection: Connection) -> None:
        _publish_chunk(work, connection, partner, run, chunk)

    with work.connect() as guard, ledger.partner_lock(guard, partner.code):
        for attempt in range(_ATTEMPTS, 0, -1):
            try:
                _take(work, run, chunk, "published", take)
                break
            except DeadlockDetected:
                # With another partner's. The server undid this one so that the other could go on.
                if attempt == 1:
                    raise
    work.batches.drop(run, chunk)


def publish_beside_step(work: Work, partner: Partner, run: int, chunk: int) -> bool:
    """Publishes one chunk while others of its run are; False, and nothing is done, where it must be alone."""

    def take(connection: Connection) -> None:
        if _publish_chunk(work, connection, partner, run, chunk):
            raise _ReachesOthers

    try:
        with work.connect() as guard, ledger.shared_partner_lock(guard, partner.code):
            _take(work, run, chunk, "published", take)
    except (_ReachesOthers, Conflict, DeadlockDetected):
        return False
    work.batches.drop(run, chunk)
    return True


class _ReachesOthers(Exception):
    """A chunk changes what others said, which those beside it might be about to say or refer to."""


def _publish_chunk(work: Work, connection: Connection, partner: Partner, run: int, chunk: int) -> int:
    """Committed by `_take` together with the step: never published and not marked, nor the reverse.

    Nor twice: what a killed process had told the server to commit may be committed just now.
    """
    if not ledger.hold_chunk(connection, run, chunk, "published"):
        return 0
    rows = work.batches.read(run, chunk, "safeguarded")
    rules = work.context.rules
    labelling = labelling_digest(partner, rules, work.partners.values())
    origin = Origin(partner, work.maps(partner).digest, rules.digest, labelling, work.now())
    return publish_chunk(connection, run, chunk, rows, origin, work.context)


def close_step(work: Work, run: int) -> Run:
    """Balances the run and closes it; raises RunOutOfBalance when a record is unaccounted for."""
    with work.connect() as connection:
        close_run(connection, run, work.now())
        # What a process killed between publishing a chunk and dropping its batches left. Before the commit:
        # nobody comes back to a closed run to clear it away.
        work.batches.drop(run)
        connection.commit()
        fold_new_classes(connection, work.now())
        connection.commit()
        refresh_statistics(connection)
        return ledger.get_run(connection, run)


def _take(work: Work, run: int, chunk: int, step: Step, take: Callable[[Connection], float | None]) -> None:
    """Takes a chunk through a step, once; `take` returns how long it was at mapping before, if at all."""
    started = perf_counter()
    with work.connect() as connection:
        if ledger.STEPS.index(ledger.chunk_step(connection, run, chunk)) >= ledger.STEPS.index(step):
            return
        connection.commit()
        with _uncollected():
            mapping = take(connection) or 0.0
        ledger.set_chunk_step(connection, run, chunk, step)
        if mapping:
            ledger.add_seconds(connection, run, "mapped", mapping)
        ledger.add_seconds(connection, run, step, perf_counter() - started - mapping)
        connection.commit()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's collector of circular garbage: a chunk is a million objects of which none is that.

    It walks them again and again, a twelfth of the time of a step. What a chunk leaves goes when it ends.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
