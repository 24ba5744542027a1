"""How far a monitored window lies from the baseline, from the window before it, and part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from interlock.control.windows.window_profiles import Known, comparable, profile_window
from interlock.modeling.baseline import LABEL_COLUMN, SCORE_COLUMN, features_of
from interlock.modeling.measures import PRIMARY
from interlock.modeling.package import Package
from interlock.rules.findings import Finding, State
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

    from reports.profiles import Profile

LOSSES = ("performance.drop", "performance.estimated_drop")  # what drift may have cost, the measured one first


@dataclass(frozen=True)
class WindowDrift:
    """The drift of one version's rows in one window; both profiles are made once, when a report first asks."""

    use_case: UseCase
    package: Package
    rows: pl.DataFrame = field(repr=False)
    known: Known = field(default_factory=Known)

    @cached_property
    def baseline(self) -> Profile:
        from reports.profiles import Profile

        return Profile.from_json(self.package.profile_json)

    @cached_property
    def profile(self) -> Profile:
        return profile_window(self.use_case, self.baseline, self.rows)

    @property
    def made(self) -> Profile | None:
        """The window's profile if a report could make it."""
        found: Profile | None = self.__dict__.get("profile")
        return found

    @property
    def limits(self) -> dict[str, Any]:
        return {"rows_min": self.use_case.monitoring.rows_min, "psi_max": self.use_case.monitoring.drift_psi_max}

    def features(self) -> list[Finding]:
        """Distances of every captured feature from the training rows. Calendar features are left out: a window always differs in them."""
        from reports.drift import drift_findings

        whole = features_of(self.baseline)
        known, now = whole.only(self.profile.columns), features_of(self.profile)
        absent = [Finding(metric="drift.psi", segment=f"column={name}", state=State.MISSING, note="requests did not carry this column")
                  for name in whole.columns if name not in known.columns]
        return [*drift_findings(known, now, **self.limits), *absent]

    def score(self) -> list[Finding]:
        """PSI of the answers against those on the rows held out when the model was made; the other distances in the detail."""
        return [_one(self.baseline, self.profile, SCORE_COLUMN, "drift.score", self.limits)]

    def target(self) -> list[Finding]:
        """PSI of the outcomes known so far against the labels learned from."""
        if LABEL_COLUMN not in self.baseline.columns:
            return [Finding(metric="drift.target", state=State.MISSING, note="the package holds no profile of its labels")]
        known = self.profile.columns[LABEL_COLUMN].count
        needed = self.use_case.monitoring.labels_min
        if known < needed:
            return [Finding(metric="drift.target", sample_size=known, needed=needed, state=State.TOO_FEW,
                            note=f"outcomes come later: {known:,} known, at least {needed:,} needed")]
        return [_one(self.baseline, self.profile, LABEL_COLUMN, "drift.target", self.limits | {"rows_min": needed})]

    def previous(self) -> list[Finding]:
        """Share of features, and PSI of the answers, that moved since the window before."""
        from reports.drift import summary_finding

        before = self.known.previous()
        if before is None:
            why = "no earlier window of this version has a profile"
            return [Finding(metric=metric, state=State.MISSING, note=why) for metric in ("drift.previous_share", "drift.previous_score")]
        share = summary_finding(features_of(before), features_of(self.profile), **self.limits, family="drift.previous_")
        return [share, _one(before, self.profile, SCORE_COLUMN, "drift.previous_score", self.limits)]

    def segments(self) -> list[Finding]:
        """Share of features that moved within each declared segment, against the same part of the training rows."""
        from reports.drift import summary_finding

        return [summary_finding(part.only(self.profile.segments[name].columns), self.profile.segments[name], **self.limits,
                                family="drift.segment_", segment=name)
                if name in self.profile.segments else
                Finding(metric="drift.segment_share", segment=name, state=State.MISSING, note="requests did not carry this column")
                for name, part in self.baseline.segments.items()]

    def reconstruction(self) -> list[Finding]:
        """Whether columns still belong together as they did."""
        from reports.drift_domain import reconstruction_finding

        kinds = {name: column.kind for name, column in features_of(self.profile).columns.items()}
        return [reconstruction_finding(self.baseline.plane, comparable(self.rows, kinds), rows_min=self.use_case.monitoring.rows_min,
                                       seed=self.use_case.training.seed)]

    def impact(self, findings: Sequence[Finding]) -> list[Finding]:
        """The columns that moved, ranked by what that costs; `findings`: what was measured on this window before."""
        return [impact_of([*findings, *self._estimated_drop(findings)], self.known.importance(), self.rows.height)[0]]

    def _estimated_drop(self, findings: Sequence[Finding]) -> list[Finding]:
        """The loss of the primary metric as estimated without outcomes, in the sense of `performance.drop`; nothing without an estimate."""
        task, made = self.package.manifest.task, self.package.manifest.baseline.get("primary")
        estimates = [finding for finding in findings if finding.metric == f"performance.estimated_{PRIMARY[task]}"
                     and finding.segment == "all" and finding.state is State.OK and finding.value is not None]
        if not estimates or made is None or (task == "regression" and made <= 0):
            return []
        value = float(estimates[0].value or 0.0)
        drop = made - value if task == "binary" else (value - made) / (made if task == "regression" else 1.0)
        return [estimates[0].model_copy(update={"metric": LOSSES[1], "value": drop, "low": None, "high": None, "unit": ""})]


def impact_of(findings: Sequence[Finding], importance: Mapping[str, float], rows: int, *, family: str = "drift."
              ) -> tuple[Finding, dict[str, Any]]:
    """The ranking from findings already made: PSI per column of `family`, and the first known loss among `LOSSES`."""
    from reports.drift_impact import impact_finding

    effects = {finding.segment.removeprefix("column="): finding.value for finding in findings
               if finding.metric == f"{family}psi" and finding.state is State.OK and finding.value is not None}
    losses = [finding for name in LOSSES for finding in findings
              if finding.metric == name and finding.segment == "all" and finding.state is State.OK]
    return impact_finding(effects, importance, losses[0] if losses else None, sample_size=rows, family=family)


def _one(baseline: Profile, current: Profile, column: str, metric: str, limits: dict[str, Any]) -> Finding:
    """PSI of one column as a finding of its own, over all rows; the other distances stand in its detail."""
    from reports.drift import drift_findings

    sides = [profile.only({column: None}) for profile in (baseline, current)]
    sides = [side.model_copy(update={"rows": side.columns[column].rows}) for side in sides]
    found = {finding.metric.removeprefix("drift."): finding for finding in drift_findings(sides[0], sides[1], **limits)}
    others = {name: found[name].value for name in ("js", "tv", "ks", "wasserstein", "p_value") if name in found}
    return found["psi"].model_copy(update={"metric": metric, "segment": "all", "detail": found["psi"].detail | {"distances": others}})
