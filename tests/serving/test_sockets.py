"""The listening socket of a server that stops: nobody new is let in, nobody who was let in is sent away."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from interlock.serving.sockets import close_door, listen, waiting_to_be_accepted

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="socket filters and TCP_INFO are Linux's")


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as found:
        yield found


def test_connections_that_nobody_accepted_yet_are_counted(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()), socket.create_connection(listening.getsockname()):
        assert waiting_to_be_accepted(listening) == 2
        listening.accept()[0].close()
        assert waiting_to_be_accepted(listening) == 1


def test_behind_a_closed_door_those_inside_are_accepted_and_talk(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()) as inside:
        close_door(listening)
        with socket.socket() as late:
            late.settimeout(0.2)
            with pytest.raises(TimeoutError):
                late.connect(listening.getsockname())
        accepted, _ = listening.accept()
        with accepted:
            inside.sendall(b"question")
            assert accepted.recv(100) == b"question"
        assert waiting_to_be_accepted(listening) == 0
