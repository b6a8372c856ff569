"""Safeguard: each resource gets its security labels, with evidence, and its redacted rendition.

Whether it may enter the repository is decided where it is written, in the same transaction
(docs/decisions/0006-decide-where-written.md), so that no consent can slip in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from itertools import groupby
from typing import Any

import orjson

from exchange.consent import Rules, Source, label_all, redact, with_security, without_free_text
from exchange.consent.labels.labelling import ProgramNames
from exchange.model.fhir import reference_to, references
from exchange.model.partner import Partner
from exchange.model.records import Labels, Resource
from exchange.model.terms import SYSTEMS
from exchange.pipeline import wire
from exchange.pipeline.pull import CAPTURED, SELF

Row = dict[str, Any]


def outside_references(rows: Sequence[Row]) -> set[str]:
    """`Type/id` that the rows refer to and do not hold: their labels must come from the repository."""
    inside = {reference for row in rows for reference in row["ids"]}
    return {reference for row in rows for each in row["refers"] for reference in each} - inside


def safeguard_chunk(
    rows: Sequence[Row],
    partner: Partner,
    rules: Rules,
    known: Mapping[str, Labels],
    partners: Iterable[Partner] = (),
) -> list[Row]:
    """The same rows with labelled resources; `known` holds labels of what was published before.

    `partners` are all there are: what names a Part 2 program among them is labelled.

    Words the agreement keeps out label their record all the same; the redacted rendition goes without them.
    """
    labels: dict[str, Labels] = dict(known)
    done: list[Row] = []
    everybody = tuple(partners)
    others = programs_of(partner, everybody)
    digest = labelling_digest(partner, rules, everybody)
    for feed, group in groupby(rows, key=lambda row: str(row["feed"])):
        members = list(group)
        resources = [resource for row in members for resource in row["resources"]]
        found = label_all(resources, source_of(partner, feed, others), rules, labels) if resources else []
        labels |= zip((reference_to(r) for r in resources), found, strict=True)
        each = iter(found)
        done += [_labelled(_told(row, partner, rules), each, rules, digest) for row in members]
    return done


def _told(row: Row, partner: Partner, rules: Rules) -> Row:
    """The row with the free text that the partner's agreement lets in; the landing store keeps the rest."""
    if row["feed"] in (SELF, CAPTURED):
        return row
    told = [without_free_text(r, partner.agreement.narrative, rules) for r in row["resources"]]
    refers = [
        known if now is before else references(now)
        for now, before, known in zip(told, row["resources"], row["refers"], strict=True)
    ]
    return {**row, "resources": told, "refers": refers}


def _labelled(row: Row, found: Iterable[Labels], rules: Rules, digest: str) -> Row:
    each = iter(found)
    resources = [
        _item(resource, refers, next(each), rules)
        for resource, refers in zip(row["resources"], row["refers"], strict=True)
    ]
    kept = {name: value for name, value in row.items() if name != "refers"}
    return {**kept, "resources": resources, "labelling": digest}


def _item(resource: Resource, refers: Sequence[str], labels: Labels, rules: Rules) -> Row:
    redacted = redact(resource, labels, rules)
    return {
        "resource": with_security(resource, labels),
        "refers": refers,
        "labels": wire.labels_to_json(labels),
        "redacted": redacted
        and {
            "resource": with_security(*redacted),
            "labels": wire.labels_to_json(redacted[1]),
        },
    }


def programs_of(partner: Partner, partners: Iterable[Partner]) -> tuple[ProgramNames, ...]:
    """The Part 2 programs among `partners` but for the partner itself."""
    return tuple(
        ProgramNames(one.namespace, frozenset(_numbers_of(one)))
        for one in sorted(partners, key=lambda one: one.code)
        if one.organization.part2_program and one.code != partner.code
    )


def _numbers_of(partner: Partner) -> Iterator[tuple[str, str]]:
    yield "urn:mosaic:partner", partner.code
    if partner.organization.npi:
        yield SYSTEMS["npi"], partner.organization.npi


def source_of(partner: Partner, feed: str, others: tuple[ProgramNames, ...] = ()) -> Source:
    """Where the records of a feed come from, as labelling looks at it."""
    organization = partner.organization
    if feed in (SELF, CAPTURED):
        return Source(partner.code, organization.type, False, feed, (), None)
    program = partner.feeds[feed].program
    return Source(
        partner=partner.code,
        organization_type=organization.type,
        part2_program=organization.part2_program,
        feed=feed,
        program_labels=program.labels,
        program_confidentiality=program.confidentiality,
        others=others,
    )


_RENDERING = 5
"""How words are read, redacted forms made and a minor's own care known: another number has history swept."""


def labelling_digest(partner: Partner, rules: Rules, partners: Iterable[Partner]) -> str:
    """Of everything the labels of the partner's records depend on but the records: lists, words, programs."""
    sources = [astuple(source_of(partner, feed)) for feed in (SELF, *sorted(partner.feeds))]
    names = [(one.namespace, sorted(one.named)) for one in programs_of(partner, partners)]
    spelled = orjson.dumps([_RENDERING, rules.labelling, partner.agreement.narrative, sources, names])
    return hashlib.sha256(spelled).hexdigest()
