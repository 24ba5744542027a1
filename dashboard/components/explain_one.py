"""One captured answer explained on demand: reasons, the way from the average answer to it, what would turn it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.plots_explain import label, waterfall
from dashboard.components.states import trouble
from dashboard.components.words import number, plain, short
from dashboard.desk import Desk
from interlock.control.readmodel.directory import Entry
from interlock.errors import InterlockError

ABOUT = """The same as `interlock explain` on the command line: the package that gave the answer is opened and the captured row is
explained. The reasons are those that speak for the unfavourable answer. They say what counted in this model: not what caused
anything, and not that changing it will help. What would turn the answer is searched only among columns that the use-case file
calls `actionable`."""


def one_answer(desk: Desk, entry: Entry) -> None:
    """The form, then what was found for the id last asked for."""
    st.subheader("One answer", anchor=False)
    st.caption("Any answer that was captured, by the `id` of its reply.")
    with st.form(f"explain {entry.name}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        asked = st.text_input("Id of the request", key=f"request {entry.name}", placeholder="0192…")
        pressed = st.form_submit_button("Explain")
    kept = f"explained {entry.name}"
    if pressed:
        st.session_state[kept] = _ask(desk, entry, asked.strip())
    found = st.session_state.get(kept)
    if isinstance(found, InterlockError):
        trouble(found)
    elif isinstance(found, str):
        st.markdown(plain(found))
    elif found:
        _explained(found)


def _ask(desk: Desk, entry: Entry, request: str) -> dict[str, Any] | str | InterlockError:
    """The explanation as plain values, a sentence, or the error that says why there is none."""
    from interlock.control.explaining import explain_request

    if not request:
        return "Type the id of a request first; every reply of the prediction server carries one."
    if entry.spec is None:
        return "The use-case file cannot be read, so the answer cannot be explained."
    try:
        return explain_request(desk.settings, entry.spec, request).as_json()
    except InterlockError as error:
        return error


def _explained(found: dict[str, Any]) -> None:
    st.markdown(
        f"Request **{plain(found['request_id'])}** was answered **{plain(found['prediction'])}** (score {number(found['score'])}) by "
        f"version {found['version']} `{short(found['digest'])}` for {plain(found['event_time'])}."
    )
    reasons = found["reasons"]
    way = "high" if reasons["direction"] == "up" else "low"
    st.markdown(f"**Principal reasons for {plain(found['explained'])} being {way}**")
    st.markdown("\n".join(f"{n}. {plain(one['text'])} ({one['share']:.0%})" for n, one in enumerate(reasons["codes"], 1)) or "None.")
    (st.caption if reasons["complete"] else st.warning)(plain(reasons["note"]))
    steps = found["waterfall"]
    draw(
        waterfall(
            [label(one["feature"], one["value"]) for one in steps], [one["contribution"] for one in steps], [one["after"] for one in steps]
        ),
        title="From the average answer to this one",
        unit="margin (log odds, or the unit of the target)",
        n=1,
        height=90 + 28 * len(steps),
        legend=False,
        about=f"{ABOUT}\n\nGrey is the average answer; orange raises this one, blue lowers it; the dotted line is where it ends. "
        f"{found['kind'].capitalize()} Shapley values.",
    )
    _turns(found["counterfactuals"])


def _turns(search: dict[str, Any]) -> None:
    st.markdown("**What would turn the answer**")
    for one in search["found"]:
        changes = ", ".join(f"{name} {_value(old)} → {_value(new)}" for name, (old, new) in one["changes"].items())
        st.markdown(f"- {plain(changes)}")
    st.caption(plain(search["note"]))


def _value(value: object) -> str:
    return "missing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
