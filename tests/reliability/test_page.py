"""The page says what was measured, and the checks that live elsewhere are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.reliability.conftest import FULL
from tests.reliability.installation import ROOT
from tests.reliability.page import ELSEWHERE, PAGE, ROWS, page, results


@pytest.mark.skipif(FULL, reason="the full run is writing the figures just now; it writes the page at its end")
def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.reliability.page`"


def test_every_result_has_its_line() -> None:
    assert set(results()) <= set(ROWS)


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("key", ELSEWHERE, ids=" ".join)
def test_checks_that_live_elsewhere(key: tuple[str, str], measured: Callable[..., None]) -> None:
    """In full they run here with full counts; with reduced counts they run where they are."""
    assert all((ROOT / path).is_file() for path in ELSEWHERE[key])
    if not FULL:
        return
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *ELSEWHERE[key]], cwd=ROOT, capture_output=True, text=True, check=False,
                          env=os.environ | {"INTERLOCK_KILLS": "100"})
    assert done.returncode == 0, done.stdout[-2_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    measured(*key, tests=int(passed[1]), kills=100)
