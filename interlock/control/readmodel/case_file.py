"""A use-case file for people: every section in words, what stands in it and what is a default, and what `interlock check` says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from interlock.rules.catalogue import known_gates
from interlock.settings import Settings
from interlock.spec.load import read_use_case
from interlock.spec.problems import Problem
from interlock.spec.toml_files import parse_file
from interlock.spec.usecase import UseCase

UNITS = {"_s": "s", "_ms": "ms", "_hours": "hours", "_days": "days", "_usd": "USD", "_bytes": "bytes", "percent": "%"}
UNIT_ENDS = ("_max", "_min")


@dataclass(frozen=True)
class Setting:
    """One key with its value in words; `given`: the file says so, else it is the default."""

    key: str
    value: str
    given: bool
    meaning: str


@dataclass(frozen=True)
class Part:
    """One section of the file; `given`: the file has it."""

    name: str
    purpose: str
    given: bool
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class CaseFile:
    """The file as it is now. `parts` are empty where its types refuse it; then `problems` says why."""

    path: Path
    text: str
    problems: tuple[Problem, ...]
    parts: tuple[Part, ...]
    columns: tuple[dict[str, str], ...]


def case_file(settings: Settings, path: Path) -> CaseFile:
    """Read, checked by the code of `interlock check`, and put into words. Raises `UseCaseError` where the file cannot be read."""
    raw, text, _ = parse_file(path)
    case, problems = read_use_case(path, known_gates=known_gates)  # type: ignore[arg-type]
    if case is None or raw is None:
        return CaseFile(path, text, tuple(problems), (), ())
    top = Part("At the top", "What it is called and who answers for it.", True,
               tuple(_setting(case, name, raw, "") for name in UseCase.model_fields if _plain_field(case, name)))
    return CaseFile(path, text, tuple(problems), (top, *_parts(case, raw)), tuple(_columns(case)))


def _plain_field(case: UseCase, name: str) -> bool:
    return isinstance(getattr(case, name), (str, int, float)) and name not in {"spec_version", "description"}


def _parts(case: UseCase, raw: dict[str, Any]) -> Iterator[Part]:
    for name in UseCase.model_fields:
        value, given = getattr(case, name), raw.get(name)
        if name in {"columns", "description", "spec_version"} or _plain_field(case, name):
            continue
        if isinstance(value, BaseModel):
            yield from _section(name, value, given if isinstance(given, dict) else {}, name in raw)
        elif isinstance(value, dict):
            for key, one in value.items():
                yield from _section(f"{name}.{key}", one, (given or {}).get(key, {}), True)
        elif isinstance(value, list):
            for number, one in enumerate(value):
                own = given[number] if isinstance(given, list) else {}
                yield from _section(f"{name}: {getattr(one, 'name', number + 1)}", one, own, True)


def _section(name: str, section: BaseModel, raw: dict[str, Any], given: bool) -> Iterator[Part]:
    """The section, then the sections inside it."""
    purpose = (type(section).__doc__ or "").strip().splitlines()[0]
    inner = [key for key in type(section).model_fields if isinstance(getattr(section, key), BaseModel)]
    yield Part(name, purpose, given, tuple(_setting(section, key, raw, "") for key in type(section).model_fields if key not in inner))
    for key in inner:
        yield from _section(f"{name}.{key}", getattr(section, key), raw.get(key, {}), key in raw)


def _setting(section: BaseModel, key: str, raw: dict[str, Any], unit: str) -> Setting:
    meaning = type(section).model_fields[key].description or ""
    return Setting(key, f"{_words(getattr(section, key))} {unit or _unit(key)}".strip(), key in raw, meaning)


def _unit(key: str) -> str:
    bare = next((key.removesuffix(end) for end in UNIT_ENDS if key.endswith(end)), key)
    return next((unit for end, unit in UNITS.items() if bare.endswith(end)), "")


def _words(value: Any) -> str:
    """A value as people say it: yes and no, lists with commas, nothing as `not set`."""
    if value is None or value in ([], {}):
        return "not set"
    if value == "":
        return "empty text"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    if isinstance(value, BaseModel):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.model_dump(exclude_defaults=True).items())
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(f"{number}. {_words(one)}" for number, one in enumerate(value, 1)) if isinstance(value[0], BaseModel) else \
            ", ".join(_words(one) for one in value)
    return str(value)


def _columns(case: UseCase) -> Iterator[dict[str, str]]:
    for name, column in case.columns.items():
        low, high = getattr(column, "min", None), getattr(column, "max", None)
        limits = [f"from {low:g}" if low is not None else "", f"to {high:g}" if high is not None else "",
                  f"one of {', '.join(map(str, column.values[:8]))}{' …' if len(column.values) > 8 else ''}" if column.values else "",
                  "" if column.missing else "never missing"]
        yield {"column": name, "type": str(column.type), "role": str(column.role), "limits": ", ".join(filter(None, limits)),
               "meaning": column.description}
