"""publish(): decided, versioned and indexed in the caller's transaction, hundreds of resources at a time.

Every rendition is decided for the repository itself first: what it may not hold is noted in the ledger
`withheld` and not stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import psycopg

from exchange.consent import (
    Context,
    DisclosureClass,
    Surroundings,
    with_own_care,
    with_security,
)
from exchange.model.records import Labels, Resource
from exchange.repository.delete import delete
from exchange.repository.disclosure.arriving import UNKNOWN_PATIENT, hold_arrivals, take_consents
from exchange.repository.disclosure.births import births_of
from exchange.repository.disclosure.care import note_referrals
from exchange.repository.disclosure.directory import alone_if_needed, hold_directory
from exchange.repository.disclosure.follow import pass_labels_on, with_labels_of_others
from exchange.repository.disclosure.own_care import state_of
from exchange.repository.disclosure.relationships import note_events
from exchange.repository.disclosure.reprofile import lock_persons, matches, profiles_of, rematch
from exchange.repository.disclosure.ruling import hold_ruling
from exchange.repository.disclosure.surroundings import asked_about, surroundings, who_may_ask
from exchange.repository.disclosure.viewers import intern_classes
from exchange.repository.storage.items import ItemOutcome, PublishItem, PublishResult
from exchange.repository.storage.moments import moment_after
from exchange.repository.storage.plan import Rendition, Subject
from exchange.repository.storage.store import Key
from exchange.repository.storing import store_renditions
from exchange.repository.waves import outcome_of_repeat, waves, without_repeats


def publish(
    conn: psycopg.Connection,
    items: Sequence[PublishItem],
    deleted: Sequence[str],
    context: Context,
    at: datetime,
) -> PublishResult:
    """Stores, withholds or quarantines each item, and deletes what `deleted` (`Type/id`) names.

    Same content again is unchanged; content older than what is stored goes to the history only. Raises
    Conflict when the rules in force are not those of `context`.
    """
    hold_arrivals(conn, items)
    hold_ruling(conn, context, at)
    return alone_if_needed(conn, lambda: _published(conn, items, deleted, context, at))


def _published(
    conn: psycopg.Connection,
    items: Sequence[PublishItem],
    deleted: Sequence[str],
    context: Context,
    at: datetime,
) -> PublishResult:
    hold_directory(conn, items, context)
    gone = delete(conn, deleted, context, at)
    outcomes: dict[int, ItemOutcome] = {}
    relabelled = 0
    batch = without_repeats(items)
    in_order = list(waves(batch.states))
    stored = moment_after(conn, {_reference(item) for item in items}, at, len(in_order))
    for wave in in_order:
        done, passed = _publish_wave(conn, wave, context, at, stored)
        outcomes |= done
        relabelled += passed
    outcomes |= {p: outcome_of_repeat(outcomes[first]) for p, first in batch.repeats.items()}
    return PublishResult(tuple(outcomes[position] for position in range(len(items))), gone, relabelled)


def _publish_wave(
    conn: psycopg.Connection,
    wave: Mapping[int, PublishItem],
    context: Context,
    at: datetime,
    stored: datetime,
) -> tuple[dict[int, ItemOutcome], int]:
    """What became of each, and how many rows of others took over a label."""
    outcomes: dict[int, ItemOutcome] = {}
    numbers = _patients(conn, wave.values())
    placed = {p: item for p, item in wave.items() if item.patient is None or item.patient in numbers}
    outcomes |= dict.fromkeys(wave.keys() - placed.keys(), UNKNOWN_PATIENT)
    outcomes |= take_consents(conn, wave, numbers, context, at)
    accepted = {p: item for p, item in placed.items() if p not in outcomes}
    accepted = with_labels_of_others(conn, accepted, context)
    subjects = _subjects(conn, numbers)
    renditions = _classified(conn, accepted, subjects, context, at)
    outcomes |= store_renditions(conn, renditions, context, at, stored)
    changed = [item for p, item in accepted.items() if outcomes[p].kind != "unchanged"]
    relabelled = pass_labels_on(conn, changed, context, at)
    rematch(conn, _affected(conn, [item.resource for item in accepted.values()]), context, at)
    note_events(conn, [e for item in accepted.values() for e in _event(item, subjects)])
    note_referrals(conn, _about_somebody(accepted.values(), subjects), context)
    return outcomes, relabelled


def _reference(item: PublishItem) -> tuple[str, UUID]:
    return item.resource["resourceType"], UUID(item.resource["id"])


def _patients(conn: psycopg.Connection, items: Collection[PublishItem]) -> dict[str, int]:
    """Numbers of the source Patients by id; their persons are kept from other writers.

    So are those whose consents may ask about the items: what they match is looked at again.
    """
    wanted = sorted({item.patient for item in items if item.patient is not None})
    rows = conn.execute(
        "SELECT fhir_id::text, patient FROM patient WHERE fhir_id = ANY(%s::uuid[])", (wanted,)
    ).fetchall()
    asking = who_may_ask(conn, [item.resource for item in items])
    lock_persons(conn, [*asking, *(number for _, number in rows)])
    return dict(rows)


def _subjects(conn: psycopg.Connection, numbers: Mapping[str, int]) -> dict[str | None, Subject]:
    rows = conn.execute(
        "SELECT patient, profile FROM patient WHERE patient = ANY(%s)", (list(numbers.values()),)
    ).fetchall()
    profiles = profiles_of(conn, [number for _, number in rows])
    born = births_of(conn, [patient for patient, _ in rows])
    by_number = {patient: Subject(patient, profiles[number], born[patient]) for patient, number in rows}
    return {None: Subject()} | {fhir_id: by_number[n] for fhir_id, n in numbers.items()}


def _affected(conn: psycopg.Connection, resources: Sequence[Resource]) -> set[int]:
    """Patients whose consents ask about one of these very resources."""
    rows = conn.execute(
        "SELECT patient, profile FROM patient WHERE patient = ANY(%s)", (list(who_may_ask(conn, resources)),)
    ).fetchall()
    known = profiles_of(conn, [profile for _, profile in rows])
    return asked_about({patient: known[profile] for patient, profile in rows}, resources)


def _classified(
    conn: psycopg.Connection,
    items: Mapping[int, PublishItem],
    subjects: Mapping[str | None, Subject],
    context: Context,
    at: datetime,
) -> dict[int, list[Rendition]]:
    """The renditions of each item, the whole record first, each with the number of its class."""
    around = _around(conn, items.values(), subjects, context)
    made: dict[tuple[object, ...], DisclosureClass] = {}
    found = {
        p: list(_renditions(item, subjects[item.patient], around, context, made)) for p, item in items.items()
    }
    by_digest = intern_classes(conn, made.values(), context, at)
    numbers = {id(class_): by_digest[class_.digest] for class_ in made.values()}
    return {
        position: [r._replace(number=numbers[id(r.class_)]) for r in each] for position, each in found.items()
    }


def _around(
    conn: psycopg.Connection,
    items: Iterable[PublishItem],
    subjects: Mapping[str | None, Subject],
    context: Context,
) -> Surroundings:
    batch = {f"{i.resource['resourceType']}/{i.resource['id']}": i.resource for i in items}
    profiles = {s.directives for s in subjects.values() if s.directives}
    return surroundings(conn, profiles, batch.keys(), batch, context.rules.vocabulary.file.data_period)


def _renditions(
    item: PublishItem,
    subject: Subject,
    around: Surroundings,
    context: Context,
    made: dict[tuple[object, ...], DisclosureClass],
) -> Iterator[Rendition]:
    """Each form of the item; few classes are `made` of many, each once."""
    forms: list[tuple[Resource, Labels]] = [(item.resource, item.labels)]
    if item.redacted:
        forms.append(item.redacted)
    for number, form in enumerate(forms):
        resource, labels = _as_own_care(*form, item, subject, context) if subject.patient else form
        key = Key(resource["resourceType"], UUID(resource["id"]), number)
        profile = subject.directives
        matched = matches(profile, resource, around) if profile else ()
        told = (item.partner, key.type, labels.confidentiality, labels.codes, id(profile), matched)
        class_ = made.get(told)
        if class_ is None:
            codes = tuple(sorted(labels.codes))
            class_ = made[told] = DisclosureClass(*told[:3], codes, profile, matched)
        yield Rendition(key, item, resource, subject, class_)


def _as_own_care(
    resource: Resource, labels: Labels, item: PublishItem, subject: Subject, context: Context
) -> tuple[Resource, Labels]:
    if not labels.codes:
        return resource, labels
    state = state_of(item.partner, context)
    marked = with_own_care(resource, labels, subject.born, state, context.rules, item.event_time)
    return (resource, labels) if marked is labels else (with_security(resource, marked), marked)


def _event(item: PublishItem, subjects: Mapping[str | None, Subject]) -> Iterator[tuple[int, datetime, bool]]:
    patient = subjects[item.patient].patient
    if patient is not None and item.event_time is not None:
        yield patient, item.event_time, item.resource["resourceType"] == "Encounter"


def _about_somebody(
    items: Iterable[PublishItem], subjects: Mapping[str | None, Subject]
) -> Iterator[tuple[int, datetime | None, Resource]]:
    for item in items:
        patient = subjects[item.patient].patient
        if patient is not None:
            yield patient, item.event_time, item.resource
