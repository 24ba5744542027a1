"""One feature path: rows that were learned from, served over HTTP, get the scores of training bit for bit; looked-up values included."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from interlock.control.evidence.case import Case, open_case
from interlock.control.frames import modelling_frame
from interlock.control.materializing import materialize_views
from interlock.control.training import train_candidate
from interlock.errors import DataError
from interlock.modeling.package import Package, read_package
from interlock.records.candidates import candidate_of
from interlock.records.compaction import compact, load_predictions
from interlock.records.ingest import ingest
from interlock.records.lake import lake_from
from interlock.records.store import Store
from interlock.settings import Settings, load_settings
from interlock.spec.load import load_use_case

START = datetime(2024, 3, 1, tzinfo=UTC)
END = START + timedelta(days=30)
COLUMNS = """
[time]
column = "at"
[columns.at]
type = "datetime"
role = "ignore"
[columns.card]
type = "category"
role = "ignore"
[columns.shop]
type = "category"
[columns.amount]
type = "float"
[columns.online]
type = "boolean"
[columns.fee]
type = "float"
role = "ignore"
[columns.items]
type = "integer"
[columns.bad]
type = "integer"
role = "target"
[labels]
delay_hours = 6
"""
HEAD = """spec_version = 1
name = "{name}"
title = "t"
description = "d"
owner = "o"
[prediction]
task = "binary"
target = "bad"
positive = [1]
moment = "m"
[source]
kind = "files"
files = [{{ path = "{name}.csv" }}]
"""
FEATURES = """
[features]
calendar = ["weekday", "hour"]
[[features.views]]
view = "cards"
features = ["bad_share", "last_amount", "payments"]
[[features.derived]]
name = "bad_1"
kind = "lag"
of = "_label"
rows = 1
by = ["shop"]
[[features.derived]]
name = "amount_day"
kind = "rolling"
of = "amount"
statistic = "mean"
hours = 24
include_self = true
[[features.derived]]
name = "fee_share"
kind = "ratio"
of = "fee"
over = "amount"
[[features.derived]]
name = "jump"
kind = "difference"
of = "amount"
over = "cards.last_amount"
[[features.derived]]
name = "time"
kind = "cyclic"
part = "minute_of_day"
[training]
split = "time"
trials = 1
rounds_max = 60
"""
VIEW = """spec_version = 1
name = "cards"
title = "t"
description = "d"
owner = "o"
source = "payments"
entity = ["card"]
ttl_hours = 60
keep_hours = 800
[[features]]
name = "bad_share"
kind = "rolling"
of = "_label"
statistic = "mean"
hours = 100
[[features]]
name = "last_amount"
kind = "lag"
of = "amount"
rows = 1
[[features]]
name = "payments"
kind = "rolling"
statistic = "count"
hours = 48
"""


def write_rows(path: Path, seed: int, rows: int, days: float = 30) -> None:
    """Rows of a few cards at minutes of a month; some cells are empty."""
    draw = np.random.default_rng(seed)
    minutes = np.sort(draw.integers(0, int(days * 24 * 60), rows))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["at", "card", "shop", "amount", "online", "fee", "items", "bad"])
        for minute in minutes:
            amount = round(float(draw.gamma(2.0, 40.0)), 2)
            shop = str(draw.choice(["food", "fuel", "toys"]))
            bad = int(draw.random() < 0.15 + 0.4 * (amount > 120) + 0.2 * (shop == "toys"))
            card = "" if draw.random() < 0.02 else f"c{draw.integers(25)}"
            writer.writerow([(START + timedelta(minutes=int(minute))).isoformat(), card, shop, "" if draw.random() < 0.05 else amount,
                             str(bool(draw.integers(2))).lower(), round(amount * 0.013, 4),
                             int(draw.integers(1, 9)), bad])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, migrated: Path, free_ports: Callable[[int], list[int]]) -> tuple[Path, str, str]:
    """A folder with use cases and view (`own`) and an installation (`home`) that has a candidate; its package and its snapshot."""
    root = tmp_path_factory.mktemp("trained")
    own, home = root / "own", root / "home"
    (own / "views").mkdir(parents=True)
    home.mkdir()
    (own / "views" / "cards.toml").write_text(VIEW)
    (own / "payments.toml").write_text(HEAD.format(name="payments") + COLUMNS)
    (own / "refunds.toml").write_text(HEAD.format(name="refunds") + COLUMNS + FEATURES)
    write_rows(own / "payments.csv", 1, 900)
    write_rows(own / "refunds.csv", 2, 700)
    settings = load_settings(home=home, usecases_dir=own, data_dir=own, mlflow_port=free_ports(1)[0])
    shutil.copy(migrated, home / "store.db")
    store = Store(settings.store_address)
    ingest(settings, store, load_use_case(own / "payments.toml"))
    snapshot = ingest(settings, store, load_use_case(own / "refunds.toml")).snapshot_digest
    candidate = train_candidate(settings, store, "refunds", started_by="tests")
    store.close()
    return root, candidate.id, snapshot


class World:
    """Two use cases on their own rows, a view of one that the other reads, a candidate, and a server that answers with it."""

    def __init__(self, settings: Settings, folder: Path, trained: tuple[Path, str, str], start: Callable[..., Any]) -> None:
        shutil.copytree(trained[0] / "own", folder)
        shutil.copytree(trained[0] / "home", settings.home, dirs_exist_ok=True)
        self.folder = folder
        self.settings = settings.model_copy(update={"usecases_dir": folder, "data_dir": folder})
        self.store = Store(self.settings.store_address)
        self.refunds = load_use_case(folder / "refunds.toml")
        with self.store.reading() as session:
            self.candidate = candidate_of(session, trained[1])
        self.frame = modelling_frame(self.settings, self.store, self.refunds, trained[2])
        self.start = start

    def serve(self) -> Any:
        """A server that answers with the candidate."""
        server = self.start()
        server.client.converge(server.route(1, self.candidate.package_digest, use_case="refunds"))
        return server

    @property
    def package(self) -> Package:
        return read_package(self.settings.folder("packages"), self.candidate.package_digest)

    def records(self, rows: pl.DataFrame) -> list[dict[str, Any]]:
        """What a caller sends: the row's own fields and the lags; nothing that the server looks up or computes."""
        fields = ["shop", "amount", "online", "items", "bad_1", "amount_day", "fee", "card"]
        found = rows.select(fields).to_dicts()
        return [record | {"id": f"r{place}", "event_time": moment.isoformat()}
                for place, (record, moment) in enumerate(zip(found, rows["_event_time"], strict=True))]

    def materialize(self, moment: datetime) -> None:
        materialize_views(self.settings, self.store, self.refunds, as_of=moment)


@pytest.fixture
def world(settings: Settings, trained: tuple[Path, str, str], tmp_path: Path, start_server: Callable[..., Any]) -> Iterator[World]:
    opened = World(settings, tmp_path / "own", trained, start_server)
    yield opened
    opened.store.close()


def test_rows_learned_from_are_answered_with_the_scores_of_training(world: World) -> None:
    """Numbers, a category, a boolean, the calendar, derived features and a view of another use case; plain records and tensors."""
    names = world.package.manifest.features.names
    assert names == ["shop", "amount", "online", "items", "cards.bad_share", "cards.last_amount", "cards.payments", "bad_1", "amount_day",
                     "fee_share", "jump", "time_sin", "time_cos", "event_time.weekday", "event_time.hour"]
    world.materialize(END)
    server = world.serve()
    opened = world.package.open_model()
    expected = [float(score) for score in opened.score(world.package.manifest.features.encode_frame(world.frame))]
    records = world.records(world.frame)
    answers = server.client.predict("refunds", records)["predictions"]
    assert [answer["score"] for answer in answers] == expected
    one_by_one = [server.client.predict("refunds", [record])["predictions"][0]["score"] for record in records[:40]]
    assert one_by_one == expected[:40]

    columns = {name: [record[name] for record in records] for name in records[0]}
    kinds = {"amount": "FP64", "items": "FP64", "online": "BOOL", "bad_1": "FP64", "amount_day": "FP64", "fee": "FP64"}
    tensors = [{"name": name, "shape": [len(values)], "datatype": kinds.get(name, "BYTES"), "data": values}
               for name, values in columns.items()]
    reply = httpx.post(f"{world.settings.predictions_url}/v2/models/refunds/infer", json={"inputs": tensors}, timeout=30).json()
    assert next(output["data"] for output in reply["outputs"] if output["name"] == "score") == expected
    flags = {flag for answer in answers for flag in answer["flags"]}
    assert flags == {"no_entity:cards", "stale:cards.bad_share", "stale:cards.last_amount", "stale:cards.payments"}
    stale = world.package.manifest.views[0].stale
    assert {name: sum(f"stale:cards.{name}" in answer["flags"] for answer in answers) for name in stale} == stale

    compact(world.settings, lake_from(world.settings))
    captured = load_predictions(world.settings, "refunds", START, END).filter(pl.col("_request_id").str.starts_with("r")).sort(
        pl.col("_request_id").str.slice(1).cast(pl.Int64))
    assert captured.height == world.frame.height
    for worker in server.client.health()["workers"]:
        assert worker["forbidden_modules"] == []
        libraries = Path(f"/proc/{worker['pid']}/maps").read_text()  # still none after views were looked up and formulas computed
        assert not [name for name in ("polars", "pandas", "pyarrow", "sklearn") if f"/{name}/" in libraries]
    for name in ("cards.last_amount", "cards.bad_share", "fee_share", "jump", "time_sin", "bad_1"):
        assert captured[name].equals(world.frame[name], null_equal=True), name


def test_evidence_reads_the_view_as_training_did(world: World) -> None:
    """Newer rows of the view's source change nothing; a changed definition is refused."""
    def opened() -> Case:
        return open_case(world.settings, world.store, world.folder / "refunds.toml", world.refunds, world.candidate, None, None)

    first, source = opened(), world.folder / "payments.toml"
    write_rows(world.folder / "later.csv", 3, 50, days=29)
    source.write_text(source.read_text().replace('path = "payments.csv" }', 'path = "payments.csv" }, { path = "later.csv" }'))
    newer = ingest(world.settings, world.store, load_use_case(source)).snapshot_digest
    assert newer != world.package.manifest.views[0].snapshot
    assert opened().scores.tobytes() == first.scores.tobytes()
    fresh = modelling_frame(world.settings, world.store, world.refunds, world.candidate.snapshot_digest)
    assert not fresh["cards.payments"].equals(first.frame["cards.payments"])  # the newest snapshot would have said something else
    view = world.folder / "views" / "cards.toml"
    view.write_text(view.read_text().replace("hours = 100", "hours = 90"))
    with pytest.raises(DataError, match="not defined as it was"):
        opened()


def test_a_newer_table_is_taken_up_and_flags_say_why_a_value_is_missing(world: World) -> None:
    server = world.serve()

    def ask(moment: datetime, **changes: Any) -> tuple[list[str], float]:
        record = {"shop": "food", "amount": 10.0, "online": True, "items": 1, "bad_1": None, "amount_day": None, "fee": 0.1, "card": "c3"}
        answer = server.client.predict("refunds", [record | {"event_time": moment.isoformat()} | changes])["predictions"][0]
        return answer["flags"], answer["score"]

    looked_up = "cards.bad_share", "cards.last_amount", "cards.payments"
    assert ask(END)[0] == ["no_table:cards"]
    world.materialize(START + timedelta(days=10))
    server.wait(lambda: ask(START + timedelta(days=10))[0] == [])
    assert ask(END)[0] == [f"stale:{name}" for name in looked_up]
    assert ask(START - timedelta(days=300))[0] == ["early:cards"]
    assert ask(START + timedelta(days=10), card="nobody")[0] == ["no_entity:cards"]
    assert ask(START + timedelta(days=10), card=None)[0] == ["no_entity:cards"]
    sent = ask(START + timedelta(days=10), card="nobody", **dict.fromkeys(looked_up, 1.0))
    assert sent[0] == []  # a request that carries the fields is taken at its word
    world.materialize(END)
    server.wait(lambda: ask(END)[0] == [])
    path = world.settings.home / "online" / "cards.table"
    path.write_bytes(path.read_bytes()[:-9])
    time.sleep(0.6)
    assert ask(END)[0] == []  # a damaged table is left aside; the one before goes on


def test_what_the_server_makes_is_not_sent_and_what_it_needs_is(world: World) -> None:
    world.serve()
    record = world.records(world.frame.head(1))[0]
    problems = httpx.post(f"{world.settings.predictions_url}/v1/refunds/predict", json={"records": [record | {"fee_share": 1.0}]}).json()
    assert problems["problems"][0]["field"] == "fee_share"
    lacking = {name: value for name, value in record.items() if name not in {"fee", "card", "bad_1"}}
    reply = httpx.post(f"{world.settings.predictions_url}/v1/refunds/predict", json={"records": [lacking]})
    assert reply.status_code == 422
    assert {problem["field"] for problem in reply.json()["problems"]} == {"fee", "card", "bad_1"}
    inputs = httpx.get(f"{world.settings.predictions_url}/v2/models/refunds").json()["inputs"]
    optional = {item["name"] for item in inputs if item["parameters"]["optional"]}
    assert {"cards.bad_share", "id", "event_time"} <= optional
    assert not {"fee", "card", "bad_1", "shop"} & optional
