"""Uvicorn's HTTP protocol with one write per answer: head and body leave together, so the client wakes up once."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

INTERIM = b"HTTP/1.1 100 "


class _Joined:
    """A transport that keeps the head of an answer back until its body, its end or the connection's end follows."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._write = transport.write
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._head:
            self._write(self._head + data)
            self._head = b""
        elif data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n") and not data.startswith(INTERIM):
            self._head = data
        else:
            self._write(data)

    def flush(self) -> None:
        """Send a head that nothing follows."""
        if self._head:
            self._write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()


class OneWrite(HttpToolsProtocol):
    """What the predictions port speaks."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joined = _Joined(transport)
        super().connection_made(self._joined)  # type: ignore[arg-type]

    def on_response_complete(self) -> None:
        self._joined.flush()
        super().on_response_complete()
