"""One field of a what-if question as a widget: a slider over what training held, a list of its levels, or a number where none is given."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboard.components.words import plain

NOT_GIVEN = "(not given)"
STEPS = 100  # of a slider from end to end, rounded to a readable step


def field_widget(field: dict[str, Any], key: str) -> Any:
    """The value that the viewer left or set; exactly the given one where nothing was moved. None: not given."""
    title, value = plain(field["title"]), field["value"]
    if field["kind"] == "numeric":
        return _number(field, title, value, key)
    if field["kind"] == "boolean":
        options = [True, False, *([] if field["required"] and value is not None else [None])]
        words = {True: "yes", False: "no", None: NOT_GIVEN}
        return st.selectbox(title, options, index=options.index(value), format_func=words.__getitem__, key=key)
    levels: list[Any] = list(field["levels"]) or ([] if value is None else [str(value)])
    held = None if value is None else ("true" if value else "false") if isinstance(value, bool) else str(value)
    if held is not None and held not in levels:
        levels.append(held)  # a level that training did not hold: it stays what it was
    options = [*levels, *([] if field["required"] and value is not None else [None])]
    picked = st.selectbox(title, options, index=options.index(held), format_func=lambda one: NOT_GIVEN if one is None else one, key=key)
    return value if picked == held else picked


def time_widget(event_time: str, parts: list[str], key: str) -> dict[str, Any]:
    """The moment of the request, which parts of it are features; {} where it was left as it is."""
    start = datetime.fromisoformat(event_time).astimezone(UTC).replace(tzinfo=None)
    moved = st.datetime_input(
        "Time of the request, UTC",
        value=start.replace(second=0, microsecond=0),
        min_value=datetime(1990, 1, 1),
        key=key,
        help=f"The model reads {', '.join(part.removeprefix('event_time.') for part in parts)} from it.",
    )
    if moved is None or moved == start.replace(second=0, microsecond=0):
        return {}
    return {"event_time": moved.replace(tzinfo=UTC).isoformat()}


def _number(field: dict[str, Any], title: str, value: Any, key: str) -> Any:
    low, high = field["low"], field["high"]
    if value is None or low is None or high is None or not math.isfinite(float(value)):
        kind: Any = int if field["whole"] else float
        ends = (None, None) if low is None or high is None else (kind(low), kind(high))
        return st.number_input(title, min_value=ends[0], max_value=ends[1], value=value, placeholder="not given", key=key)
    low, high = min(low, value), max(high, value)
    if low == high:
        st.markdown(f"{title}: {plain(f'{value:g}')} in every training row")
        return value
    step = step_of(low, high, whole=field["whole"])
    kind = int if field["whole"] and float(value).is_integer() else float
    if kind is int:
        low, high, step = math.floor(low), math.ceil(high), max(1, round(step))
    start = kind(value)
    moved = st.slider(title, kind(low), kind(high), start, kind(step), key=key)
    return value if moved == start else moved


def step_of(low: float, high: float, *, whole: bool) -> float:
    """A step of 1, 2 or 5 times a power of ten that takes about a hundred steps from end to end; at least 1 for whole numbers."""
    rough = (high - low) / STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough * 0.999)
    return max(1.0, step) if whole else step
