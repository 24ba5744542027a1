"""Which differences between groups of people are measured and judged, and by whose policy: `[fairness]` and `[[fairness.rules]]`."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from interlock.spec.data import Section

Measure = Literal[
    "selection_rate_ratio", "demographic_parity_difference", "equal_opportunity_difference", "equal_opportunity_ratio",
    "equalized_odds_difference", "equalized_odds_ratio", "predictive_parity_difference", "predictive_parity_ratio", "calibration_difference"]
ValueMeasure = Literal["mean_prediction_difference", "bias_difference", "mae_difference", "mae_ratio", "rmse_difference", "rmse_ratio"]
MEASURES: tuple[str, ...] = get_args(Measure)
VALUE_MEASURES: tuple[str, ...] = get_args(ValueMeasure)
FOUR_FIFTHS = "29 CFR 1607.4(D), four-fifths rule; scope: US employment selection, used here as a screening convention"
DEFAULT_BASIS = f"A default, not a policy your organisation chose: {FOUR_FIFTHS}"
POLICY_KEYS = ("metric", "threshold", "basis")


class FairnessRule(Section):
    """One rule of the organisation's policy: a measure, its limit, and whose rule it is."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$", description="Name; the gate is called `fairness_NAME`.")
    metric: Measure | ValueMeasure = Field(description="The measure that is judged; for regression one of `mean_prediction_difference`, `bias_difference`, `mae_…`, `rmse_…`.")
    threshold: float = Field(ge=0, description="Ratio: smallest allowed (0 to 1). Difference: largest allowed (a share, or the target's unit).")
    basis: str = Field(min_length=10, description="Named policy basis: law, standard or decision, with paragraph or date.")
    scope: str = Field(default="", description="Where that basis applies, in words.")
    attributes: list[str] = Field(default_factory=list, description="Sensitive columns that the rule is about; empty: all.")
    intersections: bool = Field(default=False, description="Judge intersections of two of these attributes too.")
    judge_by: Literal["value", "interval"] = Field(default="value", description="interval: its unfavourable end must clear the threshold too.")
    mode: Literal["block", "observe"] = Field(default="block", description="observe: shown, never stops a release.")

    @model_validator(mode="after")
    def _ratio_fits(self) -> FairnessRule:
        if self.metric.endswith("_ratio") and self.threshold > 1:
            raise ValueError("a ratio is smallest over largest, so its threshold is at most 1")
        return self

    @property
    def is_ratio(self) -> bool:
        """Whether larger is fairer."""
        return self.metric.endswith("_ratio")

    @property
    def finding(self) -> str:
        """The metric of the findings that this rule judges."""
        return f"fairness.rule_{self.name}"


class Fairness(Section):
    """Which differences between groups are measured and gated. One rule by `metric`, `threshold`, `basis`, or several `[[fairness.rules]]`."""

    group_rows_min: int = Field(default=60, ge=2, description="Rows (and per rate, denominators) a group needs; below it the answer is UNKNOWN.")
    difference_to_see: float = Field(default=0.1, gt=0, lt=1, description="Difference of two rates that the rows must be able to show (error 5 %, power 80 %); a group with fewer rows than that takes is UNKNOWN.")
    favourable: Literal["positive", "negative"] = Field(default="positive", description="Which answer is the favourable one for the person.")
    favourable_classes: list[str] = Field(default_factory=list, description="multiclass: the classes that are favourable for the person; empty: every class is measured, none is gated.")
    metric: Measure = Field(default="selection_rate_ratio", description="The gated measure.")
    threshold: float = Field(default=0.8, ge=0, le=1, description="Ratio: smallest allowed. Difference: largest allowed.")
    basis: str = Field(default=DEFAULT_BASIS, description="Named policy basis of the threshold.")
    rules: list[FairnessRule] = Field(default_factory=list, max_length=20, description="Several rules instead of `metric`, `threshold`, `basis`; each becomes a gate of its own.")

    @model_validator(mode="after")
    def _one_form(self) -> Fairness:
        given = [key for key in POLICY_KEYS if key in self.model_fields_set]
        if self.rules and given:
            raise ValueError(f"give either [[fairness.rules]] or {', '.join(f'`{key}`' for key in given)}, not both")
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError("two [[fairness.rules]] have the same name")
        return self

    @property
    def is_chosen(self) -> bool:
        """Whether the organisation said what it wants: rules, or any key of the single form. False: the default stands."""
        return bool(self.rules) or any(key in self.model_fields_set for key in POLICY_KEYS)

    @property
    def spoken_basis(self) -> str:
        """The basis of the single form as it is shown: a chosen limit with the default basis says that the default's basis stayed."""
        if "basis" in self.model_fields_set or not self.is_chosen:
            return self.basis
        return "Limit chosen in [fairness], without a basis of its own: say whose policy it is in `basis`"
