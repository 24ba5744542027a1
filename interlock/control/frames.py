"""The rows that models are made and judged on: a snapshot with the features that are looked up and computed for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from interlock.errors import DataError
from interlock.modeling.derived import with_derived
from interlock.modeling.package import Manifest, ViewInput
from interlock.modeling.views import OpenedView, definition_digest, with_views
from interlock.records.snapshots import latest_snapshot, load_snapshot
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.derived import Derived, ViewUse
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase
from interlock.spec.view_files import find_view


@dataclass(frozen=True)
class ModellingRows:
    """A snapshot's rows with every feature as a column, and where looked-up ones came from."""

    frame: pl.DataFrame = field(repr=False)
    views: list[ViewInput]


def modelling_frame(settings: Settings, store: Store, use_case: UseCase, snapshot_digest: str, made: Manifest | None = None
                    ) -> pl.DataFrame:
    """The rows alone; see `modelling_rows`."""
    return modelling_rows(settings, store, use_case, snapshot_digest, made).frame


def modelling_rows(settings: Settings, store: Store, use_case: UseCase, snapshot_digest: str, made: Manifest | None = None
                   ) -> ModellingRows:
    """The snapshot's rows with one column per feature of a view and per derived feature, each as of the row's event time.

    `made`: the package to be judged; its views are read from the snapshots that it was made with, and must be defined as then.
    Raises `DataError` where a snapshot, a column or a view is not what it was, `UseCaseError` where a view's file is wrong.
    """
    frame = load_snapshot(settings, store, snapshot_digest)
    opened = _opened(settings, store, use_case, snapshot_digest, frame, [use.view for use in use_case.features.views], made)
    for view in made.views if made is not None else ():
        _same_definition(view, opened)
    frame, inputs = with_views(use_case.features.views, frame, opened)
    return ModellingRows(with_derived(use_case, frame), inputs)


def with_champions(settings: Settings, store: Store, use_case: UseCase, snapshot_digest: str, frame: pl.DataFrame, champion: Manifest,
                   made: Manifest) -> pl.DataFrame:
    """The frame with the features that only the champion has, so that it can answer the same rows.

    Raises `DataError` where the champion knows a feature under the same name with another meaning, or its view has changed since.
    """
    own = {name: _meaning(feature) for feature in use_case.features.derived for name in feature.outputs}
    other = [name for feature in champion.derived for name in feature.outputs if own.get(name, _meaning(feature)) != _meaning(feature)]
    if other:
        raise DataError("the champion was made with features that mean something else now: it cannot answer these rows",
                        value=", ".join(other), next_step="give a feature a new name when its definition changes")
    lacking = [view for view in champion.views if any(f"{view.view}.{name}" not in frame.columns for name in view.features)]
    opened = _opened(settings, store, use_case, snapshot_digest, frame, [view.view for view in lacking], made)
    for view in lacking:
        _same_definition(view, opened)
    uses = [ViewUse(view=view.view, features=[name for name in view.features if f"{view.view}.{name}" not in frame.columns],
                    entity=dict(zip(opened[view.view].view.entity, view.entity, strict=True))) for view in lacking]
    frame = with_views(uses, frame, opened)[0]
    return with_derived(use_case, frame, [feature for feature in champion.derived if feature.outputs[0] not in frame.columns])


def _opened(settings: Settings, store: Store, use_case: UseCase, snapshot_digest: str, frame: pl.DataFrame, names: Sequence[str],
            made: Manifest | None) -> dict[str, OpenedView]:
    """The views by name, over the use case's own snapshot or that of their source: the one that a package was made with, or the newest."""
    known = {view.source: view.snapshot for view in made.views} if made is not None else {}
    found = {}
    for name in names:
        view = find_view(settings, name)
        if view.source == use_case.name:
            found[name] = OpenedView(view, use_case, snapshot_digest, frame)
            continue
        newest = latest_snapshot(store, view.source)
        digest = known.get(view.source) or (newest.digest if newest is not None else None)
        if digest is None:
            raise DataError(f"the feature view '{name}' has no rows: its source '{view.source}' has no snapshot yet",
                            next_step=f"interlock ingest {view.source}")
        found[name] = OpenedView(view, find_use_case(settings, view.source)[1], digest, load_snapshot(settings, store, digest))
    return found


def _same_definition(view: ViewInput, opened: Mapping[str, OpenedView]) -> None:
    now = definition_digest(opened[view.view].view) if view.view in opened else "none"
    if now != view.definition:
        raise DataError(f"the feature view '{view.view}' is not defined as it was when the package was made", value=now,
                        allowed=view.definition, next_step="train again, or give the changed view a new name")


def _meaning(feature: Derived) -> dict[str, object]:
    return feature.model_dump(exclude={"title", "description"})
