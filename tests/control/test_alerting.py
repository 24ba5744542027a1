"""Alerts are told once, delivery is bounded, failures are recorded, addresses stay secret."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import SecretStr

from interlock.control.keeping.alerting import ATTEMPTS_MAX, addresses, deliver, record_alert
from interlock.records.notifier import AppriseNotifier, Delivery
from interlock.records.store import Store
from interlock.records.tables import Alert
from interlock.settings import Settings

# Apprise's PGP helper imports the standard library's imghdr, which Python 3.13 removes (apprise 1.13, apprise/utils/pgp.py).


class Recording:
    """A notifier that keeps what it was told and answers as it was made to."""

    def __init__(self, *, ok: bool = True) -> None:
        self.ok = ok
        self.sent: list[tuple[str, str, str]] = []

    def send(self, title: str, body: str, severity: str) -> list[Delivery]:
        self.sent.append((title, body, severity))
        return [Delivery("fake://", ok=self.ok, error="" if self.ok else "refused")]


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[bytes]]]:
    """A real HTTP address that keeps the bodies it gets."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}/hook", bodies
    server.shutdown()
    server.server_close()


def tell(store: Store, identity: str = "breach:x") -> bool:
    with store.writing() as session:
        return record_alert(session, identity=identity, severity="critical", use_case="x", title="Drift", body="two\nlines")


def row(store: Store) -> Alert:
    with store.reading() as session:
        return session.query(Alert).one()


def test_the_same_alert_is_written_and_told_once(store: Store, settings: Settings) -> None:
    assert tell(store)
    assert not tell(store)
    channel = Recording()
    assert deliver(settings, store, notifier=channel) == 1
    assert deliver(settings, store, notifier=channel) == 0
    assert channel.sent == [("Drift", "two\nlines", "critical")]


def test_a_failed_delivery_is_recorded_and_tried_a_bounded_number_of_times(store: Store, settings: Settings) -> None:
    tell(store)
    channel = Recording(ok=False)
    for _ in range(ATTEMPTS_MAX + 3):
        assert deliver(settings, store, notifier=channel) == 0
    assert len(channel.sent) == ATTEMPTS_MAX == 3
    assert row(store).delivered["state"] == "failed"
    assert row(store).delivered["addresses"] == [{"address": "fake://", "ok": False, "error": "refused"}]


def test_an_alert_of_a_run_that_died_is_told_later(store: Store, settings: Settings) -> None:
    tell(store)
    with store.writing() as session:
        session.query(Alert).one().delivered = {"state": "sending", "attempts": 1, "since": "2020-01-01T00:00:00+00:00"}
    assert deliver(settings, store, notifier=Recording()) == 1


def test_an_alert_that_is_being_sent_is_left_alone(store: Store, settings: Settings) -> None:
    tell(store)
    seen: list[int] = []

    class Nested(Recording):
        def send(self, title: str, body: str, severity: str) -> list[Delivery]:
            seen.append(deliver(settings, store, notifier=Recording()))
            return super().send(title, body, severity)

    assert deliver(settings, store, notifier=Nested()) == 1
    assert seen == [0]


def test_without_addresses_the_log_has_it(store: Store, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    tell(store)
    with caplog.at_level(logging.INFO, logger="interlock.alerts"):
        assert deliver(settings, store) == 1
    assert "Drift | two lines" in caplog.text
    assert row(store).delivered["state"] == "delivered"


def test_a_real_webhook_gets_title_and_body(webhook: tuple[str, list[bytes]]) -> None:
    address, bodies = webhook
    [answer] = AppriseNotifier([SecretStr(address)]).send("Drift", "PSI 0.4", "critical")
    assert (answer.ok, answer.error) == (True, "")
    assert b"PSI 0.4" in bodies[0]


def test_no_password_is_stored_or_logged(store: Store, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    tell(store)
    own = settings.model_copy(update={"alert_urls": [SecretStr("json://me:hunter2@127.0.0.1:9/?cto=1&rto=1")]})
    with caplog.at_level(logging.DEBUG):
        assert deliver(own, store) == 0
    assert "hunter2" not in caplog.text
    assert "hunter2" not in str(row(store).delivered)
    assert row(store).delivered["addresses"][0]["ok"] is False


def test_a_text_that_is_no_address_is_an_answer() -> None:
    assert AppriseNotifier([SecretStr("nonsense://")]).send("a", "b", "info")[0].error == "not an Apprise address"


def test_a_silent_address_costs_a_bounded_time() -> None:
    import socket

    before = threading.enumerate()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        start = time.monotonic()
        url = SecretStr(f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=60&cto=60")
        [answer] = AppriseNotifier([url], timeout_s=0.3).send("a", "b", "info")
        assert time.monotonic() - start < 30  # the sender alone would wait a minute
        assert answer.error == "no answer within 0.3 s"
    for sender in (one for one in threading.enumerate() if one not in before):
        sender.join(30)  # the closed address ends it; left alone, its socket would be closed by chance, in another test
        assert not sender.is_alive()


def test_a_use_case_names_variables_never_addresses(settings: Settings) -> None:
    own = settings.model_copy(update={"alert_urls": [SecretStr("json://a")]})
    found = addresses(own, ["TEAM_URL", "UNSET"], {"TEAM_URL": "json://b json://c"})
    assert [url.get_secret_value() for url in found] == ["json://a", "json://b", "json://c"]
