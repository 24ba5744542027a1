"""`materialize`: bring a feature view's newest values into the online table that the prediction server looks them up in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from interlock.control.spending.usage import measured
from interlock.errors import DataError
from interlock.modeling.features import epoch_micros
from interlock.modeling.views import ViewHistory, definition_digest, micros
from interlock.records.online import TableHead, table_path, write_table
from interlock.records.snapshots import latest_snapshot, load_snapshot
from interlock.records.store import Store, utc_now
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase
from interlock.spec.view_files import find_view, view_names
from interlock.spec.views import View

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Materialized:
    """One table as written: entities in it, moments at which values change, the moment as of which it knows everything."""

    view: str
    digest: str
    entities: int
    steps: int
    as_of: datetime
    snapshot: str


def materialize_views(settings: Settings, store: Store, use_case: UseCase, *, as_of: datetime | None = None, flow_run_id: str | None = None,
                      progress: Progress = lambda text: None) -> list[Materialized]:
    """Write the tables of every view that the use case reads or feeds, with what was known by `as_of` (now where None).

    Running it again gives the same bytes for the same snapshot and moment. Raises `UseCaseError` where a view's file is wrong and
    `DataError` where a view's source has no snapshot yet; tables written before stay.
    """
    moment = as_of or utc_now()
    with measured(store, use_case.name, "materialize", flow_run_id):
        done = [_materialize(settings, store, view, moment) for view in views_of(settings, use_case)]
    for one in done:
        progress(f"{one.view}: {one.entities:,} entities, {one.steps:,} steps, as of {one.as_of:%Y-%m-%d %H:%M:%S} UTC")
    return done


def views_of(settings: Settings, use_case: UseCase) -> list[View]:
    """The views that the use case reads or feeds, by name."""
    read = {use.view for use in use_case.features.views}
    found = [find_view(settings, name) for name in sorted({*read, *view_names(settings.usecases_dir)})]
    return [view for view in found if view.name in read or view.source == use_case.name]


def _materialize(settings: Settings, store: Store, view: View, moment: datetime) -> Materialized:
    _, source = find_use_case(settings, view.source)
    newest = latest_snapshot(store, source.name)
    if newest is None:
        raise DataError(f"the feature view '{view.name}' has no rows: its source '{view.source}' has no snapshot yet",
                        next_step=f"interlock ingest {view.source}")
    made = epoch_micros(moment)
    steps = ViewHistory.of(view, source, load_snapshot(settings, store, newest.digest)).steps(made)
    head = TableHead(view=view.name, features=[feature.name for feature in view.features], made_us=made,
                     begin_us=made - micros(view.keep_hours), ttl_us=micros(view.ttl_hours), definition=definition_digest(view),
                     snapshot=newest.digest, entities=len(steps), body="")
    digest = write_table(table_path(settings.home.resolve(), view.name), head, steps)
    return Materialized(view.name, digest, len(steps), sum(len(moments) for moments, _, _ in steps.values()), moment, newest.digest)
