"""Upkeep: what time, or a new version, changes. Consents that begin or end, withheld records, retention."""

from __future__ import annotations

import time
from datetime import timedelta

from exchange.pipeline.forget import forget_older, forget_withheld
from exchange.pipeline.replay import Again, consents_that_bind, left_of, open_replay
from exchange.pipeline.steps import finish_run
from exchange.pipeline.work import Work
from exchange.repository import index_state, readmissible_records, redecide_all, reindex


def redecide(work: Work) -> int:
    """Decides every class for every viewer again, as of now; returns the number of classes."""
    with work.connect() as connection:
        classes = redecide_all(connection, work.context, work.now())
        connection.commit()
    return classes


def readmit(work: Work) -> dict[str, int]:
    """Replays what was withheld and would be let in now, and Consents that came before their Patient.

    Returns records by partner.
    """
    with work.connect() as connection:
        withheld = readmissible_records(connection, work.context, work.now())
        early = consents_that_bind(connection)
        connection.commit()
    taken: dict[str, int] = {}
    for code in sorted(withheld.keys() | early.keys()):
        records = sorted({*withheld.get(code, ()), *early.get(code, ())})
        taken[code] = replay_records(work, code, records)
    return taken


def replay_records(work: Work, code: str, records: list[int]) -> int:
    """Takes records pulled before through the steps again; returns how many were taken."""
    partner = work.partners[code]
    with work.connect() as connection:
        left = left_of(work, connection, partner, Again(records))
    if not left.records:
        return 0
    run = open_replay(work, partner, left)
    finish_run(work, partner, run)
    with work.connect() as connection:
        row = connection.execute("SELECT pulled FROM run WHERE run = %s", [run]).fetchone()
    return int(row[0]) if row else 0


def expire(work: Work) -> dict[str, int]:
    """Forgets raw payloads older than each partner's retention; files removed by partner.

    With them goes what is carried over from messages.

    A legal hold keeps all that the partners of the person sent: payloads are sealed, and who is in one cannot
    be told without opening it.
    """
    held = _held_partners(work)
    limits = {
        code: work.now() - timedelta(days=partner.retention_days)
        for code, partner in work.partners.items()
        if partner.feeds and code not in held
    }
    with work.connect() as connection:
        for code, before in limits.items():
            forget_older(connection, code, before)
        forget_withheld(connection)
        connection.commit()
    return {code: work.landing.expire(code, before) for code, before in limits.items()}


def index_anew(work: Work, within: timedelta = timedelta(minutes=20)) -> int:
    """Writes anew what search finds in records that an earlier version indexed; how many of them, this time.

    It goes on next time where it ended, so that consents never wait for it.
    """
    ends, written = time.monotonic() + within.total_seconds(), 0
    with work.connect() as connection:
        connection.autocommit = True
        try:
            state = index_state(connection)
            if state.whole or connection.execute(_ALONE).fetchone() != (True,):
                return 0
            for number in reindex(connection, after=state.reached):
                written += number
                if time.monotonic() > ends:
                    break
        finally:
            connection.execute("SELECT pg_advisory_unlock_all()")
            connection.autocommit = False
    return written


_ALONE = "SELECT pg_try_advisory_lock(x'7265696E646578'::bigint)"


def _held_partners(work: Work) -> set[str]:
    with work.connect() as connection:
        holds = connection.execute("SELECT patient FROM legal_hold WHERE lifted IS NULL").fetchall()
        if (None,) in holds:
            return set(work.partners)
        rows = connection.execute(
            "SELECT DISTINCT same.partner FROM patient asked JOIN patient same USING (person)"
            " WHERE asked.fhir_id = ANY(%(held)s) OR asked.golden_id = ANY(%(held)s)",
            {"held": [patient for (patient,) in holds]},
        ).fetchall()
    return {row[0] for row in rows}
