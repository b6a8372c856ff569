"""Links and reviews between pairs of patients, judged again whenever one of the two records changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg

from exchange.linkage import Features, Model, basis_in_index, compare
from exchange.repository.disclosure.overlay import evidence_of

Pair = tuple[int, int]
_STAYS = ("merge", "steward")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holds between two patients; `evidence` in bits by field, and the rule that limited it."""

    grade: str
    probability: float
    basis: str
    evidence: Mapping[str, Any]

    def says(self, other: Verdict | None) -> bool:
        """The same as the other, evidence aside."""
        return (
            other is not None
            and (self.grade, self.basis) == (other.grade, other.basis)
            and abs(self.probability - other.probability) < 1e-6
        )


@dataclass(frozen=True, slots=True)
class _Record:
    fhir_id: str
    features: Features


def pair_of(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)


def reevaluate(conn: psycopg.Connection, changed: set[int], model: Model, at: datetime) -> set[int]:
    """Judges these patients against all who share a blocking key; returns the ends of what changed."""
    if not changed:
        return set()
    verdicts = _judge(conn, changed, model)
    decided = _decided(conn, changed)
    before = _edges(conn, changed)
    stays = {pair for pair, verdict in before.items() if verdict.basis in _STAYS} | decided
    links = {pair: v for pair, v in verdicts.items() if v.grade != "possible" and pair not in stays}
    gone = [pair for pair in before if pair not in links and pair not in stays]
    fresh = {pair: verdict for pair, verdict in links.items() if not verdict.says(before.get(pair))}
    remove_edges(conn, [*gone, *fresh])
    add_edges(conn, fresh)
    write_events(conn, [("unlinked", *pair, before[pair]) for pair in gone], at)
    write_events(conn, [("linked", *pair, verdict) for pair, verdict in fresh.items()], at)
    possible = {pair: v for pair, v in verdicts.items() if v.grade == "possible" and pair not in stays}
    suspected = _write_reviews(conn, changed, possible, at)
    return suspected | {number for pair in (*gone, *fresh) for number in pair}


def _judge(conn: psycopg.Connection, changed: set[int], model: Model) -> dict[Pair, Verdict]:
    """Every pair that is at least possible."""
    pairs = {
        pair_of(a, b)
        for a, b in conn.execute(
            "SELECT DISTINCT k.patient, other.patient FROM blocking_key k JOIN blocking_key other USING (key)"
            " WHERE k.patient = ANY(%s) AND other.patient <> k.patient",
            (list(changed),),
        )
    }
    records = _records(conn, {number for pair in pairs for number in pair})
    found = {}
    for a, b in sorted(pairs):
        verdict = _verdict(records[a], records[b], model)
        if verdict.grade != "certainly-not":
            found[a, b] = verdict
    return found


def _records(conn: psycopg.Connection, numbers: Collection[int]) -> dict[int, _Record]:
    rows = conn.execute(
        "SELECT patient, fhir_id::text, features::text FROM patient WHERE patient = ANY(%s)",
        (list(numbers),),
    )
    return {
        number: _Record(fhir_id, Features.from_json(orjson.loads(text))) for number, fhir_id, text in rows
    }


def _verdict(a: _Record, b: _Record, model: Model) -> Verdict:
    if a.fhir_id in b.features.links or b.fhir_id in a.features.links:
        return Verdict("certain", 1.0, "link", {})
    return _judged(a.features, b.features, model)


def _judged(a: Features, b: Features, model: Model) -> Verdict:
    match = compare(a, b, model)
    basis = basis_in_index(match, a, b)
    return Verdict(match.grade_in_index, match.probability, basis, evidence_of(match))


def evidence_now(conn: psycopg.Connection, pair: Pair, model: Model) -> Mapping[str, Any]:
    """What the model sees between two patients now, whether it links them, doubts, or says no."""
    return judged_now(conn, pair, model).evidence


def judged_now(conn: psycopg.Connection, pair: Pair, model: Model) -> Verdict:
    """The model's verdict on two patients as they are now, whatever partners and stewards said."""
    records = _records(conn, pair)
    return _judged(records[pair[0]].features, records[pair[1]].features, model)


def _decided(conn: psycopg.Connection, changed: set[int]) -> set[Pair]:
    rows = conn.execute(
        "SELECT a, b FROM match_review WHERE decision IS NOT NULL AND (a = ANY(%(of)s) OR b = ANY(%(of)s))",
        {"of": list(changed)},
    )
    return {(a, b) for a, b in rows}


def _edges(conn: psycopg.Connection, of: set[int]) -> dict[Pair, Verdict]:
    rows = conn.execute(
        "SELECT a, b, grade, probability, basis FROM patient_edge WHERE a = ANY(%s)", (list(of),)
    )
    return {pair_of(a, b): Verdict(grade, probability, basis, {}) for a, b, grade, probability, basis in rows}


def remove_edges(conn: psycopg.Connection, pairs: Sequence[Pair]) -> None:
    if pairs:
        conn.execute(
            "DELETE FROM patient_edge e USING unnest(%s::int[], %s::int[]) AS n (a, b)"
            " WHERE (e.a, e.b) = (n.a, n.b) OR (e.a, e.b) = (n.b, n.a)",
            _columns(pairs),
        )


def add_edges(conn: psycopg.Connection, verdicts: Mapping[Pair, Verdict]) -> None:
    """Both directions of each; the pairs must have no edge."""
    with conn.cursor().copy("COPY patient_edge (a, b, grade, probability, basis) FROM STDIN") as copy:
        for (a, b), verdict in verdicts.items():
            copy.write_row((a, b, verdict.grade, verdict.probability, verdict.basis))
            copy.write_row((b, a, verdict.grade, verdict.probability, verdict.basis))


def _write_reviews(
    conn: psycopg.Connection, changed: set[int], possible: Mapping[Pair, Verdict], at: datetime
) -> set[int]:
    """The open reviews of these patients become exactly these; decided ones stay as they are.

    Returns the patients of whom an overlay is suspected anew, or no longer.
    """
    before = _open_reviews(conn, changed)
    fresh = {
        pair: verdict
        for pair, verdict in possible.items()
        if pair not in before or abs(before[pair].probability - verdict.probability) >= 1e-6
    }
    stale = [pair for pair in before if pair not in possible or pair in fresh]
    close_reviews(conn, stale)
    with conn.cursor().copy(
        "COPY match_review (a, b, probability, evidence, opened, asked) FROM STDIN"
    ) as copy:
        for (a, b), verdict in fresh.items():
            known = before.get((a, b), _Review(0.0, "", at, None))
            evidence = orjson.dumps(dict(verdict.evidence)).decode()
            copy.write_row((a, b, verdict.probability, evidence, known.opened, known.asked))
    write_events(conn, [("possible", *pair, fresh[pair]) for pair in fresh if pair not in before], at)
    overlays = {pair for pair, review in before.items() if review.rule == "overlay"}
    now = {pair for pair, verdict in possible.items() if verdict.evidence.get("rule") == "overlay"}
    return {number for pair in overlays ^ now for number in pair}


def close_reviews(conn: psycopg.Connection, pairs: Sequence[Pair]) -> None:
    """Takes pairs from the queue that nobody decided and that are in doubt no longer."""
    if pairs:
        conn.execute(
            "DELETE FROM match_review m USING unnest(%s::int[], %s::int[]) AS n (a, b)"
            " WHERE (m.a, m.b) = (n.a, n.b) AND m.decision IS NULL",
            _columns(pairs),
        )


@dataclass(frozen=True, slots=True)
class _Review:
    probability: float
    rule: str
    opened: datetime
    asked: datetime | None


def _open_reviews(conn: psycopg.Connection, of: set[int]) -> dict[Pair, _Review]:
    rows = conn.execute(
        "SELECT a, b, probability, evidence ->> 'rule', opened, asked FROM match_review"
        " WHERE decision IS NULL AND (a = ANY(%(of)s) OR b = ANY(%(of)s))",
        {"of": list(of)},
    )
    return {
        (a, b): _Review(probability, rule or "", opened, asked)
        for a, b, probability, rule, opened, asked in rows
    }


def _columns(pairs: Sequence[Pair]) -> tuple[list[int], list[int]]:
    return [a for a, _ in pairs], [b for _, b in pairs]


def write_events(
    conn: psycopg.Connection, events: Iterable[tuple[str, int, int, Verdict]], at: datetime
) -> None:
    """Appends (kind, a, b, verdict) to the feed that other parts follow."""
    with conn.cursor().copy(
        "COPY link_event (at, kind, a, b, grade, probability, basis, evidence) FROM STDIN"
    ) as copy:
        for kind, a, b, verdict in events:
            evidence = orjson.dumps(dict(verdict.evidence)).decode()
            copy.write_row((at, kind, a, b, verdict.grade, verdict.probability, verdict.basis, evidence))
