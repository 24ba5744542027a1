"""The use case: one prediction job in one TOML file."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from interlock.spec.data import Check, Column, Privacy, Section, Source, Time
from interlock.spec.fairness import Fairness
from interlock.spec.gates import GateOverride
from interlock.spec.mitigation import Mitigation
from interlock.spec.model import Features, Labels, Prediction
from interlock.spec.operation import Alerts, Approval, Costs, Monitoring, Schedules
from interlock.spec.rollout import Rollout
from interlock.spec.serving import Serving
from interlock.spec.staging import Drill, Staging
from interlock.spec.training import Training
from interlock.spec.value import Segments, Value

SPEC_VERSION = 1


class UseCase(Section):
    """Everything Interlock knows about one prediction job."""

    spec_version: int = Field(ge=SPEC_VERSION, le=SPEC_VERSION, description="Version of this format.")
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,62}$", description="Name, used in keys, addresses and folders.")
    title: str = Field(description="Name for people.")
    description: str = Field(description="What it is for and what it must not be used for.")
    owner: str = Field(description="Person or team that answers for it.")
    prediction: Prediction
    source: Source
    time: Time = Field(default_factory=Time, description="Without it, event time = time of ingestion.")
    columns: dict[str, Column] = Field(min_length=2, description="The columns of the source, in file order.")
    checks: list[Check] = Field(default_factory=list)
    privacy: Privacy = Field(default_factory=Privacy)
    labels: Labels = Field(default_factory=Labels)
    features: Features = Field(default_factory=Features)
    training: Training = Field(default_factory=Training)
    gates: dict[str, GateOverride] = Field(default_factory=dict)
    fairness: Fairness = Field(default_factory=Fairness)
    mitigation: Mitigation = Field(default_factory=Mitigation)
    segments: Segments = Field(default_factory=Segments)
    value: Value | None = Field(default=None, description="Without it, no decision is valued in money.")
    staging: Staging = Field(default_factory=Staging)
    rollout: Rollout = Field(default_factory=Rollout)
    serving: Serving = Field(default_factory=Serving)
    drill: Drill = Field(default_factory=Drill)
    monitoring: Monitoring = Field(default_factory=Monitoring)
    approval: Approval = Field(default_factory=Approval)
    costs: Costs = Field(default_factory=Costs)
    alerts: Alerts = Field(default_factory=Alerts)
    schedules: Schedules = Field(default_factory=Schedules)

    @model_validator(mode="after")
    def _columns_exist(self) -> UseCase:
        named = {"prediction.target": self.prediction.target, "time.column": self.time.column,
                 "time.plus_minutes": self.time.plus_minutes, "time.plus_hours": self.time.plus_hours}
        named |= {f"checks.{check.name}.column": check.column for check in self.checks}
        named |= {f"checks.{check.name}.other": check.other for check in self.checks}
        missing = [f"{key} names column '{column}', which [columns] does not have" for key, column in named.items()
                   if column is not None and column not in self.columns]
        if self.prediction.target in self.columns and self.columns[self.prediction.target].role not in {"target", "later"}:
            missing.append(f"column '{self.prediction.target}' is the target: its role must be \"target\" or \"later\"")
        if not self.model_columns and not self.features.calendar:
            missing.append("no column has role = \"feature\"")
        if missing:
            raise ValueError("; ".join(missing))
        return self

    def by_role(self, *roles: str) -> list[str]:
        """Names of the columns with one of these roles, in file order."""
        return [name for name, column in self.columns.items() if column.role in roles]

    @property
    def timed(self) -> bool:
        """Whether rows have a time of their own, by a column or by their order; if not, their event time is that of ingestion."""
        return self.time.column is not None or self.time.row_start is not None

    @property
    def label_delay(self) -> timedelta:
        """From event time to the moment the outcome is known. Zero for rows without a time: they come with their outcome."""
        return timedelta(hours=self.labels.delay_hours) if self.timed else timedelta(0)

    @property
    def feature_columns(self) -> list[str]:
        """Source columns that enter the model, in file order."""
        roles = ("feature", "sensitive") if self.features.include_sensitive else ("feature",)
        return self.by_role(*roles)

    @property
    def model_columns(self) -> dict[str, Column]:
        """Every column that enters the model beside the calendar: those of the source, of feature views, and derived ones (numbers)."""
        found = {name: self.columns[name] for name in self.feature_columns}
        found |= {name: Column(type="float") for use in self.features.views for name in use.outputs}
        return found | {name: Column(type="float", title=made.title, description=made.description)
                        for made in self.features.derived for name in made.outputs}

    @property
    def sensitive_columns(self) -> list[str]:
        return self.by_role("sensitive")

    @property
    def context_columns(self) -> list[str]:
        """Columns that a request may carry beside the features: known at the prediction moment, captured, never scored."""
        entering = set(self.feature_columns)
        return [name for name in self.by_role("sensitive", "identifier", "ignore") if name not in entering]
