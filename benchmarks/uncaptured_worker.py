"""A worker whose capture says at once that it is done and writes nothing: what capture costs is the difference. For P6 alone."""

from __future__ import annotations

import sys
from typing import Any

for _heavy in ("pandas", "sklearn"):  # as in the worker itself
    sys.modules[_heavy] = None  # type: ignore[assignment]

from interlock.serving import worker  # noqa: E402
from interlock.serving.capturing import Capture  # noqa: E402


async def written_nowhere(self: Capture, use_case: str, body: dict[str, Any], rows: int) -> bool:
    """Nothing is written."""
    return True


if __name__ == "__main__":
    Capture.record = written_nowhere  # type: ignore[method-assign]
    worker.main()
