"""Clients that ask without pause, check every answer against the model that it names, and remember what was promised to be captured."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

from tests.reliability.installation import MOMENT, NAME, RECORDS, Installation


class Load:
    """`promised`: ids answered with `captured: true`; `named`: (generation, version, digest) of every answer; `wrong`: what must not be."""

    def __init__(self, installation: Installation, clients: int = 4) -> None:
        self.installation = installation
        self.expected: dict[str, list[float]] = {}
        self.promised: list[str] = []
        self.named: set[tuple[int, int, str]] = set()
        self.wrong: list[Any] = []
        self.answered = self.failed = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]

    def know(self, digest: str) -> None:
        """From now on this model may answer."""
        self.expected[digest] = self.installation.expected(digest)

    def start(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self, number: int) -> None:
        turn = 0
        connection = self._connect()
        while not self._stop.is_set():
            turn += 1
            place, request_id = turn % len(RECORDS), f"load-{number}-{turn}."
            body = json.dumps({"records": [RECORDS[place] | {"id": request_id, "event_time": MOMENT}]})
            try:
                connection.request("POST", f"/v1/{NAME}/predict", body, {"content-type": "application/json"})
                answer = connection.getresponse()
                reply = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError):  # killed in the middle: no answer is no promise
                self.failed += 1
                connection.close()
                connection = self._connect()
                time.sleep(0.02)
                continue
            self._check(answer.status, reply, place, request_id)
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.installation.settings.predictions_port, timeout=5)

    def _check(self, status: int, reply: dict[str, Any], place: int, request_id: str) -> None:
        if status == 503 or (status == 404 and "error" in reply):  # a worker that has just come up says so
            self.failed += 1
            time.sleep(0.02)
            return
        if status != 200:
            self.wrong.append((status, reply))
            return
        found = reply["predictions"][0]
        self.answered += 1
        self.named.add((reply["generation"], found["version"], found["digest"]))
        if found["id"] != request_id or found["score"] != self.expected[found["digest"]][place] or reply["digest"] != found["digest"]:
            self.wrong.append((place, reply))
        if reply["captured"]:
            self.promised.append(request_id)
