"""The control token: whoever can read `run/control.token` (0600) may change what is answered with.

`run/rollback.token` opens `POST /rollback/{use_case}` alone: for a pager's webhook, which must not hold more.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from interlock.records.pointer import write_durably

NAME = "control.token"
ROLLBACK_NAME = "rollback.token"


def control_token(run: Path, name: str = NAME) -> str:
    """The installation's token, made on first use."""
    path = run / name
    if not path.exists():
        write_durably(path, secrets.token_urlsafe(32).encode(), mode=0o600)
    os.chmod(path, 0o600)
    return path.read_text().strip()
