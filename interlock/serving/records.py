"""Request records: checked against the model's own fields, field by field, before anything is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from interlock.records.ids import new_id
from interlock.serving.fields import ALLOWED, OWN, is_text, mistyped, problem, unknown_field
from interlock.serving.shelf import Arm, Loaded, Serving
from interlock.serving.treatments import treated
from interlock.serving.wire import Refusal

ID_CHARACTERS_MAX = 200
PROBLEMS_MAX = 20
ASIDE_PROBLEMS_MAX, ASIDE_RECORDS_MAX = 5, 100  # beyond so many refused records each tells its first problem alone
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # an older time is a unit or a field mixed up, and makes windows nobody looks at
AHEAD_MAX = timedelta(days=1)                # a clock may be wrong by this much; the future has no events


@dataclass(slots=True)  # frozen ones take three times as long to make
class Row:
    """One record that passed: what is known about it and the model that answers it."""

    id: str
    event_time: datetime
    values: dict[str, Any]
    arm: Arm
    said: Sequence[str] = ()  # flags from the check, before anything was scored


@dataclass
class Aside:
    """Records that were refused while the others are answered: problems by place, and whose they would have been."""

    problems: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    by_arm: list[tuple[Arm, int]] = field(default_factory=list)


class Refused(Refusal):
    """422: one or more records do not fit; `by_arm` counts them for the arm that would have answered."""

    def __init__(self, problems: list[dict[str, Any]], by_arm: list[tuple[Arm, int]]) -> None:
        first = problems[0]
        where = "" if first.get("field") is None else f"field '{first['field']}': "
        super().__init__(422, f"record {first['record']}: {where}{first['problem']}", problems=problems[:PROBLEMS_MAX])
        self.by_arm = by_arm


def check_records(serving: Serving, records: list[dict[str, Any]], arm: Arm | None = None, aside: Aside | None = None) -> list[Row]:
    """Rows for the arms that answer them (or all for the given one).

    Raises `Refused` with every problem (the first 20). With `aside` refused records go there, and the rows are those of the others.
    """
    rows: list[Row] = []
    problems: list[dict[str, Any]] = []
    refused: dict[str, tuple[Arm, int]] = {}
    now = datetime.now(UTC)
    policy = serving.policy
    for place, record in enumerate(records):
        found: list[dict[str, Any]] = []
        said: list[str] = []
        request_id = _id(record, found)
        chosen = arm or serving.arm_of(request_id, record)
        if chosen is None:
            raise Refusal(503, "no model answers this use case yet", headers={"retry-after": "5"})
        event_time = read_time(record.get("event_time"), "event_time", now, found)
        values = (_values(chosen.loaded, record, found) if policy is None or not policy.treats
                  else treated(policy.options, chosen.loaded, record, found, said))
        if not found:
            rows.append(Row(request_id, event_time, values, chosen, said))
            continue
        refused[chosen.name] = (chosen, refused.get(chosen.name, (chosen, 0))[1] + 1)
        if aside is not None:
            aside.problems[place] = found[:ASIDE_PROBLEMS_MAX if len(aside.problems) < ASIDE_RECORDS_MAX else 1]
            continue
        problems += [{"record": place, **one} for one in found]
        if len(problems) >= PROBLEMS_MAX:
            break
    if problems:
        raise Refused(problems, list(refused.values()))
    if aside is not None:
        aside.by_arm = list(refused.values())
    return rows


def read_time(value: Any, field: str, default: datetime, problems: list[dict[str, Any]]) -> datetime:
    """ISO 8601 with a zone, in UTC, from 1990-01-01 to one day from now; the default when absent or null."""
    if value is None:
        return default
    moment = None
    if isinstance(value, str) and len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if moment is None or moment.tzinfo is None:
        problems.append(problem(field, "is not a time", value, "ISO 8601 with a zone, like 2013-05-04T14:03:00Z"))
        return default
    if not EARLIEST <= moment <= datetime.now(UTC) + AHEAD_MAX:
        problems.append(problem(field, "is too far in the past or the future", value, "1990-01-01 to one day from now"))
        return default
    return moment.astimezone(UTC)


def _id(record: Mapping[str, Any], problems: list[dict[str, Any]]) -> str:
    value = record.get("id")
    if value is None:
        return new_id()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARACTERS_MAX or not (value.isascii() or is_text(value)):
        problems.append(problem("id", "is not an id", value, f"a text of 1 to {ID_CHARACTERS_MAX} characters, or a whole number"))
        return new_id()
    return value


def _values(loaded: Loaded, record: dict[str, Any], problems: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = loaded.fields
    values = {}
    for name, value in record.items():
        kind = kinds.get(name)
        if kind is not None:
            values[name] = value
            if type(value) is float and kind == "numeric" and isfinite(value):
                continue  # by far the commonest
            if value is not None and mistyped(kind, value):
                problems.append(problem(name, "has a value of the wrong type", value, ALLOWED[kind]))
        elif name not in OWN:
            unknown_field(name, value, kinds, problems)
    for name in loaded.inputs:
        if name not in record:
            problems.append(problem(name, "is missing", None, f"{ALLOWED[kinds[name]]} (null says: not known)"))
    return values
