"""`python -m interlock.serving`: the prediction server with the settings of this installation."""

from __future__ import annotations

import sys

from interlock.errors import InterlockError
from interlock.serving.server import run_server
from interlock.settings import load_settings

if __name__ == "__main__":
    try:
        run_server(load_settings())
    except InterlockError as error:
        sys.exit(f"error: {error}")
