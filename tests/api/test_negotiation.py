"""The form of an answer: what Accept, _format, Prefer and the conditional headers ask for."""

from __future__ import annotations

import pytest

from exchange.api.negotiation import handling, is_acceptable, not_modified


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
    ("if_none_match", "expected"),
    [
        ('W/"3-a"', True),
        ('"3-a"', True),
        ('W/"2-b", W/"3-a"', True),
        ("*", True),
        ('W/"2-b"', False),
        ('W/"3-b"', False),
        ('W/"3"', False),
        ("", False),
        (",", False),
    ],
)
def test_a_known_version_is_not_sent_again(if_none_match, expected):
    assert not_modified(if_none_match, 'W/"3-a"') is expected
