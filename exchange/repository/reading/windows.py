"""Where the index of dates holds what several comparisons leave of all times, so that no more of it is read.

A span may begin long before the time asked for and reach into it, and of several dates of a record one may be
early enough and another late enough. Both are rare and have places of their own: `index_date_long`, and the
span from the first to the last of several dates (`several_key`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from exchange.repository.reading.criteria import Criterion
from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.reader import Reader, select
from exchange.repository.reading.sorting import SortKey
from exchange.repository.reading.syntax import instants
from exchange.repository.storage.dates import LATEST, within_time
from exchange.repository.storage.parameters import Parameter, several_key

_LONG = timedelta(days=2)
"""What is longer is in `index_date_long` (migration 191)."""

_BOUNDED = frozenset({"eq", "ap"})  # both ends stand in the comparison itself


def windows(criteria: Sequence[Criterion], arguments: Arguments, alias: str) -> Iterator[str]:
    """SQL that holds for all that meet the criteria, and for few others: it replaces none of them."""
    dates = defaultdict[Parameter, list[Criterion]](list)
    for criterion in criteria:
        if criterion.parameter.kind == "date" and not criterion.modifier:
            dates[criterion.parameter].append(criterion)
    if len(criteria) > sum(map(len, dates.values())) or any(
        _prefix(one, value) == "ne" for one in criteria for value in one.values
    ):
        return  # beside much else a plan may take the window for small, and go through it for each record
    for parameter, asked in dates.items():
        low, until = _bounds(asked)
        alone = len(asked) == 1 and all(_prefix(asked[0], value) in _BOUNDED for value in asked[0].values)
        if low is not None and not alone:
            yield _window(parameter, low, until or LATEST, arguments, alias)


def begins_late(reader: Reader, criteria: Iterable[Criterion], key: SortKey) -> datetime | None:
    """The value before which, in the order of a date, nothing stands that meets the criteria about that date.

    None where they do not say so, or a long span or one of several dates may stand before all the same.
    """
    asked = [one for one in criteria if one.parameter == key.parameter and not one.modifier]
    low, until = _bounds(asked) if key.parameter and key.parameter.kind == "date" else (None, None)
    begin = until if key.descending else low and within_time(low, -_LONG)
    if key.parameter is None or begin is None:
        return None
    arguments = Arguments()
    at, end = arguments.add(begin), arguments.add(begin if low is None or key.descending else low)
    each = f"x.low < {at} AND x.high > {end}"
    several = f"x.param = {arguments.add(several_key(key.parameter.key))} AND {each}"
    long = f"x.param = {arguments.add(key.parameter.key)} AND {each} AND x.high - x.low > interval '2 days'"
    if key.descending:  # a span stands where it begins, which is before
        long = "false"
    rows = select(
        reader,
        f"SELECT EXISTS (SELECT FROM index_date x WHERE {several})"
        f" OR EXISTS (SELECT FROM index_date x WHERE {long})",
        arguments.values,
    )
    return None if rows[0][0] else begin


def _bounds(asked: Iterable[Criterion]) -> tuple[datetime | None, datetime | None]:
    """After which instant whatever meets all of them ends, and before which it begins, if they say so."""
    each = list(asked)
    lowest = [found for one in each if (found := _after(one)) is not None]
    highest = [found for one in each if (found := _before(one)) is not None]
    return max(lowest, default=None), min(highest, default=None)


def _window(parameter: Parameter, low: datetime, until: datetime, arguments: Arguments, alias: str) -> str:
    from_, key = arguments.add(low), arguments.add(parameter.key)
    # Up to the end of it, which may be that of all time: what is dated 9999-12-31 is there.
    before, high = arguments.add(within_time(low, -_LONG)), arguments.add(until)
    each = "SELECT x.rid FROM index_date x WHERE x.param"
    return (
        f"{alias}.rid IN ({each} = {key} AND x.low >= {before} AND x.low <= {high}"
        f" UNION ALL {each} = {key} AND x.low < {before} AND x.low <= {high} AND x.high > {from_}"
        f" AND x.high - x.low > interval '2 days'"
        f" UNION ALL {each} = {arguments.add(several_key(parameter.key))}"
        f" AND x.low <= {high} AND x.high > {from_})"
    )


def _prefix(criterion: Criterion, value: str) -> str:
    return instants(criterion.parameter.name, value, criterion.at)[0]


def _after(criterion: Criterion) -> datetime | None:
    """The instant after which the span of whatever meets the criterion ends; None where it may end at any."""
    spans = _spans(criterion, ("eq", "ap", "ge", "gt", "sa"))
    return min((high if prefix in ("gt", "sa") else low for prefix, low, high in spans), default=None)


def _before(criterion: Criterion) -> datetime | None:
    """The instant before which it begins."""
    spans = _spans(criterion, ("eq", "ap", "le", "lt", "eb"))
    return max((low if prefix in ("lt", "eb") else high for prefix, low, high in spans), default=None)


def _spans(criterion: Criterion, prefixes: Collection[str]) -> Sequence[tuple[str, datetime, datetime]]:
    """Prefix, beginning and end of each value asked for; none where one of them has another prefix."""
    found = [instants(criterion.parameter.name, value, criterion.at) for value in criterion.values]
    return found if all(prefix in prefixes for prefix, _, _ in found) else ()
