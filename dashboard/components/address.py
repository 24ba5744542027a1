"""State of a page in its address: a widget whose value a link, a reload and the back button bring back.

Each widget keeps its value under one name, `?use_case=flight_delays&window=…`. The address counts when it has changed since it was last
looked at; a hand on the widget counts for more. A default leaves the address clean, so that links stay short. What the address asks for and
nothing fits stands in a warning until somebody chooses; what fitted before and does not fit the use case chosen now is dropped quietly.

Streamlit's own `bind="query-params"` drops unknown values without a word and forbids writing the same name elsewhere: hence this file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal, TypeVar

import streamlit as st

from dashboard.components.words import plain
from interlock.errors import InterlockError

T = TypeVar("T")
ECHO_S = 1.0  # a click that was on its way while we wrote the address still carries the address of before
TEXT_MAX = 200


@dataclass(frozen=True)
class _Last:
    """What the address said when widget and address last agreed, what it said before, and the widget's default then."""

    text: str | None
    before: str | None
    at: float
    default: Any


def token(value: object) -> str:
    """How a value is written in an address: times in ISO 8601, choices by their value, everything else as it prints."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value.value if isinstance(value, Enum) else value)


def chosen(
    name: str,
    options: Sequence[T],
    *,
    label: str,
    default: T,
    words: Callable[[T], str] = str,
    kind: Literal["select", "segments"] = "select",
    help: str = "",
) -> T:
    """One of the options; `default` must be among them. Raises `InterlockError` where it is not."""
    by_token = {token(option): option for option in options}
    if token(default) not in by_token:
        raise InterlockError(f"{label}: what is shown first is not among the choices", value=token(default), allowed=", ".join(by_token))
    key = _settle(name, label, default, by_token.__getitem__, lambda held: token(held) in by_token)
    if kind == "segments":
        value = st.segmented_control(
            label, list(options), format_func=words, key=key, help=help or None, required=True, on_change=_touch, args=(key,)
        )
    else:
        value = st.selectbox(label, list(options), format_func=words, key=key, help=help or None, on_change=_touch, args=(key,))
    value = default if value is None and None not in options else value
    _agree(name, key, None if token(value) == token(default) else token(value), default)
    return value


def several(
    name: str,
    options: Sequence[T],
    *,
    label: str,
    words: Callable[[T], str] = str,
    help: str = "",
) -> list[T]:
    """Any number of the options, none by default; in the address they stand with commas between."""
    by_token = {token(option): option for option in options}
    key = _settle(
        name, label, [], lambda text: [by_token[one] for one in text.split(",")], lambda held: all(token(one) in by_token for one in held)
    )
    value: list[T] = st.multiselect(label, list(options), format_func=words, key=key, help=help or None, on_change=_touch, args=(key,))
    _agree(name, key, ",".join(map(token, value)) or None, [])
    return value


def number(
    name: str,
    *,
    label: str,
    default: float,
    low: float,
    high: float,
    step: float | None = None,
    kind: Literal["field", "slider"] = "field",
    help: str = "",
) -> float:
    """A number from `low` to `high`; whole numbers where `default` is one. Text that is no number in the range is unknown."""
    whole = isinstance(default, int)

    def read(text: str) -> float:
        value = int(text) if whole else float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    key = _settle(name, label, default, read, lambda held: low <= held <= high)
    draw: Any = st.slider if kind == "slider" else st.number_input
    value = draw(label, low, high, step=step, key=key, help=help or None, on_change=_touch, args=(key,))
    _agree(name, key, None if value == default else token(value), default)
    return default if value is None else value


def text(
    name: str,
    *,
    label: str,
    default: str = "",
    placeholder: str = "",
    help: str = "",
) -> str:
    """Free text of at most `TEXT_MAX` characters, without spaces around it."""

    def read(asked: str) -> str:
        if len(asked) > TEXT_MAX:
            raise ValueError(asked)
        return asked

    key = _settle(name, label, default, read, lambda held: True)
    said = st.text_input(
        label, key=key, placeholder=placeholder or None, help=help or None, max_chars=TEXT_MAX, on_change=_touch, args=(key,)
    )
    value = (said or "").strip()
    _agree(name, key, None if value == default else value, default)
    return value


def switch(name: str, *, label: str, help: str = "") -> bool:
    """On or off, off by default; `yes` in the address."""
    key = _settle(name, label, False, {"yes": True}.__getitem__, lambda held: True)
    value: bool = st.toggle(label, key=key, help=help or None, on_change=_touch, args=(key,))
    _agree(name, key, "yes" if value else None, False)
    return value


def put(name: str, value: object) -> None:
    """Give a widget of this file another value from outside of it, as a hand on it would; only in a callback, before it is drawn."""
    st.session_state[f"address {name}"] = value
    _touch(f"address {name}")


def _settle(name: str, label: str, default: Any, read: Callable[[str], Any], fits: Callable[[Any], bool]) -> str:
    """Decide what the widget is to show before it is drawn; returns its key."""
    key = f"address {name}"
    asked = st.query_params.get(name)
    last: _Last | None = st.session_state.get(f"{key} last")
    touched = st.session_state.pop(f"{key} touched", False)
    held = st.session_state.get(key, default)
    if touched:
        st.session_state.pop(f"{key} unknown", None)
    if key not in st.session_state or (not touched and _moved(asked, last, st.session_state.get(f"{key} unknown"))):
        held = _asked(key, asked, label, default, read)
    elif not fits(held) or (not touched and last is not None and asked is None and held == last.default):
        held = default
    st.session_state[key] = held
    return key


def _moved(asked: str | None, last: _Last | None, unknown: str | None) -> bool:
    """Whether the address has to be read: it has changed, and that is not the echo of what we replaced; or nothing fitted it so far."""
    if last is None or asked == last.text:
        return asked is not None and asked == unknown
    return asked != last.before or time.monotonic() - last.at > ECHO_S


def _asked(key: str, asked: str | None, label: str, default: T, read: Callable[[str], T]) -> T:
    st.session_state.pop(f"{key} unknown", None)
    if asked is None:
        return default
    try:
        return read(asked)
    except (KeyError, ValueError):
        st.session_state[f"{key} unknown"] = asked
        st.warning(plain(f"{label}: the address asks for '{asked[:TEXT_MAX]}', which is not to be had here."))
        return default


def _agree(name: str, key: str, want: str | None, default: Any) -> None:
    """Write the address where it says something else; what nothing fitted stays, or Back would lead to it and be led away for ever."""
    asked = st.query_params.get(name)
    if want is None and asked is not None and asked == st.session_state.get(f"{key} unknown"):
        want = asked
    st.session_state[f"{key} last"] = _Last(want, asked if asked != want else None, time.monotonic() if asked != want else 0.0, default)
    if want == asked:
        return
    if want is None:
        del st.query_params[name]
    else:
        st.query_params[name] = want


def _touch(key: str) -> None:
    st.session_state[f"{key} touched"] = True
