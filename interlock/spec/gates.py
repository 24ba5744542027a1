"""What a candidate must show: `[gates.NAME]` changes a gate of the defaults, or declares one of the use case's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from interlock.spec.data import Section

OWN_KEYS = ("direction", "threshold", "reason", "source")


class GateOverride(Section):
    """`[gates.NAME]`: change one gate of the defaults for the task; with `metric`, a gate of the use case's own."""

    threshold: float | None = Field(default=None, allow_inf_nan=False, description="Own threshold instead of the default; required for an own gate.")
    mode: Literal["block", "observe"] = Field(default="block", description="observe: shown, never stops a release.")
    reason: str = Field(default="", description="Why this use case differs, or asks this; required with an own threshold, mode or gate.")
    rows_min: int | None = Field(default=None, ge=1, description="Sample size below which the gate says UNKNOWN.")
    metric: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$", description="Own gate: the finding it judges, for example `quality.class_share`; of several segments the worst counts.")
    direction: Literal["at_least", "at_most"] | None = Field(default=None, description="Own gate: which side of the threshold is good.")
    judge_by: Literal["value", "interval"] | None = Field(default=None, description="Own gate: `interval` asks the whole 95 % interval to clear the threshold, `value` (the default) only the value.")
    segment: str | None = Field(default=None, description="Own gate: judge only findings of this segment, for example `class=late`; default: all of the metric.")
    unit: str = Field(default="", description="Own gate: unit of the threshold.")
    title: str = Field(default="", description="Own gate: name for people; default: the gate's name.")
    source: str = Field(default="", description="Own gate: where the threshold comes from (law, contract, paper, \"convention\").")

    @model_validator(mode="after")
    def _complete(self) -> GateOverride:
        if self.metric is None:
            own = [name for name in ("direction", "judge_by", "segment", "unit", "title", "source") if name in self.model_fields_set]
            if own:
                raise ValueError(f"{', '.join(own)}: only for an own gate, which needs `metric`")
            if (self.threshold is not None or self.mode == "observe" or self.rows_min is not None) and not self.reason:
                raise ValueError("an own threshold, mode or rows_min needs a `reason`")
            return self
        lacking = [name for name in OWN_KEYS if getattr(self, name) in (None, "")]
        if lacking:
            raise ValueError(f"an own gate needs {', '.join(f'`{name}`' for name in lacking)}")
        return self
