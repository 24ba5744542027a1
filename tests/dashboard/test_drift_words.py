"""What drift means in words, when it began, and a limit on trial: read models on numbers made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from interlock.control.readmodel.alarms import ANY, LOSSES, Watched, caveat, losses_known, lost, on_trial, rules_of, value_of, watchable
from interlock.control.readmodel.drift_meaning import history_of, meaning, parts_of
from interlock.control.readmodel.drifting import Ranked
from interlock.control.readmodel.series import Point, WindowRow
from interlock.control.readmodel.windows import Shape, WindowView
from interlock.rules.alarm_backtest import Outcome
from interlock.rules.findings import Finding, State
from interlock.spec.load import load_use_case
from interlock.spec.usecase import UseCase

DAY = datetime(2026, 3, 1, tzinfo=UTC)
FLIGHTS = load_use_case(Path(__file__).resolve().parents[2] / "usecases" / "flight_delays.toml")
RULES = rules_of(FLIGHTS, LOSSES)
WEEK = timedelta(hours=FLIGHTS.monitoring.window_hours)


def row(n: int, psi: float | None, drop: tuple[float, float] | None = None, digest: str = "a", **more: float) -> WindowRow:
    """Window n: PSI of `age`, and the drop with the lower end of its interval."""
    metrics = {name.replace("_", ".", 1): Point(value, None, None, 900) for name, value in more.items()}
    if drop is not None:
        metrics["performance.drop"] = Point(drop[0], drop[1], drop[0] + 0.02, 400)
    start = DAY + n * WEEK
    age = Point(psi, None, None, 900, "ok" if psi is not None else "too_few", "" if psi is not None else "too few")
    return WindowRow(start, start + WEEK, 1, digest, 900, 400, "ok", {"age": age}, metrics)


def view(*findings: Finding) -> WindowView:
    return WindowView(DAY, DAY + WEEK, 1, "a", 900, 400, "ok", 1, findings)


def psi(value: float | None, **changes: object) -> Finding:
    return Finding(metric="drift.psi", segment="column=age", value=value, sample_size=900, **changes)


SHAPE = Shape(("below 30", "30 to 50", "50 and over"), (0.3, 0.4, 0.3), (0.2, 0.395, 0.405), 10_000, 1_000)


def test_a_psi_in_words() -> None:
    """Luck: (3 - 1) x (1 / 1,000 + 1 / 10,000) = 0.0022. Shares moved by -0.10, -0.005 and +0.105."""
    moved = Finding(metric="drift.tv", segment="column=age", value=0.105, sample_size=900)
    detail = {"mean_baseline": 40.0, "mean_current": 44.5}
    ranked = Ranked("age", 0.31, 0.12, 0.0372, 0.4, 0.008)
    assert meaning(psi(0.31, detail=detail), 0.25, SHAPE, view(moved), ranked, "measured") == [
        "PSI 0.31 is above the limit of 0.25: by the usual reading a large shift.",
        "Luck alone would give about 0.0022, with 1,000 rows here and 10,000 when the model was made.",
        "10% of the rows would have to change group to look like the training rows again.",
        "More rows with 50 and over (30% then, 40% now).",
        "Fewer rows with below 30 (30% then, 20% now).",
        "Its mean went from 40 to 44.5.",
        "The model leans on it with 12% of its SHAP weight: 40% of all weighted drift, which is 0.008 of the measured loss of performance "
        "(shared out in proportion, no proof of cause)."]


def test_what_is_not_known_is_said() -> None:
    few = meaning(psi(None, state=State.TOO_FEW, note="n = 9"), 0.25, SHAPE, view(), None, "")
    assert few == ["Not measured: n = 9"]
    assert meaning(psi(0.05), 0.25, None, view(), None, "") == [
        "PSI 0.05 is within the limit of 0.25: by the usual reading small, often noise.",
        "What the model leans on was not known for this window, so this drift has no price."]
    assert "no loss of performance is known" in meaning(psi(0.2), 0.25, None, view(), Ranked("age", 0.2, 0.1, 0.02, 1, None), "")[-1]
    assert "it has cost nothing so far" in meaning(psi(0.2), 0.25, None, view(), Ranked("age", 0.2, 0.1, 0.02, 1, 0.0), "estimated")[-1]


def test_when_a_column_began_to_move() -> None:
    """Over 0.25: windows 1, 4, 5. From 5 back without a break (window 4.5 was not measured): since 4. Largest rise: 0.1 to 0.4 into 4."""
    rows = [row(0, 0.1), row(1, 0.3), row(2, 0.2), row(3, 0.1), row(4, 0.4), row(5, None), row(6, 0.45), row(7, 0.9, digest="b")]
    found = history_of(rows, "age", rows[6], 0.25)
    assert (found.measured, found.beyond) == (6, 3)
    assert (found.first, found.since) == (rows[1], rows[4])
    assert (found.before, found.after, found.rise) == (rows[3], rows[4], pytest.approx(0.3))
    calm = history_of(rows, "age", rows[3], 0.25)
    assert (calm.since, calm.first) == (None, rows[1])
    few = history_of(rows[:2], "age", rows[1], 0.25)
    assert (few.after, few.rise) == (None, None)
    falling = history_of([row(n, 0.3 - n / 10) for n in range(3)], "age", row(2, 0.1), 0.25)
    assert falling.after is None


def test_a_column_within_segments() -> None:
    table = {"table": {"age": {"psi": 0.4}}}
    one = Finding(metric="drift.segment_share", segment="city=A", value=0.1, sample_size=300, detail=table)
    two = Finding(metric="drift.segment_share", segment="city=B", state=State.TOO_FEW, sample_size=30, note="n = 30")
    found = parts_of(view(two, one), "age")
    assert [(part.segment, part.psi, part.n, part.note) for part in found] == [("city=A", 0.4, 300, ""), ("city=B", None, 30, "n = 30")]


def test_what_can_be_watched_is_what_was_measured() -> None:
    found = watchable([row(0, 0.1, drift_share=0.2)], FLIGHTS)
    assert [(one.metric, one.key, one.present) for one in found] == [
        ("drift.psi", "drift_psi_max", 0.25), ("drift.share", "drift_share_max", 0.3)]
    assert watchable([], FLIGHTS) == []
    assert losses_known(FLIGHTS) == ["performance.drop", "performance.bias"]
    regression: UseCase = load_use_case(Path(__file__).resolve().parents[2] / "usecases" / "bike_hours.toml")
    assert losses_known(regression) == ["performance.drop"]


def test_a_loss_is_real_where_known_and_beyond_its_limit() -> None:
    """The limit is 0.05, and the interval must exclude 0."""
    assert lost(row(0, 0.1), RULES) is None
    assert lost(row(0, 0.1, (0.04, 0.01)), RULES) is False
    assert lost(row(0, 0.1, (0.06, -0.01)), RULES) is False
    assert lost(row(0, 0.1, (0.06, 0.01)), RULES) is True
    assert lost(row(0, 0.1, (0.06, 0.01)), rules_of(FLIGHTS, ["performance.bias"])) is None
    assert value_of(row(0, 0.1), "drift.psi", ANY) == value_of(row(0, 0.1), "drift.psi", "age") == 0.1
    assert value_of(row(0, 0.1), "drift.psi", "nowhere") is None
    assert value_of(row(0, 0.1), "drift.share", ANY) is None


def test_a_limit_on_trial_in_one_sentence() -> None:
    """Twelve weeks, 84 days; over 0.2: windows 2, 3 and 9; a loss in window 4. Two weeks ahead: 2 and 3 come before it, 9 before none."""
    rows = [row(n, 0.3 if n in {2, 3, 9} else 0.1, (0.06, 0.01) if n == 4 else (0.0, -0.01)) for n in range(12)]
    watched = Watched("drift.psi", "PSI of a column", "drift_psi_max", 0.25)
    trial = on_trial(rows, FLIGHTS, watched, ANY, 0.2, 2, LOSSES)
    assert trial.problem == ""
    assert trial.sentence == (
        "In the last 84 days (12 windows) this would have alarmed 3 times in 2 stretches: 2 before a real loss, 0 in the window of one, "
        "1 without any, 0 not known yet. Real losses: 1, of which 0 without a warning.")
    assert caveat(trial) == "1 real loss is few: a limit that fits them may fit by luck."
    assert [one.limit for one in trial.others] == [0.2, 0.25]
    assert on_trial(rows, FLIGHTS, watched, ANY, 0.35, 2, LOSSES).sentence == (
        "In the last 84 days (12 windows) this would never have alarmed. Real losses: 1, of which 1 without a warning.")
    assert on_trial(rows, FLIGHTS, watched, ANY, 0.2, 1, LOSSES).tested.count(Outcome.BEFORE) == 1


def test_too_few_windows_and_unknown_outcomes_are_said() -> None:
    watched = Watched("drift.psi", "PSI of a column", "drift_psi_max", 0.25)
    assert on_trial([row(n, 0.1) for n in range(9)], FLIGHTS, watched, ANY, 0.2, 2, LOSSES).problem.startswith("Too few windows: 9 have")
    blind = on_trial([row(n, 0.1) for n in range(12)], FLIGHTS, watched, ANY, 0.2, 2, LOSSES)
    assert caveat(blind).startswith("No window's outcomes are known yet")
    half = on_trial([row(n, 0.1, (0.0, -0.01) if n < 6 else None) for n in range(12)], FLIGHTS, watched, ANY, 0.2, 2, LOSSES)
    assert caveat(half) == ("Outcomes of 6 of 12 windows are not known (yet); losses may hide there. Performance was never really lost in "
                            "this time, so that it cannot be said what the limit would catch.")
