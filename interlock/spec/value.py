"""What decisions are worth and whom performance is shown for apart: `[value]`, `[segments]`."""

from __future__ import annotations

from pydantic import Field, model_validator

from interlock.spec.data import Section

OUTCOMES = ("true_positive", "false_positive", "true_negative", "false_negative")
ERRORS = ("over", "under")


class Value(Section):
    """Money per decision. Amounts are gains where positive and losses where negative, per case."""

    currency: str = Field(min_length=1, max_length=12, description="Currency or other unit of the amounts, for example USD.")
    basis: str = Field(min_length=1, description="Where the amounts come from; say so where they are an example.")
    true_positive: float | None = Field(default=None, allow_inf_nan=False, description="binary: worth of a positive answer that was right.")
    false_positive: float | None = Field(default=None, allow_inf_nan=False, description="binary: worth of a positive answer that was wrong.")
    true_negative: float | None = Field(default=None, allow_inf_nan=False, description="binary: worth of a negative answer that was right.")
    false_negative: float | None = Field(default=None, allow_inf_nan=False, description="binary: worth of a negative answer that was wrong.")
    over: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="regression: cost of each unit that a prediction is too high.")
    under: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="regression: cost of each unit that a prediction is too low.")
    scale_column: str | None = Field(default=None, description="Number column that multiplies the amounts of its row; then they are per unit of it.")

    @model_validator(mode="after")
    def _one_kind(self) -> Value:
        outcomes = [getattr(self, name) for name in OUTCOMES]
        errors = [getattr(self, name) for name in ERRORS]
        if (None in outcomes) == (None in errors) or any(v is not None for v in (errors if None in errors else outcomes)):
            raise ValueError(f"give either all of {', '.join(OUTCOMES)} or both of {', '.join(ERRORS)}")
        if not any(outcomes if None in errors else errors):
            raise ValueError("all amounts are 0: then no decision is worth more than another")
        return self

    @property
    def matrix(self) -> dict[str, float]:
        """The amounts by name: four of a binary task, or two of a regression."""
        return {name: float(getattr(self, name)) for name in (*OUTCOMES, *ERRORS) if getattr(self, name) is not None}


class Segments(Section):
    """Groups of cases for which performance is shown apart, beside the weakest ones that are searched for."""

    columns: list[str] = Field(default_factory=list, max_length=20, description="Columns whose values (numbers: quarters) form the segments.")
    rows_min: int = Field(default=100, ge=20, description="Held-out rows below which no segment is judged or searched.")
