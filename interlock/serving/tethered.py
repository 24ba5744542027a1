"""`python -m interlock.serving.tethered`: the prediction server, for as long as whoever started it lives.

It ends when its standard input closes. The other end of that pipe is held by the process that started it, and the kernel closes it when
that process dies, however it dies: a staging or drill server never stays behind.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from interlock.errors import InterlockError

PATIENCE_S = 8.0  # after this long a server that was asked to stop is ended


def watch() -> None:
    """Return only by ending this process, once standard input is at its end."""
    while True:
        try:
            if not os.read(sys.stdin.fileno(), 4_096):
                break
        except OSError:
            break
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_S)
    os._exit(1)  # its workers end with it


def main() -> int:
    """Serve with the settings of the environment until standard input closes."""
    from interlock.serving.server import run_server
    from interlock.settings import load_settings

    threading.Thread(target=watch, name="tether", daemon=True).start()
    try:
        run_server(load_settings())
    except InterlockError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
