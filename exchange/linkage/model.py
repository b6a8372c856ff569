"""The parameters of identity, versioned as data: weights, thresholds, frequencies, vocabulary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import log2
from typing import Any

from exchange.linkage.agreement import LEVELS, Agreement, Known
from exchange.linkage.vocabulary import FOLDER, Vocabulary, parse_vocabulary
from exchange.model.errors import ContentError
from exchange.model.records import Files

MODEL_FILE = f"{FOLDER}/model.json"
COMMON_GIVEN_NAME = 0.0005
"""Share of records from which on a given name is common: a neighbour of it is a name, not a slip."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least probability of each grade."""

    certain: float
    probable: float
    possible: float


@dataclass(frozen=True, slots=True)
class Model:
    """`weights` in bits by field and level; `frequencies` by field and term, with a floor for others.

    `full_names` are the frequencies of given name and surname together, where they are found together more
    often than each by itself would say.
    """

    version: str
    digest: str
    prior: float
    thresholds: Thresholds
    weights: Mapping[str, Mapping[str, float]]
    agreement_by_chance: Mapping[str, float]
    frequencies: Mapping[str, Mapping[str, float]]
    full_names: Mapping[str, float]
    rarest: Mapping[str, float]
    known: Known

    @property
    def vocabulary(self) -> Vocabulary:
        return self.known.vocabulary

    def weight(self, field: str, agreement: Agreement) -> float:
        """Bits of evidence of one field; what agrees on a frequent value tells less, on a rare one more."""
        level = agreement.levels[field]
        weight = self.weights[field][level]
        if field not in agreement.terms:
            return weight
        frequency = self._frequency(field, agreement.terms)
        if field == "surname" and "given" in agreement.terms:
            frequency = max(frequency, self._of_those_called(agreement.terms))
        return weight + log2(self.agreement_by_chance[field] / frequency)

    def _frequency(self, field: str, terms: Mapping[str, str]) -> float:
        return self.frequencies[field].get(terms[field], self.rarest[field])

    def _of_those_called(self, terms: Mapping[str, str]) -> float:
        """The share of a surname among those of one given name: Tran among all Anh, not among all people."""
        together = self.full_names.get(f"{terms['given']} {terms['surname']}", 0.0)
        return min(1.0, together / self._frequency("given", terms))


def parse_model(files: Files) -> Model:
    """From `_shared/identity/`: model.json, placeholders.yaml, given_names.yaml; raises ContentError."""
    if MODEL_FILE not in files:
        raise ContentError("file is missing", file=MODEL_FILE)
    try:
        content = json.loads(files[MODEL_FILE])
    except json.JSONDecodeError as error:
        raise ContentError("not JSON", file=MODEL_FILE, line=error.lineno) from error
    try:
        return _model(content, files)
    except (KeyError, TypeError, ValueError) as error:
        raise ContentError(f"missing or wrong: {error}", file=MODEL_FILE) from error


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of everything in a model but the digest itself and the report on its training."""
    judged = {name: value for name, value in content.items() if name not in ("digest", "training")}
    return sha256(json.dumps(judged, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _model(content: Mapping[str, Any], files: Files) -> Model:
    if content["digest"] != digest_of(content):
        raise ContentError(
            "does not fit the content; train again instead of editing", file=MODEL_FILE, field="digest"
        )
    chances = content["levels"]
    for field, levels in LEVELS.items():
        if set(chances[field]) != set(levels):
            raise ContentError("levels differ", file=MODEL_FILE, field=f"levels.{field}", valid=levels)
    frequencies = content["frequencies"]
    common = {word for word, share in frequencies["given"].items() if share >= COMMON_GIVEN_NAME}
    return Model(
        version=content["version"],
        digest=content["digest"],
        prior=float(content["prior"]),
        thresholds=Thresholds(**content["thresholds"]),
        weights={
            field: {level: log2(m / u) for level, (m, u) in levels.items()}
            for field, levels in chances.items()
        },
        agreement_by_chance={field: chances[field]["exact"][1] for field in frequencies},
        frequencies=frequencies,
        full_names=content["full_names"],
        rarest={field: min(shares.values()) / 2 for field, shares in frequencies.items()},
        known=Known(frozenset(common), parse_vocabulary(files)),
    )
