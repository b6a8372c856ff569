"""What consent costs at scale: labelling, and deciding everything again for a changed ruleset.

`python benchmarks/consent.py [records] [classes]` (1,000,000 and 4,000 unless given). The classes are those
of a coalition grown to some two hundred viewers: its real participants, copied, its real rules, and consents
of every form. Baselines in the same run: reading the same resources as JSON; a COPY of the same permits.
Labelling is told in processor time, so that what else the machine does counts less.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import machine
import orjson
import psycopg

from exchange.app.opening import collect_seldom
from exchange.consent import Context, DisclosureClass, Profile, directive, label_all, parse_rules, participant
from exchange.consent import profile as profile_of
from exchange.consent.labels.labelling import Source
from exchange.consent.proof.case_consents import ConsentForm, consent_of, resolve_case
from exchange.consent.rules.ruleset import Rules, without
from exchange.content import load_partners, read_tree
from exchange.repository.database import embedded
from exchange.repository.database.migrate import migrate
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.disclosure.ruling import redecide_all
from exchange.repository.disclosure.viewers import NO_DIRECTIVES, intern_classes, permitted_to_hold, viewers

HOME = Path(__file__).parents[1]
AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
COPIES = 10
TYPES = ("Observation", "Condition", "Encounter", "MedicationRequest", "Procedure", "DiagnosticReport",
         "Immunization", "Patient", "Claim", "ExplanationOfBenefit", "ServiceRequest", "DocumentReference",
         "AllergyIntolerance", "QuestionnaireResponse", "CarePlan", "MedicationDispense")  # fmt: skip
LABELS = ((), (), (), (), (), (), ("MH",), ("SUD",), ("SUD", "MH"), ("HIV",), ("STD",), ("SEX", "STD"),
          ("SDV",), ("ETH", "SUD"), ("42CFRPart2", "SUD"),
          ("42CFRPart2", "HIV", "SUD"), ("PDS",))  # fmt: skip


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    work()
    return clock() - started


def samples() -> list[list[dict[str, object]]]:
    """The resources that the partners' own sample records become, record by record."""
    found = []
    for file in sorted(HOME.glob("mappings/*/expected/**/*.json")):
        resources = [one for one in _resources(orjson.loads(file.read_bytes())) if one["resourceType"]]
        if resources:
            found.append(resources)
    return found


def _resources(node: object) -> Iterator[dict[str, object]]:
    if isinstance(node, dict) and "resourceType" in node:
        yield node
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _resources(inner)


def labelling(rules: Rules, rounds: int = 60) -> None:
    """One process. Texts and codes come again as they do in a partner's feed, so caches are warm."""
    records = samples()
    source = Source("lakeside_hospital", "hospital", part2_program=False, feed="messages")
    count = sum(map(len, records)) * rounds
    raw = [orjson.dumps(record) for record in records]
    for record in records:
        label_all(record, source, rules, {})
    own = time.process_time
    took = timed(lambda: [label_all(r, source, rules, {}) for _ in range(rounds) for r in records], own)
    bare = timed(lambda: [orjson.loads(r) for _ in range(rounds) for r in raw], own)
    kinds = len({resource["resourceType"] for record in records for resource in record})
    print(
        f"labelling: {count / took:,.0f} resources/s per core, {kinds} types;"
        f" {took / bare:.1f} x reading them"
    )


def coalition(rules: Rules) -> Context:
    real = load_partners(read_tree(HOME / "mappings"))
    copies = {
        f"{code}_{n}" if n else code: replace(participant(one), code=f"{code}_{n}" if n else code)
        for code, one in real.items()
        for n in range(COPIES)
    }
    return Context(rules, copies)


def profiles(context: Context, draw: random.Random, count: int) -> list[Profile]:
    """What people choose: nothing, opting out, programs' consents and referrals to those they name."""
    codes = sorted(context.participants)
    found = [NO_DIRECTIVES]
    for number in range(count):
        to = tuple(draw.sample(codes, draw.choice((1, 1, 2, 3))))
        own = draw.choice(codes)
        forms: tuple[dict[str, object], ...] = (
            {"deny": {}},
            {"permit": {}, "except": [{"deny": {"to": to}}]},
            {"permit": {}, "except": [{"deny": {"label": ["HIV", "MH"]}}]},
            {"kind": "part2", "of": own, "permit": {"to": to, "purpose": ["TREAT"], "until": "2027-06-30"}},
            {"kind": "part2", "of": own, "permit": {"to": to, "purpose": ["TREAT", "HPAYMT", "HOPERAT"]}},
            {"kind": "referral", "of": own, "permit": {"to": to, "purpose": ["COC"], "until": "2027-01-31"}},
            {"kind": "hmis", "of": own, "permit": {"to": to}},
            {"permit": {"type": ["Observation", "Condition"], "to": to}},
        )
        chosen = [ConsentForm(**form) for form in draw.sample(forms, draw.choice((1, 1, 2)))]
        signed = [consent_of(form, number * 10 + n) for n, form in enumerate(chosen)]
        found.append(profile_of([(directive(one, resolve=resolve_case), True) for one in signed]))
    return found


def classes(context: Context, count: int) -> list[DisclosureClass]:
    """Most people chose nothing and most records say nothing delicate; the rest is spread widely."""
    draw = random.Random(7)
    chosen = profiles(context, draw, max(20, count // 20))
    found: dict[str, DisclosureClass] = {}
    every = list(product(sorted(context.participants), TYPES, LABELS))
    while len(found) < count:
        source, kind, labels = draw.choice(every)
        directives = NO_DIRECTIVES if draw.random() < 0.3 else draw.choice(chosen)
        level = "V" if "SDV" in labels else "R" if labels else "N"
        matched = (0,) if draw.random() < 0.2 and directives.groups else ()
        one = DisclosureClass(source, kind, level, tuple(sorted(labels)), directives, matched)
        found[one.digest] = one
    return list(found.values())


_FILL = """
INSERT INTO resource (type, fhir_id, partner, patient, class, rank, version, updated, record, content_hash,
                      mapping_digest, rules_digest, body)
SELECT c.type, gen_random_uuid(), c.source, 1 + n %% %(patients)s, c.class, 0, 1, now(), n, '\\x00', 'm',
       'r', '{}'
FROM generate_series(1, %(records)s) AS n
JOIN unnest(%(classes)s::int[]) WITH ORDINALITY AS k (class, place)
  ON k.place = 1 + floor(cardinality(%(classes)s::int[])
                         * pow(((n::bigint * 48271) %% 2147483647) / 2147483647.0, 3))
JOIN disclosure_class c USING (class)
"""


def populate(conn: psycopg.Connection, numbers: list[int], records: int) -> None:
    """Few classes hold most records, as with people."""
    patients = max(1, records // 200)
    conn.execute(
        "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 'lakeside_hospital', gen_random_uuid(), '{}'"
        " FROM generate_series(1, %s)",
        (patients,),
    )
    conn.execute(_FILL, {"patients": patients, "records": records, "classes": numbers})
    conn.commit()
    conn.execute("ANALYZE")
    conn.commit()


def redeciding(conn: psycopg.Connection, context: Context, records: int, count: int) -> None:
    """From one ruleset to another with a rule less, as `activate` would; rolled back."""
    register_participants(conn, context, AT)
    found = classes(context, count)
    numbers = intern_classes(conn, found, context, AT)
    held = permitted_to_hold(conn, numbers.values(), AT)
    populate(conn, sorted(held), records)
    changed = Context(without(context.rules, "care-relationship"), context.participants)
    took = timed(lambda: redecide_all(conn, changed, AT))
    rows = conn.execute("SELECT count(*) FROM disclosure").fetchone()
    gone = conn.execute("SELECT %s - count(*) FROM resource", (records,)).fetchone()
    bare = timed(lambda: _copy_again(conn))
    conn.rollback()
    print(
        f"deciding {count:,} classes for {len(viewers(context))} viewers over {records:,} records again:"
        f" {took:.1f} s, {took / bare:.1f} x the COPY of its {rows[0]:,} permits ({bare:.1f} s);"
        f" {gone[0]:,} records withdrawn"
    )


def _copy_again(conn: psycopg.Connection) -> None:
    with conn.cursor().copy("COPY disclosure TO STDOUT") as out:
        kept = b"".join(bytes(part) for part in out)
    conn.execute("DELETE FROM disclosure")
    with conn.cursor().copy("COPY disclosure FROM STDIN") as back:
        back.write(kept)


def main(records: int, count: int) -> None:
    collect_seldom()  # as whoever opens the exchange does
    rules = parse_rules(read_tree(HOME / "consent"))
    labelling(rules)
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as name:
        url = embedded.ensure_running(Path(name))
        try:
            migrate(url)
            with psycopg.connect(url) as conn:
                redeciding(conn, coalition(rules), records, count)
        finally:
            embedded.stop(Path(name))


if __name__ == "__main__":
    print(machine.line())
    main(*(int(text) for text in (*sys.argv[1:3], *("1000000", "4000")[len(sys.argv) - 1 :])))
