"""Fields of a record under a use case's own treatments (`[serving]`): refused, or accepted and flagged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interlock.serving.domain import Domain, listed, range_text, spelled
from interlock.serving.fields import ALLOWED, OWN, mistyped, problem, unknown_field
from interlock.spec.serving import Serving as Options

if TYPE_CHECKING:
    from interlock.serving.shelf import Loaded

UNKNOWN_FLAGS_MAX = 10  # a stranger's names are captured; not without bound
NAME_CHARACTERS_MAX = 80
CHECKED = ("unknown", "absent", "missing", "mistyped", "out_of_range", "trained_range", "unseen")
DEFAULT = Options()


@dataclass(frozen=True)
class Policy:
    """What a use case does otherwise than a server without `[serving]`; decided once when a route is switched."""

    options: Options
    treats: bool    # fields are checked in another way
    each: bool      # good records are answered beside refused ones
    abstains: bool


def policy_of(options: Options) -> Policy | None:
    """None where nothing differs, so that the ordinary way costs nothing."""
    treats = any(getattr(options, name) != getattr(DEFAULT, name) for name in CHECKED)
    each, abstains = options.batch == "each", options.abstention.on
    return Policy(options, treats, each, abstains) if treats or each or abstains else None


def treated(options: Options, loaded: Loaded, record: dict[str, Any], problems: list[dict[str, Any]], said: list[str]) -> dict[str, Any]:
    """Values to be scored; what is refused goes into `problems`, what is accepted against the rule into `said` as flags."""
    kinds, domain = loaded.fields, loaded.domain
    values: dict[str, Any] = {}
    unknown = [name for name in record if name not in kinds and name not in OWN]
    _unknown(options, unknown, record, kinds, problems, said)
    for name in loaded.inputs:
        if name not in record:
            values[name] = None
            if options.absent == "refuse":
                problems.append(problem(name, "is missing", None, f"{ALLOWED[kinds[name]]} (null says: not known)"))
            else:
                said.append(f"absent:{name}")
    for name, value in record.items():
        kind = kinds.get(name)
        if kind is not None:
            if value is not None and mistyped(kind, value):
                _apply(options.mistyped, "mistyped", problem(name, "has a value of the wrong type", value, ALLOWED[kind]), problems, said)
                value = None
            values[name] = value
    for name, value in values.items():
        _value(options, domain, name, kinds[name], value, problems, said)
    return values


def _unknown(options: Options, unknown: list[str], record: dict[str, Any], kinds: dict[str, str], problems: list[dict[str, Any]],
             said: list[str]) -> None:
    if options.unknown == "refuse":
        for name in unknown:
            unknown_field(name, record[name], kinds, problems)
        return
    shown = [name[:NAME_CHARACTERS_MAX].encode("utf-8", "backslashreplace").decode() for name in unknown[:UNKNOWN_FLAGS_MAX]]
    said += [f"unknown:{name}" for name in shown]
    if len(unknown) > UNKNOWN_FLAGS_MAX:
        said.append(f"unknown_fields:{len(unknown)}")


def _value(options: Options, domain: Domain, name: str, kind: str, value: Any, problems: list[dict[str, Any]], said: list[str]) -> None:
    """Null, range and category of one value of the right type."""
    if value is None:
        told = any(one["field"] == name for one in problems)
        if options.missing == "refuse" and name in domain.required and not told:
            problems.append(problem(name, "is missing, and this use case needs it", value, ALLOWED[kind].replace(" or null", "")))
        return
    if kind == "category" and options.unseen == "refuse" and name in domain.categories and spelled(value) not in domain.categories[name]:
        problems.append(problem(name, "is a category that the model was not trained on", value, listed(domain.categories[name])))
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return
    if options.out_of_range != "accept" and name in domain.declared and not _within(value, domain.declared[name]):
        found = problem(name, "is out of range", value, range_text(domain.declared[name]))
        _apply(options.out_of_range, "out_of_range", found, problems, said)
    if options.trained_range == "flag" and name in domain.trained and not _within(value, domain.trained[name]):
        said.append(f"untrained:{name}")


def _apply(treatment: str, flag: str, found: dict[str, Any], problems: list[dict[str, Any]], said: list[str]) -> None:
    if treatment == "refuse":
        problems.append(found)
    else:
        said.append(f"{flag}:{found['field']}")


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]
