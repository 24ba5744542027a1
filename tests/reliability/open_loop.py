"""An open-loop client on a core of its own: it sends when a request is due, whatever became of the earlier ones.

`python -m tests.reliability.open_loop PORT PATH BODY_FILE RATE SECONDS CORE REPORT` writes to the file REPORT: per status the
latencies from the moment the request was due (milliseconds), and how many refusals did not say why or when to come back.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

CONNECTIONS_MAX = 500
DRAIN_S = 6.0


class Generator:
    """Free connections are used again; where none is free, one more is opened, up to 500; then the request counts as not sent."""

    def __init__(self, port: int, message: bytes) -> None:
        self._port, self._message = port, message
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._open = 0
        self.latencies: dict[str, list[float]] = defaultdict(list)
        self.unclear = 0

    async def run(self, rate: float, seconds: float) -> None:
        """`rate` requests per second for so long; then wait for the replies."""
        loop = asyncio.get_running_loop()
        began, tasks = loop.time(), set[asyncio.Task[None]]()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._ask(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_S)
        for task in tasks:
            self.latencies["no reply"].append(DRAIN_S * 1000)
            task.cancel()

    async def _ask(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            reader, writer = self._free.pop() if self._free else await self._connect()
            writer.write(self._message)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError, IndexError) as error:
            self.latencies[type(error).__name__].append((loop.time() - due) * 1000)
            return
        status = head.split(b" ", 2)[1].decode()
        self.latencies[status].append((loop.time() - due) * 1000)
        self.unclear += status in ("429", "503") and not (b"retry-after:" in head and b'"reason"' in body)
        if b"connection: close" in head:
            writer.close()
            self._open -= 1
        else:
            self._free.append((reader, writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._open >= CONNECTIONS_MAX:
            raise ConnectionError("not sent")
        self._open += 1
        return await asyncio.open_connection("127.0.0.1", self._port)


def main() -> None:
    """Command line."""
    port, path, body_file, rate, seconds, core, report = sys.argv[1:]
    if int(core) in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {int(core)})
    body = Path(body_file).read_bytes()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    generator = Generator(int(port), head.encode() + body)
    asyncio.run(generator.run(float(rate), float(seconds)))
    found: dict[str, Any] = {"latencies_ms": generator.latencies, "unclear": generator.unclear, "seconds": float(seconds)}
    Path(report).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
