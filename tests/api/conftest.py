"""A real API over a real database, with clients that hold real keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg_pool import ConnectionPool
from starlette.testclient import TestClient

from exchange.api import Service, create_app
from exchange.api.clients import Client, register_client
from exchange.api.export.files import Exports
from exchange.api.metrics import Metrics
from exchange.content import read_tree
from exchange.crypto import Keyring, new_jwk_pair, new_signing_key, sign_jwt
from exchange.linkage import features, parse_model
from exchange.model.partner import Agreement, Organization, Partner, Requests
from exchange.repository import Identity
from exchange.repository.database import embedded
from tests.databases import empty

from .shared_records import Records, context_of

BASE_URL = "https://hie.example"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Software:
    """A client as its participant holds it."""

    client_id: str
    participant: str
    private_key: str
    jwk: dict[str, Any]
    purpose: str = "TREAT"

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims of a good assertion; `changes` spoil it, None takes a claim away."""
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"{BASE_URL}/auth/token",
            "iat": now,
            "exp": now + 240,
            "jti": str(uuid4()),
            "extensions": {"hl7-b2b": self.b2b()},
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def b2b(self, **changes: Any) -> dict[str, Any]:
        extension = {
            "version": "1",
            "organization_id": f"urn:mosaic:partner:{self.participant}",
            "subject_role": "organization",
            "purpose_of_use": [f"urn:oid:2.16.840.1.113883.5.8#{self.purpose}"],
            **changes,
        }
        return {name: value for name, value in extension.items() if value is not None}

    def assertion(self, **changes: Any) -> str:
        return sign_jwt(self.claims(**changes), self.private_key, self.jwk["kid"], self.jwk["alg"])

    def form(self, assertion: str | None = None, **changes: Any) -> dict[str, str]:
        form = {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
            **changes,
        }
        return {name: value for name, value in form.items() if value is not None}


@dataclass(slots=True)
class Clock:
    """The wall clock, and a shift that tests may set."""

    shift: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.shift


def partner(code: str, kind: str, purposes: tuple[str, ...], **agreement: Any) -> Partner:
    return Partner(
        code=code,
        namespace=f"https://{code.replace('_', '-')}.example/",
        organization=Organization(
            name=code.replace("_", " ").title(),
            type=kind,
            covered_entity=kind in ("hospital", "clinic"),
            npi="1999999984" if kind == "hospital" else None,
            address="1 Main St, Springfield IL",
        ),
        agreement=Agreement(type="participation", signed=date(2026, 1, 1), **agreement),
        requests=Requests(roles=("organization", "physician"), purposes=purposes),
    )


PARTNERS = {
    found.code: found
    for found in (
        partner("lakeside_hospital", "hospital", ("TREAT", "HOPERAT", "COVERAGE", "BTG")),
        partner("prairie_clinic", "clinic", ("TREAT",)),
        partner("north_shelter", "shelter", ("COC",)),
        partner("closed_clinic", "clinic", ("TREAT",), ends=date(2026, 2, 1)),
    )
}


@pytest.fixture(scope="session")
def key_pairs():
    """RSA keys take long to make: one pair of each algorithm for the whole run."""
    return {algorithm: new_jwk_pair(algorithm) for algorithm in ("RS384", "ES384")}


@pytest.fixture(scope="session")
def signing_key():
    return new_signing_key()


# The tests' clock runs as they like, the server's does not (see tests/repository/test_role_attacks.py).
_ANY_CLOCK = (
    "CREATE OR REPLACE FUNCTION within_clock(given timestamptz) RETURNS timestamptz"
    " LANGUAGE sql STABLE PARALLEL SAFE RETURN given"
)


@pytest.fixture
def emptied_database(module_database, module_janitor):
    """Made once for a module and emptied for each test: a new one would take most of a test's time."""
    empty(module_janitor)
    return module_database


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pool(database):
    """Logged in as a deployment's API is: as the role that may only read and append."""
    with psycopg.connect(database) as conn:
        conn.execute(_ANY_CLOCK)
    with ConnectionPool(
        embedded.url_with(database, user="exchange_api"), min_size=1, max_size=8, open=True
    ) as opened:
        yield opened


@pytest.fixture(scope="session")
def identity():
    """The model that ships; identifiers are hashed without a secret."""
    mappings = read_tree(Path(__file__).parents[2] / "mappings")
    model = parse_model(mappings)

    def read(patient):
        return features(patient, lambda text: sha256(text.encode()).hexdigest(), model.vocabulary)

    return Identity(model, read)


@pytest.fixture
def service(tmp_path, pool, signing_key, clock, identity):
    return Service(
        pool=pool,
        base_url=BASE_URL,
        participants=PARTNERS,
        signing_key=signing_key,
        cursor_key=b"c" * 32,
        identity=identity,
        notices={
            "redisclosure-notice": "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
        },
        exports=Exports(tmp_path.as_uri(), Keyring.generate()),
        clock=clock,
    )


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def api(service, metrics):
    """A client of the application in this process."""
    with TestClient(create_app(service, metrics), base_url=BASE_URL) as client:
        yield client


@pytest.fixture
def register(database, key_pairs):
    """Registers software of a participant and gives it back with its private key."""

    def register_software(participant="lakeside_hospital", algorithm="ES384", **changes):
        private_key, jwk = key_pairs[algorithm]
        found = PARTNERS[participant]
        client = Client(
            client_id=changes.get("client_id", f"{participant}-{algorithm}"),
            participant=participant,
            jwks=changes.get("jwks", {"keys": [jwk]}),
            scopes=changes.get("scopes", ["system/*.rs"]),
            roles=list(changes.get("roles", found.requests.roles)),
            purposes=list(changes.get("purposes", found.requests.purposes)),
        )
        with psycopg.connect(database) as conn:
            register_client(conn, client, found, datetime.now(UTC))
            # Whatever a test before did to it.
            conn.execute(
                "UPDATE client SET disabled = NULL, disabled_by = NULL, let_in = NULL WHERE client_id = %s",
                (client.client_id,),
            )
        return Software(client.client_id, participant, private_key, jwk, client.purposes[0])

    return register_software


@pytest.fixture
def software(register):
    return register()


@pytest.fixture
def hospital(register):
    return register("lakeside_hospital")


@pytest.fixture
def clinic(register):
    return register("prairie_clinic")


@pytest.fixture
def shelter(register):
    return register("north_shelter")


@pytest.fixture
def token_of(api):
    """An access token for a piece of software; fails the test when it is refused."""

    def get(software, **form):
        answer = api.post("/auth/token", data=software.form(**form))
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    return get


@pytest.fixture
def audit_rows(database):
    """Kind, participant, patient and body of every audit record the test has caused."""
    with psycopg.connect(database) as conn:
        (before,) = conn.execute("SELECT sequence FROM audit_head").fetchone()

    def rows():
        with psycopg.connect(database) as conn:
            return conn.execute(
                "SELECT kind, participant, patient::text, body FROM audit_event"
                " WHERE sequence > %s ORDER BY sequence",
                (before,),
            ).fetchall()

    return rows


@pytest.fixture(scope="session")
def context():
    return context_of(PARTNERS)


@pytest.fixture
def records(connection, context):
    """Publishes into the repository the API serves."""
    connection.execute("SELECT setval('latest_instant', 0)")  # a test before may have asked later than it
    found = Records(connection, context)
    found.register()
    return found


@pytest.fixture
def ask(api, token_of):
    """Sends a request below /fhir with the token of a piece of software."""

    def send(software, path, *, method="GET", headers=None, token=None, **options):
        authorization = {"Authorization": f"Bearer {token or token_of(software)}"}
        return api.request(method, f"/fhir/{path}", headers={**authorization, **(headers or {})}, **options)

    return send
