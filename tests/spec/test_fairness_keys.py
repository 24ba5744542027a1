"""Rules and mitigation that name what is not there are told with their line, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec.test_problems import GOOD, problems_of

SEX = '[columns.sex]\ntype = "category"\nrole = "sensitive"\n'
RULE = '[[fairness.rules]]\nname = "r"\nmetric = "{metric}"\nthreshold = 0.5\nbasis = "Decision 14"\n{more}'


def rule(metric: str = "selection_rate_ratio", more: str = "") -> str:
    return SEX + RULE.format(metric=metric, more=more)


def mitigation(method: str, more: str = 'attribute = "sex"\n') -> str:
    return SEX + f'[mitigation]\nmethod = "{method}"\nreason = "decided by the board"\n{more}'


@pytest.mark.parametrize(("text", "key", "words"), [
    (rule(more='attributes = ["sexx"]\n'), "fairness.rules[0].attributes[0]", "role = \"sensitive\""),
    (rule("mae_ratio"), "fairness.rules[0].metric", "no such measure"),
    (rule() + '[gates.fairness]\nmode = "observe"\nreason = "x"\n', "gates.fairness", "take the place"),
    (SEX + '[fairness]\nfavourable_classes = ["yes"]\n', "fairness.favourable_classes", "only a multiclass task"),
    (mitigation("reweighing", 'attribute = "age"\n'), "mitigation.attribute", "role = \"sensitive\""),
    (mitigation("reweighing", ""), "mitigation", "needs `attribute`"),
    (mitigation("exponentiated_gradient") + '[training]\ncalibration = "sigmoid"\n', "training.calibration", "weights of the rows itself"),
])
def test_what_does_not_fit_is_told(tmp_path: Path, text: str, key: str, words: str) -> None:
    found = [problem for problem in problems_of(tmp_path, GOOD + text) if words in str(problem)]
    assert [problem.key for problem in found] == [key], problems_of(tmp_path, GOOD + text)


@pytest.mark.parametrize("text", [rule(more='attributes = ["sex"]\n'), mitigation("threshold"), mitigation("none", "")])
def test_what_fits_has_no_problem(tmp_path: Path, text: str) -> None:
    assert problems_of(tmp_path, GOOD + text) == []


def test_classes_must_be_known_and_not_all_of_them(tmp_path: Path) -> None:
    three = GOOD.replace('task = "binary"', 'task = "multiclass"').replace('positive = ["yes"]', 'classes = ["a", "b", "c"]') + SEX
    assert "not among prediction.classes" in str(problems_of(tmp_path, three + '[fairness]\nfavourable_classes = ["z"]\n')[0])
    assert "nothing can differ" in str(problems_of(tmp_path, three + '[fairness]\nfavourable_classes = ["a", "b", "c"]\n')[0])
    assert "which classes are favourable" in str(problems_of(tmp_path, three + RULE.format(metric="selection_rate_ratio", more=""))[0])
