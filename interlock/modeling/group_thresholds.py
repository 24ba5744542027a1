"""Thresholds by group of a context column, as a package carries them. Imported by the prediction server: NumPy and Pydantic only."""

from __future__ import annotations

import re

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

NEVER = 2.0  # no probability reaches it
WHOLE = re.compile(r"^(-?\d+)\.0$")  # how a captured 3.0 is written


class GroupThresholds(BaseModel):
    """Probability from which the answer is positive, by the value of one context column.

    A missing value, or one that training did not know, takes the ordinary threshold and is flagged: it must not end in a refusal
    without a word.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str = Field(description="Context column (or feature) of the request that says the group.")
    thresholds: dict[str, float] = Field(min_length=1, description="Group as text → threshold, 0 (always) to 2 (never).")

    def known(self, value: object) -> bool:
        """Whether this value has a threshold of its own."""
        return group_key(value) in self.thresholds

    def of(self, value: object, ordinary: float) -> float:
        """The threshold that counts for a request whose column has this value."""
        key = group_key(value)
        return ordinary if key is None else self.thresholds.get(key, ordinary)


def group_key(value: object) -> str | None:
    """The group of a value, the same from a table, from a request and from a captured request, where numbers are texts: `true`,
    `false`, whole numbers without a point; None: missing."""
    if value is None or (isinstance(value, (float, np.floating)) and value != value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return WHOLE.sub(r"\1", str(value))
