"""`[serving]`: what is accepted, what is refused with its reason, and that only what was chosen is written down."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from interlock.errors import UseCaseError
from interlock.rules.routes import Route
from interlock.spec.load import load_use_case
from interlock.spec.serving import Abstention, Serving
from tests.spec.test_value import BINARY, HEAD, REGRESSION

CLASSES = 'task = "multiclass"\ntarget = "y"'
ABSTENTION = "[serving.abstention]\n"


def test_defaults_are_what_a_server_without_the_section_does_and_are_not_written_down() -> None:
    assert Serving().model_dump() == {}
    assert not Serving().abstention.on
    chosen = Serving(unseen="refuse", abstention=Abstention(confidence_min=0.8))
    assert chosen.model_dump(mode="json") == {"unseen": "refuse", "abstention": {"confidence_min": 0.8}}
    assert Serving.model_validate(chosen.model_dump(mode="json")) == chosen


def test_a_route_from_before_the_section_is_read_and_one_with_it_survives_being_written() -> None:
    assert Route(use_case="late", generation=1).serving == Serving()
    route = Route(use_case="late", generation=1, serving=Serving(batch="each"))
    assert Route.model_validate_json(route.model_dump_json()) == route


def test_a_rule_needs_lines_and_lines_need_a_rule() -> None:
    with pytest.raises(ValidationError, match="needs `rules` or `otherwise`"):
        Abstention(confidence_min=0.8, fallback="rule")
    with pytest.raises(ValidationError, match="go with fallback"):
        Abstention(confidence_min=0.8, otherwise=1)


@pytest.mark.parametrize(("prediction", "more", "words"), [
    (BINARY, ABSTENTION + 'unseen_in = ["c"]', "names a column that [columns] does not have"),
    (BINARY, ABSTENTION + 'unseen_in = ["a"]', "is no column of categories"),
    (BINARY, ABSTENTION + 'missing_in = ["y"]', "a request does not carry a column of this role"),
    (REGRESSION, ABSTENTION + "confidence_min = 0.8", "a regression has no probabilities"),
    (BINARY, ABSTENTION + "interval_width_max = 3", "only a regression has intervals"),
    (REGRESSION, ABSTENTION + "interval_width_max = 3", "there is no interval without `quantiles`"),
    (BINARY, ABSTENTION + 'fallback = "champion"', "nothing that makes the model abstain"),
    (BINARY, ABSTENTION + 'out_of_range = 1\nfallback = "rule"\notherwise = 2', "is no answer of a binary task"),
    (CLASSES, ABSTENTION + 'out_of_range = 1\nfallback = "rule"\notherwise = 2', "is no answer of a multiclass task"),
    (BINARY, ABSTENTION + 'out_of_range = 1\nfallback = "rule"\nrules = [{ column = "b", operator = "<", value = "x", answer = 1 }]',
     "has no order"),
    (BINARY, ABSTENTION + 'out_of_range = 1\nfallback = "rule"\nrules = [{ column = "a", operator = "<", value = "x", answer = 1 }]',
     "is never compared with this"),
    (BINARY, '[serving]\ncapture = "relaxed"\n[rollout]\non_capture_failure = "refuse"', "cannot be given before they are recorded"),
    (BINARY, '[serving]\nunseen = "ignore"', "not one of the allowed values")])
def test_what_does_not_fit_is_refused_with_its_line(tmp_path: Path, prediction: str, more: str, words: str) -> None:
    file = tmp_path / "x_case.toml"
    file.write_text(HEAD.format(prediction=prediction, more=more))
    with pytest.raises(UseCaseError) as caught:
        load_use_case(file)
    assert words in str(caught.value)
    assert "serving" in str(caught.value)


def test_a_whole_section_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x_case.toml"
    file.write_text(HEAD.format(prediction=BINARY, more='[serving]\nbatch = "each"\nout_of_range = "refuse"\n' + ABSTENTION + (
        'out_of_range = 2\nunseen_in = ["b"]\nmissing_in = ["a"]\nconfidence_min = 0.7\nfallback = "rule"\notherwise = 0\n'
        'rules = [{ column = "a", operator = ">=", value = 3, answer = 1 }, { column = "b", operator = "==", value = "z", answer = 1 }]')))
    found = load_use_case(file).serving
    assert found.abstention.on
    assert [(line.column, line.answer) for line in found.abstention.rules] == [("a", 1), ("b", 1)]
