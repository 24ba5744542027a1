"""Busy ports are named with their owner before anything is started."""

from __future__ import annotations

import socket

import psutil

from interlock.errors import SettingsError
from interlock.settings import Settings

PORTS = ("prefect_port", "mlflow_port", "predictions_port", "control_port", "dashboard_port")


def check_ports(settings: Settings, names: tuple[str, ...] = PORTS) -> None:
    """Raise `SettingsError` naming every port that another process holds, and who that is."""
    busy = [(name, getattr(settings, name)) for name in names if _is_busy(settings.host, getattr(settings, name))]
    if not busy:
        return
    first = busy[0][0]
    raise SettingsError(
        "port in use: " + "; ".join(f"{name} {port} by {owner(port)}" for name, port in busy),
        next_step=f"stop that process, `interlock down`, or set INTERLOCK_{first.upper()} to a free port",
    )


def owner(port: int) -> str:
    """Who listens on a port, as far as this user may see."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "a process this user may not see"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            try:
                return f"process {connection.pid} ({' '.join(psutil.Process(connection.pid).cmdline())[:80]})"
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                return f"process {connection.pid}"
    return "an unknown process"


def _is_busy(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
