"""What stands in an answer's place when the model abstained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from interlock.serving.shelf import Arm

Kind = Literal["out_of_range", "unseen", "missing", "confidence", "interval"]
Answerer = Literal["model", "champion", "rule", "person"]


@dataclass(frozen=True)
class Outcome:
    """Whether the model abstained, why, and who answers instead.

    `kind`: the condition, None where the model answers. `arm`: the arm that abstained. `prediction`: the rule's answer; None where a
    person is asked (the champion's own answer stands in the answer itself).
    """

    kind: Kind | None = None
    reason: str = ""
    answered_by: Answerer = "model"
    arm: Arm | None = None
    prediction: int | float | str | None = None

    @property
    def replaced(self) -> bool:
        """Whether no model's answer is given."""
        return self.answered_by in ("rule", "person")

    @property
    def flags(self) -> list[str]:
        """What is captured of it, beside the score that nobody was given."""
        if self.kind is None:
            return []
        said = [f"abstained:{self.kind}", f"answered_by:{self.answered_by}"]
        return [*said, f"rule_answer:{self.prediction}"] if self.answered_by == "rule" else said

    def put_on(self, body: dict[str, Any]) -> None:
        """Put `abstained`, `reason`, `answered_by` on an answer's reply; where no model answers, its score and intervals are null."""
        body |= {"abstained": self.kind is not None, "answered_by": self.answered_by}
        if self.kind is not None:
            body["reason"] = self.reason
        if self.arm is not None and self.answered_by == "champion":
            body["abstained_version"] = self.arm.slot.version
        if self.replaced:
            body |= {name: None for name in ("score", "scores", "interval") if name in body} | {"prediction": self.prediction}


ANSWERED = Outcome()
