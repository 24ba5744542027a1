"""From approval to live: `[rollout]`, its canary steps and its A/B test."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from interlock.spec.data import Section
from interlock.spec.probation import Probation


class CanaryStep(Section):
    """One canary step."""

    percent: float = Field(gt=0, lt=100, description="Share of requests the candidate answers.")
    bake_s: float = Field(default=300, ge=0, description="Seconds the step lasts at least.")
    requests_min: int = Field(default=200, ge=0, description="Candidate answers needed before the step is judged; until then it waits.")


class AbTest(Section):
    """The A/B test of `strategy = "ab"`: who sees which arm, and when it stops."""

    percent: float = Field(default=50, gt=0, lt=100, description="Share of entities that see the candidate.")
    key: str | None = Field(default=None, description="Column whose value decides the arm, so that one customer always sees the same one; without it, or where a request has none, the request id does.")
    outcome: Literal["labels", "decisions"] = Field(default="labels", description="What is compared (binary only). labels: share of positive outcomes among the labelled answers. decisions: share of answers with decision 1. With `key`, each entity counts once, with its first.")
    better: Literal["higher", "lower"] = Field(default="lower", description="Which share of the outcome is the better one.")
    effect_min: float = Field(default=0.01, gt=0, lt=1, description="Smallest difference of shares that matters; once every larger one is ruled out the test stops for futility.")
    samples_max: int = Field(default=100_000, ge=10, description="Counted answers or entities of both arms together after which the test stops for futility.")
    alpha: float = Field(default=0.05, gt=0, le=0.2, description="Probability that the test ever stops for a difference that is not there, however often it is looked at.")


class Rollout(Probation):
    """From approval to live."""

    strategy: Literal["canary", "shadow", "linear", "blue_green", "ab"] = Field(default="canary", description="canary: `steps`. shadow: mirrored requests only, then live. linear: equal steps from `percent_start` by `percent_step`. blue_green: everything at once, on probation. ab: the test of `[rollout.ab]`. Each may begin with `shadow_s` or `shadow_requests_min`, and `preview_s`.")
    steps: list[CanaryStep] = Field(default_factory=lambda: [CanaryStep(percent=10), CanaryStep(percent=50)], description="canary: steps in order; empty: straight to live on probation.")
    shadow_s: float = Field(default=0, ge=0, description="Seconds that requests are mirrored to the candidate before a customer sees an answer of it. 0 here and in `shadow_requests_min`: none are.")
    shadow_requests_min: int = Field(default=0, ge=0, description="Mirrored answers needed before the shadow step is judged.")
    shadow_percent: float = Field(default=100, gt=0, le=100, description="Share of requests that are mirrored.")
    preview_s: float = Field(default=0, ge=0, description="Seconds that the candidate answers only who asks for its version by address, before the first customer gets it unasked.")
    percent_start: float = Field(default=10, gt=0, lt=100, description="linear: share of the first step.")
    percent_step: float = Field(default=20, gt=0, lt=100, description="linear: what each step adds; the step that would reach 100 is the release itself.")
    interval_s: float = Field(default=300, ge=0, description="linear, ab: seconds a step lasts at least.")
    requests_min: int = Field(default=200, ge=0, description="linear, ab: candidate answers needed before a step is judged.")
    ab: AbTest = Field(default_factory=AbTest, description="ab: the test.")
    error_rate_max: float = Field(default=0.01, ge=0, le=1, description="Share of failed candidate answers that breaches.")
    refusal_rate_difference_max: float = Field(default=0.05, ge=0, le=1, description="Difference to the champion's share of refused requests that breaches.")
    latency_p99_ratio_max: float = Field(default=3.0, gt=1, description="Candidate p99 over champion p99 that breaches (same period); the 95 % bootstrap interval decides.")
    score_shift_max: float = Field(default=0.25, gt=0, description="Population stability index between champion's and candidate's scores, same period, that breaches.")
    flip_rate_max: float | None = Field(default=None, gt=0, le=1, description="Shadow: share of mirrored requests with another decision than the champion's that breaches. Without it flips are shown, not judged.")
    decision_rate_difference_max: float | None = Field(default=None, gt=0, le=1, description="Distance between the arms' shares of any decision, same period, that breaches. Without it the distance is shown, not judged.")
    label_loss_increase_max: float = Field(default=0.1, gt=0, description="Rise of the loss on labelled answers over the champion's, as a share of the champion's, that breaches (binary: log loss; multiclass: error rate; regression: absolute error).")
    labels_min: int = Field(default=0, ge=0, description="Labelled answers of each arm that a step waits for. 0: labels that come in time are judged from 100 of each arm on, and none are waited for.")
    inconclusive_s: float = Field(default=3_600, ge=0, description="A step that lasted and answered enough but whose measures do not decide goes on this long, then pauses for a person.")
    wait_max_s: float = Field(default=86_400, gt=0, description="A step without enough requests pauses for a person after this long.")
    on_capture_failure: Literal["serve", "refuse"] = Field(default="serve", description="What the server does when it cannot record a prediction.")

    @property
    def shadowed(self) -> bool:
        """Whether requests are mirrored before the first customer sees an answer."""
        return self.shadow_s > 0 or self.shadow_requests_min > 0

    @model_validator(mode="after")
    def _steps_grow(self) -> Rollout:
        shares = [step.percent for step in self.steps]
        if shares != sorted(set(shares)):
            raise ValueError("canary steps must grow")
        if self.strategy == "shadow" and not self.shadowed:
            raise ValueError('strategy = "shadow" needs `shadow_s` or `shadow_requests_min`: how long requests are mirrored')
        fields = type(self).model_fields  # a written-out default says nothing: a use case survives being stored and read
        given = {name for name in self.model_fields_set if getattr(self, name) != fields[name].get_default(call_default_factory=True)}
        if self.strategy != "canary" and "steps" in given:
            raise ValueError('`steps` go with strategy = "canary"')
        if self.strategy != "linear" and given & {"percent_start", "percent_step"}:
            raise ValueError('`percent_start` and `percent_step` go with strategy = "linear"')
        if self.strategy != "ab" and "ab" in given:
            raise ValueError('`[rollout.ab]` goes with strategy = "ab"')
        return self
