"""With an authority of clients nobody else is heard, and a token is good with one certificate alone."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import psycopg
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.api.access import issue
from exchange.api.certificates import thumbprint
from exchange.api.clients import find_client
from exchange.api.scopes import parse_scopes
from exchange.api.serve import Address, serving
from exchange.model.records import Viewer


@pytest.fixture
def database(emptied_database):
    return emptied_database


class Authority:
    """Issues certificates for loopback into a folder."""

    def __init__(self, folder, name):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = self._write(name, self._signed(self.name, self.key, True))

    def issue(self, name):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        path = self._write(name, self._signed(subject, key, False))
        secret = path.with_suffix(".key")
        secret.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
        return path, secret

    def _signed(self, subject, key, is_authority):
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )

    def _write(self, name, certificate):
        path = self.folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path


@contextmanager
def served(service, ours):
    """Its URL, with mutual TLS."""
    certificate, key = ours.issue("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = Address("127.0.0.1", port, certificate, key, client_authority=ours.path)
    url = f"https://127.0.0.1:{port}"
    with serving(replace(service, base_url=url), address):
        yield url


def test_only_a_client_of_the_authority_is_heard(service, tmp_path):
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    with served(service, ours) as base:
        url = f"{base}/health"

        def ask(cert):
            return requests.get(url, cert=cert and tuple(map(str, cert)), verify=str(ours.path), timeout=10)

        assert ask(ours.issue("client")).status_code == 200
        for stranger in (None, others.issue("stranger")):
            with pytest.raises(requests.exceptions.ConnectionError):
                ask(stranger)


def test_a_token_is_good_with_the_certificate_it_was_asked_for_with_and_no_other(service, tmp_path, software):
    ours = Authority(tmp_path, "ours")
    own, other = ours.issue("own"), ours.issue("other")
    with served(service, ours) as url:

        def send(cert, method, path, **options):
            files = tuple(map(str, cert))
            return requests.request(
                method, url + path, cert=files, verify=str(ours.path), timeout=10, **options
            )

        form = software.form(software.assertion(aud=f"{url}/auth/token"))
        token = send(own, "POST", "/auth/token", data=form).json()["access_token"]
        authorization = {"Authorization": f"Bearer {token}"}
        assert send(own, "GET", "/fhir/Patient", headers=authorization).status_code == 200
        refused = send(other, "GET", "/fhir/Patient", headers=authorization)
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
        asked = {**software.form(software.assertion(aud=f"{url}/auth/token")), "token": token}
        said = send(own, "POST", "/auth/introspect", data=asked).json()
        shown = x509.load_pem_x509_certificate(own[0].read_bytes())
        assert said["cnf"] == {"x5t#S256": thumbprint(shown.public_bytes(serialization.Encoding.DER))}
        assert send(own, "GET", "/fhir/.well-known/smart-configuration").json()[
            "tls_client_certificate_bound_access_tokens"
        ]


def test_a_bound_token_is_nothing_without_tls(api, service, software, database):
    with psycopg.connect(database) as conn:
        client = find_client(conn, software.client_id)
    viewer = Viewer(software.participant, "organization", "TREAT")
    scopes = parse_scopes("system/*.rs")
    for certificate, status in (("a" * 43, 401), ("", 200)):
        token, _ = issue(service, viewer, client, scopes, datetime.now(UTC), certificate)
        answer = api.get("/fhir/Patient", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status
