"""`[rollout] probation_…` and `rollback_…`: when live counts as confirmed, and what brings a live version back without a person."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from interlock.spec.data import Section

Part = Literal["operational", "estimated", "labels"]


def _operational() -> list[Part]:
    return ["operational"]


class Probation(Section):
    """What is live on probation has three verdicts, each pass, fail or open."""

    probation_s: float = Field(default=3_600, ge=0, description="Seconds live on probation before live is confirmed.")
    probation_confirm: list[Part] = Field(default_factory=_operational, min_length=1, description="Verdicts that must pass before live is confirmed: operational (errors, after `probation_s`), estimated (performance of monitored windows without labels), labels (performance on real outcomes).")
    probation_rollback_on: list[Part] = Field(default_factory=_operational, description="Verdicts whose fail brings the previous version back, on probation and after; for the others people are told.")
    probation_windows: int = Field(default=1, ge=1, le=100, description="Monitored windows that must have passed before the estimated or labels verdict passes.")
    probation_wait_max_s: float = Field(default=2_592_000, gt=0, description="People are told once when live is still not confirmed after this long because windows or labels are missing.")
    rollback_cooldown_s: float = Field(default=3_600, ge=0, description="After an automatic rollback, for this long: the version taken off is no way back of another automatic one, and monitored windows start none (errors still may).")
    rollbacks_max: int = Field(default=3, ge=0, description="Automatic rollbacks of the live version within `rollbacks_period_s`; then people are told instead. 0: never without a person. Taking off a canary, and the end of a waiver, are not counted.")
    rollbacks_period_s: float = Field(default=86_400, gt=0, description="Period of `rollbacks_max`, in seconds.")

    @field_validator("probation_confirm", "probation_rollback_on")
    @classmethod
    def _named_once(cls, parts: list[Part]) -> list[Part]:
        if len(set(parts)) != len(parts):
            raise ValueError("a verdict is named twice")
        return parts
