"""Options are checked before anybody connects; the message says what would be right and no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from partners import opened, partner

from exchange.connectors import read_options
from exchange.connectors.options import OPTIONS
from exchange.model.errors import ContentError
from exchange.model.partner import Connector, Partner

SFTP = {"host": "h", "username": "u", "password": "${PASSWORD}", "host_key": "ssh-ed25519 AAAA"}
HTTP = {"url": "https://clinic.example/fhir"}
TOKEN = {"token_url": "https://clinic.example/token", "client_id": "c", "key": "-----BEGIN PRIVATE KEY-----"}


@pytest.mark.parametrize(
    "kind, options, said",
    [
        ("sftp", {**SFTP, "hots": "x"}, r"`connector.options.hots`.*did you mean `host`.*valid here: .*port"),
        ("sftp", {**SFTP, "port": "http"}, r"`connector.options.port`"),
        ("sftp", {**SFTP, "key": "-----BEGIN PRIVATE KEY-----"}, "either `password` or `key`"),
        ("sftp", {"host": "h"}, r"options\.username`: Field required"),
        ("fhir_search", {"url": "ftp://x"}, r"options\.url"),
        ("fhir_search", {**HTTP, "page_size": 0}, r"options\.page_size"),
        ("fhir_search", {**HTTP, "token": {"client": "x"}}, r"options\.token"),
        ("fhir_search", {**HTTP, "token": {**TOKEN, "secret": "s"}}, "valid here: .*client_id"),
        ("fhir_search", {**HTTP, "token": {**TOKEN, "key": "/no/such/file"}}, "neither a PEM private key"),
        ("fhir_search", {**HTTP, "token": TOKEN, "bearer": "b"}, "not both"),
        ("fhir_bulk", {**HTTP, "level": "Group/../x"}, r"options\.level"),
        ("folder", {"path": "relative/folder"}, r"options\.path"),
        ("mllp", {}, r"options\.port`: Field required"),
    ],
)
def test_a_wrong_option_is_named_with_what_would_be_right(
    kind: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ContentError, match=said) as caught:
        opened(partner(kind, options, "Patient"), PASSWORD="secret-1")
    assert str(caught.value).startswith("mappings/maple/partner.yaml")
    assert "secret-1" not in str(caught.value)


def test_a_name_the_environment_lacks_is_said() -> None:
    with pytest.raises(ContentError, match=r"`\$\{PASSWORD\}` is not set"):
        opened(partner("sftp", SFTP), OTHER="x")


def test_names_are_replaced_at_any_depth_and_within_text(tmp_path: Path) -> None:
    key = tmp_path / "own.pem"
    token = {"token_url": "${BASE}/token", "client_id": "c", "key": "${KEY}"}
    key.write_text("-----BEGIN PRIVATE KEY-----")
    options = {"url": "${BASE}/fhir", "token": token}
    environment = {"BASE": "https://clinic.example", "KEY": str(key)}
    resolved = read_options(partner("fhir_search", options), environment)
    assert resolved.token.token_url == "https://clinic.example/token"
    assert resolved.token.private_pem() == key.read_text()


def test_secrets_do_not_show_when_options_are_printed() -> None:
    assert "secret-1" not in repr(read_options(partner("sftp", SFTP), {"PASSWORD": "secret-1"}))


def test_every_connector_of_the_model_has_options() -> None:
    declared = Connector.model_fields["type"].annotation.__args__
    assert set(declared) == set(OPTIONS)


def test_a_participant_that_sends_nothing_has_no_connector() -> None:
    shelter = Partner.model_validate(
        {
            "code": "shelter",
            "namespace": "https://shelter.example/",
            "organization": {"name": "Shelter", "type": "shelter"},
            "agreement": {"type": "DUA", "signed": "2026-01-01"},
        }
    )
    with pytest.raises(ContentError, match="sends nothing"):
        read_options(shelter, {})


def test_a_victim_service_provider_cannot_have_a_connector() -> None:
    data = partner("folder", {"path": "/x"}).model_dump()
    data["organization"]["type"] = "victim-services"
    with pytest.raises(ValueError, match="may not feed identities"):
        Partner.model_validate(data)
