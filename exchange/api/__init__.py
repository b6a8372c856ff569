"""FHIR R4 over HTTP with SMART Backend Services: every answer as its requester may see it, and recorded."""

from exchange.api.app import create_app
from exchange.api.clients import Client, disable_client, let_in_again, list_clients, register_client
from exchange.api.service import Limits, Service

__all__ = [
    "Client",
    "Limits",
    "Service",
    "create_app",
    "disable_client",
    "let_in_again",
    "list_clients",
    "register_client",
]
