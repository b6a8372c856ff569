"""Pages in a browser may ask from the origins that are named, and from no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from exchange.api import create_app
from exchange.model.errors import ContentError
from exchange.settings import load_settings

FRIEND, STRANGER = "https://app.example", "https://evil.example"


@pytest.fixture(scope="module")
def database(module_database):
    return module_database


@pytest.fixture
def open_api(service, metrics):
    with TestClient(
        create_app(replace(service, origins=(FRIEND,)), metrics), base_url=service.base_url
    ) as client:
        yield client


def preflight(client, origin, method="GET"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return client.options(
        "/fhir/Patient", headers={**asked, "Access-Control-Request-Headers": "authorization"}
    )


def test_a_named_origin_may_ask_and_another_may_not(open_api):
    allowed = preflight(open_api, FRIEND)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, FRIEND)
    assert "access-control-allow-credentials" not in allowed.headers
    assert "access-control-allow-origin" not in preflight(open_api, STRANGER).headers
    answer = open_api.get("/fhir/metadata", headers={"Origin": FRIEND})
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert (
        "access-control-allow-origin"
        not in open_api.get("/fhir/metadata", headers={"Origin": STRANGER}).headers
    )


def test_by_default_no_page_may_ask(api):
    assert "access-control-allow-origin" not in api.get("/fhir/metadata", headers={"Origin": FRIEND}).headers


@pytest.mark.parametrize("origins", ["*", "https://*", "app.example", "https://a.example/path", "null"])
def test_only_whole_origins_are_named(origins, tmp_path):
    for folder in ("mappings", "consent"):
        (tmp_path / folder).mkdir()
    with pytest.raises(ContentError):
        load_settings({"EXCHANGE_HOME": str(tmp_path), "EXCHANGE_ORIGINS": origins})
