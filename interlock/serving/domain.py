"""What one model knows of its inputs: declared and trained ranges, categories, usual values, and the words that reasons are told in.

Made once when the model is loaded, from its package alone. A package from before the use-case file's words were kept in it has no
declared ranges, and reasons have no words: they are withheld.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from interlock.errors import PackageError
from interlock.modeling.package import Manifest, Package
from interlock.spec.data import Column
from reports.reason_words import Words, words_for
from reports.reasons import usual_value

Range = tuple[float, float]


class _Summary(msgspec.Struct):
    """What is read of one column of the baseline profile."""

    kind: str
    minimum: float | None = None
    maximum: float | None = None
    count: int = 0
    counts: list[int] = []
    sums: list[float] = []


class _Baseline(msgspec.Struct):
    """What is read of the baseline profile."""

    columns: dict[str, _Summary] = {}


_baseline = msgspec.json.Decoder(_Baseline)


@dataclass(frozen=True)
class Domain:
    """Inputs that a model was made for. Ranges hold their ends; a side without a bound is infinite."""

    columns: dict[str, Column]
    declared: dict[str, Range]        # numbers: `min` and `max` of the use-case file
    trained: dict[str, Range]         # numbers: smallest and largest value of the training rows
    categories: dict[str, frozenset[str]]
    required: frozenset[str]          # features with `missing = false`
    typical: dict[str, float]
    words: dict[str, Words]
    favourable: str

    @classmethod
    def of(cls, package: Package) -> Domain:
        """Raises PackageError where the profile or what the manifest says of columns cannot be read."""
        manifest = package.manifest
        try:
            seen = _baseline.decode(package.profile_json).columns
            columns = {name: _column(text) for name, text in manifest.columns.items()}
        except (msgspec.DecodeError, ValueError) as error:
            raise PackageError("the package's profile or columns cannot be read", value=str(error)[:200],
                               next_step="train again") from error
        numbers = {name: column for name, column in seen.items() if column.kind == "numeric" and column.count and not name.startswith("_")}
        specs = manifest.features.specs
        return cls(
            columns=columns,
            declared={name: found for name, column in columns.items() if (found := _bounds(column)) is not None},
            trained={name: (one.minimum, one.maximum) for name, one in numbers.items()
                     if one.minimum is not None and one.maximum is not None},
            categories={spec.name: frozenset(spec.categories) for spec in specs if spec.kind == "category"},
            required=frozenset(spec.name for spec in specs if spec.required),
            typical={name: usual for name, one in numbers.items() if (usual := usual_value(one.counts, one.sums, one.count)) is not None},
            words=words_for(columns, manifest.features.names, _made(manifest), _sources(manifest)), favourable=manifest.favourable)

    def untrained(self, values: Mapping[str, Any]) -> list[str]:
        """Names of the numbers that lie outside the range of the training rows."""
        return [name for name, (low, high) in self.trained.items()
                if isinstance(value := values.get(name), (int, float)) and not isinstance(value, bool) and not low <= value <= high]


def spelled(value: Any) -> str:
    """A category as the model knows it: whole numbers and booleans count as their text."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def listed(values: Iterable[str], most: int = 20) -> str:
    """Allowed values for people: the first ones in order, and how many more."""
    ordered = sorted(values)
    more = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {more} more" if more > 0 else "")


def range_text(bounds: Range) -> str:
    """A range for people: `0 to 120`, `at least 0`, `at most 120`."""
    low, high = bounds
    if math.isinf(low) or math.isinf(high):
        return f"at most {high:.15g}" if math.isinf(low) else f"at least {low:.15g}"
    return f"{low:.15g} to {high:.15g}"


def _column(text: Mapping[str, Any]) -> Column:
    """What the file said of a column; keys that this version does not know are left aside, so that an older package still loads."""
    return Column.model_validate({key: value for key, value in text.items() if key in Column.model_fields})


def _bounds(column: Column) -> Range | None:
    if column.min is None and column.max is None:
        return None
    return (-math.inf if column.min is None else column.min, math.inf if column.max is None else column.max)


def _made(manifest: Manifest) -> dict[str, Column]:
    return {name: Column(type="float", title=made.title, description=made.description)
            for made in manifest.derived for name in made.outputs}


def _sources(manifest: Manifest) -> dict[str, list[str]]:
    """Derived feature → what it was made of, in the order of making."""
    return {name: [source for source in (made.of, made.over, *made.by) if source] for made in manifest.derived for name in made.outputs}
