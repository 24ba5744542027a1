"""Which fields a request carries for a model, which of them it must carry, and which features the server makes itself.

    feature of the source, lag, rolling   the request carries it (null: not known)
    feature of a view                     the server looks it up; a request may carry it
    ratio, difference, cyclic             the server computes it; a request may not carry it
    operand, entity column                the request carries it, though it is no feature

Imported by the prediction server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from interlock.modeling.features import KINDS
from interlock.modeling.package import Manifest, ViewInput

if TYPE_CHECKING:
    from interlock.spec.usecase import UseCase

DESCRIBED_ROLES = ("feature", "sensitive", "identifier", "ignore")


def manifest_inputs(use_case: UseCase, views: Sequence[ViewInput]) -> dict[str, Any]:
    """The manifest's `derived`, `views`, `operands`, `columns` and `favourable`."""
    made = use_case.features.derived
    named = [str(name) for feature in made if not feature.from_history for name in (feature.of, feature.over)]
    named += [name for view in views for name in view.entity]
    entering = set(use_case.feature_columns)
    operands = {name: KINDS[use_case.columns[name].type] for name in named if name in use_case.columns and name not in entering}
    columns = {name: use_case.columns[name].model_dump(exclude_defaults=True) for name in use_case.by_role(*DESCRIBED_ROLES)}
    return {"derived": made, "views": list(views), "operands": operands, "columns": columns, "favourable": use_case.fairness.favourable}


def computed(manifest: Manifest) -> list[str]:
    """Features that the server computes from the request's own fields and the event time, in the order in which it does."""
    return [name for feature in manifest.derived if not feature.from_history for name in feature.outputs]


def looked_up(manifest: Manifest) -> list[str]:
    """Features that the server looks up by entity."""
    return [f"{view.view}.{feature}" for view in manifest.views for feature in view.features]


def accepted_fields(manifest: Manifest) -> dict[str, str]:
    """Kind of each field that a record may carry: numeric, boolean, category, context."""
    own = set(computed(manifest))
    kinds = dict.fromkeys(manifest.context_columns, "context") | dict(manifest.operands)
    return kinds | {spec.name: str(spec.kind) for spec in manifest.features.specs if spec.kind != "calendar" and spec.name not in own}


def required_fields(manifest: Manifest) -> list[str]:
    """Fields that a record must carry, with null where the value is not known."""
    spared = {*computed(manifest), *looked_up(manifest)}
    return [name for name in manifest.features.input_names if name not in spared] + list(manifest.operands)


def captured_kinds(manifest: Manifest) -> dict[str, str]:
    """Kind of each column that is captured: what a record carries, and what the server computed or looked up."""
    return accepted_fields(manifest) | dict.fromkeys(computed(manifest), "numeric")
