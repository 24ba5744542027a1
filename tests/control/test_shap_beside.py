"""SHAP's own plots: drawn in a child from the Shapley values that the report made, of no row alone, and missed without harm."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from interlock.control.evidence import shap_beside
from interlock.control.evidence.shap_beside import Drawing, drawn_beside
from interlock.errors import DataError, Unavailable
from interlock.rules.findings import Finding, State


def case(rows: int = 60, names: tuple[str, ...] = ("age", "<b>income</b>", "kind")) -> Any:
    """What the pictures read of a case: the explained rows, the names, the title."""
    draw = np.random.default_rng(4)
    values = draw.normal(size=(rows, len(names))).astype(np.float32)
    values[::7, 1] = np.nan
    shap = np.column_stack([np.nan_to_num(values) * [1.0, 0.5, 0.1], np.full(rows, -1.0)])
    explained = SimpleNamespace(made=SimpleNamespace(contributions=shap), values=values, picked=np.arange(rows))
    manifest = SimpleNamespace(features=SimpleNamespace(names=list(names)))
    return SimpleNamespace(shared={"explained": explained}, seed=1, package=SimpleNamespace(manifest=manifest),
                           use_case=SimpleNamespace(title="Loans $x_1$ & more", name="loans"))


def test_pictures_are_drawn_beside_and_collected() -> None:
    """A title and a name with marks of TeX and HTML are text; gaps in the values do no harm."""
    with drawn_beside(case(), wanted=True) as drawing:
        assert isinstance(drawing, Drawing)
        files, finding = drawing.collect()
    assert sorted(files) == sorted(f"shap-{name}.{kind}" for name in ("beeswarm", "bar", "heatmap", "scatter") for kind in ("png", "svg"))
    assert all(data.startswith(b"\x89PNG") for name, data in files.items() if name.endswith("png"))
    assert b"<script" not in files["shap-beeswarm.svg"]
    assert (finding.metric, finding.sample_size) == ("report.shap_plots", 60)


def test_nothing_is_drawn_where_nothing_is_wanted_or_explained() -> None:
    with drawn_beside(case(), wanted=False) as drawing:
        assert drawing is None
    with drawn_beside(SimpleNamespace(shared={}), wanted=True) as drawing:  # type: ignore[arg-type]
        assert drawing is None


def test_without_matplotlib_the_evidence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shap_beside, "find_spec", lambda name: None if name == "matplotlib" else object())
    with drawn_beside(case(), wanted=True) as drawing:
        assert isinstance(drawing, Finding)
        assert (drawing.state, drawing.note) == (State.MISSING, "shap or matplotlib is not installed here, so SHAP's plots were not drawn")


def test_a_child_that_fails_or_is_late_is_said(tmp_path: Path) -> None:
    with drawn_beside(case(names=("a", "b", "c")), wanted=True) as drawing:
        assert isinstance(drawing, Drawing)
        (drawing.folder / "request.npz").unlink()
        with pytest.raises(DataError, match="could not be drawn"):
            drawing.collect()
    with drawn_beside(case(), wanted=True) as drawing:
        assert isinstance(drawing, Drawing)
        with pytest.raises(Unavailable, match="not drawn in time"):
            drawing.collect(timeout_s=0.0)
    assert drawing.child.returncode is not None  # it does not outlive its block
