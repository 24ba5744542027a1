"""The shipped views of lateness on real flights: used by `flight_delays` as a file of its own would, from training to an answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from interlock.control.frames import modelling_frame
from interlock.control.materializing import materialize_views
from interlock.control.training import train_candidate
from interlock.modeling.package import read_package
from interlock.records.ingest import ingest
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.load import load_use_case

ROOT = Path(__file__).resolve().parents[2]
END = datetime(2013, 1, 16, tzinfo=UTC)
USES = """
[[features.views]]
view = "carrier_lateness"
features = ["late_share_24h", "late_share_7d"]

[[features.views]]
view = "airport_lateness"
features = ["late_share_6h", "late_share_24h"]
"""


def test_flights_are_answered_with_lateness_looked_up(settings: Settings, store: Store, tmp_path: Path,
                                                      start_server: Callable[..., Any]) -> None:
    """The first half of January: 12,969 flights. The newest ones over HTTP get their training scores; callers send the timetable alone."""
    folder = tmp_path / "own"
    (folder / "views").mkdir(parents=True)
    for path in (ROOT / "usecases" / "views").glob("*.toml"):
        (folder / "views" / path.name).write_bytes(path.read_bytes())
    text = (ROOT / "usecases" / "flight_delays.toml").read_text()
    text = text.replace("trials = 8", "trials = 1").replace("rounds_max = 300", "rounds_max = 20")
    (folder / "flight_delays.toml").write_text(text + USES)
    own, use_case = settings.model_copy(update={"usecases_dir": folder}), load_use_case(folder / "flight_delays.toml")
    snapshot = ingest(own, store, use_case, as_of=END).snapshot_digest
    candidate = train_candidate(own, store, "flight_delays", as_of=END, started_by="tests")
    frame = modelling_frame(own, store, use_case, snapshot)
    assert frame.height == 12_969
    package = read_package(own.folder("packages"), candidate.package_digest)
    by_airport = frame["airport_lateness.late_share_24h"]
    assert by_airport.null_count() < 0.1 * frame.height  # the first hours of the year, before any outcome was known

    materialize_views(own, store, use_case, as_of=END)
    server = start_server()
    server.client.converge(server.route(1, candidate.package_digest, use_case="flight_delays"))
    rows = frame.tail(300)
    records = [record | {"event_time": moment.isoformat()}
               for record, moment in zip(rows.select(use_case.feature_columns).to_dicts(), rows["_event_time"], strict=True)]
    answers = server.client.predict("flight_delays", records)["predictions"]
    expected = package.open_model().score(package.manifest.features.encode_frame(rows))
    assert [answer["score"] for answer in answers] == [float(score) for score in expected]
    missing = rows.select(pl.any_horizontal(pl.col("^.*lateness.*$").is_null()).sum()).item()
    assert sum(bool(answer["flags"]) for answer in answers) <= missing
