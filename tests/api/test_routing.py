"""Which interaction a method and a path mean, and what is said when there is none."""

from __future__ import annotations

import pytest

from exchange.api.messages import Refusal
from exchange.api.routing import Interaction, interaction

TYPES = ("Patient", "Observation")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/metadata", Interaction("capabilities")),
        ("GET", "/Patient", Interaction("search-type", "Patient")),
        ("HEAD", "/Patient", Interaction("search-type", "Patient")),
        ("GET", "/Patient/", Interaction("search-type", "Patient")),
        ("POST", "/Observation/_search", Interaction("search-type", "Observation")),
        ("GET", "/Observation/a-1.b", Interaction("read", "Observation", "a-1.b")),
        ("GET", "/Patient/7/$everything", Interaction("everything", "Patient", "7")),
        ("POST", "/Patient/7/$everything", Interaction("everything", "Patient", "7")),
        ("GET", "/Patient/7/Observation", Interaction("search-type", "Observation", "7")),
        ("POST", "/Patient/7/Observation/_search", Interaction("search-type", "Observation", "7")),
        ("GET", "/Patient/7/*", Interaction("compartment", "Patient", "7")),
        ("POST", "/Patient/7/_search", Interaction("compartment", "Patient", "7")),
        ("GET", "/Patient/7/_history", Interaction("history", "Patient", "7")),
        ("GET", "/Patient/_history", Interaction("history", "Patient")),
        ("GET", "/Patient/7/_history/1", Interaction("vread", "Patient", "7", "1")),
        ("GET", "/Provenance/7", Interaction("read", "Provenance", "7")),
    ],
)
def test_what_is_served(method, path, expected):
    assert interaction(method, path, TYPES) == expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 405),
        ("GET", "/", 405),
        ("POST", "/Patient", 405),
        ("PUT", "/Patient/7", 405),
        ("PATCH", "/Patient/7", 405),
        ("DELETE", "/Patient/7", 405),
        ("DELETE", "/Patient", 405),
        ("BREW", "/Patient/7", 405),
        ("GET", "/Patient/_search", 405),
        ("GET", "/Patient/7/_history/1/2", 404),
        ("GET", "/_history", 404),
        ("DELETE", "/Patient/7/_history/1", 405),
        ("GET", "/Banana", 404),
        ("GET", "/patient", 404),
        ("GET", "/$export", 404),
        ("GET", "/Patient/$match", 405),
        ("GET", "/Observation/7/$everything", 404),
        ("GET", "/Patient/7/Organization", 404),
        ("GET", "/Observation/7/Patient", 404),
        ("POST", "/Patient/7/Observation", 405),
        ("GET", "/Patient/7/Observation/_search", 405),
        ("GET", "/Patient/7/_search", 405),
        ("POST", "/Patient/7/*", 405),
        ("POST", "/Patient/7/Organization/_search", 404),
        ("GET", "/Observation/7/*", 404),
        ("GET", "/Patient/../Patient", 404),
        ("GET", "/Patient/7;x", 404),
        ("GET", "/Patient/7\n", 404),
        ("GET", "/Patient/" + "7" * 65, 404),
        ("GET", "/Patient//7", 404),
    ],
)
def test_what_is_not_served_says_so(method, path, status):
    with pytest.raises(Refusal) as refusal:
        interaction(method, path, TYPES)
    assert refusal.value.status == status
    assert ("Allow" in refusal.value.headers) == (status == 405)
