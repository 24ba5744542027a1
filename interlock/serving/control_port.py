"""The control port: health, metrics, routes, counts; converge, roll back, absorb. Lives in the supervisor's own process."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route as Address
from starlette.types import ASGIApp, Receive, Scope, Send

from interlock.errors import DataError, DecisionRefused, InterlockError, PackageError, StaleState, Unavailable
from interlock.rules.routes import Route
from interlock.serving.asking import Asking
from interlock.serving.host_names import LOOPBACK, HostNames, guarded
from interlock.serving.metrics import exposition
from interlock.serving.supervisor import Supervisor

BODY_BYTES_MAX = 65_536
STATUS: dict[type[InterlockError], int] = {StaleState: 409, PackageError: 422, DataError: 422, Unavailable: 503,
                                          DecisionRefused: 403}


class Rollback(BaseModel):
    """Body of `POST /rollback/{use_case}`."""

    model_config = ConfigDict(extra="forbid")

    actor: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=2_000)
    override_id: str = Field(min_length=1, max_length=100)
    to: Literal["previous", "champion"] = Field(default="previous", description="champion: only take the candidate off.")
    expected_generation: int | None = None
    to_version: int | None = Field(default=None, ge=1, description="Any version that answered here before; absent: the previous one.")


class WhatIf(BaseModel):
    """Body of `POST /what-if/{use_case}`."""

    model_config = ConfigDict(extra="forbid")

    record: dict[str, Any] = Field(description="Fields as a customer sends them.")
    digest: str | None = Field(default=None, max_length=100, description="Package that answers; absent: the champion.")


class Absorbed(BaseModel):
    """Body of `POST /overrides/{use_case}/absorbed`."""

    model_config = ConfigDict(extra="forbid")

    override_id: str
    route: Route


def control_app(supervisor: Supervisor, token: str, host: str, rollback_token: str = "") -> ASGIApp:
    """The ASGI app of the control port. `rollback_token` opens the way back and nothing else: a pager may hold it."""
    calls = _Calls(supervisor)
    app = Starlette(routes=[
        Address("/health", calls.health), Address("/metrics", calls.metrics), Address("/routes", calls.routes),
        Address("/routes/{use_case}", calls.route), Address("/stats/{use_case}", calls.stats),
        Address("/converge", _changing(calls.converge, token), methods=["POST"]),
        Address("/rollback/{use_case}", _changing(calls.rollback, token, rollback_token), methods=["POST"]),
        Address("/what-if/{use_case}", _changing(calls.what_if, token), methods=["POST"]),
        Address("/versions/{use_case}/{version}/withdrawn", _changing(calls.withdrawn, token), methods=["POST"]),
        Address("/overrides/{use_case}/absorbed", _changing(calls.absorbed, token), methods=["POST"]),
    ], exception_handlers={InterlockError: _refused, ValidationError: _malformed, 404: _nothing_here})
    return _HostCheck(app, HostNames({*LOOPBACK, host})) if guarded(host) else app


class _Calls:
    """One method per address."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._asking = Asking(supervisor.crew)

    async def health(self, request: Request) -> Response:
        crew = self._supervisor.crew
        live = len(crew.live)
        workers = [{"index": worker.index, "pid": worker.process.pid, "state": worker.state, "forbidden_modules": worker.modules}
                   for worker in crew.workers.values()]
        return JSONResponse({"status": "ok" if live == crew.size else "degraded" if live else "down", "workers_live": live,
                             "workers_total": crew.size, "restarts": crew.restarts, "workers": workers,
                             "uptime_s": round(time.monotonic() - self._supervisor.began, 3),
                             "use_cases": sorted(self._supervisor.tracks.all),
                             "capture_failing": self._supervisor.capture_failing()})

    async def metrics(self, request: Request) -> Response:
        await self._supervisor.collect()
        return PlainTextResponse(exposition(self._supervisor), media_type="text/plain; version=0.0.4")

    async def routes(self, request: Request) -> Response:
        return JSONResponse([self._supervisor.observed(name).model_dump(mode="json") for name in sorted(self._supervisor.tracks.all)])

    async def route(self, request: Request) -> Response:
        return self._observed(request)

    async def stats(self, request: Request) -> Response:
        use_case = request.path_params["use_case"]
        track = self._supervisor.tracks.known(use_case)
        since = request.query_params.get("since_generation", str(track.route.generation))
        if not (since.isascii() and since.isdigit() and len(since) <= 18):
            return JSONResponse({"error": "since_generation is not a whole number", "value": since[:40]}, status_code=400)
        await self._supervisor.collect()
        generations: dict[tuple[int, str], dict[str, Any]] = {}
        for key, counts in sorted(self._supervisor.counts(use_case, int(since)).items()):
            entry = generations.setdefault((key.generation, key.override_id), {
                "generation": key.generation, "override_id": key.override_id or None, "arms": {}})
            entry["arms"][key.arm] = {"version": key.version, "digest": key.digest} | counts.report()
        return JSONResponse({"use_case": use_case, "generation": track.route.generation, "override_id": track.override_id,
                             "since": track.since.isoformat(), "generations": list(generations.values())})

    async def converge(self, request: Request) -> Response:
        observed = await self._supervisor.converge(Route.model_validate_json(await _body(request)))
        return JSONResponse(observed.model_dump(mode="json"))

    async def rollback(self, request: Request) -> Response:
        body = Rollback.model_validate_json(await _body(request))
        observed = await self._supervisor.rollback(request.path_params["use_case"], **body.model_dump())
        return JSONResponse(observed.model_dump(mode="json"))

    async def absorbed(self, request: Request) -> Response:
        body = Absorbed.model_validate_json(await _body(request))
        observed = await self._supervisor.absorb(request.path_params["use_case"], body.override_id, body.route)
        return JSONResponse(observed.model_dump(mode="json"))

    async def what_if(self, request: Request) -> Response:
        """An answer to look at: not captured, not counted."""
        body = WhatIf.model_validate_json(await _body(request))
        use_case = request.path_params["use_case"]
        self._supervisor.tracks.known(use_case)
        return JSONResponse(await self._asking.ask(use_case, body.record, body.digest))

    async def withdrawn(self, request: Request) -> Response:
        use_case, version = request.path_params["use_case"], request.path_params["version"]
        if not (version.isascii() and version.isdigit() and len(version) <= 18):
            return JSONResponse({"error": "this is no version", "value": version[:40]}, status_code=404)
        return JSONResponse({"use_case": use_case, "versions": await self._supervisor.withdraw(use_case, int(version))})

    def _observed(self, request: Request) -> Response:
        use_case = request.path_params["use_case"]
        if use_case not in self._supervisor.tracks.all:
            return JSONResponse({"error": f"there is no route for '{use_case}'", "kind": "StaleState"}, status_code=404)
        return JSONResponse(self._supervisor.observed(use_case).model_dump(mode="json"))


def _changing(call: Callable[[Request], Awaitable[Response]], *tokens: str) -> Callable[[Request], Awaitable[Response]]:
    """The call, for those who hold one of the tokens."""
    async def checked(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not any(hmac.compare_digest(given, f"Bearer {token}".encode()) for token in tokens if token):
            return JSONResponse({"error": "this call needs the control token", "kind": "DecisionRefused",
                                 "allowed": "Authorization: Bearer <content of run/control.token>"}, status_code=401)
        return await call(request)
    return checked


async def _body(request: Request) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > BODY_BYTES_MAX:
            raise InterlockError("the request's body is too large", allowed=f"{BODY_BYTES_MAX} bytes")
    return bytes(data)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, InterlockError):
        raise error
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 400)
    body = {"error": error.what, "kind": type(error).__name__, "value": None if error.value is None else str(error.value)[:500],
            "allowed": error.allowed, "next_step": error.next_step}
    return JSONResponse(body, status_code=status)


async def _malformed(request: Request, error: Exception) -> Response:
    problems = error.errors(include_input=False, include_url=False) if isinstance(error, ValidationError) else []
    text = "; ".join(f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}" for problem in problems[:10])
    return JSONResponse({"error": f"the body has the wrong shape: {text}", "kind": "InterlockError"}, status_code=400)


async def _nothing_here(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "there is nothing at this address", "allowed": "/health, /metrics, /routes, /routes/{use_case}, "
                         "/stats/{use_case}, /converge, /what-if/{use_case}, "
                         "/versions/{use_case}/{version}/withdrawn, /rollback/{use_case}, /overrides/{use_case}/absorbed"}, status_code=404)


class _HostCheck:
    """Refuses names that are not this machine's: a web page cannot make a browser read the loopback port under another name."""

    def __init__(self, app: ASGIApp, names: HostNames) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = dict(scope["headers"]).get(b"host", b"")
            if not self._names.serves(host):
                refusal = JSONResponse({"error": "this host name is not served here", "value": host[:100].decode("latin-1")}, 421)
                return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)
