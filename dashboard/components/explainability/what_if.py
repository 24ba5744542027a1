"""What if: the features of one captured row as sliders and lists, answered by the prediction server, never by a model in this process."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.components.explainability.plots_explain import label
from dashboard.components.explainability.what_if_fields import field_widget, time_widget
from dashboard.components.states import trouble
from dashboard.components.words import number, plain
from dashboard.desk import Desk
from interlock.control.answers.looking import what_if
from interlock.errors import InterlockError, PackageError

FIRST = 9  # fields shown at once, the most telling ones
NOTE = """Move a value and the prediction server answers anew, by the model that gave the captured answer where it is still loaded.
Nothing of it is captured or counted. Ranges and levels are those of the training rows; what the server computes itself follows. A change is
a question to the model: it does not say that a person can make it, or that it would be believed."""


@st.fragment
def what_if_section(desk: Desk, use_case: str, found: dict[str, Any]) -> None:
    """The fields, then the new answer beside the captured one. Redrawn alone: only this asks the server again."""
    st.header("What if", anchor=False)
    st.caption(NOTE)
    base = _asked(desk, use_case, dict(found["inputs"]), found["digest"])
    if isinstance(base, PackageError):
        st.info(plain(f"Version {found['version']}, which gave the answer, is not loaded in the server any more: the champion answers."))
        base = _asked(desk, use_case, dict(found["inputs"]), None)
    if isinstance(base, InterlockError):
        trouble(base)
        if st.button("Ask the server again"):
            _cache().clear()
            st.rerun(scope="fragment")
        return
    key = f"what if {use_case} {found['request_id']}"
    turn = st.session_state.setdefault(f"{key} turn", 0)
    changed = _fields(base, f"{key} {turn}")
    if not changed:
        st.markdown(
            f"With the captured values version {base['version']} answers **{plain(base['prediction'])}**, score {number(base['score'])}. "
            "Change a value above."
        )
        return
    if st.button("Back to the captured values"):
        st.session_state[f"{key} turn"] = turn + 1
        st.rerun(scope="fragment")
    answer = _asked(desk, use_case, {**found["inputs"], **changed}, base["digest"])
    if isinstance(answer, InterlockError):
        trouble(answer)
        return
    _compared(base, answer, changed)


def _fields(base: dict[str, Any], key: str) -> dict[str, Any]:
    """A widget per field, those that moved the answer most first; what differs from the captured row."""
    weight = {step["feature"]: abs(step["contribution"]) for step in base["waterfall"]}
    ordered = sorted(base["fields"], key=lambda one: (-weight.get(one["name"], 0.0), one["name"]))
    changed = _grid(ordered[:FIRST], key)
    if base["calendar"]:
        changed |= time_widget(base["event_time"], base["calendar"], f"{key} time")
    if len(ordered) > FIRST:
        with st.expander(f"{len(ordered) - FIRST} more fields"):
            changed |= _grid(ordered[FIRST:], key)
    return changed


def _grid(fields: list[dict[str, Any]], key: str) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    columns = st.columns(3)
    for place, field in enumerate(fields):
        with columns[place % 3]:
            value = field_widget(field, f"{key} {field['name']}")
        if value != field["value"]:
            changed[field["name"]] = value
    return changed


def _compared(base: dict[str, Any], answer: dict[str, Any], changed: dict[str, Any]) -> None:
    flips = answer["prediction"] != base["prediction"]
    if answer["task"] == "regression":
        st.markdown(f"The answer goes from **{number(base['score'])}** to **{number(answer['score'])}**.")
    else:
        verb = ":orange-badge[▲ The decision flips]" if flips else "The decision stays"
        st.markdown(
            f"{verb}: **{plain(base['prediction'])}** → **{plain(answer['prediction'])}**, score {number(base['score'])} → "
            f"**{number(answer['score'])}**."
        )
    values = {one["name"]: one["value"] for one in base["fields"]}
    said = ", ".join(f"{label(name, values.get(name))} → {'not given' if value is None else value}" for name, value in changed.items())
    st.caption(plain(f"Changed: {said}. Answered by version {answer['version']}, not captured, not counted."))
    if answer["outside"]:
        st.warning(plain(f"Outside what training rows held: {', '.join(answer['outside'])}. The model was never shown such a case."))
    for flag in answer["flags"]:
        st.caption(plain(f"The server says: {flag}."))
    _reasons(base["reasons"], answer["reasons"])
    st.table(_steps(base, answer), border="horizontal", hide_index=True)
    st.caption("SHAP values in margin, before and now; the largest changes first. All of them add up to the answer's margin.")


def _reasons(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Reasons side by side: which came, which went."""
    old, new = ([one["text"] for one in reasons["codes"]] for reasons in (before, now))
    rows = [
        {
            "reason": plain(text),
            "before": _share(before, text),
            "now": _share(now, text),
            "change": "new" if text not in old else "gone" if text not in new else "",
        }
        for text in dict.fromkeys([*new, *old])
    ]
    if rows:
        st.table(rows, border="horizontal", hide_index=True)
    if not now["complete"]:
        st.warning(plain(now["note"]))


def _share(reasons: dict[str, Any], text: str) -> str:
    return next((f"{one['share']:.0%}" for one in reasons["codes"] if one["text"] == text), "–")


def _steps(base: dict[str, Any], answer: dict[str, Any], most: int = 8) -> list[dict[str, str]]:
    before, now = ({step["feature"]: step["contribution"] for step in one["waterfall"]} for one in (base, answer))
    names = sorted({*before, *now} - {"average answer"}, key=lambda name: -abs(now.get(name, 0.0) - before.get(name, 0.0)))
    return [
        {
            "feature": plain(name),
            "before": f"{before.get(name, 0.0):+.3f}",
            "now": f"{now.get(name, 0.0):+.3f}",
            "change": f"{now.get(name, 0.0) - before.get(name, 0.0):+.3f}",
        }
        for name in names[:most]
    ]


def _asked(desk: Desk, use_case: str, record: dict[str, Any], digest: str | None) -> dict[str, Any] | InterlockError:
    """The server's answer, kept for this session, so that the same question is asked once. Errors are not kept."""
    kept, mine = _cache(), repr((use_case, sorted(record.items(), key=lambda pair: pair[0]), digest))
    if mine not in kept:
        try:
            found = what_if(desk.settings, desk.person, use_case, record, digest)
        except InterlockError as error:
            return error
        if len(kept) >= KEPT_MAX:
            kept.pop(next(iter(kept)))
        kept[mine] = found
    return kept[mine]


KEPT_MAX = 20


def _cache() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = st.session_state.setdefault("what if answers", {})
    return found
