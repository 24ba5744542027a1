"""What a field of a record may hold, and how a problem with it is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from interlock.errors import did_you_mean

TEXT_CHARACTERS_MAX = 65_536
NAME_CHARACTERS_MAX = 100
UNKNOWN_MAX, HINTS_MAX = 20, 3  # per record: a stranger's record may have hundred thousands of fields, and a hint takes a while
OWN = ("id", "event_time")
ALLOWED = {"numeric": "a number or null", "boolean": "true, false or null", "category": "a text, a whole number, true, false or null",
           "context": "a text, a number, true, false or null"}
_TYPES: dict[str, tuple[type, ...]] = {"numeric": (int, float), "boolean": (bool,), "category": (str, int, bool),
                                       "context": (str, int, float, bool)}


def mistyped(kind: str, value: Any) -> bool:
    """Whether a field of this kind cannot hold the value (not null); NaN and infinities are no values."""
    found = type(value)
    if found is float and (kind == "numeric" or kind == "context"):  # the two commonest first: every field of every request comes here
        return not math.isfinite(value)
    if found is str and value.isascii() and (kind == "category" or kind == "context"):
        return len(value) > TEXT_CHARACTERS_MAX
    if not isinstance(value, _TYPES[kind]) or (kind == "numeric" and isinstance(value, bool)):
        return True
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, str) and (len(value) > TEXT_CHARACTERS_MAX or not is_text(value))


def is_text(value: str) -> bool:
    """Half a surrogate pair is valid JSON, but no text that can be stored."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def problem(field: str | None, what: str, value: Any, allowed: str) -> dict[str, Any]:
    """One problem as it is told: field, what is wrong, the value (cut), what is allowed."""
    text = repr(value)
    return {"field": field, "problem": what, "value": text if len(text) <= 100 else f"{text[:100]}…", "allowed": allowed}


def unknown_field(name: str, value: Any, kinds: Mapping[str, str], problems: list[dict[str, Any]]) -> None:
    """Add the problem that the model has no such field. A record's first ones are told, the very first with a hint."""
    if len(problems) >= UNKNOWN_MAX:
        return
    hint = did_you_mean(name, kinds) if len(problems) < HINTS_MAX else ""
    what = f"is not a field of this model{'; ' + hint if hint else ''}"
    problems.append(problem(name[:NAME_CHARACTERS_MAX], what, value, ", ".join(kinds)))
