"""Findings: one measured value each, with its doubt."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class State(StrEnum):
    """Whether a finding can be judged. Anything but OK makes a gate say UNKNOWN."""

    OK = "ok"
    TOO_FEW = "too_few"      # measured, but on fewer rows than needed
    MISSING = "missing"      # the report did not produce it
    STALE = "stale"          # older than allowed
    ERROR = "error"          # the report failed; `note` says how


class Finding(BaseModel):
    """One measured value: metric, value, interval, sample size, segment, window."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(description="Dotted name, for example `performance.auc` or `drift.psi`.")
    value: float | None = Field(default=None, description="The value, in `unit`; None where it could not be measured.")
    low: float | None = Field(default=None, description="Lower end of the interval.")
    high: float | None = Field(default=None, description="Upper end of the interval.")
    confidence: float | None = Field(default=None, description="Coverage of the interval, for example 0.95.")
    sample_size: int = Field(default=0, ge=0, description="Rows the value rests on.")
    needed: int | None = Field(default=None, description="Rows that would be needed, where there are too few.")
    unit: str = Field(default="", description="Unit of the value; empty: a pure number.")
    segment: str = Field(default="all", description="Rows looked at: `all`, `sex=Female`, `column=age` …")
    window_start: datetime | None = Field(default=None, description="Event time from (included).")
    window_end: datetime | None = Field(default=None, description="Event time to (excluded).")
    state: State = Field(default=State.OK)
    note: str = Field(default="", description="One sentence for a person.")
    detail: dict[str, Any] = Field(default_factory=dict, description="Plain JSON values that explain the figure.")


def failed(metric: str, error: BaseException, *, segment: str = "all") -> Finding:
    """The finding that stands where a report raised: its gate becomes UNKNOWN, never PASS."""
    return Finding(metric=metric, segment=segment, state=State.ERROR, note=f"{type(error).__name__}: {error}"[:500])
