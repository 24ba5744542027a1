"""Problems of a use-case file: where, what was written, what is allowed, what was probably meant."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from interlock.errors import did_you_mean
from interlock.spec.toml_lines import KeyPath, line_of

_PREFIX = "Value error, "


@dataclass(frozen=True)
class Problem:
    """One problem: file and line, the key, the value found, the values allowed and a hint."""

    file: str
    line: int
    key: str
    what: str
    value: str = ""
    allowed: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """`file:line: key: what (got …; allowed: …; hint)`, the form editors jump to."""
        details = [f"got {self.value}" if self.value else "", f"allowed: {self.allowed}" if self.allowed else "", self.hint]
        tail = "; ".join(detail for detail in details if detail)
        return f"{self.file}:{self.line}: {self.key or 'file'}: {self.what}{f' ({tail})' if tail else ''}"


@dataclass(frozen=True)
class Found:
    """A problem before it knows its line: key path, text, value, allowed values, hint."""

    path: KeyPath
    what: str
    value: Any = None
    allowed: str = ""
    hint: str = ""

    def at(self, file: str, lines: dict[KeyPath, int]) -> Problem:
        return Problem(file=file, line=line_of(lines, self.path), key=dotted(self.path), what=self.what,
                       value="" if self.value is None else _short(self.value), allowed=self.allowed, hint=self.hint)


def dotted(path: KeyPath) -> str:
    """`columns.age.type`, `checks[0].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def from_validation(error: ValidationError, model: type[BaseModel], raw: dict[str, Any]) -> list[Found]:
    """One entry per thing that the types refuse; tags of unions are taken out of the paths."""
    return [_one(dict(item), model, raw) for item in error.errors(include_url=False, include_context=True)]


def _one(item: dict[str, Any], model: type[BaseModel], raw: dict[str, Any]) -> Found:
    path = _real_path(item["loc"], raw)
    kind, context = item["type"], item.get("ctx", {})
    last = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        known = fields_at(model, path[:-1], raw)
        return Found(path, "unknown key", item.get("input"), ", ".join(known), did_you_mean(last, known))
    if kind == "missing":
        return Found(path, "missing", allowed=_described(model, path, raw))
    if kind == "literal_error":
        words = [word.strip("' ") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return Found(path, "not one of the allowed values", item["input"], ", ".join(words), did_you_mean(str(item["input"]), words))
    if kind.startswith("union_tag"):
        return Found((*path, "kind"), "missing or unknown kind", _tag(item["input"]), "files, sql",
                     did_you_mean(str(_tag(item["input"])), ["files", "sql"]))
    shown = None if isinstance(item.get("input"), dict) else item.get("input")
    return Found(path, item["msg"].removeprefix(_PREFIX), shown, _described(model, path, raw) if kind != "value_error" else "")


def _tag(value: Any) -> Any:
    return value.get("kind") if isinstance(value, dict) else value


def _real_path(location: tuple[str | int, ...], raw: Any) -> KeyPath:
    """Without the union tags that Pydantic puts between the keys."""
    source = raw.get("source") if isinstance(raw, dict) else None
    if location[:1] == ("source",) and len(location) > 1 and isinstance(source, dict) and location[1] == source.get("kind"):
        return ("source", *location[2:])
    return location


def _step(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def fields_at(model: type[BaseModel], path: KeyPath, raw: Any) -> list[str]:
    """Keys that the section at the path may have; empty where it is not a section."""
    section = section_at(model, path, raw)
    return [] if section is None else list(section.model_fields)


def section_at(model: type[BaseModel], path: KeyPath, raw: Any) -> type[BaseModel] | None:
    """The section class that a path leads to, following dictionaries, lists and the source's kind."""
    kind: Any = model
    here = raw
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if part not in kind.model_fields:
                return None
            kind = kind.model_fields[str(part)].annotation
        here = _step(here, part)
        kind = _inner(kind, here)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _inner(kind: Any, value: Any) -> Any:
    """The section behind `dict[str, S]`, `list[S]`, `S | None` or a union told apart by `kind`."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _inner(get_args(kind)[0], value)
    if origin in {Union, types.UnionType}:
        options = [option for option in get_args(kind) if isinstance(option, type) and issubclass(option, BaseModel)]
        chosen = [option for option in options if isinstance(value, dict) and value.get("kind") in _kinds(option)]
        return (chosen or options or [kind])[0]
    if origin in {dict, list} and isinstance(value, dict) and get_args(kind):
        return get_args(kind)[-1] if origin is list or not _is_container(kind, value) else kind
    return kind


def _is_container(kind: Any, value: dict[str, Any]) -> bool:
    """Whether the value is the dictionary of sections itself (and not one of its sections)."""
    inner = get_args(kind)[-1]
    return bool(value) and isinstance(inner, type) and issubclass(inner, BaseModel) and all(isinstance(v, dict) for v in value.values())


def _kinds(option: type[BaseModel]) -> tuple[Any, ...]:
    field = option.model_fields.get("kind")
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


def _described(model: type[BaseModel], path: KeyPath, raw: Any) -> str:
    section = section_at(model, path[:-1], raw) if path else None
    field = section.model_fields.get(str(path[-1])) if section is not None else None
    return (field.description or "").rstrip(".") if field is not None else ""


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
