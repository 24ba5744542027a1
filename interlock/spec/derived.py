"""Features computed from other columns: `[[features.derived]]` and `[[features.views]]`, and when a value counts as known."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from interlock.spec.data import Section

LABEL = "_label"  # the target as the model learns it: 0/1 or the value
HISTORY_ROWS_MAX = 100_000
HISTORY_HOURS_MAX = 24 * 366 * 10
NAME = r"^[a-z][a-z0-9_]{0,62}$"
CalendarPart = Literal["hour", "weekday", "month", "day_of_year", "minute_of_day"]
Statistic = Literal["mean", "sum", "min", "max", "std", "count"]
_NEEDS = {"lag": ("of",), "rolling": ("statistic",), "ratio": ("of", "over"), "difference": ("of", "over"), "cyclic": ("part",)}
_MAY = {"lag": ("of", "by", "rows", "hours"), "rolling": ("of", "by", "rows", "hours", "statistic", "include_self"),
        "ratio": ("of", "over"), "difference": ("of", "over"), "cyclic": ("part",)}


class Derived(Section):
    """One feature computed from other columns; always a number. Features declared above may be named like columns."""

    name: str = Field(pattern=NAME, description="Name of the feature; cyclic makes two: NAME_sin and NAME_cos.")
    kind: Literal["lag", "rolling", "ratio", "difference", "cyclic"] = Field(description="lag, rolling: from earlier rows, only from values known by the row's event time. ratio, difference: from the row's own columns. cyclic: sine and cosine of a part of the event time.")
    of: str | None = Field(default=None, description="Column of numbers or booleans, or `_label`: the target as it is learned. Target and `later` columns count as known `labels.delay_hours` after their event. rolling count may leave it out and counts rows.")
    over: str | None = Field(default=None, description="ratio: the column divided by (missing where it is 0). difference: the column taken off.")
    rows: int | None = Field(default=None, ge=1, le=HISTORY_ROWS_MAX, description="lag: so many values back, 1 = the last one known. rolling: the last so many values known.")
    hours: float | None = Field(default=None, gt=0, le=HISTORY_HOURS_MAX, description="lag: the newest value of an event at least so many hours old. rolling: the values that became known within so many hours.")
    statistic: Statistic | None = Field(default=None, description="rolling: what is made of the values; std is the sample's, n - 1.")
    by: list[str] = Field(default_factory=list, max_length=4, description="lag, rolling: only rows with the same values in these columns.")
    include_self: bool = Field(default=False, description="rolling: the row's own value counts too; never for target and `later` columns.")
    part: CalendarPart | None = Field(default=None, description="cyclic: which part of the event time (UTC).")
    title: str = Field(default="", description="Name for people.")
    description: str = Field(default="", description="Meaning and unit.")

    @model_validator(mode="after")
    def _fits_kind(self) -> Derived:
        given = {key for key in ("of", "over", "rows", "hours", "statistic", "by", "include_self", "part") if getattr(self, key)}
        missing = [key for key in _NEEDS[self.kind] if key not in given]
        if missing:
            raise ValueError(f"a {self.kind} needs {' and '.join(f'`{key}`' for key in missing)}")
        odd = sorted(given - set(_MAY[self.kind]))
        if odd:
            raise ValueError(f"a {self.kind} takes no {', '.join(f'`{key}`' for key in odd)}")
        if self.kind in {"lag", "rolling"} and (self.rows is None) == (self.hours is None):
            raise ValueError(f"a {self.kind} needs either `rows` or `hours`")
        if self.kind == "rolling" and self.of is None and self.statistic != "count":
            raise ValueError("a rolling needs `of`; only `count` goes without")
        return self

    @property
    def outputs(self) -> list[str]:
        """Columns that it makes."""
        return [f"{self.name}_sin", f"{self.name}_cos"] if self.kind == "cyclic" else [self.name]

    @property
    def from_history(self) -> bool:
        """Whether it looks at other rows: a server has none, so a caller or a feature view brings the value."""
        return self.kind in {"lag", "rolling"}


class ViewUse(Section):
    """Features taken from a feature view: values of an entity, kept in a file of `views/` and shared by use cases."""

    view: str = Field(pattern=NAME, description="Name of the view.")
    features: list[str] = Field(min_length=1, description="Which of the view's features; they become columns VIEW.FEATURE.")
    entity: dict[str, str] = Field(default_factory=dict, description="Entity column of the view → own column, where the names differ.")

    @property
    def outputs(self) -> list[str]:
        """Columns that it makes."""
        return [f"{self.view}.{feature}" for feature in self.features]
