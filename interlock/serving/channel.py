"""The private line between supervisor and worker: JSON lines over a socket pair that nobody else can open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import Any

LINE_BYTES_MAX = 16 * 1024 * 1024
Message = dict[str, Any]


class Channel:
    """One end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """The channel over this end of a socket pair."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end, limit=LINE_BYTES_MAX))

    def send(self, message: Message) -> None:
        """Queue a message; silently nothing when the other end is gone (`receive` tells)."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    async def receive(self) -> Message | None:
        """The next message, None when the other end is gone."""
        try:
            line = await self._reader.readline()
        except (ConnectionError, ValueError):
            return None
        return json.loads(line) if line.endswith(b"\n") else None

    async def drain(self) -> None:
        """Wait until everything queued has been handed to the kernel."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    def close(self) -> None:
        self._writer.close()
