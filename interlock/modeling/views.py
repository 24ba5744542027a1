"""Feature views over a snapshot: values as of a moment for training, and the same values as steps over time for the online table.

Both come from `history_values`, asked at the rows' moments or at every moment at which an answer can change; so they are equal bit for
bit. A feature of which no value is known by the moment is missing (a count too); one whose newest value became known longer ago than
the view's time to live is stale, and missing as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.modeling.derived import entity_keys, history_of, key_codes
from interlock.modeling.history import HOUR_US, Floats, History, Ints, history_values, last_known
from interlock.modeling.package import ViewInput
from interlock.rules.canonical import digest
from interlock.spec.derived import ViewUse
from interlock.spec.usecase import UseCase
from interlock.spec.views import View

ENTITIES_MAX = 1_000_000
STEPS_MAX = 20_000_000  # of all entities of a table


@dataclass(frozen=True)
class ViewHistory:
    """A view over one snapshot: its entities by code, and what is known of each by feature."""

    view: View
    entities: list[str]
    histories: dict[str, History] = field(repr=False)

    @classmethod
    def of(cls, view: View, source: UseCase, frame: pl.DataFrame) -> ViewHistory:
        """The view over a snapshot frame of its source. Raises `DataError` where a column is not there or entities are too many."""
        keys = entity_keys(frame, view.entity)
        entities = keys.drop_nulls().unique().sort().to_list()
        if len(entities) > ENTITIES_MAX:
            raise DataError(f"the view '{view.name}' has too many entities", value=f"{len(entities):,}", allowed=f"{ENTITIES_MAX:,}")
        codes = key_codes(keys)
        return cls(view, entities, {feature.name: history_of(source, feature, frame, codes)[0] for feature in view.features})

    def values(self, name: str, entity: Ints, moment: Ints) -> tuple[Floats, Ints]:
        """The feature for each (entity code, µs), not aged yet: NaN where none is known; and when its newest value became known (-1)."""
        feature = next(feature for feature in self.view.features if feature.name == name)
        last = last_known(self.histories[name], entity, moment)
        return np.where(last >= 0, history_values(feature, self.histories[name], entity, moment), np.nan), last

    def columns(self, names: Sequence[str], keys: pl.Series, moments: Ints) -> tuple[dict[str, Floats], dict[str, int]]:
        """Each feature for each row (entity text, µs), NaN = missing; and how many values of each were stale."""
        codes = self._codes(keys)
        found: dict[str, Floats] = {}
        stale: dict[str, int] = {}
        for name in names:
            values, last = self.values(name, codes, moments)
            old = (last >= 0) & (moments - last > micros(self.view.ttl_hours))
            found[name], stale[name] = np.where(old, np.nan, values), int(old.sum())
        return found, stale

    def steps(self, made: int) -> dict[str, tuple[list[int], list[list[float | None]], list[list[int]]]]:
        """By entity what was known at `made` (µs): moments from which on values hold, and per feature values and when the newest came.

        A value holds until the next moment. The first moment is `keep_hours` before `made`; after `made` only time passes: values leave
        their windows or grow old enough. Entities of which nothing was known by `made` are left out.
        """
        begin = made - micros(self.view.keep_hours)
        entity, moment = self._changes(begin, made)
        if entity.size > STEPS_MAX:
            raise DataError(f"the online table of '{self.view.name}' would be too large", value=f"{entity.size:,} steps",
                            allowed=f"{STEPS_MAX:,}", next_step="shorten keep_hours")
        known = self._until(made)
        found = [known.values(feature.name, entity, moment) for feature in self.view.features]
        edges = np.flatnonzero(np.diff(entity, prepend=-1, append=-1))
        table = {}
        for first, end in zip(edges[:-1], edges[1:], strict=True):
            values = [[None if value != value else value for value in column[first:end].tolist()] for column, _ in found]
            lasts = [last[first:end].tolist() for _, last in found]
            table[self.entities[entity[first]]] = (moment[first:end].tolist(), values, lasts)
        return table

    def _until(self, made: int) -> ViewHistory:
        """The same view with what was known by a moment only."""
        return ViewHistory(self.view, self.entities, {name: _known_by(history, made) for name, history in self.histories.items()})

    def _changes(self, begin: int, made: int) -> tuple[Ints, Ints]:
        """Entity codes and moments at which an answer may change, sorted, each once; every known entity has the first moment."""
        entities, moments = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for feature in self.view.features:
            history = _known_by(self.histories[feature.name], made)
            comes = [history.known]
            if feature.hours is not None:
                comes.append(history.known + micros(feature.hours) if feature.kind == "rolling" else history.aged(feature.hours).known)
            for known in comes:
                kept = known > begin
                entities += [history.entity[kept], np.unique(history.entity)]
                moments += [known[kept], np.full(np.unique(history.entity).size, begin)]
        pairs = np.unique(np.stack([np.concatenate(entities), np.concatenate(moments)], axis=1), axis=0)
        return pairs[:, 0], pairs[:, 1]

    def _codes(self, keys: pl.Series) -> Ints:
        known = pl.Enum(self.entities)
        return keys.cast(known, strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()


@dataclass(frozen=True)
class OpenedView:
    """A view with the snapshot of its source that it is read from."""

    view: View
    source: UseCase
    snapshot: str
    frame: pl.DataFrame = field(repr=False)


def with_views(uses: Sequence[ViewUse], frame: pl.DataFrame, opened: Mapping[str, OpenedView]) -> tuple[pl.DataFrame, list[ViewInput]]:
    """The frame with one Float64 column `VIEW.FEATURE` per feature used, as of each row's event time; and what a package keeps of it."""
    moments = frame["_event_time"].dt.epoch("us").to_numpy()
    inputs = []
    for use in uses:
        here = opened[use.view]
        own = [use.entity.get(name, name) for name in here.view.entity]
        columns, stale = ViewHistory.of(here.view, here.source, here.frame).columns(use.features, entity_keys(frame, own), moments)
        frame = frame.with_columns(pl.Series(f"{use.view}.{name}", values, dtype=pl.Float64).fill_nan(None)
                                   for name, values in columns.items())
        inputs.append(ViewInput(view=use.view, features=use.features, entity=own, source=here.view.source, snapshot=here.snapshot,
                                definition=definition_digest(here.view), stale=stale))
    return frame, inputs


def definition_digest(view: View) -> str:
    """Digest of all that decides the view's values; titles and owners may change."""
    kept = view.model_dump(mode="json", include={"name", "source", "entity", "ttl_hours"})
    features = [feature.model_dump(mode="json", exclude={"title", "description"}) for feature in view.features]
    return digest(kept | {"features": sorted(features, key=lambda feature: str(feature["name"]))})


def micros(hours: float) -> int:
    """Whole microseconds."""
    return round(hours * HOUR_US)


def _known_by(history: History, made: int) -> History:
    kept: NDArray[np.bool_] = history.known <= made
    return History(history.entity[kept], history.known[kept], history.event[kept], history.value[kept])
