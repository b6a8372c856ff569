"""Map: sealed records → FHIR R4 resources that passed the border, or issues.

Pure apart from reading the landing store and what was stated before: the same chunk gives the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from exchange.landing import Landing
from exchange.mapping import Maps, Origin, Statement, map_record, observed_maps, origin_of
from exchange.model.errors import RecordRejected
from exchange.model.fhir import reference_to, references
from exchange.model.partner import Partner
from exchange.model.records import Issue, Mapped, Resource, SourceRecord
from exchange.pipeline import wire
from exchange.pipeline.ledger import LedgerRecord
from exchange.pipeline.pull import CAPTURED, SELF
from exchange.validation import missing_elements, validated

Row = dict[str, Any]
Check = Callable[[Resource], tuple[Issue, ...]]
KnownBefore = Callable[[Sequence[SourceRecord]], Sequence[Sequence[Statement]]]
"""For each record, in order: what messages sent before it state of the same person or visit."""


def map_chunk(
    records: Sequence[LedgerRecord], partner: Partner, maps: Maps, landing: Landing, known: KnownBefore
) -> list[Row]:
    """One row per record, in order: what it became, or why it could not be used."""
    payloads = _payloads([r.address for r in records if r.address is not None], partner, landing)
    reasons = {record.record: _unusable(record, partner, payloads) for record in records}
    usable = [record for record in records if reasons[record.record] is None]
    sources = [source_record(record, partner, payloads) for record in usable]
    mapped = map_sources(sources, maps, known(sources))
    found = {record.record: one for record, one in zip(usable, mapped, strict=True)}
    for number, reason in reasons.items():
        if reason is not None:
            found[number] = Mapped(issues=(reason,)), []
    return [_row(record, *found[record.record]) for record in records]


def _payloads(addresses: Sequence[str], partner: Partner, landing: Landing) -> dict[str, bytes]:
    """What is still kept of them."""
    try:
        return dict(zip(addresses, landing.get_many(addresses), strict=True))
    except RecordRejected:
        is_kept = landing.kept(partner.code)
        kept = [address for address in addresses if is_kept(address)]
        return dict(zip(kept, landing.get_many(kept), strict=True))


def _unusable(record: LedgerRecord, partner: Partner, payloads: dict[str, bytes]) -> Issue | None:
    """What came about since the record was pulled, in the partner's folder or in the landing store."""
    if record.feed not in (SELF, CAPTURED) and record.feed not in partner.feeds:
        return Issue(
            "error",
            "not-supported",
            f"partner.yaml declares no feed `{record.feed}` any more",
            "",
            record.position,
        )
    if record.address is not None and record.address not in payloads:
        detail = "the raw payload is kept no longer than `retention_days`; ask the partner for it again"
        return Issue("error", "not-found", detail, "", record.position)
    return None


def source_record(record: LedgerRecord, partner: Partner, payloads: dict[str, bytes]) -> SourceRecord:
    """The record as the partner sent it, from the ledger and the landing store."""
    return SourceRecord(
        partner=partner.code,
        feed=record.feed,
        key=record.key,
        format="fhir_json" if record.feed in (SELF, CAPTURED) else partner.feeds[record.feed].format,
        payload=payloads[record.address] if record.address else b"",
        position=record.position,
        deleted=record.deleted,
        event_time=record.event_time,
    )


def map_sources(
    records: Sequence[SourceRecord], maps: Maps, known: Iterable[Sequence[Statement]]
) -> list[tuple[Mapped, list[str]]]:
    """As map_source for each with what is known before it: all are mapped before any is checked."""
    before = list(known)
    mapped = [_mapped(record, maps, told) for record, told in zip(records, before, strict=True)]
    check = validated(resource for each in mapped for resource in each.resources)
    # Compiled when the first finding asks for it.
    observed = cache(lambda: observed_maps(maps))
    return [
        _settled(record, made, maps, told, check, observed)
        for record, made, told in zip(records, mapped, before, strict=True)
    ]


def map_source(record: SourceRecord, maps: Maps, known: Sequence[Statement] = ()) -> tuple[Mapped, list[str]]:
    """What the record became, and the types of resources that were left out as not valid.

    What earlier messages state (`known`) counts only where it makes nothing wrong.
    """
    return map_sources((record,), maps, (known,))[0]


def _settled(
    record: SourceRecord,
    mapped: Mapped,
    maps: Maps,
    known: Sequence[Statement],
    check: Check,
    observed: Callable[[], Maps],
) -> tuple[Mapped, list[str]]:
    found = _kept(record, mapped, maps, check, lambda: origin_of(record, observed(), known))
    if any(statement.fields for statement in known) and _errors(found[0]):
        made = _mapped(record, maps, ())
        alone = _kept(record, made, maps, check, lambda: origin_of(record, observed()))
        return alone if _errors(alone[0]) < _errors(found[0]) else found
    return found


def _errors(mapped: Mapped) -> int:
    return sum(map(wire.is_error, mapped.issues))


def _mapped(record: SourceRecord, maps: Maps, known: Sequence[Statement]) -> Mapped:
    """What the map makes of it, not checked yet; of a record that may not be used the reason."""
    if record.deleted:
        return _deleted(record, maps)
    try:
        if record.feed in (SELF, CAPTURED):
            return Mapped(resources=_ours(record))
        return map_record(record, maps, known)
    except RecordRejected as error:
        issue = Issue("error", error.code, str(error), error.expression, error.position or record.position)
        return Mapped(issues=(issue,))
    except Exception as error:
        # A record that no map foresaw must not keep its partner's other records waiting for ever.
        detail = f"unexpected while mapping ({type(error).__name__}); please report it"
        return Mapped(issues=(Issue("fatal", "exception", detail, "", record.position),))


def _deleted(record: SourceRecord, maps: Maps) -> Mapped:
    """What a deletion names, where its key tells: it may have come in a record of another key.

    What a snapshot lacks nobody deleted by name: it may still stand in another feed.
    """
    feed = maps.partner.feeds.get(record.feed)
    if record.format != "fhir_json" or feed is None or feed.snapshot:
        return Mapped()
    try:
        return map_record(record, maps)
    except RecordRejected:
        return Mapped()


def _kept(
    record: SourceRecord, mapped: Mapped, maps: Maps, check: Check, origin: Callable[[], Origin]
) -> tuple[Mapped, list[str]]:
    if record.deleted or _is_refused(mapped):
        return mapped, []
    is_ours = record.feed in (SELF, CAPTURED)
    held: frozenset[str] = frozenset() if is_ours else maps.partner.quarantine
    checked = _checked(mapped, record.position, held, check, _nowhere if is_ours else origin)
    if len(checked.resources) == len(mapped.resources):
        return checked, []
    invalid = Counter(r["resourceType"] for r in mapped.resources)
    invalid.subtract(r["resourceType"] for r in checked.resources)
    return checked, sorted(invalid.elements())


def _ours(record: SourceRecord) -> tuple[Resource, ...]:
    """What the exchange wrote itself, by its own ids: the participant, or a form's Bundle."""
    found = wire.loads(record.payload)
    return tuple(entry["resource"] for entry in found["entry"]) if record.feed == CAPTURED else (found,)


def _is_refused(mapped: Mapped) -> bool:
    return bool(mapped.issues) and not (mapped.resources or mapped.deleted or mapped.merges)


def _nowhere() -> Origin:
    """What the exchange wrote itself comes from no field."""
    return lambda _resource, _expression, _missing: ""


def _placed(issue: Issue, resource: Resource, position: str, origin: Origin) -> Issue:
    """A finding of the checks with the position in the source of what it is about."""
    inside = origin(resource, issue.expression, missing_elements(issue)) if issue.expression else ""
    return replace(issue, position=f"{position} {inside}".strip())


def _checked(
    mapped: Mapped, position: str, held: frozenset[str], check: Check, open_origin: Callable[[], Origin]
) -> Mapped:
    """What may go on: nothing invalid, and nothing with a finding whose code the partner holds back."""
    if mapped.resources and not mapped.issues and not any(map(check, mapped.resources)):
        return mapped
    issues = [_weighed(issue, held) for issue in mapped.issues]
    spoilt = {issue.expression.partition(".")[0] for issue in issues if _is_held(issue, held)}
    good: list[Resource] = []
    origin: Origin | None = None
    for resource in mapped.resources:
        found = [_weighed(issue, held) for issue in check(resource)]
        if found:
            origin = origin or open_origin()
            issues += [_placed(issue, resource, position, origin) for issue in found]
        if resource["resourceType"] not in spoilt and not any(wire.is_error(issue) for issue in found):
            good.append(resource)
    if not (mapped.resources or mapped.deleted or mapped.merges or issues):
        issues.append(Issue("error", "not-supported", "the map made nothing of this record", "", position))
    if not issues:
        return mapped
    return replace(mapped, resources=tuple(good), issues=tuple(issues))


def _is_held(issue: Issue, held: frozenset[str]) -> bool:
    return issue.code in held and issue.severity != "information"


def _weighed(issue: Issue, held: frozenset[str]) -> Issue:
    return replace(issue, severity="error") if _is_held(issue, held) else issue


def _row(record: LedgerRecord, mapped: Mapped, invalid: list[str]) -> Row:
    return {
        "record": record.record,
        "feed": record.feed,
        "key": record.key,
        "digest": record.digest.hex(),
        "deleted": record.deleted,
        "event_time": record.event_time.isoformat() if record.event_time else None,
        "resources": list(mapped.resources),
        "deletes": list(mapped.deleted),
        "conditional": sorted(mapped.conditional),
        "merges": [[merge.survivor, merge.loser] for merge in mapped.merges],
        "snapshots": dict(mapped.snapshots),
        "issues": [wire.issue_to_json(issue) for issue in mapped.issues],
        "unmapped": [wire.flat(found) for found in mapped.unmapped],
        "invalid": invalid,
        "ids": [reference_to(resource) for resource in mapped.resources],
        "refers": [references(resource) for resource in mapped.resources],
    }
