"""The label of care that a minor consented to alone: by what the care is, where, and at what age."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from exchange.consent.clinical_dates import record_span
from exchange.consent.dates import EXCHANGE_ZONE, Span
from exchange.consent.rules.minors import OWN_CARE
from exchange.consent.rules.ruleset import Rules
from exchange.model.records import Evidence, Labels, Resource


def with_own_care(
    resource: Resource,
    labels: Labels,
    born: Collection[str],
    state: str,
    rules: Rules,
    event_time: datetime | None = None,
) -> Labels:
    """The labels, with ADOL where the care may have been a minor's own.

    `born`: every birth date said of the person; `state`: of the organization that gave the care; `event_time`
    counts for a record without a date of its own.
    """
    if OWN_CARE in labels.codes or rules.minors.atoms.isdisjoint(labels.codes):
        return labels
    row = rules.minors.own_care(labels.codes, born, _when(resource, event_time), state)
    if row is None:
        return labels
    detail = row if born else f"{row}, the birth date is not known"
    levels = rules.vocabulary.levels
    return Labels(
        max(labels.confidentiality, rules.vocabulary.makes[OWN_CARE], key=levels.__getitem__),
        labels.codes | {OWN_CARE},
        (*labels.evidence, Evidence(OWN_CARE, "inference", detail)),
    )


def _when(resource: Resource, event_time: datetime | None) -> Span | None:
    """The day of the care; when that is not said, of its record.

    What began some day is cared for until it was written down: an illness of the child is the care of the
    youth who came with it.
    """
    written = Span(event_time, event_time + timedelta(microseconds=1)) if event_time else None
    recorded = record_span(resource, EXCHANGE_ZONE, "recorded") or written
    when = record_span(resource, EXCHANGE_ZONE)
    if not _BEGAN.intersection(resource):
        return when or recorded
    if when is None:
        return Span(None, recorded.end if recorded else None)
    ends = (when.end, recorded.end if recorded else None)
    return Span(when.start, None if None in ends else max(end for end in ends if end))


_BEGAN = frozenset(("onsetDateTime", "onsetPeriod", "onsetAge", "onsetRange", "onsetString"))
