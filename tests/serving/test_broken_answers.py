"""Guards of treatments, abstention and binary tensors: each passes on the real code and fails on a deliberately broken variant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlock.rules.routes import Route, Slot
from interlock.serving import abstaining, binary_tensors, outcomes, treatments
from interlock.serving.abstaining import with_abstentions
from interlock.serving.answering import Answer, score_rows
from interlock.serving.counters import Counters
from interlock.serving.limits import Limits
from interlock.serving.records import Aside, Refused, check_records
from interlock.serving.shelf import Serving as Served
from interlock.serving.shelf import Shelf
from interlock.spec.serving import Abstention, Serving
from tests.serving.described import described


def served(packages: tuple[Path, str, str], options: Serving, *, canary: bool = False) -> Served:
    """What a worker serves under these options, in this process; `canary`: a candidate takes every request."""
    root, first, second = packages
    shelf, digest = Shelf(root, Limits()), described(root, second)
    wanted = [first, digest] if canary else [digest]
    shelf.put(shelf.read("late", shelf.hold("late", wanted)))
    slots = [Slot(version=number, digest=name) for number, name in enumerate(wanted, start=1)]
    shelf.switch(Route(use_case="late", generation=1, champion=slots[0], candidate=slots[1] if canary else None,
                       candidate_percent=100 if canary else 0, serving=options), None)
    return shelf.serving["late"]


def answered(serving: Served, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Replies of records, as the plain route gives them."""
    counters = Counters()
    answers = score_rows(check_records(serving, list(rows)), counters)
    if serving.policy is not None and serving.policy.abstains:
        answers = with_abstentions(serving, answers, counters)
    return [answer.as_json(answer.scores is not None) for answer in answers]


def a_refused_value_is_never_scored(packages: tuple[Path, str, str], row: dict[str, Any]) -> None:
    """What a use case refuses gets no answer: out of range, unseen, missing where it is needed."""
    serving = served(packages, Serving(out_of_range="refuse", unseen="refuse", missing="refuse"))
    for change in ({"distance": 5_001}, {"carrier": "ZZ"}, {"distance": None}):
        refused = False
        try:
            check_records(serving, [row | change])
        except Refused:
            refused = True
        assert refused, change


def nobody_gets_an_answer_that_the_model_does_not_stand_by(packages: tuple[Path, str, str], row: dict[str, Any]) -> None:
    """Outside its range the model's score and prediction are in no reply."""
    [far] = answered(served(packages, Serving(abstention=Abstention(out_of_range=1))), row | {"distance": 4_000.0})
    assert (far["abstained"], far["score"], far["prediction"], far["answered_by"]) == (True, None, None, "person")


def a_champion_that_abstains_too_is_not_used(packages: tuple[Path, str, str], row: dict[str, Any]) -> None:
    """The fallback is held to the same conditions: both models are unsure, so a person is asked."""
    [found] = answered(served(packages, Serving(abstention=Abstention(confidence_min=1.0, fallback="champion")), canary=True), row)
    assert (found["answered_by"], found["prediction"]) == ("person", None)


def refused_records_do_not_move_the_others(packages: tuple[Path, str, str], row: dict[str, Any]) -> None:
    """`each`: problems are kept under the place of their own record."""
    aside = Aside()
    sent = [row | {"id": "a"}, row | {"distance": "far"}, row | {"id": "c"}]
    found = check_records(served(packages, Serving(batch="each")), sent, aside=aside)
    assert [one.id for one in found] == ["a", "c"]
    assert list(aside.problems) == [1]


def nan_bytes_are_missing() -> None:
    data = np.array([1.0, np.nan]).tobytes()
    assert binary_tensors.decoded("distance", "FP64", memoryview(data), 2) == [1.0, None]


@pytest.fixture
def row(record: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return record()


def test_the_real_code_keeps_every_promise(packages: tuple[Path, str, str], row: dict[str, Any]) -> None:
    a_refused_value_is_never_scored(packages, row)
    nobody_gets_an_answer_that_the_model_does_not_stand_by(packages, row)
    a_champion_that_abstains_too_is_not_used(packages, row)
    refused_records_do_not_move_the_others(packages, row)
    nan_bytes_are_missing()


def test_treatments_that_are_not_looked_at_are_caught(packages: tuple[Path, str, str], row: dict[str, Any],
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treatments, "CHECKED", ())
    with pytest.raises(AssertionError):
        a_refused_value_is_never_scored(packages, row)


def test_an_outcome_that_leaves_the_score_in_the_reply_is_caught(packages: tuple[Path, str, str], row: dict[str, Any],
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes.Outcome, "replaced", property(lambda _: False))
    with pytest.raises(AssertionError):
        nobody_gets_an_answer_that_the_model_does_not_stand_by(packages, row)


def test_a_domain_without_ranges_is_caught(packages: tuple[Path, str, str], row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.serving.domain.Domain.untrained", lambda *_: [])
    with pytest.raises(AssertionError):
        nobody_gets_an_answer_that_the_model_does_not_stand_by(packages, row)


def test_a_fallback_that_is_not_asked_whether_it_is_sure_is_caught(packages: tuple[Path, str, str], row: dict[str, Any],
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    real = abstaining.why_abstain

    def lenient(rules: Abstention, answer: Answer) -> Any:
        return None if answer.row.arm.name == "champion" else real(rules, answer)

    monkeypatch.setattr(abstaining, "why_abstain", lenient)
    with pytest.raises(AssertionError):
        a_champion_that_abstains_too_is_not_used(packages, row)


def test_nan_that_stays_a_number_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary_tensors.np, "isnan", lambda values: np.zeros(len(values), dtype=bool))
    with pytest.raises(AssertionError):
        nan_bytes_are_missing()


def test_a_default_section_is_no_policy_at_all(packages: tuple[Path, str, str]) -> None:
    """The ordinary way is decided once per switch: without a section nothing is looked up while answering."""
    assert served(packages, Serving()).policy is None
    assert served(packages, Serving(explain_rows_max=3)).policy is None
    assert all(served(packages, options).policy is not None for options in (
        Serving(unseen="refuse"), Serving(batch="each"), Serving(abstention=Abstention(confidence_min=0.6))))


def test_a_package_from_another_version_of_the_format_still_loads(packages: tuple[Path, str, str]) -> None:
    """Going back must not depend on words: unknown keys of a column are left aside; without any there are neither ranges nor words."""
    root, plain, _ = packages
    newer = described(root, plain, columns={"distance": {"type": "float", "min": 0.0, "colour": "red"}})
    for digest, declared in ((newer, {"distance": (0.0, float("inf"))}), (plain, {})):
        [loaded] = Shelf(root, Limits()).read("late", [digest])
        assert loaded.domain.declared == declared
    assert all(words.withheld for words in loaded.domain.words.values() if words.title != "hour of the day")
