"""Over TLS the listener talks to senders with a certificate of the agreed authority alone."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sender import Sender, message
from test_mllp_listener import running

from exchange.connectors.mllp_listener import tls_context
from exchange.connectors.options import MllpOptions


class Authority:
    """Issues certificates for loopback into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, is_authority=True)
        self.path = self._write(f"{name}.pem", self.certificate)

    def issue(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        path = self._write(f"{name}.pem", self._sign(subject, key, is_authority=False))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.with_suffix(".key").write_bytes(pem)
        return path, path.with_suffix(".key")

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self.folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        for extension in (names, own, issuer):
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def options(authority: Authority) -> MllpOptions:
    certificate, key = authority.issue("listener")
    return MllpOptions(port=0, certificate=certificate, certificate_key=key, client_ca=authority.path)


def client(authority: Authority, certificate: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.path))
    if certificate:
        context.load_cert_chain(*certificate)
    return context


def test_a_sender_with_a_certificate_is_served(authority: Authority) -> None:
    tls = tls_context(options(authority))
    with running(lambda payloads: None, tls) as port:
        sender = Sender(port, client(authority, authority.issue("hospital")))
        assert sender.exchange([message("M1"), message("M2")]) == [("AA", "M1"), ("AA", "M2")]
        sender.socket.close()


@pytest.mark.parametrize("stranger", [True, False])
def test_a_sender_without_a_certificate_of_the_authority_is_not(
    authority: Authority, tmp_path: Path, stranger: bool
) -> None:
    kept: list[bytes] = []
    (tmp_path / "other").mkdir()
    certificate = Authority(tmp_path / "other", "stranger").issue("hospital") if stranger else None
    with (
        running(kept.extend, tls_context(options(authority))) as port,
        pytest.raises((ConnectionError, ssl.SSLError)),
        Sender(port, client(authority, certificate)) as sender,
    ):
        sender.exchange([message("M1")])
    assert kept == []


def test_without_a_certificate_there_is_no_tls() -> None:
    assert tls_context(MllpOptions(port=0)) is None
