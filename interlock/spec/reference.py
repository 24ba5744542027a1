"""The reference of the use-case format, written from its types: docs/use-cases.md cannot fall behind the code."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from interlock.spec.data import Check, Column, FileSource, Privacy, SourceFile, SqlSource, Time
from interlock.spec.derived import Derived, ViewUse
from interlock.spec.fairness import Fairness, FairnessRule
from interlock.spec.gates import GateOverride
from interlock.spec.mitigation import Mitigation
from interlock.spec.model import Features, Labels, Prediction
from interlock.spec.operation import Alerts, Approval, Costs, Monitoring, Schedules
from interlock.spec.rollout import AbTest, CanaryStep, Rollout
from interlock.spec.serving import Abstention, Rule, Serving
from interlock.spec.staging import Drill, Staging
from interlock.spec.training import Training
from interlock.spec.usecase import UseCase
from interlock.spec.value import Segments, Value
from interlock.spec.views import View

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("prediction", Prediction), ('source` with `kind = "files"', FileSource), ("source.files", SourceFile),
    ('source` with `kind = "sql"', SqlSource), ("time", Time), ("columns.NAME", Column), ("[checks]", Check), ("privacy", Privacy),
    ("labels", Labels), ("features", Features), ("[features.derived]", Derived), ("[features.views]", ViewUse), ("training", Training), ("gates.NAME", GateOverride), ("fairness", Fairness), ("[fairness.rules]", FairnessRule),
    ("mitigation", Mitigation), ("segments", Segments), ("value", Value),
    ("staging", Staging), ("rollout", Rollout), ("rollout.steps", CanaryStep), ("rollout.ab", AbTest), ("drill", Drill), ("serving", Serving),
    ("serving.abstention", Abstention), ("[serving.abstention.rules]", Rule), ("monitoring", Monitoring), ("approval", Approval), ("costs", Costs),
    ("alerts", Alerts), ("schedules", Schedules), ("views/NAME.toml", View))

HEAD = """# Use-case files: reference

One TOML file describes one prediction job. This page is written by `interlock reference` from the types that read the file, so it is
complete. `interlock check FILE` reports every problem at once, with its line; `interlock new NAME --from data.csv` drafts a file.
The files in `usecases/` are models to copy from; [how to add a use case](how-to-add-a-use-case.md) goes through one.

A key without a default is required. Unknown keys are errors. Secrets never stand in the file: keys that end in `_env` name the
environment variable that holds them.
"""


def reference_page() -> str:
    """The whole page in Markdown: the keys at the top of the file, then one table per section."""
    parts = [HEAD, "## At the top of the file\n", _table(UseCase, skip_sections=True)]
    for name, model in SECTIONS:
        purpose = (model.__doc__ or "").strip().splitlines()[0]
        parts += [f"## `[{name}]`\n" if "`" not in name else f"## `[{name.replace('` with', ']` with', 1)}`\n", f"{purpose}\n", _table(model)]
    return "\n".join(parts).rstrip() + "\n"


def undescribed() -> list[str]:
    """Keys without a description, as `Section.key`; there must be none."""
    return [f"{model.__name__}.{name}" for _, model in SECTIONS for name, field in model.model_fields.items()
            if not field.description and name != "kind"]


def _table(model: type[BaseModel], *, skip_sections: bool = False) -> str:
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        if skip_sections and _is_section(field.annotation):
            continue
        lines.append(f"| `{name}` | {_type(field.annotation)}{_limits(field)} | {_default(field)} | {_cell(field.description or _kind(field))} |")
    return "\n".join(lines) + "\n"


def _kind(field: FieldInfo) -> str:
    return f"Always `{get_args(field.annotation)[0]}` here." if get_origin(field.annotation) is Literal else ""


def _is_section(annotation: Any) -> bool:
    if get_origin(annotation) in {Union, types.UnionType, list, dict, Annotated}:
        return any(_is_section(part) for part in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        return " or ".join(_type(part) for part in parts if part is not type(None))
    if origin is Literal:
        return ", ".join(f"`{str(part).lower() if isinstance(part, bool) else part}`" for part in parts)
    if origin is list:
        return f"list of {_type(parts[0])}"
    if origin is dict:
        return f"table of {_type(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "tables"
    return {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}.get(annotation, str(annotation))


def _limits(field: FieldInfo) -> str:
    words = {"Ge": ("ge", "at least"), "Gt": ("gt", "more than"), "Le": ("le", "at most"), "Lt": ("lt", "less than"),
             "MinLen": ("min_length", "length at least"), "MaxLen": ("max_length", "length at most")}
    found = [f"{words[type(item).__name__][1]} {getattr(item, words[type(item).__name__][0])}"
             for item in field.metadata if type(item).__name__ in words]
    patterns = [f"matches `{_cell(item.pattern)}`" for item in field.metadata if getattr(item, "pattern", None)]
    return f" ({', '.join([*found, *patterns])})" if found or patterns else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ([], {}):
        return ""
    if value == [""]:
        return '`[""]`'
    if isinstance(value, list) and isinstance(value[0], BaseModel):
        return ", ".join("`{ " + ", ".join(f"{k} = {v:g}" for k, v in item.model_dump().items()) + " }`" for item in value)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if not isinstance(value, str) else f'`"{_cell(value)}"`'


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
