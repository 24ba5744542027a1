"""Measurements are pure and cheap to import: no heavy or stateful library comes along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "reports").glob("*.py") if path.stem != "__init__")
HEAVY = ["pandas", "sklearn", "scipy", "fairlearn", "xgboost", "shap", "evidently", "mlflow", "prefect", "streamlit", "boto3", "sqlalchemy",
         "plotly", "pyarrow"]


def test_no_heavy_library_is_imported_with_the_reports() -> None:
    program = (f"import sys\nfor name in {MODULES!r}: __import__('reports.' + name)\nimport interlock.rules.catalogue\n"
               f"print([name for name in {HEAVY!r} if name in sys.modules])")
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_says_what_it_measures(name: str) -> None:
    module = __import__(f"reports.{name}", fromlist=["x"])
    public = [item for key, item in vars(module).items()
              if callable(item) and not key.startswith("_") and item.__module__ == module.__name__]
    assert module.__doc__
    assert all(item.__doc__ and len(item.__doc__) > 15 for item in public)
