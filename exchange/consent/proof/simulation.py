"""What other rules, or other participants, would change: over disclosure classes, not records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Literal, get_args

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.decision import decide
from exchange.consent.standing import REPOSITORY
from exchange.model.audit import Giving
from exchange.model.records import Decision, Viewer

Reach = Literal["nobody", "related", "everybody"]
"""Of whose records of a class a viewer sees: nobody's, those he has a relationship with, everybody's."""

Whose = Literal["related", "unrelated", "everybody"]


@dataclass(frozen=True, slots=True)
class Change:
    """A viewer gains or loses `whose` records of a class in one way, because of `because`."""

    number: int
    viewer: Viewer
    action: Giving
    gained: bool
    whose: Whose
    because: tuple[str, ...]


def changes(
    classes: Mapping[int, DisclosureClass],
    viewers: Iterable[Viewer],
    before: Context,
    after: Context,
    at: datetime,
) -> Iterator[Change]:
    """Every change of what a viewer may ask for, and of what may be sent to him, at `at`.

    What the repository may not hold nobody gets.
    """
    asking = list(viewers)
    for number, cls in classes.items():
        held_before, held_after = (
            _reach(cls, REPOSITORY, c, at, "collect")[0] != "nobody" for c in (before, after)
        )
        for viewer, action in product(asking, get_args(Giving)):
            was, _ = _reach(cls, viewer, before, at, action) if held_before else ("nobody", None)
            becomes, answer = _reach(cls, viewer, after, at, action) if held_after else ("nobody", None)
            if was != becomes:
                because = answer.because if answer else ("may not be held",)
                gained = _OPEN[becomes] > _OPEN[was]
                yield Change(number, viewer, action, gained, _between(was, becomes), because)


_OPEN: Mapping[Reach, int] = {"nobody": 0, "related": 1, "everybody": 2}


def _reach(
    cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime, action: str
) -> tuple[Reach, Decision | None]:
    answer = decide(cls, viewer, context, at, action)
    if answer.effect == "deny":
        return "nobody", answer
    return ("related" if answer.needs_relationship else "everybody"), answer


def _between(was: Reach, becomes: Reach) -> Whose:
    """The records that lie between two reaches."""
    ends = {was, becomes}
    if ends == {"nobody", "related"}:
        return "related"
    return "unrelated" if ends == {"related", "everybody"} else "everybody"
