"""Decisions of champion and candidate on the same captured requests, and features that the candidate could do without."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding


@dataclass(frozen=True)
class Flips:
    """One segment: requests, and the share decided differently with its 95 % interval."""

    segment: str
    sample_size: int
    flips: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Replay:
    """What would be decided differently. `directions`: words → requests; `reasons`: feature → its share of what drives the flips, 0 to 1;
    `examples`: request id, score before, score after, direction; `small`: segments too small to show; `window`: from and to, ISO."""

    sample_size: int
    flips: int
    directions: dict[str, int]
    segments: tuple[Flips, ...]
    reasons: dict[str, float]
    examples: tuple[tuple[str, float, float, str], ...]
    small: int
    window: tuple[str, ...]


@dataclass(frozen=True)
class Tried:
    """Features left out together: their importance, and the relative change of the loss with its 95 % interval (0.01: 1 % higher)."""

    features: tuple[str, ...]
    importance: float
    change: float
    low: float
    high: float
    droppable: bool


@dataclass(frozen=True)
class Drops:
    """What was tried, and the features that could go."""

    sample_size: int
    tolerance: float
    tested: tuple[Tried, ...]
    drop: tuple[str, ...]
    note: str


def replay_of(proof: Proof) -> Replay | None:
    """The replay; None where there was nothing to replay (`replay_findings` say why)."""
    drawn = proof.evidence.observed_figures.get("replay")
    if not drawn:
        return None
    segments = tuple(Flips(row["segment"], int(row["rows"]), int(row["flips"]), row["share"], row["low"], row["high"])
                     for row in drawn["segments"])
    examples = tuple((str(row["request_id"]), row["champion"], row["candidate"], row["direction"]) for row in drawn["examples"])
    return Replay(int(drawn["rows"]), int(drawn["flips"]), dict(drawn["directions"]), segments,
                  {row["feature"]: row["share"] for row in drawn.get("reasons") or []}, examples, int(drawn.get("small_segments", 0)),
                  tuple(drawn.get("window") or ()))


def replay_findings(proof: Proof) -> list[Finding]:
    """How many decisions flip, and what that is worth: with a value, or with the reason why there is none."""
    wanted = ("replay.flip_rate", "replay.money_change")
    return [finding for finding in proof.by_metric("replay.") if finding.metric in wanted]


def drops_of(proof: Proof) -> Drops | None:
    """Features that could go; None where none was tried (the finding `training.proposals` says how to)."""
    drawn = proof.evidence.observed_figures.get("proposals")
    if not drawn:
        return None
    tried = [*drawn["tested"], *([drawn["together"]] if drawn.get("together") else [])]
    return Drops(int(drawn["rows"]), drawn["tolerance"], tuple(
        Tried(tuple(row["features"]), row["importance"], row["change"], row["low"], row["high"], bool(row["droppable"])) for row in tried),
        tuple(drawn["drop"]), drawn["note"])
