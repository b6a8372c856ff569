"""Publish: one transaction per chunk writes what decide() lets in and every record's outcome.

Either the whole chunk is published, counted and marked, or nothing of it is: a killed process
neither loses nor repeats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exchange.audit import append, consent_entries
from exchange.consent import Context
from exchange.model.fhir import patient_of, reference_to
from exchange.model.partner import Partner
from exchange.model.records import Issue
from exchange.pipeline import ledger, wire
from exchange.pipeline.claims import Claims, read_claims, write_claims
from exchange.pipeline.conditional import known_resources, without_known
from exchange.pipeline.forget import forget_records, forget_withheld
from exchange.pipeline.ledger import Connection
from exchange.pipeline.snapshots import follow_snapshots, read_snapshots, write_snapshots
from exchange.pipeline.worklist import write_unmapped
from exchange.repository import ItemOutcome, PublishItem, publish

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose records these are, by which map, rules and labelling (digests), and when they are published."""

    partner: Partner
    mapping_digest: str
    rules_digest: str
    labelling_digest: str
    at: datetime


def publish_chunk(
    connection: Connection, run: int, chunk: int, rows: Sequence[Row], origin: Origin, context: Context
) -> int:
    """Publishes one chunk's rows inside the caller's transaction.

    Returns how much it changed of what other chunks said: what it deleted, and what took over its labels.
    """
    snapshots = read_snapshots(connection, origin.partner.code, rows)
    rows = follow_snapshots(snapshots, rows)
    claims = read_claims(connection, origin.partner.code, rows)
    rows = without_known(rows, known_resources(connection, rows))
    items = [item for row in rows for item in _items(row, origin)]
    result = publish(connection, items, claims.released, context, origin.at)
    outcomes = result.outcomes
    findings = _findings(rows, items, outcomes)
    ledger.write_issues(connection, findings)
    write_unmapped(connection, run, rows)
    write_claims(connection, origin.partner.code, rows, claims)
    write_snapshots(connection, origin.partner.code, snapshots, rows)
    _note_old_labels(connection, rows, origin.partner.code, origin.labelling_digest)
    _write_outcomes(connection, rows, items, outcomes)
    _forget(connection, origin, rows, items, outcomes)
    _write_resource_balance(connection, run, chunk, _tally(rows, items, outcomes, claims))
    _record_consents(connection, items, outcomes, claims, origin)
    return len(claims.released) + result.relabelled


def _forget(
    connection: Connection,
    origin: Origin,
    rows: Sequence[Row],
    items: Sequence[PublishItem],
    outcomes: Sequence[ItemOutcome],
) -> None:
    """Nothing is carried over of a person who is withheld; a Consent may have withheld others of before."""
    withheld = {
        item.record
        for item, outcome in zip(items, outcomes, strict=True)
        if item.resource["resourceType"] == "Patient" and outcome.kind == "withheld"
    }
    forget_records(
        connection,
        origin.partner.code,
        [(row["feed"], row["key"]) for row in rows if row["record"] in withheld],
    )
    if any(item.resource["resourceType"] == "Consent" for item in items):
        forget_withheld(connection, origin.at)


def _note_old_labels(connection: Connection, rows: Sequence[Row], partner: str, digest: str) -> None:
    """What was labelled before a list or program changed, and is published after, is for the next sweep."""
    if any(row["labelling"] != digest for row in rows):
        connection.execute("UPDATE labelling SET digest = '' WHERE partner = %s", [partner])


def _record_consents(
    connection: Connection,
    items: Sequence[PublishItem],
    outcomes: Sequence[ItemOutcome],
    claims: Claims,
    origin: Origin,
) -> None:
    """The log keeps every Consent that came, changed or was taken back; last, as it holds the log's end."""
    changed = [
        (reference_to(item.resource), item.patient)
        for item, outcome in zip(items, outcomes, strict=True)
        if item.resource["resourceType"] == "Consent" and outcome.kind != "unchanged"
    ]
    gone = [(reference, None) for reference in claims.released if reference.startswith("Consent/")]
    if changed or gone:
        append(connection, consent_entries(origin.partner.code, [*changed, *gone], origin.at))


def _items(row: Row, origin: Origin) -> Iterator[PublishItem]:
    for entry in row["resources"]:
        redacted = entry["redacted"]
        yield PublishItem(
            resource=entry["resource"],
            refers=entry.get("refers"),  # a batch of a version before them has none
            labels=wire.labels_from_json(entry["labels"]),
            redacted=(redacted["resource"], wire.labels_from_json(redacted["labels"])) if redacted else None,
            patient=patient_of(entry["resource"]),
            partner=origin.partner.code,
            record=row["record"],
            event_time=datetime.fromisoformat(row["event_time"]) if row["event_time"] else None,
            cluster=bytes.fromhex(entry["cluster"]) if entry["cluster"] else None,
            trust=entry["trust"],
            mapping_digest=origin.mapping_digest,
            rules_digest=origin.rules_digest,
        )


def _findings(
    rows: Sequence[Row], items: Sequence[PublishItem], outcomes: Sequence[ItemOutcome]
) -> list[tuple[int, Issue]]:
    """Issues of mapping and checking, and of resources the repository could not place."""
    told = [(row["record"], wire.issue_from_json(issue)) for row in rows for issue in row["issues"]]
    placed = [
        (item.record, outcome.issue)
        for item, outcome in zip(items, outcomes, strict=True)
        if outcome.issue is not None
    ]
    return sorted(told + placed, key=lambda pair: pair[0])


def _write_outcomes(
    connection: Connection,
    rows: Sequence[Row],
    items: Sequence[PublishItem],
    outcomes: Sequence[ItemOutcome],
) -> None:
    known = {row["record"]: row["already_known"] or row["replaced"] for row in rows}
    kinds = {record: {"unchanged"} if any_known else set[str]() for record, any_known in known.items()}
    for item, outcome in zip(items, outcomes, strict=True):
        kinds[item.record].add(outcome.kind)
    pairs = [(row["record"], record_outcome(row, kinds[row["record"]])) for row in rows]
    connection.execute(
        "UPDATE source_record s SET outcome = o.outcome"
        " FROM unnest(%s::bigint[], %s::text[]) AS o(record, outcome) WHERE s.record = o.record",
        [[record for record, _ in pairs], [outcome for _, outcome in pairs]],
    )


def record_outcome(row: Row, kinds: set[str]) -> str:
    """One outcome for a record from those of its resources: the furthest any of them came.

    >>> record_outcome({"deleted": False, "issues": [], "deletes": []}, {"withheld", "published"})
    'published'
    >>> record_outcome({"deleted": True, "issues": [], "deletes": []}, set())
    'deleted'
    """
    if row["deleted"]:
        return "deleted"
    errors = any(issue["severity"] in ("error", "fatal") for issue in row["issues"])
    for kind in ("published", "withheld"):
        if kind in kinds:
            return kind
    if errors or "quarantined" in kinds:
        return "quarantined"
    return "unchanged" if kinds else "deleted"


def _tally(
    rows: Sequence[Row],
    items: Sequence[PublishItem],
    outcomes: Sequence[ItemOutcome],
    claims: Claims,
) -> Counter[tuple[str, str]]:
    """Resources by (type, outcome)."""
    tally: Counter[tuple[str, str]] = Counter()
    for item, outcome in zip(items, outcomes, strict=True):
        tally[item.resource["resourceType"], outcome.kind] += 1
    tally.update((reference.split("/")[0], "deleted") for reference in claims.released)
    tally.update((kind, "quarantined") for row in rows for kind in row["invalid"])
    tally.update((r.split("/")[0], "unchanged") for row in rows for r in row["already_known"])
    tally.update((r.split("/")[0], "unchanged") for row in rows for r in row["replaced"])
    return tally


def _write_resource_balance(
    connection: Connection, run: int, chunk: int, tally: Counter[tuple[str, str]]
) -> None:
    with connection.cursor().copy(
        "COPY resource_balance (run, chunk, type, outcome, resources) FROM STDIN"
    ) as copy:
        for (kind, outcome), number in tally.items():
            copy.write_row((run, chunk, kind, outcome, number))
