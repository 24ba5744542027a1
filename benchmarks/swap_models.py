"""Two models of one use case with different answers, and a prediction server with several workers, for P8."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.serving_peers import free_port, process
from interlock.errors import Unavailable
from interlock.serving.client import ServingClient
from interlock.settings import Settings, load_settings, settings_environment

START_S = 60.0
MOMENT = datetime(2013, 1, 1, tzinfo=UTC)


def two_packages(home: Path, record: dict[str, Any]) -> tuple[list[str], dict[str, float]]:
    """Digests of two packages of 50 trees, and what each answers to the record."""
    import numpy as np
    import xgboost

    from interlock.modeling.features import FeatureSpace, FeatureSpec
    from interlock.modeling.package import Manifest, golden_rows, read_package, write_package
    from interlock.rules.canonical import digest_bytes

    space = FeatureSpace(specs=[FeatureSpec(name=name, kind="numeric") for name in record])
    digests, scores = [], {}
    for seed in (1, 2):
        draw = np.random.default_rng(seed)
        matrix = draw.uniform(0, 1_000, (2_000, len(record))).astype(np.float32)
        data = xgboost.DMatrix(matrix, label=draw.integers(0, 2, 2_000), feature_types=space.feature_types)
        booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "seed": seed}, data, num_boost_round=50)
        golden, _ = space.encode_records([record], [MOMENT])
        margins = booster.inplace_predict(golden, predict_type="margin", validate_features=False)
        manifest = Manifest(use_case="bench", task="binary", features=space, xgboost_version=xgboost.__version__, code_version="bench",
                            snapshot_digest=digest_bytes(b""), spec_digest=digest_bytes(b""))
        digest = write_package(home / "packages", booster_ubj=bytes(booster.save_raw("ubj")), manifest=manifest, profile_json=b"{}",
                               golden=golden_rows([record], [MOMENT], margins))
        digests.append(digest)
        scores[digest] = float(read_package(home / "packages", digest).open_model().score(golden)[0])
    if len(set(scores.values())) != len(digests):
        raise SystemExit("the two models answer the same: nothing could be told apart")
    return digests, scores


@contextmanager
def serving_alone(home: Path, workers: int) -> Iterator[Settings]:
    """The server of this home, once all its workers live."""
    settings = load_settings(home=home, predictions_port=free_port(), control_port=free_port(), serving_workers=workers)
    command = [sys.executable, "-m", "interlock.serving"]
    with process(command, os.environ | settings_environment(settings)), ServingClient(settings) as client:
        until = time.monotonic() + START_S
        while True:
            try:
                if client.health()["workers_live"] == workers:
                    break
            except Unavailable:
                if time.monotonic() > until:
                    raise
            time.sleep(0.1)
        yield settings
