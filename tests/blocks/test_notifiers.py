"""The Apprise notifier against real HTTP addresses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from blocks.notifier import AppriseNotifierBlock
from interlock.control.keeping.alerting import Notifier
from tests.blocks.contract_notifier import NotifierContract

# Apprise's PGP helper imports the standard library's imghdr, which Python 3.13 removes (apprise 1.13, apprise/utils/pgp.py).


class TestAppriseNotifier(NotifierContract):
    @pytest.fixture
    def silent(self) -> Notifier:
        return AppriseNotifierBlock().open()

    @pytest.fixture
    def reached(self) -> Iterator[Notifier]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield AppriseNotifierBlock(urls=[f"json://me:hunter2@127.0.0.1:{server.server_port}/"]).open()
        server.shutdown()
        server.server_close()

    @pytest.fixture
    def unreachable(self) -> Notifier:
        return AppriseNotifierBlock(urls=["json://me:hunter2@127.0.0.1:9/?cto=1&rto=1"], timeout_s=5).open()
