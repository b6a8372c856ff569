"""What other rules, or other participants, would change: over disclosure classes, not records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.decision import decide
from exchange.consent.standing import REPOSITORY
from exchange.model.records import Decision, Viewer

Reach = Literal["nobody", "related", "everybody"]
"""Of whose records of a class a viewer sees: nobody's, those he has a relationship with, everybody's."""

Whose = Literal["related", "unrelated", "everybody"]


@dataclass(frozen=True, slots=True)
class Change:
    """A viewer gains or loses `whose` records of a class, because of `because`."""

    number: int
    viewer: Viewer
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
    """Every change of what a viewer sees at `at`; what the repository may not hold is seen by nobody."""
    asking = list(viewers)
    for number, cls in classes.items():
        held_before, held_after = (_reach(cls, REPOSITORY, c, at)[0] != "nobody" for c in (before, after))
        for viewer in asking:
            was, _ = _reach(cls, viewer, before, at) if held_before else ("nobody", None)
            becomes, answer = _reach(cls, viewer, after, at) if held_after else ("nobody", None)
            if was != becomes:
                because = answer.because if answer else ("may not be held",)
                gained = _OPEN[becomes] > _OPEN[was]
                yield Change(number, viewer, gained, _between(was, becomes), because)


_OPEN: Mapping[Reach, int] = {"nobody": 0, "related": 1, "everybody": 2}


def _reach(
    cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime
) -> tuple[Reach, Decision | None]:
    answer = decide(cls, viewer, context, at)
    if answer.effect == "deny":
        return "nobody", answer
    return ("related" if answer.needs_relationship else "everybody"), answer


def _between(was: Reach, becomes: Reach) -> Whose:
    """The records that lie between two reaches."""
    ends = {was, becomes}
    if ends == {"nobody", "related"}:
        return "related"
    return "unrelated" if ends == {"related", "everybody"} else "everybody"
