"""Uvicorn's HTTP protocol with one write per answer: head and body leave together, so the client wakes up once.

And with bounds on what comes before a request is known: httptools waits for a head of any length for ever, so that a few thousand silent
connections, or one that never ends its head, would take a worker's connections or its memory.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0            # a connection on which no whole head came by then is closed
HEAD_BYTES_MAX = 65_536  # of a head, from the second piece on: 431
FIRST_S, NEXT_S = 2.0, 0.3  # when the server stops
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
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
        self._in_head, self._head_bytes = False, 0
        self._patience: asyncio.TimerHandle | None = self.loop.call_later(HEAD_S, self._joined.close)
        super().connection_made(self._joined)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        before = self._in_head
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data) if before else 0
            if self._patience is None:
                self._patience = self.loop.call_later(HEAD_S, self._joined.close)
            if self._head_bytes > HEAD_BYTES_MAX and not self._joined.is_closing():
                if self.cycle is None or self.cycle.response_complete:
                    self._joined.write(TOO_LARGE)
                self._joined.close()

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._be_patient()
        super().on_headers_complete()

    def shutdown(self) -> None:
        """The server stops. Whoever was just let in has `FIRST_S` for the first request; a connection between two requests has `NEXT_S`
        for one that is under way. Closing at once would reset what was sent in good faith; each answer now says that it is the last."""
        if self.cycle and not self.cycle.response_complete:
            super().shutdown()
        else:
            self.loop.call_later(NEXT_S if self.cycle else FIRST_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if not self._in_head:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self._be_patient()
        super().connection_lost(exc)

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def on_response_complete(self) -> None:
        self._joined.flush()
        super().on_response_complete()
