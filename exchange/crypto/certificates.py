"""When a certificate ends."""

from __future__ import annotations

from datetime import datetime

from cryptography.x509 import load_pem_x509_certificates

from exchange.model.errors import ContentError


def certificate_ends(pem: bytes) -> datetime:
    """The earliest end of the certificates in a PEM file; raises ContentError when it holds none."""
    try:
        return min(found.not_valid_after_utc for found in load_pem_x509_certificates(pem))
    except ValueError:
        raise ContentError("is not a PEM file with certificates", field="certificate") from None
