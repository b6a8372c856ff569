"""The form of an answer: what Accept, _format, Prefer and the conditional headers ask for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exchange.api.negotiation import handling, is_acceptable, not_modified

UPDATED = datetime(2026, 6, 1, 17, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/fhir+json",
        "application/json",
        "text/html, */*;q=0.1",
        "application/fhir+xml;q=0.9, application/fhir+json",
        "application/fhir+json; fhirVersion=4.0",
        'application/fhir+json; fhirVersion="4.0"',
        "Application/FHIR+JSON",
    ],
)
def test_json_is_served_where_it_is_accepted(accept):
    assert is_acceptable(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "application/fhir+xml",
        "text/html",
        "application/fhir+json;q=0",
        "application/fhir+json;fhirVersion=5.0",
        "nonsense",
        "*/*;q=0.0",
    ],
)
def test_nothing_is_served_that_is_not_accepted(accept):
    assert not is_acceptable(accept)


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (["json"], True),
        (["application/fhir json"], True),
        (["xml"], False),
        (["json", "xml"], False),
        ([""], False),
    ],
)
def test_format_wins_over_accept(formats, expected):
    assert is_acceptable("text/html", formats) is expected


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        ("", "strict"),
        ("handling=strict", "strict"),
        ("handling=lenient", "lenient"),
        ('return=minimal; handling="lenient"', "lenient"),
        ("mishandling=lenient", "strict"),
        ("handling=lenientish", "strict"),
    ],
)
def test_unknown_parameters_are_refused_unless_the_requester_is_lenient(prefer, expected):
    assert handling(prefer) == expected


@pytest.mark.parametrize(
    ("if_none_match", "if_modified_since", "expected"),
    [
        ('W/"3"', "", True),
        ('"3"', "", True),
        ('W/"2", W/"3"', "", True),
        ("*", "", True),
        ('W/"2"', "Mon, 01 Jun 2026 18:00:00 GMT", False),
        ("", "Mon, 01 Jun 2026 17:00:00 GMT", True),
        ("", "Mon, 01 Jun 2026 16:59:59 GMT", False),
        ("", "yesterday", False),
        ("", "Mon, 01 Jan 99999999999 00:00:00 GMT", False),
        ("", "", False),
    ],
)
def test_a_known_version_is_not_sent_again(if_none_match, if_modified_since, expected):
    assert not_modified(if_none_match, if_modified_since, 'W/"3"', UPDATED) is expected
