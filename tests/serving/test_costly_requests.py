"""Requests that are small to send and would be dear to refuse: their cost is bounded, because they are refused in the event loop."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.errors import did_you_mean
from interlock.serving.fields import HINTS_MAX, NAME_CHARACTERS_MAX, UNKNOWN_MAX, unknown_field
from interlock.serving.tensors import DIMENSIONS_MAX, InferBody, Request, Tensor, row_count
from interlock.serving.wire import Refusal


def test_a_record_of_very_many_unknown_fields_tells_its_first_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    hinted: list[str] = []
    monkeypatch.setattr("interlock.serving.fields.did_you_mean", lambda name, known: hinted.append(name) or "")
    problems: list[dict[str, Any]] = []
    for place in range(10_000):
        unknown_field(f"distanse{place}" + "x" * 1_000, 1, {"distance": "numeric"}, problems)
    assert (len(problems), len(hinted)) == (UNKNOWN_MAX, HINTS_MAX)
    assert {len(one["field"]) for one in problems} == {NAME_CHARACTERS_MAX}


def test_no_hint_is_looked_for_where_a_word_is_very_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert did_you_mean("distanse", ["distance"]) == "did you mean 'distance'?"
    monkeypatch.setattr("interlock.errors.get_close_matches", lambda *_, **__: pytest.fail("compared"))
    assert did_you_mean("x" * 101, ["distance"]) == ""


@pytest.mark.parametrize(("shape", "fits"), [([2], True), ([2, 1], True), ([2] + [1] * (DIMENSIONS_MAX - 1), True),
                                             ([2] + [1] * DIMENSIONS_MAX, False), ([], False), ([2, 10**4_000], False)])
def test_a_shape_has_few_dimensions(shape: list[int], fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(InferBody(inputs=[Tensor(name="distance", shape=[2], datatype="FP64", data=[1, 2]),
                                        Tensor(name="night", shape=shape, datatype="BOOL", data=[True, False])]))
    if len(shape) > DIMENSIONS_MAX:
        monkeypatch.setattr("interlock.serving.tensors.math.prod", lambda one: pytest.fail("multiplied") if len(one) > 8 else 2)
    if fits:
        assert row_count(request) == 2
    else:
        with pytest.raises(Refusal, match="wrong shape"):
            row_count(request)
