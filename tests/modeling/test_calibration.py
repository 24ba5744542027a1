"""Calibration: rising, learned from rows not seen, the same numbers for training and serving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.utils.class_weight import compute_sample_weight

from interlock.errors import DataError, PackageError
from interlock.modeling.calibration_fit import fit_calibration
from interlock.modeling.calibrator import Calibration, Curve, calibrated, log_odds
from interlock.modeling.held_out import hold_out
from interlock.modeling.making import Made
from interlock.modeling.package import read_package, write_package
from interlock.modeling.probe import probe_package
from interlock.modeling.weights import class_weights
from interlock.spec.usecase import UseCase

DRAW = np.random.default_rng(3)
MARGINS = DRAW.normal(0, 2, 1_500).astype(np.float32)
LABELS = (DRAW.random(1_500) < 1 / (1 + np.exp(-(0.5 * MARGINS - 1)))).astype(np.float64)  # overconfident by a factor of two


def with_training(use_case: UseCase, **keys: object) -> UseCase:
    return use_case.model_copy(update={"training": use_case.training.model_copy(update=keys)})


def test_sigmoid_is_platts_as_scikit_learn_fits_it() -> None:
    found = fit_calibration("sigmoid", MARGINS, LABELS, source="validation")
    reference = _SigmoidCalibration().fit(MARGINS.astype(np.float64), LABELS)
    assert np.allclose(calibrated(found, MARGINS), reference.predict(MARGINS.astype(np.float64)), atol=1e-4)
    assert (found.curves[0].slope, found.curves[0].shift) == pytest.approx((0.5, -1), abs=0.2)  # as the labels were drawn


def test_isotonic_is_scikit_learns_within_its_bounds() -> None:
    found = fit_calibration("isotonic", MARGINS, LABELS, source="validation")
    reference = IsotonicRegression(out_of_bounds="clip").fit(MARGINS.astype(np.float64), LABELS).predict(MARGINS.astype(np.float64))
    assert np.allclose(calibrated(found, MARGINS), np.clip(reference, 1 / 1_502, 1 - 1 / 1_502), atol=1e-6)


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_new_rows_are_better_calibrated(kind: str) -> None:
    margins = DRAW.normal(0, 2, 4_000).astype(np.float32)
    true = 1 / (1 + np.exp(-(0.5 * margins - 1)))
    after = calibrated(fit_calibration(kind, MARGINS, LABELS, source="validation"), margins)  # type: ignore[arg-type]
    before = 1 / (1 + np.exp(-margins))
    assert np.abs(after - true).mean() < np.abs(before - true).mean() / 3


@given(hnp.arrays(np.float32, st.integers(2, 30), elements=st.floats(-80, 80, width=32)), st.sampled_from(["sigmoid", "isotonic"]))
def test_probabilities_rise_with_the_margin_and_stay_within_0_and_1(margins: np.ndarray, kind: str) -> None:
    found = calibrated(fit_calibration(kind, MARGINS, LABELS, source="validation"), np.sort(margins))  # type: ignore[arg-type]
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 10), st.just(3)), elements=st.floats(-60, 60, width=32)))
def test_shares_of_classes_add_up_to_1(margins: np.ndarray) -> None:
    labels = DRAW.integers(0, 3, 300).astype(np.float64)
    found = fit_calibration("isotonic", DRAW.normal(0, 1, (300, 3)).astype(np.float32), labels, source="validation")
    assert np.allclose(calibrated(found, margins).sum(axis=1), 1, atol=1e-6)


def test_log_odds_of_two_classes_are_the_difference_of_the_margins() -> None:
    # softmax of (1, 3): shares 0.1192 and 0.8808, log odds -2 and 2
    assert log_odds(np.array([[1, 3]], dtype=np.float32)).tolist() == [[pytest.approx(-2), pytest.approx(2)]]
    assert log_odds(np.array([[0, 900]], dtype=np.float32)).tolist() == [[-30, 30]]


def test_no_steps_up_to_certainty() -> None:
    margins, labels = np.arange(100, dtype=np.float32) - 50, (np.arange(100) > 49).astype(np.float64)
    found = fit_calibration("isotonic", margins, labels, source="validation")
    assert calibrated(found, np.array([-30, 30], dtype=np.float32)).tolist() == pytest.approx([1 / 102, 101 / 102])


def test_a_model_worse_than_chance_is_made_flat_not_turned_around() -> None:
    found = fit_calibration("sigmoid", -MARGINS, LABELS, source="validation")
    assert found.curves[0].slope == 0


@pytest.mark.parametrize(("labels", "text"), [(np.ones(100), "rows of a class and rows of others"), (np.zeros(100), "rows of others"),
                                              (np.array([0.0, 1.0] * 20), "too few rows")])
def test_rows_that_teach_no_calibration_are_refused(labels: np.ndarray, text: str) -> None:
    with pytest.raises(DataError, match=text):
        fit_calibration("sigmoid", np.zeros(labels.size, dtype=np.float32), labels, source="validation")


@pytest.fixture(scope="module")
def calibrated_package(quick: UseCase, make: Callable[..., tuple[Path, Made]]) -> tuple[UseCase, Path, Made]:
    use_case = with_training(quick, calibration="isotonic", calibration_rows="out_of_fold", class_weight="balanced", proposals=0)
    return use_case, *make(use_case)


def test_package_answers_calibrated_and_the_probe_checks_it(calibrated_package: tuple[UseCase, Path, Made], small: pl.DataFrame) -> None:
    use_case, root, made = calibrated_package
    package = probe_package(root, made.package.digest)
    held = hold_out(use_case, package, small)
    assert package.manifest.calibration is not None
    assert package.manifest.calibration.rows == 2_000  # out of fold: every fitting row
    assert np.array_equal(held.scores, calibrated(package.manifest.calibration, held.model.margin(held.matrix)))
    # balanced weights alone would answer far above the base rate (24 %): near 35 %
    assert held.scores.mean() == pytest.approx(held.labels.mean(), abs=0.03)
    plain = 1 / (1 + np.exp(-held.model.margin(held.matrix).astype(np.float64)))
    assert plain.mean() > held.labels.mean() + 0.07


def test_probe_refuses_a_calibration_that_was_exchanged(calibrated_package: tuple[UseCase, Path, Made], tmp_path: Path) -> None:
    import json

    package = calibrated_package[2].package
    other = Calibration(kind="sigmoid", curves=[Curve(slope=2.0)], rows=1, source="validation")
    digest = write_package(tmp_path, booster_ubj=package.files["model.ubj"], golden=json.loads(package.files["golden.json"]),
                           manifest=package.manifest.model_copy(update={"calibration": other}), profile_json=package.profile_json)
    with pytest.raises(PackageError, match="differently"):
        probe_package(tmp_path, digest)


def test_multiclass_is_calibrated_too(quick: UseCase, small: pl.DataFrame, make: Callable[..., tuple[Path, Made]]) -> None:
    """Three classes of hours worked, from real rows."""
    classes = ["few", "full", "many"]
    prediction = quick.prediction.model_copy(update={"task": "multiclass", "classes": classes, "positive": None})
    use_case = with_training(quick, calibration="sigmoid", class_weight={"few": 2.0, "full": 1.0, "many": 1.0}, trials=2).model_copy(
        update={"prediction": prediction, "columns": {name: column for name, column in quick.columns.items() if name != "hours-per-week"}})
    hours = pl.col("hours-per-week")
    worked = pl.when(hours < 35).then(pl.lit("few")).when(hours <= 40).then(pl.lit("full")).otherwise(pl.lit("many"))
    frame = small.with_columns(_label=worked)
    root, made = make(use_case, frame)
    held = hold_out(use_case, probe_package(root, made.package.digest), frame)
    assert held.scores.shape == (1_000, 3)
    assert np.allclose(held.scores.sum(axis=1), 1, atol=1e-6)
    assert made.package.manifest.baseline["accuracy"] > 0.5
    assert made.package.manifest.baseline["log_loss"] < 1.05


def test_older_packages_without_calibration_answer_by_the_link(made: tuple[Path, Made]) -> None:
    manifest = read_package(made[0], made[1].package.digest).manifest
    assert manifest.calibration is None
    assert manifest.intervals is None


def test_balanced_weights_are_scikit_learns(quick: UseCase) -> None:
    labels = np.array([1.0] + [0.0] * 4)
    found = class_weights(with_training(quick, class_weight="balanced"), labels)
    assert found is not None
    assert found.tolist() == pytest.approx([2.5, 0.625, 0.625, 0.625, 0.625])  # 5 / (2 · 1), 5 / (2 · 4)
    assert np.allclose(found, compute_sample_weight("balanced", labels))


def test_a_table_of_weights_names_positive_and_negative(quick: UseCase) -> None:
    found = class_weights(with_training(quick, class_weight={"positive": 5.0, "negative": 1.0}), np.array([0.0, 1.0]))
    assert found is not None
    assert found.tolist() == [1, 5]
    assert class_weights(quick, np.array([0.0, 1.0])) is None
