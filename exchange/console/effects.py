"""What other rules would change, as a table: of a draft, and of rules that wait for a signature."""

from __future__ import annotations

from exchange.app.privacy.simulating import Simulated
from exchange.console.marking import _
from exchange.console.messages import Fields
from exchange.console.speech import Speech
from exchange.console.tables import Column, Row, Table, table

_EFFECTS = (
    Column("participant", _("Who"), "participant"),
    Column("purpose", _("Purpose"), "purpose"),
    Column("change", _("Change"), "mark"),
    Column("when", _("When"), "translated"),
    Column("type", _("Kind of record"), "type"),
    Column("source", _("Records of"), "participant"),
    Column("labels", _("Labels")),
    Column("records", _("Records"), "number"),
    Column("people", _("People"), "number"),
)


def effects(found: Simulated, fields: Fields, said: Speech) -> Table:
    """A row for each class of records that somebody gains or loses."""
    rows: list[Row] = []
    for one in found.affected:
        cls = found.classes[one.number]
        labels = said.labels(cls.labels) if cls.labels else ""
        rows.append(
            {
                "participant": one.participant, "purpose": one.purpose,
                "change": _("gains") if one.gained else _("loses"),
                "when": _("asked for") if one.action == "access" else _("sent by itself"),
                "type": cls.type, "source": cls.source, "labels": f"{cls.confidentiality} {labels}".strip(),
                "records": one.records, "people": one.patients,
            }
        )  # fmt: skip
    return table("effects", _EFFECTS, rows, fields, shown=said.shown)
