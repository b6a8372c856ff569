"""What each member contributes and draws, in figures that tell of nobody."""

from __future__ import annotations

from exchange.app.partners.coalition import KINDS, figures
from exchange.console.desk import Desk
from exchange.console.messages import Answer, Page, Visit
from exchange.console.places import Place


def start(desk: Desk, visit: Visit) -> Answer:
    found = figures(desk.exchange)
    drawn = [(member.name, member.records, f"{member.records:,}") for member in found.members]
    return Page("coalition/start.html", {"figures": found, "kinds": KINDS, "drawn": drawn})


PLACES = (Place("/coalition", start, ("coalition", "privacy-officer")),)
