"""What is predicted, from what, and how a model is made and judged: `[prediction]`, `[labels]`, `[features]`, `[gates.*]`, `[fairness]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from interlock.spec.data import Section
from interlock.spec.derived import Derived, ViewUse

Task = Literal["binary", "multiclass", "regression"]


class Prediction(Section):
    """The prediction job."""

    task: Task = Field(description="Kind of target.")
    target: str = Field(description="Column that holds, or from which is derived, the target.")
    positive: list[str | int] | None = Field(default=None, description="binary: values of the target column that count as 1.")
    at_least: float | None = Field(default=None, description="binary: target is 1 where the target column is at least this.")
    missing_is_positive: bool = Field(default=False, description="binary: a missing target value counts as 1 (else the row has no label).")
    classes: list[str] | None = Field(default=None, description="multiclass: the classes in order.")
    moment: str = Field(description="When the prediction is made, in words; columns known only later need role = \"later\".")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="binary: decision threshold on the probability.")
    meaning: str = Field(default="", description="What a positive (or high) answer means for the customer, in words.")

    @model_validator(mode="after")
    def _fits_task(self) -> Prediction:
        if self.task == "binary" and (self.positive is None) == (self.at_least is None):
            raise ValueError("a binary task needs exactly one of `positive` and `at_least`")
        if self.task == "multiclass" and (self.classes is None or len(self.classes) < 3):
            raise ValueError("a multiclass task needs `classes` with at least 3 names")
        if self.task != "binary" and (self.positive is not None or self.at_least is not None):
            raise ValueError("`positive` and `at_least` are for binary tasks only")
        return self


class Labels(Section):
    """Where true outcomes of served predictions come from, and when they are known."""

    source: Literal["post", "file", "sql"] = Field(default="post", description="post: `POST /labels`. file, sql: read by `monitor`.")
    path: str | None = Field(default=None, description="file: CSV or Parquet with id, label and label_seen_time.")
    url_env: str | None = Field(default=None, description="sql: environment variable with the SQLAlchemy URL.")
    table: str | None = Field(default=None, description="sql: table with id, label and label_seen_time.")
    delay_hours: float = Field(default=0.0, ge=0, description="Hours from the event to the moment its outcome is known; training never uses a label before.")


class Features(Section):
    """Derived features, computed by one path for training and serving."""

    calendar: list[Literal["hour", "weekday", "month", "day_of_year", "minute_of_day"]] = Field(default_factory=list, description="Parts of the event time (UTC) that become features.")
    derived: list[Derived] = Field(default_factory=list, max_length=200, description="Features computed from other columns; see `[[features.derived]]`.")
    views: list[ViewUse] = Field(default_factory=list, max_length=50, description="Features taken from feature views; see `[[features.views]]`.")
    include_sensitive: bool = Field(default=False, description="Let sensitive attributes into the model (off by default, and recorded).")
