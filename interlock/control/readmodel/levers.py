"""The settings of a use case that people change most: limits, thresholds, rollout steps, owner; each with its value now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from interlock.control.proposed_edit import proposed_changes
from interlock.control.readmodel.directory import Entry
from interlock.errors import UseCaseError
from interlock.rules.catalogue import gates_for
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

KEYS: tuple[tuple[str, ...], ...] = (
    ("owner",), ("prediction", "threshold"), ("monitoring", "drift_psi_max"), ("monitoring", "drift_share_max"),
    ("monitoring", "performance_drop_max"), ("monitoring", "latency_p99_ms_max"), ("monitoring", "rows_min"), ("monitoring", "labels_min"),
    ("rollout", "probation_s"), ("rollout", "error_rate_max"), ("rollout", "score_shift_max"), ("approval", "evidence_days_max"),
    ("costs", "monthly_budget_usd"))


@dataclass(frozen=True)
class Lever:
    """One setting. `needs_reason`: the file wants to know why (a gate's own threshold)."""

    name: str
    path: tuple[str | int, ...]
    value: Any
    meaning: str
    needs_reason: bool = False


def levers(case: UseCase) -> list[Lever]:
    """In the order in which people look for them; those that this use case does not have are left out."""
    found = []
    for path in KEYS:
        section: Any = case
        for step in path[:-1]:
            section = getattr(section, step, None)
        field = type(section).model_fields.get(path[-1]) if section is not None else None
        if field is not None:
            found.append(Lever(".".join(path), path, getattr(section, path[-1]), field.description or ""))
    for number, canary in enumerate(case.rollout.steps):
        for key in ("percent", "bake_s", "requests_min"):
            meaning = f"Step {number + 1}: {type(canary).model_fields[key].description}"
            found.append(Lever(f"rollout.steps[{number + 1}].{key}", ("rollout", "steps", number, key), getattr(canary, key), meaning))
    found += [Lever(f"gates.{gate.name}.threshold", ("gates", gate.name, "threshold"), gate.threshold,
                    f"{gate.title}: {gate.question}", True) for gate in gates_for(case)]
    return found


def edited(settings: Settings, entry: Entry, changes: tuple[tuple[tuple[str | int, ...], Any], ...]) -> str:
    """One diff of all the changes, after the file's own checks; `UseCaseError` names what they refuse."""
    if entry.path is None:
        raise UseCaseError("there is no file to change", value=entry.name)
    return proposed_changes(entry.path, list(changes))
