"""Reason codes: the features that really counted, in the file's words, at most four, and nothing left out in silence."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interlock.errors import DataError
from interlock.spec.data import Column
from reports.reason_words import Words, words_for
from reports.reasons import reason_codes, waterfall

WORDS = {"debt": Words("debt", high="Too much debt for the income", low="Hardly any debt"),
         "late_1": Words("delay", reason="Late payments"), "late_2": Words("delay", reason="Late payments"),
         "area": Words("area"), "age": Words("age", withheld="it is a sensitive attribute")}
NAMES = list(WORDS)
VALUES = {"debt": 0.6, "late_1": 2, "late_2": 0, "area": "north", "age": 24}


def codes(effects: list[float], **more: object) -> object:
    return reason_codes(np.array([*effects, -1.0]), NAMES, VALUES, WORDS, direction="up", typical={"debt": 0.3}, **more)


def test_reasons_are_ranked_merged_by_their_words_and_net_of_what_speaks_against() -> None:
    # late payments: 0.5 - 0.1 = 0.4; toward "up": debt 0.6, late payments 0.4, total 1.0; area speaks against
    found = codes([0.6, 0.5, -0.1, -0.3, 0.0])
    assert [(reason.text, reason.features) for reason in found.codes] == [
        ("Too much debt for the income", ("debt",)), ("Late payments", ("late_1", "late_2"))]
    assert [reason.share for reason in found.codes] == pytest.approx([0.6, 0.4])
    assert (found.complete, found.base, found.margin) == (True, -1.0, pytest.approx(-0.3))
    assert "2 principal reasons, together 100%" in found.note


def test_the_other_direction_has_the_other_reasons() -> None:
    found = reason_codes(np.array([0.6, 0, 0, -0.3, 0, 0]), NAMES, VALUES, WORDS, direction="down")
    assert [reason.text for reason in found.codes] == ["area: north"]
    assert reason_codes(np.zeros(6), NAMES, VALUES, WORDS, direction="down").codes == ()
    assert "Nothing about this row" in reason_codes(np.zeros(6), NAMES, VALUES, WORDS, direction="down").note


def test_at_most_four_and_none_that_hardly_counts() -> None:
    names = [f"f{place}" for place in range(6)]
    words = {name: Words(name) for name in names}
    found = reason_codes(np.array([6.0, 5, 4, 3, 2, 1, 0]), names, {}, words, direction="up")
    assert [reason.features for reason in found.codes] == [("f0",), ("f1",), ("f2",), ("f3",)]
    tiny = reason_codes(np.array([1.0, 0.01, 0, 0, 0, 0, 0]), names, {}, words, direction="up")
    assert len(tiny.codes) == 1


def test_a_sensitive_attribute_is_never_stated_and_never_left_out_in_silence() -> None:
    found = codes([0.6, 0.0, 0.0, 0.0, 0.5])
    assert [reason.text for reason in found.codes] == ["Too much debt for the income"]
    assert [reason.features for reason in found.withheld] == [("age",)]
    assert not found.complete
    assert "sensitive attribute" in found.note
    assert "Do not send" in found.note
    assert codes([0.6, 0.0, 0.0, 0.0, 0.001]).complete, "1 part in 600 is no principal reason"


@pytest.mark.parametrize(("value", "expected"), [(0.6, "Too much debt for the income"), (0.1, "Hardly any debt"), (0.3, "debt"),
                                                 (None, "debt: not given"), (float("nan"), "debt: not given")])
def test_words_follow_the_value(value: float | None, expected: str) -> None:
    assert WORDS["debt"].text(value, 0.3) == expected


def test_words_come_from_the_file_and_parts_of_a_date_have_their_names() -> None:
    columns = {"sex": Column(type="category", role="sensitive"), "owns-home": Column(type="boolean", reason_low="No home of their own"),
               "amount": Column(type="float", title="Loan amount")}
    words = words_for(columns, ["sex", "owns-home", "amount", "event_time.hour", "amount_lag_1"])
    assert words["sex"].withheld
    assert words["owns-home"].text(False, None) == "No home of their own"
    assert words["owns-home"].text(True, None) == "owns home"
    assert words["amount"].text(3.0, 2.0) == "Loan amount"
    assert words["event_time.hour"].text(3.0, 2.0) == "The hour of the day of the request"
    assert words["amount_lag_1"].withheld == "the use-case file has no words for it"


def test_what_was_made_of_a_sensitive_attribute_is_no_reason_to_state() -> None:
    """A ratio of age says age, whatever its title; so does what is made of that ratio."""
    columns = {"age": Column(type="float", role="sensitive"), "income": Column(type="float")}
    made = {name: Column(type="float", title=title) for name, title in (("per_year", "Income per year of life"), ("ratio", "Income ratio"),
                                                                        ("plain", "Income twice"))}
    sources = {"per_year": ["income", "age"], "ratio": ["per_year"], "plain": ["income"]}
    words = words_for(columns, ["per_year", "ratio", "plain"], made, sources)
    assert {name: word.withheld for name, word in words.items()} == {
        "per_year": "it is made of a sensitive attribute", "ratio": "it is made of a sensitive attribute", "plain": ""}


def test_waterfall_ends_at_the_margin() -> None:
    steps = waterfall(np.array([0.5, -0.2, 0.1, 0.0, 0.05, -1.0]), NAMES, VALUES, most=2)
    assert [step["feature"] for step in steps] == ["average answer", "debt", "late_1", "all others"]
    assert [step["after"] for step in steps] == pytest.approx([-1.0, -0.5, -0.7, -0.55])


@given(effects=arrays(np.float64, 5, elements=st.floats(-3, 3)))
def test_shares_never_exceed_one_and_no_reason_speaks_against(effects: np.ndarray) -> None:
    found = reason_codes(np.append(effects, 0.0), NAMES, VALUES, WORDS, direction="up")
    assert len(found.codes) <= 4
    assert all(reason.contribution > 0 for reason in (*found.codes, *found.withheld))
    assert sum(reason.share for reason in (*found.codes, *found.withheld)) <= 1 + 1e-9
    assert not any("age" in reason.features for reason in found.codes)


def test_what_does_not_fit_is_an_error() -> None:
    with pytest.raises(DataError, match="do not fit together"):
        reason_codes(np.zeros(3), NAMES, VALUES, WORDS, direction="up")


def test_the_server_can_import_it_without_the_heavy_libraries() -> None:
    heavy = ("shap", "pandas", "polars", "sklearn", "xgboost", "woodelf")
    script = f"import sys, reports.reasons; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"
