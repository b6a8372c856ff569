"""Who may see how much: participants by kinds of information."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from exchange.app.privacy.persons import Share, kinds_of
from exchange.console.marking import _
from exchange.console.messages import Fields
from exchange.console.speech import Speech
from exchange.console.tables import Column, Portion, Row, Table, table


def matrix(shares: Sequence[Share], why: str, fields: Fields, said: Speech) -> Table:
    """A participant's roles are one line, its best; each cell leads to `why`."""
    best: dict[str, dict[str, Share]] = {}
    for share in shares:
        cells = best.setdefault(share.participant, {})
        if share.kind not in cells or share.visible > cells[share.kind].visible:
            cells[share.kind] = share
    kinds = kinds_of(shares)
    rows: list[Row] = [
        {
            "participant": participant,
            "of": cells,
            **{f"kind.{kind}": _portion(cells.get(kind)) for kind in kinds},
        }
        for participant, cells in sorted(best.items())
    ]
    columns = [Column("participant", _("Participant"), "participant")]
    columns += [
        Column(f"kind.{kind}", said.label(kind) if kind else _("no label"), "portion", _why(why, kind))
        for kind in kinds
    ]
    return table("matrix", columns, rows, fields, "participant", shown=said.shown)


def _portion(share: Share | None) -> Portion | None:
    return Portion(share.visible, share.total) if share else None


def _why(address: str, kind: str) -> Callable[[Row], str]:
    def link(row: Row) -> str:
        share = row["of"].get(kind)
        if share is None:
            return ""
        asked = {"participant": share.participant, "role": share.role, "purpose": share.purpose, "kind": kind}
        return f"{address}?{urlencode(asked)}"

    return link
