"""What evidence says about why a version answers as it does: found and named, not computed; what is not there is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.control.readmodel.figures import swarm
from interlock.control.readmodel.numbers import Number, number
from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding, State


@dataclass(frozen=True)
class Method:
    """How rows were explained. `other`: importance of the interventional kind (empty: none), `other_rows` it rests on, `note` in words."""

    sentence: str
    other: dict[str, float]
    other_rows: int
    note: str


@dataclass(frozen=True)
class Pair:
    """Two features that act together: mean |interaction| in margin, and its share of all effect (0 to 1)."""

    names: str
    strength: float
    share: float


@dataclass(frozen=True)
class Pairs:
    """The strongest pairs; `share` of all effect that comes from pairs; on `rows` of `rows_total`."""

    pairs: tuple[Pair, ...]
    share: float
    rows: int
    rows_total: int


@dataclass(frozen=True)
class Dependence:
    """One feature: points of (value or category, contribution in margin, place of the partner's value 0 to 1 or None), its partner, rows
    without a value and their mean contribution."""

    points: tuple[tuple[float | str, float, Number], ...]
    partner: str
    missing: int
    missing_mean: Number
    at: tuple[int, ...] = ()  # each point's place in the sample that `shades` are of; empty in older evidence


@dataclass(frozen=True)
class Answers:
    """One feature: mean answer over a grid of values that occur, single rows' own lines, rows near each value, where it extrapolates,
    and the answer where the value is missing (None: it never is)."""

    grid: tuple[float | str, ...]
    mean: tuple[float, ...]
    lines: tuple[tuple[float, ...], ...]
    support: tuple[int, ...]
    extrapolated: tuple[bool, ...]
    missing: Number
    missing_rows: int
    rows: int
    answer: str


@dataclass(frozen=True)
class Cohort:
    """One group: share of mean |SHAP| by feature (empty with `needed`: too few rows), mean signed SHAP and mean |SHAP| in margin (the last
    empty in older evidence), agreement with all rows."""

    name: str
    rows: int
    needed: int | None
    importance: dict[str, float]
    mean: dict[str, float]
    ndcg: Number
    mean_abs: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Slice:
    """One weak slice: mean loss, excess over the others with its interval, the part of another base rate, and what drives the rest."""

    name: str
    rows: int
    loss: float
    excess: float
    low: float
    high: float
    base: Number
    drivers: str


@dataclass(frozen=True)
class Mistakes:
    """Loss per feature (positive: pushes answers away from the truth) and the weakest slices. `note` where it was not computed."""

    kind: str
    mean: Number
    drivers: dict[str, float]
    slices: tuple[Slice, ...]
    note: str


def figure(proof: Proof, name: str) -> dict[str, Any]:
    """The figure of this name under `explain`, {} where the evidence has none."""
    own = proof.evidence.figures.get("explain")
    found = own.get(name) if isinstance(own, dict) else None
    return found if isinstance(found, dict) else {}


def method(proof: Proof) -> Method | None:
    """Which Shapley values, of how many rows, how they were checked; None for evidence from before this was recorded."""
    made, own = figure(proof, "shapley"), proof.evidence.figures.get("explain", {})
    if not made.get("kind"):
        return None
    other = figure(proof, "interventional")
    rows, total = own.get("rows"), own.get("rows_total")
    of = f"{rows:,} of {total:,} held-out rows" if isinstance(rows, int) and isinstance(total, int) else "held-out rows"
    checked = (f"{made['probed']:,} random rows compared feature by feature with XGBoost, largest difference {made['probe_gap']:.2g}"
               if made.get("probed") else "computed by XGBoost itself")
    again = f"; {made['recomputed']:,} rows computed again" if made.get("recomputed") else ""
    sentence = f"{str(made['kind']).capitalize()} Shapley values of {of}; {checked}{again}."
    shares = {str(name): float(share) for name, share in (other.get("importance") or {}).items()}
    told = f"{other.get('rows', 0):,} rows against {other.get('background_rows', 0):,} training rows" if shares else other.get("note")
    note = f"Interventional values: {told}." if told else ""
    return Method(sentence, shares, int(other.get("rows", 0)), note)


def explained_rows(proof: Proof) -> int | None:
    """Held-out rows that were explained, None where the evidence does not say."""
    own = proof.evidence.figures.get("explain")
    rows = own.get("rows") if isinstance(own, dict) else None
    return rows if isinstance(rows, int) else swarm(proof).sample_size


def pairs(proof: Proof) -> Pairs | None:
    """Interactions, without pairs where no two features act together; None where the evidence says nothing about them."""
    found = figure(proof, "interactions")
    if "share" not in found:
        return None
    return Pairs(tuple(Pair(f"{one['first']} with {one['second']}", float(one["strength"]), float(one["share"]))
                       for one in found.get("pairs", [])),
                 float(found["share"]), int(found["rows"]), int(found["rows_total"]))


def dependences(proof: Proof) -> dict[str, Dependence]:
    """Feature → points, the strongest feature first."""
    return {str(name): _dependence(one) for name, one in figure(proof, "dependence").items() if one.get("points")}


def _dependence(one: dict[str, Any]) -> Dependence:
    names = one.get("categories") or []
    points = tuple((_named(value, names), float(shap), number(shade)) for value, shap, shade in one["points"])
    rows, mean = one.get("missing") or (0, None)
    return Dependence(points, str(one.get("with") or ""), int(rows), number(mean), tuple(one.get("at") or ()))


def shades(proof: Proof) -> dict[str, tuple[Number, ...]]:
    """Feature → place (0 to 1) of each sampled row's value, the colours to choose from; empty for evidence from before it was kept."""
    return {str(name): tuple(number(place) for place in places) for name, places in figure(proof, "dependence_shades").items()}


def coloured(found: Dependence, partner: str, places: Sequence[Number]) -> Dependence:
    """The same points, coloured by another feature; unchanged where the evidence does not say which row a point is."""
    if len(found.at) != len(found.points):
        return found
    points = tuple((value, shap, places[at] if at < len(places) else None)
                   for (value, shap, _), at in zip(found.points, found.at, strict=True))
    return replace(found, points=points, partner=partner)


def answers(proof: Proof) -> dict[str, Answers]:
    """Feature → partial dependence with its lines, the strongest feature first."""
    found = figure(proof, "partial_dependence")
    answer = f"probability of {found['class']}" if found.get("class") else "answer"
    return {str(name): Answers(
        tuple(one["categories"] or one["grid"]), tuple(one["mean"]), tuple(tuple(line) for line in one["lines"]), tuple(one["support"]),
        tuple(one["extrapolated"]), number(one.get("missing")), int(one.get("missing_rows", 0)), int(one["rows"]), answer)
        for name, one in (found.get("features") or {}).items() if one.get("grid")}


def cohorts(proof: Proof) -> list[Cohort]:
    """Groups in the order of the evidence; groups that are too small say how many rows are needed."""
    return [Cohort(str(one["cohort"]), int(one["rows"]), one.get("needed"), one.get("importance", {}), one.get("mean", {}),
                   number(one.get("ndcg")), one.get("mean_abs", {})) for one in figure(proof, "cohorts").get("cohorts", [])]


def mistakes(proof: Proof) -> Mistakes | None:
    """What drives the loss; None where the evidence holds nothing about it."""
    found = figure(proof, "loss")
    if not found:
        return None
    slices = tuple(Slice(str(one["slice"]), int(one["rows"]), float(one["loss"]), float(one["excess"]), float(one["low"]),
                         float(one["high"]), number(one.get("base")),
                         ", ".join(str(driver["feature"]) for driver in one.get("drivers", [])[:3]))
                   for one in found.get("slices", []))
    drivers = {str(name): float(value) for name, value in (found.get("drivers") or {}).items()}
    return Mistakes(str(found.get("loss", "loss")), number(found.get("mean")), drivers, slices, str(found.get("note", "")))


def stability(proof: Proof) -> Finding | None:
    """Rank agreement with the champion; its detail holds `ndcg` and `kendall`."""
    return next(iter(proof.by_metric("explain.stability")), None)


def failures(proof: Proof) -> list[str]:
    """Parts of the explanation that failed, with what they said."""
    return [f"{one.metric.removeprefix('explain.')}: {one.note}" for one in proof.by_metric("explain.") if one.state is State.ERROR]


@dataclass(frozen=True)
class RankChange:
    """One feature in both versions: rank from 1 (None: that version has no such feature) and share of mean |SHAP|, 0 to 1."""

    feature: str
    rank: int | None
    rank_before: int | None
    share: float
    share_before: float

    @property
    def change(self) -> float:
        """Share now minus share before."""
        return self.share - self.share_before


def rank_changes(now: Mapping[str, float], before: Mapping[str, float]) -> list[RankChange]:
    """Every feature of either version, the largest change of share first; empty where one of the two tables is."""
    if not now or not before:
        return []
    own, other = _ranks(now), _ranks(before)
    found = [RankChange(name, own.get(name), other.get(name), now.get(name, 0.0), before.get(name, 0.0)) for name in {*now, *before}]
    return sorted(found, key=lambda one: (-abs(one.change), one.feature))


def _ranks(shares: Mapping[str, float]) -> dict[str, int]:
    ordered = sorted(shares, key=lambda name: (-shares[name], name))
    return {name: place for place, name in enumerate(ordered, 1)}


def champion_importance(proof: Proof) -> dict[str, float]:
    """The champion's importance on the same rows; empty where there was no champion."""
    return {str(name): float(share) for name, share in figure(proof, "champion_importance").items()}


def _named(value: Any, names: list[Any]) -> float | str:
    return str(names[int(value)]) if names and 0 <= int(value) < len(names) else float(value)
