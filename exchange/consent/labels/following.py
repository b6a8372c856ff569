"""Labels that come over references from what is stored elsewhere, or later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from exchange.consent.labels.findings import findings
from exchange.consent.labels.labelling import UNREAD, labels_from
from exchange.consent.rules.ruleset import Rules
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.model.records import Evidence, Labels, Resource


def passed_on(labels: Labels, rules: Rules) -> frozenset[str]:
    """What a record's labels say of those that refer to it."""
    return labels.codes & _passable(rules.vocabulary) if labels.codes else labels.codes


@lru_cache(maxsize=8)
def _passable(vocabulary: Vocabulary) -> frozenset[str]:
    return vocabulary.atoms.union(vocabulary.follows) - {UNREAD}


def following(resource: Resource, labels: Labels, seen: Mapping[str, Labels], rules: Rules) -> Labels:
    """Its labels with those of what it refers to in `seen` (`Type/id`); the same object when none is new."""
    evidence = tuple(_evidence(resource, seen, rules))
    if labels.codes.issuperset(item.label for item in evidence):
        return labels
    more = labels_from(evidence, rules.vocabulary)
    level = max(labels.confidentiality, more.confidentiality, key=rules.vocabulary.levels.__getitem__)
    return Labels(level, labels.codes | more.codes, (*labels.evidence, *evidence))


def _evidence(resource: Resource, seen: Mapping[str, Labels], rules: Rules) -> Iterator[Evidence]:
    kind = resource["resourceType"]
    for name, element in resource.items():
        if isinstance(element, dict | list):
            for key, to in findings(name, element).references:
                if to in seen:
                    for code in sorted(rules.vocabulary.passed_on(passed_on(seen[to], rules), key)):
                        yield Evidence(code, "reference", to.partition("/")[0], f"{kind}.{name}")
