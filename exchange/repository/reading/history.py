"""FHIR history and vread as one viewer. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from exchange.repository.reading.cursor import read_cursor, write_cursor
from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.page import Around, Page, make_page, next_page
from exchange.repository.reading.persons import find_person
from exchange.repository.reading.query import DEFAULT_COUNT, LARGEST_COUNT, Parameters, parse_form
from exchange.repository.reading.reader import Reader
from exchange.repository.reading.syntax import BadSearch, whole_number
from exchange.repository.reading.versions import (
    Version,
    contribution_versions,
    golden_at,
    served_versions,
    versions,
    versions_of,
)
from exchange.repository.reading.view import Served
from exchange.repository.storage.moments import stored_name

_SERVED = frozenset({"_since", "_count", "_cursor", "_summary", "_elements"})


def instance_versions(reader: Reader, resource_type: str, resource_id: str) -> list[Served]:
    """Every version of one record, the newest first; empty when this viewer may see none."""
    try:
        fhir_id = UUID(resource_id)
    except ValueError:
        return []
    if str(fhir_id) != resource_id:
        return []
    if resource_type != "Patient":
        return served_versions(reader, versions_of(reader, resource_type, [fhir_id]))
    person = find_person(reader, fhir_id)
    if person is None or fhir_id != person.golden_id:
        return contribution_versions(reader, versions_of(reader, "Patient", [fhir_id]))
    found = versions_of(reader, "Patient", [c.fhir_id for c in person.contributions])
    return [golden_at(person, version, found) for version in found if not version.deleted]


def read_version(reader: Reader, resource_type: str, resource_id: str, version: str) -> Served | None:
    """One version of a record, without a body when it tells that the record was deleted.

    It is found by what all forms of it are called alike, too: so others name a version who do not know how
    much of it this viewer is told.
    """
    every = instance_versions(reader, resource_type, resource_id)
    return next(
        (served for served in every if version in (served.version, stored_name(served.version))), None
    )


def is_gone(reader: Reader, resource_type: str, resource_id: str) -> bool:
    """Whether the viewer sees that there was such a record and is none any more."""
    every = instance_versions(reader, resource_type, resource_id)
    return bool(every) and not every[0].body


def history(
    reader: Reader, resource_type: str, resource_id: str, asked: Parameters, base_url: str, key: bytes
) -> Page | None:
    """One page of the versions of a record, or of a type when there is no id; None when there are none.

    `_since` leaves out what is older. An entry without a body is a deletion.
    """
    given = dict(asked)
    count = min(whole_number("_count", given.get("_count", str(DEFAULT_COUNT))), LARGEST_COUNT)
    if count == 0:
        raise BadSearch("_count is a positive number")
    kept = [pair for pair in asked if pair[0] != "_cursor"]
    path = f"{resource_type}/{resource_id}/_history" if resource_id else f"{resource_type}/_history"
    bound = [path, *kept]
    last = read_cursor(given["_cursor"], reader.viewer, bound, key) if given.get("_cursor") else None
    unknown = tuple(name for name in given if name not in _SERVED)
    form, _ = parse_form(asked)
    if resource_id:
        everything = instance_versions(reader, resource_type, resource_id)
        if not everything:
            return None
        shown, position = _page_of(reader, everything, given, last, count)
    else:
        shown, position = _page_of_type(reader, resource_type, given, last, count)
    following = None
    if position:
        following = next_page(base_url, path, kept, write_cursor(position, reader.viewer, bound, key))
    around = Around(None, following, unknown)
    return make_page(reader, base_url, [("match", served) for served in shown], around, form)


def _page_of(
    reader: Reader, every: Sequence[Served], given: dict[str, str], last: list[str] | None, count: int
) -> tuple[list[Served], list[str]]:
    """The page after the version at which the one before ended; what is older, if that is told no more."""
    since = _since(given)
    left = [served for served in every if since is None or served.updated >= since]
    if last:
        names = [stored_name(served.version) for served in left]
        if last[0] in names:
            left = left[names.index(last[0]) + 1 :]
        else:
            left = [served for served in left if served.updated < datetime.fromisoformat(last[1])]
    if len(left) <= count:
        return left, []
    return left[:count], [stored_name(left[count - 1].version), left[count - 1].updated.isoformat()]


def _since(given: dict[str, str]) -> datetime | None:
    if "_since" not in given:
        return None
    try:
        found = datetime.fromisoformat(given["_since"])
    except ValueError:
        raise BadSearch("_since is an instant, as 2026-11-23T09:00:00Z") from None
    if found.tzinfo is None:
        raise BadSearch("_since is an instant with its offset, as 2026-11-23T09:00:00Z")
    return found


def _page_of_type(
    reader: Reader, resource_type: str, given: dict[str, str], last: list[str] | None, count: int
) -> tuple[list[Served], list[str]]:
    arguments = Arguments()
    where = f"v.type = {arguments.add(resource_type)}"
    since = _since(given)
    if since is not None:
        where += f" AND v.updated >= {arguments.add(since)}"
    if last:
        at, key = arguments.add(datetime.fromisoformat(last[0])), arguments.add(UUID(last[1]))
        where += f" AND (v.updated, v.fhir_id) < ({at}, {key})"
    found = versions(reader, where, arguments, count + 1)
    page = found[:count]
    more = [_written(page[-1])] if len(found) > count else []
    return served_versions(reader, page), [text for texts in more for text in texts]


def _written(version: Version) -> list[str]:
    at, fhir_id = version.position
    return [at.isoformat(), str(fhir_id)]
