"""Brings a folder of partner systems to the state of one day of the feeds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

from exchange.synthetic.coalition import Coalition
from exchange.synthetic.drops import (
    County,
    FoodBank,
    Hospital,
    Housing,
    NursingHome,
    Records,
    Window,
    write_directory,
)
from exchange.synthetic.facts import History
from exchange.synthetic.feeds import harbor, prairie
from exchange.synthetic.truth import Truth


class Sink(Protocol):
    """Takes one person after another."""

    def add(self, history: History) -> None: ...
    def close(self) -> None: ...


def write_day(coalition: Coalition, folder: Path, day: int = 1) -> None:
    """Write what the partners' systems hold on `day` (1: everything until then; later: what came since)."""
    after: datetime | None = coalition.now(day - 1) if day > 1 else None
    window = Window(after, coalition.now(day))
    partners = folder / "partners"
    sinks: list[Sink] = [
        Hospital(partners / "lakeside_hospital", window),
        Records(partners / "prairie_clinic", window, prairie),
        Records(partners / "harbor_recovery", window, harbor),
        NursingHome(partners / "willow_nursing", window),
        County(partners / "county_health", window),
        Housing(partners / "hearth_housing", window),
        FoodBank(partners / "good_table", window),
        Truth(folder / "truth", window.now),
    ]
    for history in coalition.histories():
        for sink in sinks:
            sink.add(history)
    for sink in sinks:
        sink.close()
    write_directory(partners / "service_directory", window.now)
