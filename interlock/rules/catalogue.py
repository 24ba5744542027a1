"""The catalogue of gates: what every candidate must show before a person is asked, per task, with the source of each threshold.

Names are stable: use-case files refer to them (`[gates.NAME]`). docs/gates.md explains each. Thresholds that rest on nothing but
custom say "convention".
"""

from __future__ import annotations

from typing import get_args

from interlock.errors import UseCaseError, did_you_mean
from interlock.rules.fairness_gates import fairness_gates
from interlock.rules.gates import Gate
from interlock.rules.own_gates import own_gate, unknown_metric
from interlock.rules.quality_gates import leakage_gates, quality_gates, replay_gates
from interlock.spec.fairness import Fairness
from interlock.spec.gates import GateOverride
from interlock.spec.model import Task
from interlock.spec.operation import Monitoring
from interlock.spec.training import Training
from interlock.spec.usecase import UseCase

TASKS: tuple[Task, ...] = get_args(Task)


def known_gates(task: Task) -> list[str]:
    """Names of the gates that a use case of this task has, in the order in which they are shown."""
    return [gate.name for gate in _defaults(task, Fairness(), Monitoring(), Training())]


def gates_for(use_case: UseCase) -> list[Gate]:
    """The gates of this use case: the defaults of its task with its own overrides applied, then its own gates.

    A gate of the use case's own has a `metric`. Raises `UseCaseError` naming every override of a gate that the task does not
    have, every own gate with the name of a default one, and every own metric that no report makes.
    """
    gates = _defaults(use_case.prediction.task, use_case.fairness, use_case.monitoring, use_case.training)
    names = [gate.name for gate in gates]
    own = {name: override for name, override in use_case.gates.items() if override.metric is not None}
    wrong = [f"[gates.{name}]: no such gate for a {use_case.prediction.task} task; {did_you_mean(name, names)}".rstrip("; ")
             for name in use_case.gates if name not in names and name not in own]
    wrong += [f"[gates.{name}]: a gate of this name exists; change it without `metric`, or choose another name" for name in own
              if name in names]
    wrong += [f"[gates.{name}]: {problem}" for name, override in own.items()
              if (problem := unknown_metric(str(override.metric), [gate.metric for gate in gates]))]
    if wrong:
        raise UseCaseError("gates that cannot be judged:\n  " + "\n  ".join(wrong), problems=wrong,
                           allowed=", ".join(names), next_step="interlock check FILE")
    return [*(_overridden(gate, use_case.gates.get(gate.name)) for gate in gates),
            *(own_gate(name, override) for name, override in own.items())]


def _overridden(gate: Gate, override: GateOverride | None) -> Gate:
    if override is None:
        return gate
    given = override.model_fields_set
    changes: dict[str, object] = {"source": f"{gate.source} Own setting of this use case: {override.reason}"} if override.reason else {}
    if override.threshold is not None:
        changes["threshold"] = override.threshold
    if override.rows_min is not None:
        changes["rows_min"] = override.rows_min
    if "mode" in given:
        changes["mode"] = override.mode
    return gate.model_copy(update=changes)


def _defaults(task: Task, fairness: Fairness, monitoring: Monitoring, training: Training) -> list[Gate]:
    gates = [*quality_gates(), *leakage_gates(training), *_performance(task)]
    return [*gates, *fairness_gates(task, fairness), *_explanation(), *_shift(monitoring), *replay_gates(), *_operation(monitoring)]


def _performance(task: Task) -> list[Gate]:
    floor = {"binary": ("performance.auc", 0.55, "AUC"), "multiclass": ("performance.auc", 0.55, "AUC"),
             "regression": ("performance.r2", 0.0, "R²")}[task]
    margin, unit = {"binary": (-0.01, "AUC"), "multiclass": (-0.02, "log loss"), "regression": (-0.02, "of RMSE")}[task]
    gates = [
        Gate(name="performance", title="Performance", metric=floor[0], direction="at_least", threshold=floor[1], unit=floor[2],
             judge_by="interval", rows_min=100, question="Does it tell cases apart at all?",
             source="Convention: an AUC of 0.5 is chance, an R² of 0 the mean (Hosmer, Lemeshow, Sturdivant 2013, ch. 5.2.4). A floor, "
                    "not a goal: use cases set their own."),
        Gate(name="vs_naive", title="Better than a naive rule", metric="performance.vs_naive", direction="at_least", threshold=0.005,
             judge_by="interval", rows_min=100, question="Is it better than doing nothing clever?",
             source="Skill score against the naive rule (Murphy 1988); against the last known label it is the temporal kappa of Bifet et "
                    "al. 2013, 'Pitfalls in benchmarking data stream classification'. The small margin is a convention."),
        Gate(name="vs_champion", title="Not worse than the champion", metric="performance.vs_champion", direction="at_least",
             threshold=margin, unit=unit, judge_by="interval", absent="pass", rows_min=100,
             question="Would customers get worse answers than today?",
             source="Non-inferiority on the same rows (ICH E9, 3.3.2: the interval's lower end must clear the margin); the margin is a "
                    "convention."),
    ]
    if task != "regression":
        gates.append(Gate(
            name="probabilities", title="Better probabilities than the base rate", metric="performance.log_loss_skill",
            direction="at_least", threshold=0.0, judge_by="interval", mode="observe", rows_min=100,
            question="Are its probabilities worth more than always saying the base rate?",
            source="Skill score in log loss (Murphy 1988). Observed by default: a base rate that moves between training and held-out "
                   "rows costs log loss although the order of the cases stays right; block where probabilities are used as such."))
        gates.append(Gate(
            name="calibration", title="Calibration", metric="calibration.ece", direction="at_most", threshold=0.1, rows_min=100,
            question="When it says 30 %, does it happen in about 30 of 100 cases?",
            source="Expected calibration error (Naeini et al. 2015) over ten bins of equal size; 0.1 is a convention."))
    return gates


def _explanation() -> list[Gate]:
    return [
        Gate(name="explain_additivity", title="Explanations add up", metric="explain.additivity", direction="at_most", threshold=1e-3,
             unit="margin", question="Do the reasons shown for an answer add up to that answer?",
             source="Local accuracy, the first property of SHAP (Lundberg and Lee 2017); tolerance for 32-bit sums."),
        Gate(name="explain_stability", title="Same reasons as the champion", metric="explain.stability", direction="at_least",
             threshold=0.5, absent="pass", question="Does it decide for about the same reasons as the model it replaces?",
             source="Spearman rank correlation of mean |SHAP|; 0.5 is a convention."),
        Gate(name="explain_dominance", title="No single reason", metric="explain.dominance", direction="at_most", threshold=0.8,
             question="Does everything hang on one column?",
             source="Share of mean |SHAP|; convention, above the largest share (0.46) found in the public data sets (docs/gates.md)."),
    ]


def _shift(monitoring: Monitoring) -> list[Gate]:
    return [
        Gate(name="drift_holdout", title="Held-out rows look like training rows", metric="drift.holdout_share", direction="at_most",
             threshold=monitoring.drift_share_max, mode="observe", question="Is the world already changing within this data?",
             source="Share of features over [monitoring] drift_psi_max; observed, because the performance gates judge the effect."),
        Gate(name="drift_serving", title="Training rows look like today's requests", metric="drift.serving_share", direction="at_most",
             threshold=monitoring.drift_share_max, absent="pass", question="Was it trained on the customers it will meet?",
             source="Share of features over [monitoring] drift_psi_max, from captured requests; PSI after Siddiqi 2006, convention."),
    ]


def _operation(monitoring: Monitoring) -> list[Gate]:
    return [
        Gate(name="latency", title="Time to answer", metric="latency.p99_ms", direction="at_most", threshold=monitoring.latency_p99_ms_max,
             unit="ms", rows_min=100, question="Will customers wait for it?",
             source="[monitoring] latency_p99_ms_max: 99th percentile of one-row answers, measured in process."),
        Gate(name="package_size", title="Size of the package", metric="size.package_mb", direction="at_most", threshold=200, unit="MB",
             question="Does it fit beside the models that are already loaded?",
             source="Convention: champion, previous and candidate stay in memory together."),
    ]
