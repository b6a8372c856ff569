"""The view of who asks: row-level security as its viewer, within the reach of its token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from exchange.api import access
from exchange.api.access import Access
from exchange.api.messages import Refusal
from exchange.api.service import Service
from exchange.api.standby import Standby, seen_at
from exchange.model.audit import Giving
from exchange.repository import Reader, reader


@contextmanager
def view_of(
    service: Service, held: Access, at: datetime, scope: str, action: Giving = "access"
) -> Iterator[Reader]:
    """The view, once the token is known to stand in the same transaction; `scope` as `scopes.reach` says."""
    with reader(service.pool, held.viewer, at, scope, action) as view:
        if not _begun(view.conn, held, service.limits.seconds):
            raise access.unauthorized("the access token is not valid, or not any more")
        yield view


@contextmanager
def reading_view_of(
    service: Service, held: Access, at: datetime, scope: str, standby: Standby | None
) -> Iterator[Reader]:
    """The view of who only reads: at `standby`, if one is given, and recorded at the primary all the same.

    Raises NotAtStandby.
    """
    with view_of(service, held, at, scope) as view:
        if standby is not None:
            with seen_at(standby, view, scope, service.limits.seconds) as there:
                yield there
            return
        if service.standby is not None:
            service.standby.metrics.reads.labels("primary").inc()
        yield view


@contextmanager
def writing_view_of(service: Service, held: Access, at: datetime) -> Iterator[Reader]:
    """The view of who begins or states something; raises Refusal (403) for one whom no run has taken up yet.

    Such a viewer sees nothing, and what it wrote would be nobody's.
    """
    with view_of(service, held, at, "") as view:
        known = view.conn.execute("SELECT current_participant() IS NOT NULL").fetchone()
        if not known or not known[0]:
            raise Refusal(
                403,
                "forbidden",
                "this participant, role and purpose are not taken up yet; the next run does so",
            )
        yield view


def _begun(conn: psycopg.Connection, held: Access, seconds: int) -> bool:
    """Whether the token stands; no statement after this one takes longer than `seconds`."""
    found = conn.execute(
        f"SELECT {access.STANDING}, set_config('statement_timeout', %(most)s, true)",
        {**access.standing(held), "most": f"{seconds}s"},
    ).fetchone()
    return bool(found and found[0])
