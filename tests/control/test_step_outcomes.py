"""Labels and A/B counts of a step, from captured answers, with the figures worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import log, sqrt
from typing import Any

import msgspec
import pytest

from interlock.control.releases.step_outcomes import ab_counts, outcomes_of
from interlock.records.compaction import compact
from interlock.records.ids import new_id
from interlock.records.lake import lake_from
from interlock.records.segments import SUFFIX, SegmentWriter
from interlock.spec.load import find_use_case
from interlock.spec.rollout import AbTest
from interlock.spec.usecase import UseCase

World = Any  # tests/control/conftest.py
NAME, NOW = "small_loans", datetime(2024, 5, 4, 14, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def answer(name: str, arm: str, score: float, *, age: float = 30.0, generation: int = 2) -> dict[str, Any]:
    return {"age": age, "_request_id": name, "_version": 1, "_digest": "d", "_generation": generation, "_arm": arm, "_event_time": NOW,
            "_seen_time": NOW, "_score": score, "_scores": None, "_prediction": str(int(score >= 0.5)), "_latency_ms": 1.0, "_flags": []}


def capture(world: World, answers: Sequence[dict[str, Any]], labels: dict[str, float], shadow: Sequence[dict[str, Any]] = ()) -> None:
    """Write it down as the server does, and bring it into the lake."""
    folder = world.settings.folder("capture") / NAME
    folder.mkdir(exist_ok=True)
    writer = SegmentWriter(folder / f"{new_id()}{SUFFIX}")
    columns = {"d": {"age": "numeric"}}
    for kind, rows in (("predictions", answers), ("shadow", shadow)):
        if rows:
            writer.append([msgspec.msgpack.encode({"kind": kind, "columns": columns, "rows": list(rows)})])
    rows = [{"_request_id": name, "_label": label, "_label_seen_time": NOW, "_received_at": NOW} for name, label in labels.items()]
    writer.append([msgspec.msgpack.encode({"kind": "labels", "rows": rows})] if rows else [])
    writer.close()
    compact(world.settings, lake_from(world.settings))


def use_case(world: World, test: AbTest | None = None) -> UseCase:
    """The use case of the world; with this A/B test."""
    found = find_use_case(world.settings, NAME)[1]
    return found if test is None else found.model_copy(update={"rollout": found.rollout.model_copy(update={"ab": test})})


def test_each_arm_has_its_own_labels(world: World) -> None:
    """Log losses: candidate −ln 0.5, −ln 0.8, champion −ln 0.9, −ln 0.6; without a label or of another generation none counts."""
    capture(world, [answer("a", "candidate", 0.5), answer("b", "candidate", 0.2), answer("c", "champion", 0.9),
                    answer("d", "champion", 0.4), answer("e", "candidate", 0.9), answer("f", "champion", 0.1, generation=1)],
            {"a": 1.0, "b": 0.0, "c": 1.0, "d": 0.0, "f": 1.0})
    found = outcomes_of(world.settings, use_case(world), 2, NOW, LATER, shadow=False)
    ours, its = (-log(0.5), -log(0.8)), (-log(0.9), -log(0.6))
    assert found is not None
    assert (found.n, found.n_champion, found.paired, found.loss) == (2, 2, False, "log loss")
    assert found.mean == pytest.approx(sum(ours) / 2)
    assert found.difference == pytest.approx(sum(ours) / 2 - sum(its) / 2)
    # Welch: the variance of two values is half their squared distance
    assert found.se == pytest.approx(sqrt(((ours[0] - ours[1]) ** 2 + (its[0] - its[1]) ** 2) / 4))


def test_in_the_shadow_the_same_requests_are_compared(world: World) -> None:
    capture(world, [answer("a", "champion", 0.9), answer("b", "champion", 0.4), answer("x", "champion", 0.4)],
            {"a": 1.0, "b": 0.0, "x": 0.0}, shadow=[answer("a", "shadow", 0.5), answer("b", "shadow", 0.2)])
    found = outcomes_of(world.settings, use_case(world), 2, NOW, LATER, shadow=True)
    first, second = -log(0.5) + log(0.9), -log(0.8) + log(0.6)
    assert found is not None
    assert (found.n, found.n_champion, found.paired) == (2, 2, True)
    assert found.difference == pytest.approx((first + second) / 2)
    assert found.se == pytest.approx(abs(first - second) / 2)  # standard deviation |difference| / √2, over √2


def test_without_labels_nothing_is_known(world: World) -> None:
    assert outcomes_of(world.settings, use_case(world), 2, NOW, LATER, shadow=False) is None
    capture(world, [answer("a", "candidate", 0.5)], {})
    assert outcomes_of(world.settings, use_case(world), 2, NOW, LATER, shadow=False) is None


def test_an_ab_test_counts_each_entity_once(world: World) -> None:
    """Customer 1 asks twice and is counted with the first answer; ids count where there is no key."""
    capture(world, [answer("a", "candidate", 0.9, age=1), answer("b", "candidate", 0.1, age=1), answer("c", "champion", 0.9, age=2),
                    answer("d", "champion", 0.9, age=3), answer("e", "champion", 0.2, age=4)],
            {"a": 0.0, "c": 1.0, "d": 0.0})
    decided = ab_counts(world.settings, use_case(world, AbTest(key="age", outcome="decisions")), 2, NOW, LATER)
    assert (decided.hits, decided.n, decided.hits_champion, decided.n_champion) == (1, 1, 2, 3)


def test_an_ab_test_on_labels_counts_labelled_answers(world: World) -> None:
    capture(world, [answer("a", "candidate", 0.9), answer("b", "candidate", 0.1), answer("c", "champion", 0.9),
                    answer("s", "previous", 0.9)], {"a": 0.0, "c": 1.0, "s": 1.0})
    late = ab_counts(world.settings, use_case(world, AbTest(outcome="labels")), 2, NOW, LATER)
    assert (late.hits, late.n, late.hits_champion, late.n_champion) == (0, 1, 1, 1)


def test_new_labels_are_seen(world: World) -> None:
    capture(world, [answer("a", "candidate", 0.9), answer("c", "champion", 0.9)], {"a": 0.0})
    test = AbTest(outcome="labels")
    assert ab_counts(world.settings, use_case(world, test), 2, NOW, LATER).n_champion == 0
    capture(world, [], {"c": 1.0})
    assert ab_counts(world.settings, use_case(world, test), 2, NOW, LATER).n_champion == 1
