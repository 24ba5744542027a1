"""Whether the rows behind a version are sound: gates about quality and leakage, columns named, what is missing where."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.signals import SEVERITY, Signal, SignalState
from interlock.rules.findings import State

FAMILIES = ("quality.", "leakage.")
NAMING = ("quality.dead_stretch", "quality.mixed_types", "quality.out_of_range", "quality.repeated_ids")  # no gates; a note per column


@dataclass(frozen=True)
class Soundness:
    """`attention`: gates that did not pass, the gravest first; `clear`: how many passed; `named`: what is said of single columns;
    `missing`: column → share of rows without a value (0 to 1), `rows` it rests on."""

    attention: tuple[Signal, ...]
    clear: tuple[Signal, ...]
    named: tuple[str, ...]
    missing: dict[str, float]
    rows: int


def soundness(proof: Proof) -> Soundness:
    """What the evidence says about its rows; empty parts where it says nothing."""
    own = [signal for signal, gate in zip(proof.signals, proof.gates, strict=True) if gate.metric.startswith(FAMILIES)]
    attention = sorted((one for one in own if one.state is not SignalState.PASS), key=lambda one: SEVERITY[one.state])
    named = [f"{one.segment.removeprefix('column=')}: {one.note}" if one.segment != "all" and one.metric != NAMING[0] else one.note
             for metric in NAMING for one in proof.by_metric(metric) if one.note and one.value]
    gone = [one for one in proof.by_metric("quality.missing_share") if one.state is State.OK and one.value is not None]
    shares = {one.segment.removeprefix("column="): float(one.value or 0.0) for one in gone}
    return Soundness(tuple(attention), tuple(one for one in own if one.state is SignalState.PASS), tuple(named),
                     dict(sorted(shares.items(), key=lambda item: (-item[1], item[0]))), max((one.sample_size for one in gone), default=0))
