"""Registration lets in only what the participant itself may do, and only public keys of the right kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from exchange.api import Client, disable_client, let_in_again, list_clients, register_client
from exchange.crypto import new_jwk_pair
from exchange.model.errors import ContentError
from exchange.model.partner import Agreement, Organization, Partner, Requests

AT = datetime(2026, 6, 1, tzinfo=UTC)
CLINIC = Partner(
    code="prairie_clinic",
    namespace="https://prairie-clinic.example/",
    organization=Organization(name="Prairie Clinic", type="clinic"),
    agreement=Agreement(type="participation", signed=date(2026, 1, 1)),
    requests=Requests(roles=("organization", "physician"), purposes=("TREAT",)),
)


@pytest.fixture(scope="module")
def database(module_database):
    return module_database


@pytest.fixture(scope="module")
def jwk():
    return new_jwk_pair("ES384")[1]


@pytest.fixture
def client(jwk):
    return Client("prairie-ehr", "prairie_clinic", {"keys": [jwk]}, ["system/*.rs"], ["physician"], ["TREAT"])


def test_a_registered_client_is_listed(connection, client):
    register_client(connection, client, CLINIC, AT)
    assert list_clients(connection) == [client]


def test_registering_again_replaces_keys_and_leaves_what_is_off_off(connection, client):
    register_client(connection, client, CLINIC, AT)
    disable_client(connection, client.client_id, "exchange", AT)
    changed = replace(client, scopes=["system/Patient.r"])
    register_client(connection, changed, CLINIC, AT)
    (found,) = list_clients(connection)
    assert replace(found, disabled=None, disabled_by=None) == changed
    assert found.disabled_by == "exchange"


@pytest.mark.parametrize(
    ("off", "on", "again"),
    [
        ("participant", "participant", True),
        ("participant", "exchange", True),
        ("exchange", "exchange", True),
        ("exchange", "participant", False),
    ],
)
def test_what_the_exchange_switched_off_only_the_exchange_lets_in(connection, client, off, on, again):
    register_client(connection, client, CLINIC, AT)
    assert not let_in_again(connection, client.client_id, on, AT)
    disable_client(connection, client.client_id, off, AT)
    assert let_in_again(connection, client.client_id, on, AT) is again
    (found,) = list_clients(connection)
    assert (found.disabled is None) is again


def test_a_participant_does_not_take_over_what_the_exchange_switched_off(connection, client):
    register_client(connection, client, CLINIC, AT)
    disable_client(connection, client.client_id, "participant", AT)
    assert disable_client(connection, client.client_id, "exchange", AT)
    assert not disable_client(connection, client.client_id, "participant", AT)
    assert list_clients(connection)[0].disabled_by == "exchange"


def test_a_client_of_another_participant_is_not_taken_over(connection, client):
    register_client(connection, client, CLINIC, AT)
    other = CLINIC.model_copy(update={"code": "other_clinic"})
    with pytest.raises(ContentError, match="another participant"):
        register_client(connection, replace(client, participant="other_clinic"), other, AT)


def test_disabling_an_unknown_client_says_so(connection):
    assert not disable_client(connection, "nobody", "exchange", AT)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"client_id": "x y"}, "client_id"),
        ({"client_id": ""}, "client_id"),
        ({"participant": "other"}, "participant"),
        ({"roles": ["janitor"]}, "roles"),
        ({"roles": []}, "roles"),
        ({"purposes": ["TREAT", "PUBHLTH"]}, "purposes"),
        ({"purposes": []}, "purposes"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["user/*.rs"]}, "scopes"),
        ({"scopes": ["system/Observation.rs?date=2026"]}, "scopes"),
        ({"jwks": {}}, "jwks"),
        ({"jwks": {"keys": []}}, "jwks"),
        ({"jwks": {"keys": "all"}}, "jwks"),
    ],
    ids=str,
)
def test_a_registration_that_does_not_fit_names_the_field(connection, client, changes, named):
    with pytest.raises(ContentError, match=f"`{named}`"):
        register_client(connection, replace(client, **changes), CLINIC, AT)


@pytest.mark.parametrize(
    "change",
    [
        {"d": "c2VjcmV0"},
        {"kid": ""},
        {"kid": None},
        {"kty": "oct"},
        {"crv": "P-256"},
        {"alg": "ES256"},
        {"x": None},
        {"x": "A" * 64},
        {"x": 5},
        {"use": "enc"},
        {"kid": "\ud800"},
        {"kid": "a\0"},
        {"kid": "k" * 201},
    ],
    ids=str,
)
def test_an_unfit_key_is_refused(connection, client, jwk, change):
    spoilt = {name: value for name, value in {**jwk, **change}.items() if value is not None}
    with pytest.raises(ContentError, match="jwks"):
        register_client(connection, replace(client, jwks={"keys": [spoilt]}), CLINIC, AT)


@pytest.mark.parametrize("key", ["a", None, []])
def test_what_is_no_key_is_refused(connection, client, key):
    with pytest.raises(ContentError, match="jwks"):
        register_client(connection, replace(client, jwks={"keys": [key]}), CLINIC, AT)


def test_of_a_key_only_what_is_read_is_kept(connection, client, jwk):
    register_client(
        connection, replace(client, jwks={"keys": [{**jwk, "note": "\0\ud800"}], "x": 1}), CLINIC, AT
    )
    (kept,) = connection.execute(
        "SELECT jwks FROM client WHERE client_id = %s", [client.client_id]
    ).fetchone()
    assert kept == {"keys": [jwk]}


def test_a_short_rsa_key_is_refused(connection, client):
    short = {"kty": "RSA", "kid": "1", "e": "AQAB", "n": "a" * 171}
    with pytest.raises(ContentError, match="2048"):
        register_client(connection, replace(client, jwks={"keys": [short]}), CLINIC, AT)


def test_two_keys_of_the_same_name_are_refused(connection, client, jwk):
    with pytest.raises(ContentError, match="kid"):
        register_client(connection, replace(client, jwks={"keys": [jwk, jwk]}), CLINIC, AT)
