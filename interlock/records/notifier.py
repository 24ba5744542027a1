"""The notifier adapter: Apprise, with a time limit per address; it answers and never raises."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any

from pydantic import SecretStr

TIMEOUT_S = 10.0
KINDS = {"info": "info", "warning": "warning", "critical": "failure"}


@dataclass(frozen=True)
class Delivery:
    """What became of one message at one address (masked: no password, no token)."""

    address: str
    ok: bool
    error: str = ""


class AppriseNotifier:
    """Sends to Apprise addresses (https://github.com/caronc/apprise), one after the other, each within `timeout_s`."""

    def __init__(self, urls: Sequence[SecretStr], *, timeout_s: float = TIMEOUT_S) -> None:
        self._urls = list(urls)
        self._timeout_s = timeout_s

    def send(self, title: str, body: str, severity: str) -> list[Delivery]:
        """Send one message to every address; an address that fails or is too slow is an answer, not an error."""
        return [self._send_one(url, title, body, KINDS.get(severity, "warning")) for url in self._urls]

    def _send_one(self, url: SecretStr, title: str, body: str, kind: str) -> Delivery:
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its own messages may show parts of an address
        channel = apprise.Apprise()
        if not channel.add(url.get_secret_value()):
            return Delivery("(not readable)", ok=False, error="not an Apprise address")
        address = channel[0].url(privacy=True).split("?")[0]
        answers: list[Delivery] = []
        sender = Thread(target=lambda: answers.append(_notify(channel, address, title, body, kind)), daemon=True)
        sender.start()
        sender.join(self._timeout_s)
        return answers[0] if answers else Delivery(address, ok=False, error=f"no answer within {self._timeout_s:g} s")


def _notify(channel: Any, address: str, title: str, body: str, kind: str) -> Delivery:
    try:
        accepted = bool(channel.notify(body=body, title=title, notify_type=kind))
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is recorded as the failed delivery it is
        return Delivery(address, ok=False, error=type(error).__name__)
    return Delivery(address, ok=accepted, error="" if accepted else "the address refused the message, or did not answer")
