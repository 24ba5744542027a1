"""What the trees may not do: `[training.monotone]` and `[training] interactions` as XGBoost's parameters."""

from __future__ import annotations

from typing import Any

from interlock.errors import DataError, did_you_mean
from interlock.modeling.features import FeatureSpace
from interlock.spec.usecase import UseCase


def constraint_parameters(use_case: UseCase, space: FeatureSpace) -> dict[str, Any]:
    """XGBoost's `monotone_constraints` (1 rising, -1 falling, by name) and `interaction_constraints` (lists of names).

    A feature that stands in no list of `interactions` gets a list of its own. A name that the matrix does not have, or a monotone
    category, is a `DataError`: feature views bring names that the file alone cannot check.
    """
    kinds = dict(zip(space.names, space.feature_types, strict=True))
    training, found = use_case.training, dict[str, Any]()
    for name in [*training.monotone, *(name for listed in training.interactions for name in listed)]:
        if name not in kinds:
            raise DataError("a constraint names no feature of the model", value=name, allowed=", ".join(kinds),
                            next_step=f"correct [training]{did_you_mean(name, kinds) and f': {did_you_mean(name, kinds)}'}")
        if name in training.monotone and kinds[name] == "c":
            raise DataError("a category has no order that an answer could follow", value=name,
                            next_step="take it out of [training.monotone]")
    if training.monotone:
        found["monotone_constraints"] = {name: 1 if way == "increasing" else -1 for name, way in sorted(training.monotone.items())}
    if training.interactions:
        listed = {name for names in training.interactions for name in names}
        alone = [[name] for name in kinds if name not in listed]
        found["interaction_constraints"] = [list(names) for names in training.interactions] + alone
    return found
