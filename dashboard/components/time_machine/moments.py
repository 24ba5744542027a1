"""A moment in history: a slider over the moments at which something changed, any other moment by hand, both in the address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import streamlit as st

from dashboard.components.press import submitted
from dashboard.components.states import trouble
from dashboard.components.words import moment
from interlock.control.past.timeline import moment_of
from interlock.errors import DataError


def pick(name: str, changes: Sequence[datetime], default: datetime, *, label: str, scope: str, help: str = "") -> datetime:
    """The moment under `name` in the address, else `default`; `scope` keeps one use case's slider from another's."""
    key = f"moment {name} {scope}"
    asked = st.query_params.get(name)
    if key not in st.session_state or asked != st.session_state.get(f"{key} told"):
        st.session_state[key] = _read(asked, default)
    options = sorted({*changes, default, st.session_state[key]})
    if len(options) < 2:
        return options[0]
    present = default if default == options[-1] and default not in changes else None
    value: datetime = st.select_slider(
        label, options, key=key, format_func=lambda one: "now" if one == present else moment_s(one), help=help or None
    )
    want = None if value == default else value.isoformat()
    st.session_state[f"{key} told"] = want
    if want is None and asked is not None:
        del st.query_params[name]
    elif want is not None and want != asked:
        st.query_params[name] = want
    return value


def by_hand(name: str, present: datetime) -> None:
    """Day and time in UTC; the page is drawn anew at that moment."""
    with st.popover("Another moment", type="tertiary"), st.form(f"by hand {name}", border=False):
        day = st.date_input("Day (UTC)", value=present.date(), format="YYYY-MM-DD", min_value=date(2000, 1, 1))
        hour = st.time_input("Time (UTC)", value=time(present.hour, present.minute), step=60)
        pressed = submitted("Go there", key=f"go {name}", main=True)
    if pressed and isinstance(day, date) and hour is not None:
        st.query_params[name] = datetime.combine(day, hour, UTC).isoformat()
        st.rerun()


def moment_s(value: datetime) -> str:
    """To the second where seconds tell two changes apart."""
    text = moment(value)
    return f"{text[:16]}:{value:%S}{text[16:]}"


def _read(asked: str | None, default: datetime) -> datetime:
    if asked is None:
        return default
    try:
        return moment_of(asked)
    except DataError as error:
        trouble(error)
        return default
