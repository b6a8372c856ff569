"""All partner systems in one process: ports, secrets, environment.json, and the change of day."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from exchange.crypto.tokens import new_jwk_pair
from exchange.synthetic.coalition import Coalition
from exchange.synthetic.day import write_day
from exchange.synthetic.servers import fhir_search, hsds, sftp
from exchange.synthetic.servers.bulk import Client, Program
from exchange.synthetic.servers.mllp import Engine
from exchange.synthetic.store import Store

HOST = "127.0.0.1"
CLIENT_ID = "mosaic-exchange"
ALGORITHM = "ES384"
_DROPS = {
    "WILLOW": "willow_nursing",
    "COUNTY": "county_health",
    "HEARTH": "hearth_housing",
    "TABLE": "good_table",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve; without a listener the hospital stays silent."""

    coalition: Coalition
    folder: Path
    day: int = 1
    mllp: tuple[str, int] | None = None
    port: int = 0


@asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[Systems]:
    """The systems, until the block is left."""
    systems = Systems(plan)
    await asyncio.to_thread(systems.prepare)
    await systems.start()
    try:
        yield systems
    finally:
        await systems.stop()


class Systems:
    """Owns what runs."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.partners = plan, plan.folder / "partners"
        self.sending: asyncio.Task[None] | None = None
        self.stores: list[Store] = []
        self.engine: Engine | None = None
        self.turning = asyncio.Lock()

    def prepare(self) -> None:
        """Write the days up to the wanted one, unless the folder already holds them."""
        coalition = self.plan.coalition
        wanted = {"size": coalition.size, "seed": coalition.seed, "today": coalition.today.isoformat()}
        state = self._state()
        if state and {name: state[name] for name in wanted} != wanted:
            raise FileExistsError(f"{self.plan.folder} holds another coalition; choose another folder")
        for day in range(state.get("day", 0) + 1, self.plan.day + 1):
            self._write_day(day)

    def _state(self) -> dict[str, Any]:
        path = self.plan.folder / "state.json"
        state: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return state

    def _write_day(self, day: int) -> None:
        coalition = self.plan.coalition
        write_day(coalition, self.plan.folder, day)
        state = {
            "size": coalition.size,
            "seed": coalition.seed,
            "today": coalition.today.isoformat(),
            "day": day,
        }
        (self.plan.folder / "state.json").write_text(json.dumps(state))

    async def start(self) -> None:
        """Open the ports and write environment.json."""
        accounts = {name: sftp.account(name.lower(), self.partners / code) for name, code in _DROPS.items()}
        self.drops = await sftp.serve({account.username: account for account in accounts.values()}, HOST)
        listening = socket.create_server((HOST, self.plan.port))
        base = f"http://{HOST}:{listening.getsockname()[1]}"
        environment = self._addresses(base) | self._client(base) | self._hospital()
        for name, account in accounts.items():
            environment |= {
                f"{name}_SFTP_HOST": HOST,
                f"{name}_SFTP_PORT": str(self.drops.port),
                f"{name}_SFTP_USER": account.username,
                f"{name}_SFTP_PASSWORD": account.password,
                f"{name}_SFTP_HOST_KEY": self.drops.host_key,
            }
        self.server = uvicorn.Server(uvicorn.Config(self._application(), log_level="warning"))
        self.serving = asyncio.create_task(self.server.serve(sockets=[listening]))
        while not self.server.started:
            await asyncio.sleep(0.01)
        path = self.plan.folder / "environment.json"
        path.write_text(json.dumps(environment, indent=1))
        path.chmod(0o600)

    async def delivered(self) -> None:
        """Until the hospital has nothing more to send; at once where there is no listener."""
        while self.engine and self.engine.waiting():
            await asyncio.sleep(0.1)

    def _addresses(self, base: str) -> dict[str, str]:
        return {
            "PRAIRIE_CLINIC_URL": f"{base}/prairie/fhir",
            "HARBOR_RECOVERY_URL": f"{base}/harbor/fhir",
            "DIRECTORY_URL": f"{base}/directory",
            "COALITION_CONTROL_URL": f"{base}/control",
        }

    def _client(self, base: str) -> dict[str, str]:
        """The exchange's own key pair, made here because the program has registered its public half."""
        keys = self.plan.folder / "keys"
        keys.mkdir(mode=0o700, exist_ok=True)
        private, public = new_jwk_pair(ALGORITHM)
        path = keys / "harbor_recovery.pem"
        path.write_text(private)
        path.chmod(0o600)
        self.client = Client(CLIENT_ID, {"keys": [public]})
        return {
            "HARBOR_RECOVERY_TOKEN_URL": f"{base}/harbor/fhir/token",
            "HARBOR_RECOVERY_CLIENT_ID": CLIENT_ID,
            "HARBOR_RECOVERY_KEY": str(path.resolve()),
            "HARBOR_RECOVERY_KEY_ID": str(public["kid"]),
            "HARBOR_RECOVERY_ALGORITHM": ALGORITHM,
        }

    def _hospital(self) -> dict[str, str]:
        if not self.plan.mllp:
            return {}
        host, port = self.plan.mllp
        self.engine = Engine(self.partners / "lakeside_hospital", host, port)
        self.sending = asyncio.create_task(self.engine.run())
        return {"LAKESIDE_MLLP_HOST": host, "LAKESIDE_MLLP_PORT": str(port)}

    def _application(self) -> Starlette:
        clinic = Store(self.partners / "prairie_clinic" / "records.sqlite")
        program = Store(self.partners / "harbor_recovery" / "records.sqlite")
        self.stores += [clinic, program]
        bulk = Program(program, self.partners / "harbor_recovery" / "exports", self.client)
        directory = self.partners / "service_directory" / "services.json"
        routes: list[BaseRoute] = [
            Mount("/prairie/fhir", fhir_search.application(clinic)),
            Mount("/harbor/fhir", bulk.application()),
            Mount("/directory", hsds.application(directory)),
            Route("/control/advance", self.advance, methods=["POST"]),
            Route("/control/status", self.status),
        ]
        return Starlette(routes=routes)

    async def advance(self, request: Request) -> Response:
        """The next day comes."""
        async with self.turning:
            day = self._state()["day"] + 1
            try:
                self.plan.coalition.now(day)
            except ValueError as problem:
                return JSONResponse({"error": str(problem)}, 409)
            await asyncio.to_thread(self._write_day, day)
        return JSONResponse({"day": day})

    async def status(self, request: Request) -> Response:
        """Which day it is, and how far the hospital has got."""
        engine = self.engine
        counts = (
            {"sent": engine.sent, "refused": engine.refused, "waiting_bytes": engine.waiting()}
            if engine
            else None
        )
        return JSONResponse({"day": self._state()["day"], "hospital": counts})

    async def stop(self) -> None:
        """Close everything; the hospital remembers what was acknowledged."""
        self.server.should_exit = True
        self.drops.acceptor.close()
        if self.sending:
            self.sending.cancel()
            await asyncio.gather(self.sending, return_exceptions=True)
        await self.serving
        for store in self.stores:
            store.close()
