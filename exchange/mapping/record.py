"""One source record becomes FHIR resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from exchange.mapping.carried import Statement, filled, statements
from exchange.mapping.entries import ANY, Entry, Made, lacks, make
from exchange.mapping.fhir import deleted_reference, incoming
from exchange.mapping.language import Row
from exchange.mapping.load import FeedMap, Maps, MergeRule, observed_maps
from exchange.mapping.paths.places import Place
from exchange.mapping.refusals import check_refusals
from exchange.mapping.run import Run
from exchange.model.errors import RecordRejected
from exchange.model.ids import resource_id
from exchange.model.partner import Partner
from exchange.model.records import Mapped, Merge, Resource, SourceRecord
from exchange.model.terms import SYSTEMS, US_CORE_PROFILE

# A path of HL7 v2 inside a repetition: `.4.2`
_COMPONENT = re.compile(r"\.\d")
_TYPE = re.compile(r"[A-Z][A-Z0-9]{2}")


def map_record(record: SourceRecord, maps: Maps, known: Sequence[Statement] = ()) -> Mapped:
    """What the record becomes; `known` fills what it leaves empty.

    Raises RecordRejected when nothing of it may be used.
    """
    feed_map = _feed_map(record, maps)
    run = Run(record, None, maps.namespace)
    if record.deleted and record.format == "fhir_json":
        return Mapped(deleted=(deleted_reference(record.key, run),))
    try:
        mapped = _map_open(feed_map, run, known)
    finally:
        _let_go(run)
    if record.deleted:
        gone = (f"{made['resourceType']}/{made['id']}" for made in mapped.resources)
        return Mapped(deleted=(*gone, *mapped.deleted), issues=mapped.issues)
    return mapped


def stated(record: SourceRecord, maps: Maps) -> list[Statement]:
    """What the record states of segments that are carried over; nothing of one that may not be used."""
    feed_map = maps.feeds.get(record.feed)
    if feed_map is None or not feed_map.carried or record.deleted:
        return []
    run = Run(record, None, maps.namespace)
    try:
        run.root = run.context = root = feed_map.language.grammar.open(record.payload)
        check_refusals(feed_map.refusals, root, run)
        _message_entries(feed_map, root)
        return statements(feed_map.carried, root, run)
    except RecordRejected:
        return []
    finally:
        _let_go(run)


def _let_go(run: Run) -> None:
    if isinstance(run.root, Place):
        run.root.forget()


def trace_record(record: SourceRecord, maps: Maps) -> list[tuple[str, str, str, str]]:
    """For each value given: FHIR element, source position, map row (file:line expression), functions used."""
    return traced(record, observed_maps(maps))


def traced(
    record: SourceRecord, observed: Maps, known: Sequence[Statement] = ()
) -> list[tuple[str, str, str, str]]:
    """As trace_record, by maps that are compiled with an observer already; `known` as for map_record."""
    feed_map = _feed_map(record, observed)
    rows = feed_map.language.rows
    return [
        _traced(rows[number], place, record, feed_map.fhir.sent_as)
        for number, place in observe(record, observed, known).traced
    ]


def observe(record: SourceRecord, observed: Maps, known: Sequence[Statement] = ()) -> Run:
    """What was traced and seen while maps compiled with an observer took the record."""
    run = Run(record, None, observed.namespace)
    if record.payload or not record.deleted:
        _map_open(_feed_map(record, observed), run, known)
    return run


def _traced(
    row: Row, place: str, record: SourceRecord, sent_as: Callable[[str, str], str]
) -> tuple[str, str, str, str]:
    if record.format == "fhir_json":
        kind = row.element.partition(".")[0]
        row = replace(row, paths=tuple(sent_as(kind, path) for path in row.paths))
    position = f"{record.position} {position_of(row, place)}".strip()
    return row.element, position, f"{row.place} {row.expression}", ", ".join(dict.fromkeys(row.calls))


def position_of(row: Row, place: str) -> str:
    """What a row reads, seen from the record: its paths at a place."""
    where, _, field = place.rpartition(" ")
    if any(_COMPONENT.match(path) for path in row.paths):
        place, paths = where, [f"{field}{path}" if _COMPONENT.match(path) else path for path in row.paths]
    else:
        paths = list(row.paths)
    return " ".join(part for part in (place, ", ".join(paths)) if part)


def partner_organization(partner: Partner) -> Resource:
    """The partner itself as an Organization; its id is made from the partner's code."""
    resource: Resource = {
        "resourceType": "Organization",
        "id": resource_id(partner.namespace, "Organization", partner.code),
        "meta": {
            "source": f"urn:mosaic:partner:{partner.code}",
            "profile": [US_CORE_PROFILE + "us-core-organization"],
        },
        "active": True,
        "name": partner.organization.name,
    }
    if partner.organization.npi:
        resource["identifier"] = [{"system": SYSTEMS["npi"], "value": partner.organization.npi}]
    if partner.organization.address:
        resource["address"] = [{"text": partner.organization.address, "state": partner.organization.state}]
    return resource


def _feed_map(record: SourceRecord, maps: Maps) -> FeedMap:
    if record.feed not in maps.feeds:
        raise RecordRejected(f"the partner has no feed `{record.feed}`", code="not-supported")
    return maps.feeds[record.feed]


def _map_open(feed_map: FeedMap, run: Run, known: Sequence[Statement] = ()) -> Mapped:
    root = open_record(feed_map, run, known)
    if run.record.format == "fhir_json":
        return _map_fhir(feed_map, run)
    check_refusals(feed_map.refusals, root, run)
    results: list[Made] = []
    for entry in entries_for(feed_map, root):
        if not entry.wants or entry.may_be(root):
            results += make(entry, run)
    merges = _merges(feed_map.merges, root, run)
    return _mapped(results, merges, (), run, feed_map.language.grammar.position)


def open_record(feed_map: FeedMap, run: Run, known: Sequence[Statement] = ()) -> Any:
    """The root of the source, parsed; `known` as for map_record."""
    root = feed_map.language.grammar.open(run.record.payload)
    told = [statement for statement in known if statement.fields]
    if told:
        root = filled(root, [(statement.segments, statement.fields) for statement in told])
    run.root = run.context = root
    return root


def entries_for(feed_map: FeedMap, root: Any) -> tuple[Entry, ...]:
    """What the map makes of such a record; RecordRejected for a type of message that it does not have."""
    return _message_entries(feed_map, root) if feed_map.messages else tuple(feed_map.entries.values())


def _message_entries(feed_map: FeedMap, message: Place) -> tuple[Entry, ...]:
    header = message.find("MSH")[0]
    parts = header[9].split(message.delimiters.component) if len(header) > 9 else []
    kind = "^".join(parts[:2])
    if kind in feed_map.messages:
        return feed_map.messages[kind].by(message.index)
    shown = kind if all(_TYPE.fullmatch(part) for part in parts[:2]) and parts else "of MSH-9"
    raise RecordRejected(f"message type {shown} is not mapped", code="not-supported", expression="MSH-9")


def _map_fhir(feed_map: FeedMap, run: Run) -> Mapped:
    found = incoming(feed_map.fhir.to_r4(run.root), feed_map.fhir.keys, run)
    for element in feed_map.fhir.left_out(run.root):
        run.note("information", "incomplete", "R4 has no place for this element of STU3", element, "")
    results: list[Made] = []
    merges: list[Merge] = []
    for resource, own, inside in found.resources:
        run.turn_to(resource, own, inside)
        kind = resource["resourceType"]
        entries = feed_map.by_type.get(kind) or feed_map.by_type.get(ANY)
        if not entries:
            run.note("error", "not-supported", f"no entry of the map takes a {kind}", kind, "")
            continue
        made = [item for entry in entries for item in make(entry, run)]
        if any(entry.key is None for entry in entries):
            run.seen.add(f"{kind}/**")
        if resource["id"] in found.partial:
            run.note(
                "information", "incomplete", "a SUBSETTED resource never replaces a whole one", "meta.tag", ""
            )
        only_new = resource["id"] in found.partial | found.if_none
        results.extend(item._replace(conditional=True) if only_new else item for item in made)
        if kind == "Patient":
            merges.extend(_merges(feed_map.merges, resource, run))
    return _mapped(results, merges, found.deleted, run, feed_map.language.grammar.position)


def _merges(rules: Iterable[MergeRule], root: Any, run: Run) -> list[Merge]:
    merges = []
    for rule in rules:
        if rule.needs and lacks(root.index, rule.needs):
            continue
        for place in [root] if rule.each is None else rule.each(root, run):
            run.context = place
            loser = _reference_id(rule.loser(place, run))
            survivor = _reference_id(rule.survivor(place, run)) if loser else None
            if survivor and loser and survivor != loser:
                merges.append(Merge(survivor, loser))
    return merges


def _reference_id(value: Any) -> str | None:
    reference = value[0] if isinstance(value, list) and value else value
    if not isinstance(reference, dict):
        return None
    return str(reference.get("reference", "")).rpartition("/")[2] or None


def _mapped(
    results: list[Made],
    merges: Iterable[Merge],
    deleted: tuple[str, ...],
    run: Run,
    position: Callable[[Any], str],
) -> Mapped:
    kept: dict[str, Resource] = {}
    gone = dict.fromkeys(deleted)
    firm: set[str] = set()
    for number, (resource, is_gone, is_conditional) in enumerate(results):
        reference = f"{resource['resourceType']}/{resource['id']}"
        if is_gone:
            gone[reference] = None
            continue
        if not is_conditional:
            firm.add(reference)
        known = kept.setdefault(reference, resource)
        if known is not resource and known != resource:
            run.context, run.inside = run.made_at[number]
            kept[reference] = _joined(known, resource, run, position)
    if not kept and not gone:
        raise RecordRejected("the map makes nothing of this record", code="required")
    return Mapped(
        resources=tuple(kept.values()),
        deleted=tuple(gone),
        conditional=frozenset(kept.keys() - firm),
        merges=tuple(dict.fromkeys(merges)),
        issues=run.all_issues(),
        unmapped=tuple(run.unmapped),
        snapshots={name: tuple(filter(None, members)) for name, members in run.snapshots.items()},
    )


def _joined(one: Resource, other: Resource, run: Run, position: Callable[[Any], str]) -> Resource:
    """Two mentions of one thing that differ: the first holds, the second fills what it left out.

    A conflict is told with the position of the second, where the run stands.
    """
    differing = sorted(name for name in other if name in one and one[name] != other[name])
    if differing:
        kind = one["resourceType"]
        words = f"one {kind} stands twice and differs"
        run.note("warning", "duplicate", words, f"{kind}.{differing[0]}", "", position)
    return {**other, **one}
