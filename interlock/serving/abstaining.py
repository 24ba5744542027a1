"""Abstention: outside its domain or below a stated confidence the model's answer is not given, but a declared fallback's.

A candidate that abstains leaves the record to the champion where the use case says so; a champion that abstains has nobody behind it,
and a person is asked. What the model would have said is captured all the same, marked, so that its error there can be measured.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from interlock.modeling.package import Manifest
from interlock.serving.answering import Answer, score_rows
from interlock.serving.counters import Counters
from interlock.serving.fields import mistyped
from interlock.serving.outcomes import ANSWERED, Kind, Outcome
from interlock.serving.records import Row
from interlock.serving.shelf import Arm, Serving
from interlock.spec.serving import Abstention, Rule

Found = tuple[Kind, str]
NAMED_MAX = 5  # fields named in a reason
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
                                                   ">=": operator.ge, ">": operator.gt}


def with_abstentions(serving: Serving, answers: list[Answer], counters: Counters) -> list[Answer]:
    """The answers, with the fallback's where the model abstains. Every answer gets an `outcome`."""
    rules = serving.route.serving.abstention
    return [_settled(serving, rules, answer, counters) for answer in answers]


def why_abstain(rules: Abstention, answer: Answer) -> Found | None:
    """The first condition that holds, in words; None: the model answers. Domain before confidence."""
    row, loaded = answer.row, answer.row.arm.loaded
    if rules.out_of_range is not None:
        outside = loaded.domain.untrained(row.values)
        if len(outside) >= rules.out_of_range:
            return "out_of_range", f"outside the range of the training rows: {_named(outside)}"
    unseen = [name for name in rules.unseen_in if f"unseen:{name}" in answer.flags]
    if unseen:
        return "unseen", f"a category that the model never met: {_named(unseen)}"
    empty = [name for name in rules.missing_in if _is_missing(row.values.get(name))]
    if empty:
        return "missing", f"not given: {_named(empty)}"
    return _unsure(rules, answer, loaded.manifest)


def _unsure(rules: Abstention, answer: Answer, manifest: Manifest) -> Found | None:
    if rules.confidence_min is not None and manifest.task != "regression":
        sure = answer.score if manifest.task == "multiclass" else max(answer.score, 1 - answer.score)
        if sure < rules.confidence_min:
            return "confidence", f"the most probable answer has a probability of {sure:.3g}, below {rules.confidence_min:g}"
    if rules.interval_width_max is not None and answer.interval is not None:
        width = answer.interval[1] - answer.interval[0]
        if width > rules.interval_width_max:
            return "interval", f"the interval is {width:.6g} wide, above {rules.interval_width_max:g}"
    return None


def _settled(serving: Serving, rules: Abstention, answer: Answer, counters: Counters) -> Answer:
    found = why_abstain(rules, answer)
    if found is None:
        return replace(answer, outcome=ANSWERED)
    arm = answer.row.arm
    if rules.fallback == "champion" and arm.name == "candidate":
        second = _by_champion(serving, answer.row, counters)
        if second is not None:
            again = why_abstain(rules, second)
            if again is None:
                return _with(second, Outcome(found[0], found[1], "champion", arm))
    if rules.fallback == "rule":
        said = rule_answer(rules, answer.row.values, arm.loaded.manifest)
        if said is not None:
            return _with(answer, Outcome(found[0], found[1], "rule", arm, said))
    return _with(answer, Outcome(found[0], found[1], "person", arm))


def _with(answer: Answer, outcome: Outcome) -> Answer:
    return replace(answer, outcome=outcome, flags=[*answer.flags, *outcome.flags])


def _by_champion(serving: Serving, row: Row, counters: Counters) -> Answer | None:
    """The champion's answer to a record that the candidate accepted; None where the champion cannot read it."""
    champion = serving.champion
    if champion is None or not _readable(champion, row.values):
        return None
    values = {name: value for name, value in row.values.items() if name in champion.loaded.fields}
    return score_rows([replace(row, arm=champion, values=values)], counters)[0]


def _readable(arm: Arm, values: dict[str, Any]) -> bool:
    kinds = arm.loaded.fields
    return all(name in values for name in arm.loaded.inputs) and not any(
        value is not None and name in kinds and mistyped(kinds[name], value) for name, value in values.items())


def rule_answer(rules: Abstention, values: dict[str, Any], manifest: Manifest) -> int | float | str | None:
    """What the declared rule says, in the words of the task; None where no line fits or its answer is none of this model's."""
    said = next((line.answer for line in rules.rules if _fits(line, values.get(line.column))), rules.otherwise)
    if said is None:
        return None
    if manifest.task == "multiclass":
        return said if isinstance(said, str) and said in manifest.classes else None
    if isinstance(said, str):
        return None
    if manifest.task == "binary":
        return int(said) if said in (0, 1) else None
    return float(said)


def _fits(line: Rule, value: Any) -> bool:
    """Whether the line holds; a missing value and one of another kind than the line's fit none."""
    if _is_missing(value):
        return False
    mine, its = _comparable(value), _comparable(line.value)
    if type(mine) is not type(its) or (isinstance(mine, bool) and line.operator not in ("==", "!=")):
        return False
    return _COMPARE[line.operator](mine, its)


def _comparable(value: Any) -> Any:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _is_missing(value: Any) -> bool:
    return value is None or value != value


def _named(names: list[str]) -> str:
    return ", ".join(names[:NAMED_MAX]) + (f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else "")
