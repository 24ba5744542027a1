"""The steps of a release under each strategy, in order. Pure: the same `[rollout]` always gives the same steps.

    canary      [shadow] [preview] step 1 … step n
    linear      [shadow] [preview] percent_start, + percent_step, … below 100
    ab          [shadow] [preview] one step that the sequential test ends
    shadow       shadow  [preview]
    blue_green  [shadow] [preview]

After the last step everything goes to the candidate at once, on probation; the way back is kept loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from interlock.errors import UseCaseError
from interlock.rules.releases import ReleaseState
from interlock.spec.rollout import Rollout


class StepKind(StrEnum):
    """What the candidate does in a step."""

    SHADOW = "shadow"    # scores mirrored requests after the champion's reply; nobody sees its answers
    PREVIEW = "preview"  # answers only who asks for its version
    SHARE = "share"      # answers a share of the requests
    AB = "ab"            # answers a share of the entities, until the test stops


@dataclass(frozen=True)
class Step:
    """One step: `percent` of the requests (0 to 100) for at least `bake_s` seconds and `requests_min` candidate answers."""

    kind: StepKind
    percent: float
    bake_s: float
    requests_min: int

    @property
    def state(self) -> ReleaseState:
        """The state of a release in this step."""
        return ReleaseState.SHADOW if self.kind in {StepKind.SHADOW, StepKind.PREVIEW} else ReleaseState.CANARY

    @property
    def words(self) -> str:
        """What happens to requests, for people."""
        return {StepKind.SHADOW: f"shadow: {self.percent:g} % of the requests are mirrored, no answer of the candidate is returned",
                StepKind.PREVIEW: "preview: the candidate answers only who asks for its version",
                StepKind.SHARE: f"{self.percent:g} % of the requests",
                StepKind.AB: f"A/B test: {self.percent:g} % of the entities"}[self.kind]


def steps_of(rollout: Rollout) -> tuple[Step, ...]:
    """Every step before the release is live on probation; none: it is live at once."""
    steps: list[Step] = []
    if rollout.shadowed:
        steps.append(Step(StepKind.SHADOW, rollout.shadow_percent, rollout.shadow_s, rollout.shadow_requests_min))
    if rollout.preview_s > 0:
        steps.append(Step(StepKind.PREVIEW, 0, rollout.preview_s, 0))
    if rollout.strategy == "canary":
        steps += [Step(StepKind.SHARE, step.percent, step.bake_s, step.requests_min) for step in rollout.steps]
    if rollout.strategy == "linear":
        steps += [Step(StepKind.SHARE, percent, rollout.interval_s, rollout.requests_min) for percent in _line(rollout)]
    if rollout.strategy == "ab":
        steps.append(Step(StepKind.AB, rollout.ab.percent, rollout.interval_s, rollout.requests_min))
    return tuple(steps)


def answering_steps(rollout: Rollout) -> int:
    """How many steps there are in which the candidate answers only some customers: what protects the others."""
    return sum(step.kind in {StepKind.SHARE, StepKind.AB} for step in steps_of(rollout))


def step_of(rollout: Rollout, number: int) -> Step:
    """Step `number`, counted from 1; `UseCaseError` where the use case no longer has it."""
    steps = steps_of(rollout)
    if not 1 <= number <= len(steps):
        raise UseCaseError("the rollout has no such step", value=number, allowed=f"1 to {len(steps)}")
    return steps[number - 1]


def route_changes(rollout: Rollout, step: Step, salt: str) -> dict[str, Any]:
    """What a step changes in the route beside the candidate. In an A/B test an entity keeps its arm: `salt`, the release's own, is hashed
    with the declared key, so that one release's arms are not the next one's."""
    tested = step.kind is StepKind.AB
    return {"candidate_percent": step.percent, "candidate_mode": "shadow" if step.state is ReleaseState.SHADOW else "share",
            "sticky_key": rollout.ab.key if tested else None, "sticky_salt": salt if tested else None}


def _line(rollout: Rollout) -> list[float]:
    """`percent_start`, then `percent_step` more each time, below 100."""
    found, place = [], 0
    while (percent := round(rollout.percent_start + place * rollout.percent_step, 6)) < 100:
        found.append(percent)
        place += 1
    return found
