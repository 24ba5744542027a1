"""Where a use case's rows come from and what they look like: `[source]`, `[time]`, `[columns.*]`, `[[checks]]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Base of every section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceFile(Section):
    """One file (or glob) of a file source."""

    path: str = Field(description="Path or glob, absolute or from the data folder; `package:NAME/inner/path` for a file inside an installed Python package. Compressed `.gz`, `.bz2`, `.zip` are read as they are.")
    split: Literal["train", "test"] | None = Field(default=None, description="Official split that these rows belong to.")
    skip_rows: int = Field(default=0, ge=0, description="Lines to skip at the top of each file.")


class FileSource(Section):
    """Rows from CSV or Parquet files."""

    kind: Literal["files"]
    files: list[SourceFile] = Field(min_length=1, description="The files, in the order of their rows.")
    format: Literal["csv", "parquet"] = Field(default="csv", description="File format.")
    separator: str = Field(default=",", min_length=1, max_length=1, description="CSV: field separator.")
    quote: str = Field(default='"', min_length=1, max_length=1, description="CSV: quote character.")
    header: bool = Field(default=True, description="CSV: whether the first line names the columns; if not, the order of `[columns]` does.")
    strip: bool = Field(default=False, description="CSV: strip white space around every text value.")
    missing: list[str] = Field(default_factory=lambda: [""], description="CSV: texts that mean missing.")
    encoding: Literal["utf-8", "latin-1"] = Field(default="utf-8", description="CSV: encoding.")
    cell_bytes_max: int = Field(default=65_536, ge=1, description="Longest cell accepted, in bytes; rows with a longer one are quarantined.")


class SqlSource(Section):
    """Rows from any database that SQLAlchemy can reach."""

    kind: Literal["sql"]
    url_env: str = Field(description="Name of the environment variable that holds the SQLAlchemy URL (never the URL itself).")
    table: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", description="Table or view to read.")
    watermark: str = Field(description="Column that only grows; rows beyond the last seen value are new.")
    batch_rows: int = Field(default=100_000, ge=1, description="Rows read at a time.")


Source = Annotated[FileSource | SqlSource, Field(discriminator="kind")]


class Time(Section):
    """How the event time of a row is found (UTC, microseconds)."""

    column: str | None = Field(default=None, description="Column with the event time (date, timestamp or text).")
    format: str | None = Field(default=None, description="strptime format when the column is text; default ISO 8601.")
    zone: str = Field(default="UTC", description="IANA time zone of values without one.")
    plus_minutes: str | None = Field(default=None, description="Column with minutes to add.")
    plus_hours: str | None = Field(default=None, description="Column with hours to add.")
    row_start: str | None = Field(default=None, description="Row order is the clock: event time of the first row (ISO 8601, UTC).")
    row_step_minutes: float | None = Field(default=None, gt=0, description="Row order is the clock: minutes from one row to the next.")

    @model_validator(mode="after")
    def _one_clock(self) -> Time:
        if self.column is not None and self.row_start is not None:
            raise ValueError("give either `column` or `row_start`, not both")
        if (self.row_start is None) != (self.row_step_minutes is None):
            raise ValueError("`row_start` and `row_step_minutes` go together")
        return self


ColumnType = Literal["integer", "float", "boolean", "category", "text", "date", "datetime"]
ColumnRole = Literal["feature", "sensitive", "identifier", "subject", "target", "later", "ignore"]


class Column(Section):
    """One column of the source."""

    type: ColumnType = Field(description="Type after reading.")
    role: ColumnRole = Field(default="feature", description="feature: may enter the model. sensitive: measured for fairness, captured as context, kept out of the model. identifier: tells rows apart. subject: identifies a person, replaced by a keyed token. target: what is predicted. later: known only after the prediction moment, never a feature. ignore: kept, not used.")
    missing: bool = Field(default=True, description="Whether missing values are allowed.")
    min: float | None = Field(default=None, description="Smallest value allowed.")
    max: float | None = Field(default=None, description="Largest value allowed.")
    values: list[str | int] | None = Field(default=None, description="Values allowed; rows with another one are quarantined.")
    unique: bool = Field(default=False, description="Whether a value may occur only once; later rows are quarantined.")
    title: str = Field(default="", description="Name for people.")
    description: str = Field(default="", description="Meaning and unit.")
    reason: str = Field(default="", description="Reason code: how a person is told that this column counted against them; default: its title. Columns with the same text give one reason.")
    reason_high: str = Field(default="", description="Reason code where the value is above the usual one (of a boolean: true); default: `reason`.")
    reason_low: str = Field(default="", description="Reason code where the value is below the usual one (of a boolean: false); default: `reason`.")
    reason_missing: str = Field(default="", description="Reason code where the value is missing; default: the title and that it was not given.")
    actionable: Literal["increase", "decrease", "any", False] = Field(default=False, description="Whether the person can change the value, and in which direction; a counterfactual changes nothing else. Stays within `min`, `max`, `values`, and within what training rows held.")
    step: float | None = Field(default=None, gt=0, description="Smallest sensible change of an actionable number; default: 1 for whole numbers, else a fiftieth of its range.")


class Check(Section):
    """An own rule: rows that break it are quarantined under its name."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name, shown as the reason in quarantine.")
    kind: Literal["regex", "set", "range", "compare"] = Field(description="regex, set, range: on one column. compare: one column against another.")
    column: str = Field(description="Column the rule looks at.")
    pattern: str | None = Field(default=None, description="regex: the whole value must match.")
    values: list[str | int] | None = Field(default=None, description="set: values allowed.")
    min: float | None = Field(default=None, description="range: smallest value allowed.")
    max: float | None = Field(default=None, description="range: largest value allowed.")
    operator: Literal["<", "<=", "==", "!=", ">=", ">"] | None = Field(default=None, description="compare: operator.")
    other: str | None = Field(default=None, description="compare: the other column.")

    @model_validator(mode="after")
    def _complete(self) -> Check:
        needs = {"regex": self.pattern is not None, "set": self.values is not None,
                 "range": self.min is not None or self.max is not None,
                 "compare": self.operator is not None and self.other is not None}
        if not needs[self.kind]:
            raise ValueError({"regex": "a regex check needs `pattern`", "set": "a set check needs `values`",
                              "range": "a range check needs `min` or `max`",
                              "compare": "a compare check needs `operator` and `other`"}[self.kind])
        return self


class Privacy(Section):
    """Personal data."""

    token_key_env: str | None = Field(default=None, description="Environment variable with the token key; default: a key file under `home`.")
    suppress_below: int = Field(default=5, ge=1, description="Counts below this are not listed in profiles.")
    retention_days: float | None = Field(default=None, ge=1, description="Days after which captured predictions and labels are removed, once nothing needs them any more (windows not judged yet, labels to come, releases on their way); without it they stay.")
