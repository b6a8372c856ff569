"""With an authority of clients nobody is heard who shows no certificate of it."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.api.serve import Address, serving


@pytest.fixture(scope="module")
def database(module_database):
    return module_database


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


def test_only_a_client_of_the_authority_is_heard(service, tmp_path):
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    certificate, key = ours.issue("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = Address("127.0.0.1", port, certificate, key, client_authority=ours.path)
    with serving(service, address):
        url = f"https://127.0.0.1:{port}/health"

        def ask(cert):
            return requests.get(url, cert=cert and tuple(map(str, cert)), verify=str(ours.path), timeout=10)

        assert ask(ours.issue("client")).status_code == 200
        for stranger in (None, others.issue("stranger")):
            with pytest.raises(requests.exceptions.ConnectionError):
                ask(stranger)
