"""Listening sockets, and a clear word when a port is taken."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct
import sys
import time

from interlock.errors import SettingsError

BACKLOG = 1_024
PATIENCE_S = 3.0
SO_ATTACH_FILTER = 26
TCPI_UNACKED = 24  # of struct tcp_info (linux/tcp.h): on a listening socket the length of its queue
FIRST_PACKETS = (  # code, jump if true, jump if false, value: the program begins at the TCP header (linux/filter.h)
    (0x30, 0, 0, 13),           # load the byte of flags
    (0x54, 0, 0, 0x12),         # keep SYN and ACK
    (0x15, 0, 1, 0x02),         # SYN alone?
    (0x06, 0, 0, 0),            # drop it
    (0x06, 0, 0, 0xFFFF_FFFF),  # let it pass
)
_PROGRAM = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in FIRST_PACKETS))


def listen(host: str, port: int, patience_s: float = PATIENCE_S) -> socket.socket:
    """A listening TCP socket. Waits a little for a port whose last owner is just ending; then `SettingsError` names the owner."""
    until = time.monotonic() + patience_s
    while True:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by connections; without it answers wait 40 ms for an ACK
        try:
            found.bind((host, port))
            found.listen(BACKLOG)
        except OSError as error:
            found.close()
            if error.errno == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(0.05)
                continue
            raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}", value=_owner(port),
                                next_step="stop that process, or set INTERLOCK_PREDICTIONS_PORT / INTERLOCK_CONTROL_PORT") from error
        found.setblocking(False)
        return found


def close_door(listening: socket.socket) -> None:
    """Let the kernel begin no further connection, for every process that shares this socket; those begun before can still be accepted.

    Closing alone would reset connections that wait to be accepted: clients that were let in would see a failure. A classic BPF filter
    (socket(7), SO_ATTACH_FILTER) drops first packets (SYN without ACK) only: a handshake under way when the door closes ends, as the
    client believes already. Only Linux has it; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError):  # without it the door closes as it does elsewhere
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxQ", len(FIRST_PACKETS), ctypes.addressof(_PROGRAM)))


def waiting_to_be_accepted(listening: socket.socket) -> int:
    """Connections that the kernel has taken and nobody has accepted yet (tcp(7), TCP_INFO of a listening socket); 0 where nobody knows."""
    if not sys.platform.startswith("linux"):
        return 0
    return int(struct.unpack_from("I", listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), TCPI_UNACKED)[0])


def _owner(port: int) -> str:
    """The process that listens on the port, as far as this user may know."""
    import psutil

    for found in psutil.net_connections("tcp"):
        if found.laddr and found.laddr.port == port and found.status == psutil.CONN_LISTEN:
            if found.pid is None:
                return "another user's process"
            try:
                return f"process {found.pid}: {' '.join(psutil.Process(found.pid).cmdline())[:200]}"
            except psutil.Error:
                return f"process {found.pid}"
    return "nobody that listens now"
