"""The late-label sweep: history is labelled again after a list, the vocabulary or a program changed.

Batch by batch, each in its own transaction with how far it came: a killed sweep goes on where it was. No
record is pulled or published by it, so that every run stays balanced; what may no longer be held is on the
withheld ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from psycopg.rows import class_row

from exchange.consent import label_all
from exchange.model.fhir import references
from exchange.model.partner import Partner
from exchange.model.records import Labels, Resource
from exchange.pipeline import wire
from exchange.pipeline.carry import known_before
from exchange.pipeline.ledger import Connection, LedgerRecord
from exchange.pipeline.map import map_chunk
from exchange.pipeline.safeguard import (
    labelling_digest,
    outside_references,
    programs_of,
    safeguard_chunk,
    source_of,
)
from exchange.pipeline.work import Work
from exchange.repository import (
    Kept,
    Key,
    Relabelled,
    add_labels,
    after_publishers,
    alone_if_needed,
    kept_of,
    known_labels,
    mark_own_care_of,
)


@dataclass(frozen=True, slots=True)
class Swept:
    """What the sweep of one partner's history did; `records` counts each pass."""

    partner: str
    records: int
    relabelled: int
    withdrawn: int
    late_disclosures: int


Progress = Callable[[str, int], None]


def sweep(work: Work, batch: int = 500, progress: Progress = lambda partner, records: None) -> list[Swept]:
    """Labels the history of every partner whose lists or programs changed since it was labelled."""
    return [
        _sweep_partner(work, work.partners[code], batch, progress)
        for code in stale_partners(work)
        if code in work.partners
    ]


def stale_partners(work: Work) -> list[str]:
    """Partners who sent something that was not labelled by today's lists and programs."""
    with work.connect() as connection:
        known = dict(
            connection.execute("SELECT partner, digest FROM labelling WHERE finished IS NOT NULL").fetchall()
        )
        senders = connection.execute(
            "SELECT code FROM unnest(%s::text[]) AS p (code)"
            " WHERE EXISTS (SELECT FROM record_state s WHERE s.partner = p.code) ORDER BY 1",
            [list(work.partners)],
        ).fetchall()
    return [
        code
        for (code,) in senders
        if known.get(code)
        != labelling_digest(work.partners[code], work.context.rules, work.partners.values())
    ]


def _sweep_partner(work: Work, partner: Partner, batch: int, progress: Progress) -> Swept:
    records = relabelled = withdrawn = entries = 0
    _begin(work, partner)
    while True:
        with work.connect() as connection:
            taken, done = alone_if_needed(connection, partial(_take_batch, connection, work, partner, batch))
            connection.commit()
        records, relabelled = records + taken, relabelled + done.changed
        withdrawn, entries = withdrawn + done.withdrawn, entries + done.entries
        progress(partner.code, records)
        if not taken and not _again(work, partner):
            return Swept(partner.code, records, relabelled, withdrawn, entries)


def _begin(work: Work, partner: Partner) -> None:
    """A sweep for the same lists and programs goes on; for others it begins anew."""
    digest = labelling_digest(partner, work.context.rules, work.partners.values())
    with work.connect() as connection:
        connection.execute(
            "INSERT INTO labelling (partner, digest) VALUES (%s, %s) ON CONFLICT (partner) DO UPDATE"
            " SET digest = excluded.digest, pass = 1, changed = 0, cursor = 0, finished = NULL"
            " WHERE labelling.digest <> excluded.digest OR labelling.finished IS NOT NULL",
            [partner.code, digest],
        )
        connection.commit()


def _again(work: Work, partner: Partner) -> bool:
    """Ends a pass: begins the next one when labels changed that others may follow, else closes the sweep.

    Whoever is publishing may have looked at labels before this pass changed them: the next pass, if there is
    one, begins when what he publishes is there to be seen.
    """
    with work.connect() as connection:
        after_publishers(connection)
        row = connection.execute(
            "UPDATE labelling SET pass = pass + 1, cursor = 0, changed = 0,"
            " finished = CASE WHEN changed = 0 THEN %s::timestamptz END"
            " WHERE partner = %s RETURNING finished IS NULL",
            [work.now(), partner.code],
        ).fetchone()
        connection.commit()
    return bool(row and row[0])


def _take_batch(connection: Connection, work: Work, partner: Partner, batch: int) -> tuple[int, Relabelled]:
    cursor = connection.execute(
        "SELECT cursor FROM labelling WHERE partner = %s FOR UPDATE", [partner.code]
    ).fetchone()
    with connection.cursor(row_factory=class_row(LedgerRecord)) as rows:
        records = rows.execute(
            "SELECT record, feed, key, digest, address, position, deleted, event_time FROM source_record"
            " WHERE partner = %s AND record > %s ORDER BY record LIMIT %s",
            [partner.code, cursor[0] if cursor else 0, batch],
        ).fetchall()
    if not records:
        return 0, Relabelled()
    kept = kept_of(connection, [record.record for record in records])
    found = _found(connection, work, partner, records, kept)
    done = add_labels(connection, kept, found, work.context, work.now())
    # Of these alone, and not of all that their people have: each record's turn comes.
    swept = {(row.key.type, row.key.fhir_id) for row in kept}
    done += mark_own_care_of(connection, swept, work.context, work.now())
    connection.execute(
        "UPDATE labelling SET cursor = %s, changed = changed + %s WHERE partner = %s",
        [records[-1].record, done.changed, partner.code],
    )
    return len(records), done


def _found(
    connection: Connection,
    work: Work,
    partner: Partner,
    records: Sequence[LedgerRecord],
    kept: Sequence[Kept],
) -> Mapping[Key, Labels]:
    """What the stored bodies reveal, and where the raw record is still kept also what that does."""
    found: dict[Key, Labels] = {}
    levels = work.context.rules.vocabulary.levels
    for key, labels in (
        *_of_bodies(connection, work, partner, records, kept),
        *_of_raw(connection, work, partner, records, kept),
    ):
        before = found.get(key, Labels("U"))
        found[key] = Labels(
            max(before.confidentiality, labels.confidentiality, key=levels.__getitem__),
            before.codes | labels.codes,
        )
    return found


def _of_bodies(
    connection: Connection,
    work: Work,
    partner: Partner,
    records: Sequence[LedgerRecord],
    kept: Sequence[Kept],
) -> Iterable[tuple[Key, Labels]]:
    feeds = {record.record: record.feed for record in records}
    by_feed: dict[str, list[tuple[Key, Resource]]] = {}
    for row in kept:
        if row.body is not None and row.record in feeds:
            by_feed.setdefault(feeds[row.record], []).append((row.key, _unlabelled(row.body)))
    others = programs_of(partner, work.partners.values())
    for feed, pairs in by_feed.items():
        bodies = [body for _, body in pairs]
        known = known_labels(connection, {to for body in bodies for to in references(body)})
        source = source_of(partner, feed, others)
        labels = label_all(bodies, source, work.context.rules, known)
        yield from zip((key for key, _ in pairs), labels, strict=True)


def _unlabelled(body: Resource) -> Resource:
    """Without the labels written into it, which would be taken for the source's own."""
    return {
        **body,
        "meta": {name: value for name, value in body.get("meta", {}).items() if name != "security"},
    }


def _of_raw(
    connection: Connection,
    work: Work,
    partner: Partner,
    records: Sequence[LedgerRecord],
    kept: Sequence[Kept],
) -> Iterable[tuple[Key, Labels]]:
    """The raw record holds what the agreement keeps out of the repository: its words label, too."""
    wanted = {f"{row.key.type}/{row.key.fhir_id}": row.key for row in kept if row.key.rendition == 0}
    is_kept = work.landing.kept(partner.code)
    made = {row.record for row in kept}
    raw = [r for r in records if r.record in made and r.address and is_kept(r.address)]
    maps = work.maps(partner)
    before = partial(known_before, connection, maps=maps, keyring=work.batches.keyring)
    rows = map_chunk(raw, partner, maps, work.landing, before)
    known = known_labels(connection, outside_references(rows))
    for row in safeguard_chunk(rows, partner, work.context.rules, known, work.partners.values()):
        for item in row["resources"]:
            resource = item["resource"]
            key = wanted.get(f"{resource['resourceType']}/{resource['id']}")
            if key:
                yield key, wire.labels_from_json(item["labels"])
