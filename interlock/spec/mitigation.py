"""Whether and how training may lessen differences between groups: `[mitigation]`. Offered, never imposed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from interlock.spec.data import Section


class Mitigation(Section):
    """How training lessens a difference between groups. Some fields of law forbid to use the attribute for this, above all at the decision."""

    method: Literal["none", "reweighing", "exponentiated_gradient", "threshold"] = Field(default="none", description="reweighing: example weights. exponentiated_gradient: cost-sensitive training under a constraint. threshold: one threshold per group, taken from the request's context at serving.")
    attribute: str | None = Field(default=None, description="The sensitive column whose groups are meant.")
    constraint: Literal["demographic_parity", "equal_opportunity", "equalized_odds"] = Field(default="demographic_parity", description="What shall become equal. reweighing always aims at demographic parity of the labels.")
    strength: float = Field(default=1.0, gt=0, le=1, description="1: the whole correction; less: part of the way (weights and thresholds are interpolated).")
    epsilon: float = Field(default=0.02, gt=0, lt=1, description="exponentiated_gradient: violation of the constraint that is allowed.")
    reason: str = Field(default="", description="Why the attribute may be used here, and who decided it; required with a method.")

    @model_validator(mode="after")
    def _is_explained(self) -> Mitigation:
        if self.method == "none":
            return self
        if self.attribute is None:
            raise ValueError("a mitigation method needs `attribute`, the sensitive column whose groups are meant")
        if len(self.reason.strip()) < 10:
            raise ValueError("a mitigation method needs a `reason`: using the attribute can itself be unlawful, so somebody has to say why it may be")
        if self.method == "reweighing" and self.constraint != "demographic_parity":
            raise ValueError("reweighing aims at demographic_parity only")
        return self
