"""The laws of the house, checked on the demo's own data; each check says what it looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from exchange.api import Service
from exchange.app import Exchange
from exchange.app.privacy.auditing import seal_audit_log, verify_audit_log
from exchange.app.privacy.explaining import explain_resource
from exchange.app.prove.proving import Effort, first_leak
from exchange.app.records.leaks import find_traces, log_texts, scheduler_texts, traces_of_people
from exchange.cli.demo.truth import Expected, expected_access
from exchange.cli.prove.twin import requesters, twin
from exchange.pipeline.balance import Balance
from exchange.repository import read, reader

_SAMPLE = 600
_REQUESTS = 30
_REQUESTERS = 5

# What a record claimed and the repository rejected is in quarantine and still claimed.
_CONTRIBUTIONS = """
WITH claimed AS (
    SELECT partner, record, split_part(ref, '/', 1) AS type, split_part(ref, '/', 2)::uuid AS fhir_id
    FROM record_state, unnest(resources) AS ref
)
SELECT count(DISTINCT (type, fhir_id)), count(DISTINCT (type, fhir_id)) FILTER (
    WHERE NOT EXISTS (SELECT FROM resource r
                      WHERE r.partner = c.partner AND r.type = c.type AND r.fhir_id = c.fhir_id)
      AND NOT EXISTS (SELECT FROM withheld w WHERE w.type = c.type AND w.fhir_id = c.fhir_id)
      AND NOT EXISTS (SELECT FROM quarantine q WHERE q.record = c.record)
)
FROM claimed c
"""


# What each partner's newest run made must name the maps and rules in force; older resources name theirs.
_DIGESTS = """
SELECT r.partner, r.mapping_digest, r.rules_digest,
    s.run = (SELECT max(run) FROM run WHERE run.partner = r.partner), count(*)
FROM resource r LEFT JOIN source_record s USING (record)
GROUP BY 1, 2, 3, 4
"""
_DIGEST = re.compile(r"[0-9a-f]{64}")


# Clients and revoked tokens are the API's own; all else it may read lies behind row-level security.
_LEFT_OPEN = """
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND NOT relrowsecurity
  AND has_any_column_privilege('exchange_api', oid, 'SELECT') AND relname NOT IN ('client', 'revoked_token')
ORDER BY relname
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One law, whether it holds, and what was looked at (or what breaks it)."""

    law: str
    holds: bool
    looked_at: str


def check_laws(
    exchange: Exchange, service: Service, balances: Sequence[Balance], coalition: Path
) -> Iterator[Verdict]:
    """Each law in turn."""
    yield _balance(balances)
    yield _one_decision(exchange, service, coalition)
    yield _hidden_changes_nothing(exchange, service)
    yield _contributions_kept(exchange)
    yield _disclosures_recorded(exchange)
    yield _content_is_data(exchange)
    yield _nothing_outside(exchange)


def _balance(balances: Sequence[Balance]) -> Verdict:
    wrong = [b.partner for b in balances if not b.balanced or b.status != "balanced"]
    pulled = sum(b.pulled for b in balances)
    told = ", ".join(wrong) or f"{pulled:,} records in {len(balances)} runs"
    return Verdict("1 the run balances", not wrong, told)


def _one_decision(exchange: Exchange, service: Service, coalition: Path) -> Verdict:
    """The coalition's own truth about who may see what, asked of the repository.

    A requester whose own record of the person is not linked with certainty sees less: that is no error.
    """
    sample = expected_access(coalition / "truth", exchange.work.now())
    Random(1).shuffle(sample)  # noqa: S311 - a sample, no secret
    sample = sample[:_SAMPLE]
    wrong = [expected for expected in sample if _sees(service, expected) != expected.visible]
    leaks = [expected for expected in wrong if not expected.visible]
    missing = [e for e in wrong if e.visible and not _waits_for_link(exchange, e)]
    told = f"{len(sample):,} permissions and denials of the coalition's truth"
    unlinked = len(wrong) - len(leaks) - len(missing)
    if unlinked:
        told += f"; {unlinked} records wait for a certain link to the requester's own"
    if leaks or missing:
        told = f"{len(leaks)} seen that must not be, {len(missing)} not seen that must be; {told}"
    return Verdict("2 one decision", not leaks and not missing, told)


def _sees(service: Service, expected: Expected) -> bool:
    with reader(service.pool, expected.viewer, service.clock()) as view:
        return read(view, expected.type, expected.fhir_id) is not None


def _waits_for_link(exchange: Exchange, expected: Expected) -> bool:
    """Is the record permitted, and only a relationship missing?"""
    with exchange.work.connect() as connection:
        known = connection.execute(
            "SELECT FROM resource WHERE type = %s AND fhir_id = %s::uuid", [expected.type, expected.fhir_id]
        ).fetchone()
        if known is None:
            return False
        reference = f"{expected.type}/{expected.fhir_id}"
        found = explain_resource(exchange, connection, reference, expected.viewer, exchange.work.now())
    return any(
        i.decision.effect == "permit" and i.decision.needs_relationship and not i.related
        for i in found
        if i.action == "access"
    )


def _hidden_changes_nothing(exchange: Exchange, service: Service) -> Verdict:
    """`exchange prove non-interference` with some requests of some requesters: it takes minutes for all.

    A table without row-level security hides nothing, so that nothing would be taken away: that comes first.
    """
    left_open = _tables_left_open(exchange)
    if left_open:
        told = f"{', '.join(left_open)} has no row-level security"
        return Verdict("3 hidden data changes no byte", False, told)
    known = requesters(exchange.partners)
    viewers = Random(1).sample(known, min(_REQUESTERS, len(known)))  # noqa: S311 - a sample, no secret
    leaks = []
    for viewer in viewers:
        with twin(exchange.work.connect, service, viewer, seed=1) as sides:
            leaks.append(first_leak(sides.compare, sides.material, Effort(1, _REQUESTS)))
    found = [leak for leak in leaks if leak]
    asked = f"{_REQUESTS * len(viewers)} requests of {len(viewers)} requesters"
    told = f"{asked}, with and without what each may not see"
    told = f"{len(found)} requesters are answered differently; {told}" if found else told
    return Verdict("3 hidden data changes no byte", bool(viewers) and not found, told)


def _tables_left_open(exchange: Exchange) -> list[str]:
    with exchange.work.connect() as connection:
        return [row[0] for row in connection.execute(_LEFT_OPEN)]


def _contributions_kept(exchange: Exchange) -> Verdict:
    """Every resource a source record claims is there as that source's own, or in the withheld ledger."""
    with exchange.work.connect() as connection:
        row = connection.execute(_CONTRIBUTIONS).fetchone()
    claimed, lost = row or (0, 0)
    told = f"{claimed:,} contributions, each under its own source"
    return Verdict("4 contributions are kept", lost == 0, f"{lost} are gone; {told}" if lost else told)


def _disclosures_recorded(exchange: Exchange) -> Verdict:
    sealed = seal_audit_log(exchange)
    findings = verify_audit_log(exchange)
    told = f"{sealed} records of requests, chained, sealed and verified"
    if findings:
        first = findings[0]
        told = f"record {first.sequence} {first.kind}: {first.detail}"
    return Verdict("5 no disclosure without its record", sealed > 0 and not findings, told)


def _content_is_data(exchange: Exchange) -> Verdict:
    maps = {code: exchange.work.maps(p).digest for code, p in exchange.partners.items()}
    rules = exchange.context.rules.digest
    with exchange.work.connect() as connection:
        made = connection.execute(_DIGESTS).fetchall()
    wrong = {
        partner
        for partner, mapping, ruled, newest, _ in made
        if not (_DIGEST.fullmatch(mapping) and _DIGEST.fullmatch(ruled))
        or (newest and (mapping, ruled) != (maps.get(partner), rules))
    }
    told = f"{sum(row[-1] for row in made):,} resources name the digests of the maps and rules that made them"
    if wrong:
        told = f"resources of {', '.join(sorted(wrong))} name none, or others than made them"
    return Verdict("6 content is data", bool(made) and not wrong, told)


def _nothing_outside(exchange: Exchange) -> Verdict:
    data = exchange.settings.data
    with exchange.work.connect() as connection:
        traces = traces_of_people(connection)
    folders = [data / "logs", data / "airflow"]
    texts = [*log_texts(folders), *scheduler_texts(exchange.database_url)]
    found = find_traces(texts, traces)
    told = f"{len(texts):,} logs and scheduler rows searched for {len(traces.names) // 2:,} names"
    return Verdict(
        "7 no patient data outside", not found, f"found in {', '.join(found[:3])}" if found else told
    )
