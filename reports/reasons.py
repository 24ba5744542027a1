"""Reason codes for one decision: at most four, in plain words, only features that the model used, none left out in silence.

12 CFR 1002.9(b)(2) (Regulation B): the statement of reasons "must be specific and indicate the principal reason(s)". Its official
interpretation, 9(b)(2): no number is prescribed, but more than four reasons are "not likely to be helpful to the applicant" (1); they
must relate to the factors actually scored (2); how or why a factor counted need not be described (3); no principal reason may be left
out (4); any method of choosing may serve, one being the factors furthest below the average of all applicants (5), which is what Shapley
values against the training rows measure. NumPy only: the prediction server may import this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from reports.reason_words import Words

Floats = NDArray[np.float64]
REASONS_MAX = 4
SHARE_MIN = 0.02  # of all that speaks in this direction; less is no principal reason
Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Reason:
    """One reason. `contribution` in margin, toward the direction; `share` of all that speaks in that direction, 0 to 1."""

    text: str
    features: tuple[str, ...]
    values: tuple[Any, ...]
    contribution: float
    share: float


@dataclass(frozen=True)
class Reasons:
    """The reasons for one answer, strongest first.

    `withheld`: what weighed as much as a stated reason but must not be stated, with why; then `complete` is False and the reasons must
    not be sent, because a principal reason may not be left out. `base` + all contributions = `margin`.
    """

    codes: tuple[Reason, ...]
    withheld: tuple[Reason, ...]
    complete: bool
    direction: Direction
    base: float
    margin: float
    note: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def reason_codes(contributions: Floats, names: Sequence[str], values: Mapping[str, Any], words: Mapping[str, Words], *,
                 direction: Direction, typical: Mapping[str, float] | None = None, most: int = REASONS_MAX) -> Reasons:
    """The principal reasons of one row for its answer being high (`up`) or low (`down`).

    `contributions` (f + 1,) in margin, the bias last, as from the booster's `pred_contribs`; `values` by feature as the person gave
    them (None, NaN: missing); `typical` the usual value of numbers, which makes a value high or low. Features that come to the same
    words count as one, with their contributions added, opposite ones subtracted. Reasons below 2 % of what speaks in the direction are
    left out. Nothing in that direction: no code, and the note says so. Raises `DataError` where lengths differ or words are missing.
    """
    if contributions.shape != (len(names) + 1,) or any(name not in words for name in names):
        raise DataError("contributions, names and words do not fit together", value=f"{contributions.shape}, {len(names)} names",
                        allowed="(f + 1,), words for each of f names")
    sign = 1.0 if direction == "up" else -1.0
    merged = _merged(sign * contributions[:-1], names, values, words, typical or {})
    toward = [reason for reason in merged if reason[1].contribution > 0]
    total = sum(reason.contribution for _, reason in toward)
    ranked = [(why, Reason(one.text, one.features, one.values, one.contribution, one.contribution / total)) for why, one in toward]
    ranked.sort(key=lambda item: (-item[1].share, item[1].text))
    principal = [item for item in ranked if item[1].share >= SHARE_MIN]
    codes = tuple(reason for why, reason in principal if not why)[:most]
    weakest = codes[-1].share if len(codes) == most else SHARE_MIN
    withheld = tuple(reason for why, reason in principal if why and reason.share >= weakest)
    reasons_why = sorted({why for why, reason in principal if why and reason in withheld})
    return Reasons(codes, withheld, not withheld, direction, float(contributions[-1]), float(contributions.sum()),
                   _note(codes, len(withheld), reasons_why, direction))


def usual_value(counts: Sequence[int], sums: Sequence[float], count: int) -> float | None:
    """The usual value of a number from its profile: the mean of the bin that holds the middle row, which is the median up to the width
    of a bin. None without any finite value."""
    if count == 0:
        return None
    middle = int(np.searchsorted(np.cumsum(counts), (count + 1) / 2))
    return float(sums[middle] / counts[middle])


def waterfall(contributions: Floats, names: Sequence[str], values: Mapping[str, Any], *, most: int = 10) -> list[dict[str, Any]]:
    """Steps from the average answer to this one: {"feature", "value", "contribution", "after"} in margin, the largest first.

    The first step is the bias (`feature` "average answer"); beyond `most` features the rest is one step "all others".
    """
    order = np.argsort(-np.abs(contributions[:-1]), kind="stable")
    steps = [("average answer", None, float(contributions[-1]))]
    steps += [(names[place], values.get(names[place]), float(contributions[place])) for place in order[:most]]
    if order.size > most:
        steps.append(("all others", None, float(contributions[order[most:]].sum())))
    after = np.cumsum([size for _, _, size in steps])
    return [{"feature": name, "value": value, "contribution": size, "after": float(end)}
            for (name, value, size), end in zip(steps, after, strict=True)]


def _merged(effects: Floats, names: Sequence[str], values: Mapping[str, Any], words: Mapping[str, Words], typical: Mapping[str, float]
            ) -> list[tuple[str, Reason]]:
    """(why it is withheld, reason) for each distinct text, with net contributions; features without any effect are not in it."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, name in enumerate(names):
        if effects[place] != 0:
            key = (words[name].withheld, words[name].text(values.get(name), typical.get(name)))
            groups.setdefault(key, []).append(place)
    return [(why, Reason(text, tuple(names[place] for place in places), tuple(values.get(names[place]) for place in places),
                         float(sum(effects[place] for place in places)), 0.0)) for (why, text), places in groups.items()]


def _note(codes: tuple[Reason, ...], withheld: int, why: list[str], direction: Direction) -> str:
    if withheld:
        return (f"Not complete: {withheld} of the principal reasons cannot be stated ({'; '.join(why)}). Do not send these reasons; "
                "a principal reason may not be left out.")
    if not codes:
        return f"Nothing about this row makes the answer {'higher' if direction == 'up' else 'lower'} than the average one."
    covered = sum(one.share for one in codes)
    return f"{len(codes)} principal reason{'s' if len(codes) > 1 else ''}, together {covered:.0%} of what spoke for this answer."
