"""A small use case of its own, whose rows each test writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.records.segments import SegmentWriter
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

MakeUseCase = Callable[..., UseCase]


def tiny(path: Path, **changes: Any) -> UseCase:
    """Binary job on a CSV file: id (unique), at (clock), age (0 to 120), city (may be missing), pay, y."""
    raw: dict[str, Any] = {
        "spec_version": 1, "name": "tiny", "title": "Tiny", "description": "For tests.", "owner": "tests",
        "prediction": {"task": "binary", "target": "y", "positive": ["yes"], "moment": "now"},
        "source": {"kind": "files", "files": [{"path": str(path)}]},
        "time": {"column": "at"},
        "columns": {
            "id": {"type": "integer", "role": "identifier", "unique": True, "missing": False},
            "at": {"type": "datetime", "role": "ignore", "missing": False},
            "age": {"type": "integer", "min": 0, "max": 120, "missing": False},
            "city": {"type": "category"},
            "pay": {"type": "float"},
            "y": {"type": "category", "role": "target", "values": ["yes", "no"]},
        },
    }
    return UseCase.model_validate(raw | changes)


@pytest.fixture
def make_use_case() -> MakeUseCase:
    """`tiny(path, **sections)`."""
    return tiny


@pytest.fixture
def segment(settings: Settings) -> SegmentWriter:
    """A segment of the captured rows of `late`."""
    return SegmentWriter(settings.folder("capture") / "late" / "w0-1.seg")
