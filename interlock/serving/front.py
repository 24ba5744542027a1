"""Around each request of the predictions port: its id, its line in the log, its trace, and `Connection: close` while the server stops.

A caller's `X-Request-Id`, else the trace id of its `traceparent`, comes back as `X-Request-Id`; a refused or failed request without
either gets a new one, so that it can be found in the log.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from interlock.serving.access_log import AccessLog
from interlock.serving.admission import NOTES, Notes
from interlock.serving.host_names import HostNames
from interlock.serving.wire import Receive, Scope, Send, reply

if TYPE_CHECKING:
    from interlock.serving.endpoint import Endpoint
    from interlock.serving.traces import Traces

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Front:
    """The ASGI app that a worker serves."""

    def __init__(self, endpoint: Endpoint, access_log: AccessLog, traces: Traces | None = None, hosts: HostNames | None = None) -> None:
        self._endpoint, self._log, self._traces, self._hosts = endpoint, access_log, traces, hosts
        self.leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        given, parent, host = _heads(scope)
        if self._hosts is not None and not self._hosts.serves(host):
            return await _elsewhere(send, host)
        request_id = given or (parent[3:35] if parent else b"")
        notes = Notes()
        token = NOTES.set(notes)
        began = time.perf_counter()
        status = 0

        async def noted(message: Any) -> None:
            nonlocal status, request_id
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 400:
                    request_id = request_id or secrets.token_hex(8).encode()
                if request_id:
                    message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
                if self.leaving:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await self._endpoint(scope, receive, noted)
        finally:
            NOTES.reset(token)
            wanted = self._log.wants(status)
            if wanted or self._traces is not None:
                notes.ended = time.perf_counter()
                took_s = notes.ended - began
                if wanted:
                    self._log.write(status, _fields(scope, notes, request_id.decode(), took_s))
                if self._traces is not None and status:
                    self._traces.request(scope, notes, parent, request_id.decode(), time.time_ns() - int(took_s * 1e9), status, took_s)


def _heads(scope: Scope) -> tuple[bytes | None, bytes | None, bytes]:
    """Request id, traceparent (None where absent or malformed) and host of the request."""
    given = parent = None
    host = b""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value if REQUEST_ID.fullmatch(value) else None
        elif name == b"host":
            host = value
        elif name == b"traceparent":
            parent = value if TRACEPARENT.fullmatch(value) else None
    return given, parent, host


async def _elsewhere(send: Send, host: bytes) -> None:
    said = {"error": "this host name is not served here", "value": host[:100].decode("latin-1"),
            "allowed": "127.0.0.1, localhost, or a name of INTERLOCK_SERVING_HOSTS"}
    await reply(send, 421, said, {}, close=True)


def _fields(scope: Scope, notes: Notes, request_id: str, took_s: float) -> dict[str, Any]:
    """What is said of a request: no data, no key, no query."""
    path = scope["path"][:200] if notes.use_case else ""  # elsewhere an address may be anything
    found = {"method": scope["method"], "path": path, "request_id": request_id, "use_case": notes.use_case,
             "version": notes.version, "arm": notes.arm, "rows": notes.rows, "client": notes.client, "reason": notes.reason,
             "ms": round(took_s * 1_000, 3)}
    return {name: value for name, value in found.items() if value not in ("", None, 0)}
