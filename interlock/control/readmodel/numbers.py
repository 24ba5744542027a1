"""Numbers out of sealed figures, which are plain JSON of any age."""

from __future__ import annotations

from typing import Any

Number = float | None


def number(item: Any) -> Number:
    """The number as float; None for anything else, NaN and booleans included."""
    return float(item) if isinstance(item, int | float) and not isinstance(item, bool) and item == item else None
