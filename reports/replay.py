"""Decision replay: what a candidate would have answered to real requests, beside what the champion answers to the same ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from interlock.spec.model import Task
from reports.quality_shares import absent, share_finding, wilson

Floats = NDArray[np.float64]

ROWS_MIN = 100
SEGMENT_ROWS_MIN = 50
SEGMENTS_MAX = 30
TRANSITIONS_MAX = 10
EXAMPLES_MAX = 20
SPREADS = 0.25


@dataclass(frozen=True)
class Replayed:
    """n requests answered by both. `champion`, `candidate` (n,): decisions (0/1, place of the class, value); `*_scores` (n,): P(1), the
    probability of the decision, or the value; `request_ids`: n; `segments`: n rows of columns to look at apart, as text."""

    task: Task
    champion: Floats = field(repr=False)
    candidate: Floats = field(repr=False)
    champion_scores: Floats = field(repr=False)
    candidate_scores: Floats = field(repr=False)
    request_ids: list[str] = field(repr=False)
    segments: pl.DataFrame = field(repr=False)
    classes: list[str] = field(default_factory=list)

    @property
    def flipped(self) -> NDArray[np.bool_]:
        """(n,) whether the decision differs. Regression: by more than a quarter of the standard deviation of the champion's answers."""
        if self.task != "regression":
            return np.asarray(self.champion != self.candidate)
        return np.asarray(np.abs(self.champion - self.candidate) > SPREADS * max(float(self.champion.std()), 1e-12))


def replay_findings(replayed: Replayed) -> tuple[list[Finding], dict[str, Any]]:
    """`replay.flip_rate`, its directions, its segments and the shift of the scores, from n requests answered by both.

    flip_rate: share of requests with another decision, range [0, 1], 0 = the same policy; Wilson's interval. binary: `to_yes`, `to_no`, the
    parts of it in each direction. segment_flip_rate: the same per value of each column of `segments` with at least 50 requests
    (`<column>=<value>`), the 30 that flip most; smaller ones are TOO_FEW and listed only in the figures' count. score_shift: mean
    absolute difference of the scores (regression: in the target's unit). Fewer than 100 requests: TOO_FEW.
    Figures: {"rows", "flips", "directions": {words: requests}, "segments": [{"segment", "rows", "flips", "share", "low", "high"}],
    "small_segments": count, "examples": [{"request_id", "champion", "candidate", "direction"}]}; examples carry no value of any column.
    Raises `DataError` where lengths do not fit.
    """
    rows = replayed.champion.size
    sizes = {replayed.candidate.size, replayed.champion_scores.size, replayed.candidate_scores.size, len(replayed.request_ids)}
    if sizes != {rows} or (replayed.segments.width and replayed.segments.height != rows):
        raise DataError("the replayed answers do not fit together", value=sorted(sizes), allowed=f"{rows} each")
    if rows < ROWS_MIN:
        return [Finding(metric="replay.flip_rate", sample_size=rows, needed=ROWS_MIN, state=State.TOO_FEW,
                        note=f"not enough evidence: n = {rows:,}, at least {ROWS_MIN} captured requests needed")], {}
    flipped = replayed.flipped
    directions = _directions(replayed, flipped)
    told = ", ".join(f"{count:,} {words}" for words, count in directions.items())
    note = f"{int(flipped.sum()):,} of {rows:,} captured requests would be decided differently{': ' if told else ''}{told}."
    found = [share_finding("replay.flip_rate", int(flipped.sum()), rows, note)]
    if replayed.task == "binary":
        found += [share_finding(f"replay.{name}", int((flipped & (replayed.candidate == value)).sum()), rows)
                  for name, value in (("to_yes", 1.0), ("to_no", 0.0))]
    found.append(Finding(metric="replay.score_shift", value=float(np.abs(replayed.candidate_scores - replayed.champion_scores).mean()),
                         sample_size=rows, note="Mean absolute difference between the two models' scores."))
    segments, small = segment_flips(replayed.segments, flipped)
    found += [share_finding("replay.segment_flip_rate", one["flips"], one["rows"], segment=one["segment"]) for one in segments]
    return found, {"rows": rows, "flips": int(flipped.sum()), "directions": directions, "segments": segments, "small_segments": small,
                   "examples": _examples(replayed, flipped)}


def segment_flips(segments: pl.DataFrame, flipped: NDArray[np.bool_]) -> tuple[list[dict[str, Any]], int]:
    """(segments of at least 50 requests by falling lower end of their flip rate, at most 30; number of smaller ones)."""
    found: list[dict[str, Any]] = []
    small = 0
    for name in segments.columns:
        frame = pl.DataFrame({"value": segments[name].cast(pl.String).fill_null("missing"), "flip": flipped})
        table = frame.group_by("value").agg(pl.len().alias("rows"), pl.col("flip").sum().alias("flips")).sort("value")
        for value, rows, flips in table.iter_rows():
            if rows < SEGMENT_ROWS_MIN:
                small += 1
                continue
            low, high = wilson(int(flips), int(rows))
            found.append({"segment": f"{name}={value}", "rows": int(rows), "flips": int(flips), "share": flips / rows, "low": low,
                          "high": high})
    return sorted(found, key=lambda one: (-one["low"], one["segment"]))[:SEGMENTS_MAX], small


def no_replay(champion: bool) -> Finding:
    """The finding where there is nothing to replay: no champion, or no request yet. A state, not a failure."""
    return absent("replay.flip_rate", "no captured requests yet" if champion else "no champion yet")


def _directions(replayed: Replayed, flipped: NDArray[np.bool_]) -> dict[str, int]:
    """What turned into what, in words, the most frequent first."""
    before, after = replayed.champion[flipped], replayed.candidate[flipped]
    if replayed.task == "regression":
        counts = {"higher": int((after > before).sum()), "lower": int((after < before).sum())}
    elif replayed.task == "binary":
        counts = {"from no to yes": int((after == 1).sum()), "from yes to no": int((after == 0).sum())}
    else:
        pairs = Counter(zip(before.tolist(), after.tolist(), strict=True))
        counts = {f"from {_named(replayed, one)} to {_named(replayed, other)}": number for (one, other), number in pairs.items()}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {words: count for words, count in ordered[:TRANSITIONS_MAX] if count}


def _named(replayed: Replayed, decision: float) -> str:
    if replayed.task == "regression":
        return f"{decision:.4g}"
    names = replayed.classes or ["no", "yes"]
    return names[int(decision)] if int(decision) < len(names) else str(int(decision))


def _examples(replayed: Replayed, flipped: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """The flips with the largest difference of the scores, by request id and the two scores; no value of any column."""
    places = np.flatnonzero(flipped)
    gap = np.abs(replayed.candidate_scores - replayed.champion_scores)[places]
    order = places[np.lexsort((places, -gap))][:EXAMPLES_MAX]
    return [{"request_id": replayed.request_ids[place], "champion": round(float(replayed.champion_scores[place]), 6),
             "candidate": round(float(replayed.candidate_scores[place]), 6),
             "direction": f"{_named(replayed, replayed.champion[place])} → {_named(replayed, replayed.candidate[place])}"}
            for place in order]
