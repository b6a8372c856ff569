"""Paper as a PDF document."""

from __future__ import annotations

from exchange.formats.paper import Paper


def pdf(paper: Paper) -> bytes:
    """The document; its author is nobody, its time is `made`. The same content gives the same bytes."""
    # To import what draws takes as long as a third of all the exchange: only who prints waits for it.
    from exchange.formats.printing import printed

    return printed(paper)
