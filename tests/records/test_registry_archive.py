"""A retired version in MLflow, against a stand-in that speaks its REST addresses (checked once against MLflow 3.17)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from interlock.records.registry_archive import archive_version
from interlock.settings import Settings


class Registry(ThreadingHTTPServer):
    """Two versions; `candidate` is version 1, `champion` version 2."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tags: dict[str, dict[str, str]] = {"1": {}, "2": {}}
        self.aliases = {"candidate": "1", "champion": "2"}
        self.stages: dict[str, str] = {}
        self.failing: dict[str, int] = {}


class Handler(BaseHTTPRequestHandler):
    """The four addresses that are asked."""

    server: Registry

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        version = self.server.aliases.get(query["alias"][0])
        self._say(404 if version is None else 200, {"model_version": {"version": version}})

    def do_POST(self) -> None:
        body, call = self._body(), urlsplit(self.path).path.rpartition("/")[2]
        if body["version"] not in self.server.tags:
            return self._say(404, {})
        if call in self.server.failing:
            return self._say(self.server.failing[call], {})
        if call == "set-tag":
            self.server.tags[body["version"]][body["key"]] = body["value"]
        else:
            self.server.stages[body["version"]] = body["stage"]
        return self._say(200, {})

    def do_DELETE(self) -> None:
        del self.server.aliases[self._body()["alias"]]
        self._say(200, {})

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def _say(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def there(settings: Settings, registry: Registry) -> Settings:
    return settings.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{registry.server_port}"})


def test_a_retired_version_is_marked_archived_and_under_no_alias(there: Settings, registry: Registry) -> None:
    assert [archive_version(there, "late", 1), archive_version(there, "late", 1)] == ["", ""]
    assert (registry.tags["1"], registry.stages) == ({"interlock.retired": "true"}, {"1": "Archived"})
    assert registry.aliases == {"champion": "2"}


def test_another_versions_alias_stays(there: Settings, registry: Registry) -> None:
    registry.aliases = {"candidate": "2", "champion": "2"}
    assert archive_version(there, "late", 1) == ""
    assert registry.aliases == {"candidate": "2", "champion": "2"}


@pytest.mark.parametrize(("call", "status", "said"), [
    ("set-tag", 500, "version 1 of late is not archived in MLflow: it answers 500"),
    ("transition-stage", 500, "version 1 of late is not archived in MLflow: it answers 500"),
    ("transition-stage", 404, ""),  # a registry without stages: the tag says it
])
def test_what_it_refuses_is_said(there: Settings, registry: Registry, call: str, status: int, said: str) -> None:
    registry.failing[call] = status
    assert archive_version(there, "late", 1) == said


def test_a_version_that_it_does_not_know_and_silence_are_said(there: Settings, settings: Settings) -> None:
    assert archive_version(there, "late", 9).endswith("it answers 404")
    assert "does not answer (ConnectError)" in archive_version(settings, "late", 1)
    files = settings.model_copy(update={"mlflow_tracking_uri": "sqlite:///mlflow.db"})
    assert "does not answer (UnsupportedProtocol)" in archive_version(files, "late", 1)
