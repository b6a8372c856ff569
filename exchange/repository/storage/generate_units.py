"""Writes usual_units.csv again: `python -m exchange.repository.storage.generate_units [code…]` adds codes."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable

from exchange.repository.storage.units import USUAL, usual_scales, worked_out


def main(more: Iterable[str]) -> None:
    """The scale of every code that is there, and of more."""
    found = {code: worked_out(code) for code in sorted({*usual_scales(), *more})}
    with USUAL.open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(("code", "factor", "offset", "base"))
        for code, each in found.items():
            table.writerow((code, each.factor, each.offset, each.base) if each else (code, "", "", ""))


if __name__ == "__main__":
    main(sys.argv[1:])
