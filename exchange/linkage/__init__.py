"""Identity: who is who, and which facts are the same; pure functions over normalised records."""

from exchange.linkage.asked import match_person, published_quality, score
from exchange.linkage.blocking import blocking_keys
from exchange.linkage.cluster import Authority, Edge, contradicting, edge_of, partition
from exchange.linkage.compare import (
    FieldEvidence,
    Match,
    basis_in_index,
    compare,
    contradiction,
    overlay_of,
)
from exchange.linkage.duplicates import DuplicateRules, duplicate_key, parse_duplicates, trust_rank
from exchange.linkage.evaluate import Quality, evaluate, wrong_pairs
from exchange.linkage.features import Features, features
from exchange.linkage.golden import compose
from exchange.linkage.model import Model, parse_model
from exchange.linkage.vocabulary import Vocabulary, parse_vocabulary

__all__ = [
    "Authority",
    "DuplicateRules",
    "Edge",
    "Features",
    "FieldEvidence",
    "Match",
    "Model",
    "Quality",
    "Vocabulary",
    "basis_in_index",
    "blocking_keys",
    "compare",
    "compose",
    "contradicting",
    "contradiction",
    "duplicate_key",
    "edge_of",
    "evaluate",
    "features",
    "match_person",
    "overlay_of",
    "parse_duplicates",
    "parse_model",
    "parse_vocabulary",
    "partition",
    "published_quality",
    "score",
    "trust_rank",
    "wrong_pairs",
]
