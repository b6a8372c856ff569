"""harbor_recovery's Bulk Data server behind SMART Backend Services.

https://hl7.org/fhir/uv/bulkdata/export.html  https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from exchange.crypto.tokens import TokenRefused, verify_jwt
from exchange.synthetic.feeds.harbor import TYPES
from exchange.synthetic.servers.answers import address, instant, outcome
from exchange.synthetic.store import Store, utc

SCOPE = "system/*.rs"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFETIME = 300


@dataclass(frozen=True, slots=True)
class Client:
    """A registered backend client and its public keys."""

    client_id: str
    jwks: dict[str, Any]


@dataclass(slots=True)
class _Job:
    request: str
    started: datetime
    since: str
    types: tuple[str, ...]
    folder: Path
    ready: asyncio.Task[None]


class Program:
    """Tokens, jobs and files; everything is forgotten when the process ends, as a restart would."""

    def __init__(self, store: Store, folder: Path, client: Client) -> None:
        self.store, self.folder, self.client = store, folder, client
        self.tokens: dict[str, float] = {}
        self.seen: dict[str, float] = {}
        self.jobs: dict[str, _Job] = {}

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/smart-configuration", self.configuration),
                Route("/token", self.token, methods=["POST"]),
                Route("/$export", self.export),
                Route("/Patient/$export", self.export),
                Route("/jobs/{job}", self.status),
                Route("/jobs/{job}", self.delete, methods=["DELETE"]),
                Route("/files/{job}/{name}", self.file),
            ]
        )

    def configuration(self, request: Request) -> Response:
        return JSONResponse(
            {
                "token_endpoint": f"{address(request)}/token",
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
                "grant_types_supported": ["client_credentials"],
                "scopes_supported": [SCOPE],
                "capabilities": ["client-confidential-asymmetric"],
            }
        )

    async def token(self, request: Request) -> Response:
        form = await request.form()
        if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != _ASSERTION:
            return _oauth_error("unsupported_grant_type")
        try:
            claims = verify_jwt(
                str(form.get("client_assertion", "")),
                self.client.jwks,
                audience=f"{address(request)}/token",
                algorithms=("RS384", "ES384"),
            )
        except TokenRefused:
            return _oauth_error("invalid_client")
        if not self._acceptable(claims):
            return _oauth_error("invalid_client")
        token = secrets.token_urlsafe(24)
        self.tokens[token] = time.monotonic() + _LIFETIME
        answer = {"access_token": token, "token_type": "bearer", "expires_in": _LIFETIME, "scope": SCOPE}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    def _acceptable(self, claims: dict[str, Any]) -> bool:
        """Issuer and subject are the client, it lives five minutes at most, its id is new."""
        now, ident = time.time(), str(claims.get("jti", ""))
        self.seen = {jti: until for jti, until in self.seen.items() if until > now}
        fresh = bool(ident) and ident not in self.seen
        self.seen[ident] = float(claims["exp"])
        own = claims.get("iss") == claims.get("sub") == self.client.client_id
        return own and fresh and float(claims["exp"]) <= now + _LIFETIME + 5

    def _refused(self, request: Request) -> Response | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) < time.monotonic():
            answer = outcome(401, "login", "A bearer token is needed.")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return None

    async def export(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        if "respond-async" not in request.headers.get("prefer", ""):
            return outcome(400, "invalid", "Prefer: respond-async is needed.")
        types = tuple(filter(None, request.query_params.get("_type", "").split(","))) or TYPES
        if unknown := set(types) - set(TYPES):
            return outcome(400, "not-supported", f"Not exported here: {', '.join(sorted(unknown))}")
        try:
            since = instant(request.query_params.get("_since", ""))
        except ValueError:
            return outcome(400, "invalid", "_since is no instant.")
        name = secrets.token_hex(8)
        folder, started = self.folder / name, datetime.now(UTC)
        ready = asyncio.create_task(asyncio.to_thread(self._write, folder, types, since))
        self.jobs[name] = _Job(str(request.url), started, since, types, folder, ready)
        return Response(status_code=202, headers={"Content-Location": f"{address(request)}/jobs/{name}"})

    def _write(self, folder: Path, types: tuple[str, ...], since: str) -> None:
        time.sleep(0.3)
        folder.mkdir(parents=True)
        for kind in types:
            with (folder / f"{kind}.ndjson").open("wb") as file:
                file.writelines(body + b"\n" for body in self.store.everything(kind, since))
        gone = [entry for entry in self.store.deletions(since) if entry[0] in types] if since else []
        with (folder / "deleted.ndjson").open("wb") as file:
            file.writelines(_deletion(kind, local) + b"\n" for kind, local in gone)

    async def status(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        job = self.jobs.get(request.path_params["job"])
        if not job:
            return outcome(404, "not-found", "No such export.")
        if not job.ready.done():
            return Response(status_code=202, headers={"Retry-After": "1", "X-Progress": "writing files"})
        if job.ready.exception():
            return outcome(500, "exception", "The export failed.")
        return JSONResponse(self._manifest(request, job))

    def _manifest(self, request: Request, job: _Job) -> dict[str, Any]:
        base = f"{address(request)}/files/{request.path_params['job']}"
        counts = {kind: _lines(job.folder / f"{kind}.ndjson") for kind in job.types}
        output = [
            {"type": k, "url": f"{base}/{k}.ndjson", "count": count} for k, count in counts.items() if count
        ]
        deleted = _lines(job.folder / "deleted.ndjson")
        return {
            "transactionTime": utc(job.started),
            "request": job.request,
            "requiresAccessToken": True,
            "output": output,
            "deleted": [{"type": "Bundle", "url": f"{base}/deleted.ndjson", "count": deleted}]
            if deleted
            else [],
            "error": [],
        }

    def delete(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        job = self.jobs.pop(request.path_params["job"], None)
        if not job:
            return outcome(404, "not-found", "No such export.")
        shutil.rmtree(job.folder, ignore_errors=True)
        return Response(status_code=202)

    def file(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        job, name = self.jobs.get(request.path_params["job"]), request.path_params["name"]
        known = {f"{kind}.ndjson" for kind in TYPES} | {"deleted.ndjson"}
        if not job or name not in known or not (job.folder / name).exists():
            return outcome(404, "not-found", "No such file.")
        return FileResponse(job.folder / name, media_type="application/fhir+ndjson")


def _oauth_error(code: str) -> Response:
    status = 401 if code == "invalid_client" else 400
    return JSONResponse({"error": code}, status)


def _deletion(kind: str, local: str) -> bytes:
    entry = {"request": {"method": "DELETE", "url": f"{kind}/{local}"}}
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
