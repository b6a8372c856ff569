"""The view of who asks: row-level security as its viewer, within the reach of its token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from exchange.api import access
from exchange.api.access import Access
from exchange.api.service import Service
from exchange.model.audit import Giving
from exchange.repository import Reader, reader


@contextmanager
def view_of(
    service: Service, held: Access, at: datetime, scope: str, action: Giving = "access"
) -> Iterator[Reader]:
    """The view, once the token is known to stand in the same transaction; `scope` as `scopes.reach` says."""
    with reader(service.pool, held.viewer, at, scope, action) as view:
        if not access.is_standing(view.conn, held):
            raise access.unauthorized("the access token is not valid, or not any more")
        yield view
