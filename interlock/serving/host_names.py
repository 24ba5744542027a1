"""Names under which a loopback port is asked. A web page that makes its own name point to this machine (DNS rebinding) has the browser send
requests here with that name in `Host`: they are refused, so the page reads nothing.
"""

from __future__ import annotations

from collections.abc import Collection

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
KNOWN_MAX = 64  # spellings of `Host` remembered as right: names with and without the port


def guarded(host: str) -> bool:
    """Whether a server on this host answers its own machine only."""
    return host in LOOPBACK | {"::1"}


class HostNames:
    """The names that are served, whatever the port behind them."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = {name.lower() for name in names}
        self._known: set[bytes] = set()

    def serves(self, host: bytes) -> bool:
        """Whether this value of `Host` names the server. Without any there is no browser: served."""
        if host in self._known or not host:
            return True
        text = host.decode("latin-1").lower()
        name, _, port = text.rpartition(":")
        if (name if name and port.isdigit() else text) not in self._names:
            return False
        if len(self._known) < KNOWN_MAX:
            self._known.add(host)
        return True
