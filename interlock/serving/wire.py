"""HTTP by hand over ASGI: bounded bodies, JSON both ways, one shape of error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
encode_json = msgspec.json.Encoder().encode
DRAIN_BYTES_MAX = 64 * 1024 * 1024
DRAIN_S = 2.0


class Refusal(Exception):
    """A request that is not answered; becomes `{"error": message, …}` with this status."""

    def __init__(self, status: int, message: str, *, close: bool = False, headers: dict[str, str] | None = None, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": message, **details}
        self.close = close
        self.headers = headers or {}


class Disconnected(Exception):
    """The client has gone before its request was whole."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this (lower-case) name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


class _Begun:
    """A coroutine taken as far as it goes without waiting; `message` is its result where that was its end, else await it for that."""

    def __init__(self, work: Awaitable[MutableMapping[str, Any]]) -> None:
        self.message: MutableMapping[str, Any] | None = None
        self._rest, self._awaited = work.__await__(), None
        try:
            self._awaited = next(self._rest)
        except StopIteration as end:
            self.message = end.value

    def __await__(self) -> Generator[Any, Any, MutableMapping[str, Any]]:
        if self.message is None:
            yield self._awaited
            return (yield from self._rest)
        return self.message


async def read_body(scope: Scope, receive: Receive, bytes_max: int, timeout_s: float) -> bytes:
    """The whole body. 413 when it is larger than allowed, 408 when it takes too long; Disconnected when it never ends."""
    declared = header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > bytes_max:
        await _discard(receive)
        raise _too_large(bytes_max)
    chunks: list[bytes] = []
    size = 0
    first = _Begun(receive())
    if first.message is not None and len(data := first.message.get("body", b"")) <= bytes_max and not first.message.get("more_body", False):
        if first.message["type"] == "http.disconnect":
            raise Disconnected
        return bytes(data)  # it had arrived with the head: no clock needed
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await first if not chunks else await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > bytes_max:
                    break
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    except TimeoutError as error:
        raise Refusal(408, "the request's body did not arrive in time", close=True, allowed=f"{timeout_s:g} s") from error
    await _discard(receive)
    raise _too_large(bytes_max)


@dataclass(frozen=True)
class Content:
    """A body that is not plain JSON: its bytes, their kind, and headers of its own."""

    data: bytes
    kind: str
    headers: dict[str, str] = field(default_factory=dict)


async def reply(send: Send, status: int, body: Any, headers: dict[str, str] | None = None, *, close: bool = False) -> None:
    """Send a JSON answer, text when `body` is bytes, or other content."""
    if isinstance(body, Content):
        data, kind, headers = body.data, body.kind.encode(), {**body.headers, **(headers or {})}
    else:
        plain = isinstance(body, bytes)
        data = body if plain else encode_json(body)
        kind = b"text/plain; version=0.0.4; charset=utf-8" if plain else b"application/json"
    fields = [(b"content-type", kind), (b"content-length", str(len(data)).encode())]
    fields += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    if close:
        fields.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": data})


async def _discard(receive: Receive) -> None:
    """Read a while what the client still sends, so that it gets to read the answer instead of a reset connection."""
    size = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while size < DRAIN_BYTES_MAX:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _too_large(bytes_max: int) -> Refusal:
    return Refusal(413, "the request's body is too large", close=True, allowed=f"{bytes_max} bytes")
