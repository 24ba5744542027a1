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
BPF_RETURN = 0x06


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
    """Let the kernel take no further connection, for every process that shares this socket; those it has taken can still be accepted.

    Closing alone would reset connections that wait to be accepted: clients that were let in would see a failure. A classic BPF filter
    that drops every packet (socket(7), SO_ATTACH_FILTER) stops new ones first. Only Linux has it; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0))
    with contextlib.suppress(OSError):  # without it the door closes as it does elsewhere
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxQ", 1, ctypes.addressof(drop_all)))


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
