"""A worker whose capture says at once that it is done and writes nothing: what capture costs is the difference. For P6 alone."""

from __future__ import annotations

from typing import Any

from interlock.serving import worker
from interlock.serving.capturing import Capture


async def written_nowhere(self: Capture, use_case: str, body: dict[str, Any], rows: int) -> bool:
    """Nothing is written."""
    return True


if __name__ == "__main__":
    Capture.record = written_nowhere  # type: ignore[method-assign]
    worker.main()
