"""Reading feature views, and what use cases ask of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlock.errors import UseCaseError, did_you_mean
from interlock.settings import Settings
from interlock.spec.derived_checks import KEYS, feature_problems, key_problems
from interlock.spec.problems import Found, Problem, from_validation
from interlock.spec.toml_files import parse_file
from interlock.spec.toml_lines import KeyPath, key_lines
from interlock.spec.views import FOLDER, View

Raw = dict[str, Any]


def is_view_file(path: Path) -> bool:
    """Whether the file lies where views lie."""
    return path.resolve().parent.name == FOLDER


def read_view(path: Path) -> tuple[View | None, list[Problem]]:
    """The view (None where the types refuse it) and all problems; its source's file is looked for in the folder above."""
    raw, text, broken = parse_file(path)
    if raw is None:
        return None, broken
    found, view = list(_problems(path, raw)), None
    try:
        view = View.model_validate(raw)
    except ValidationError as error:
        seen = {problem.path for problem in found}
        found += [problem for problem in from_validation(error, View, raw) if problem.path not in seen]
    lines = key_lines(text)
    return view, sorted((item.at(str(path), lines) for item in found), key=lambda item: (item.line, item.key))


def load_view(path: Path) -> View:
    """The view in the file. Raises `UseCaseError` with every problem."""
    view, problems = read_view(path)
    if view is None or problems:
        raise UseCaseError(f"{path} has {len(problems)} problem{'s' if len(problems) != 1 else ''}:\n" + "\n".join(map(str, problems)),
                           problems=problems, next_step=f"interlock check {path}")
    return view


def find_view(settings: Settings, name: str) -> View:
    """The view of this name in the installation's folder, or a `UseCaseError` naming those that exist."""
    path = settings.usecases_dir / FOLDER / f"{name}.toml"
    if not path.is_file():
        names = view_names(settings.usecases_dir)
        raise UseCaseError(f"there is no feature view named '{name}' in {path.parent}", value=name, allowed=", ".join(names) or "none yet",
                           next_step=did_you_mean(name, names))
    return load_view(path)


def view_names(folder: Path) -> list[str]:
    """Names of the views beside the use cases of a folder, by their files."""
    return sorted(path.stem for path in (folder / FOLDER).glob("*.toml"))


def view_use_problems(folder: Path, raw: Raw) -> list[Found]:
    """Problems of `[[features.views]]` of a use case in this folder: views, features and entities that are not there."""
    features = raw.get("features")
    uses = features.get("views") if isinstance(features, dict) else None
    return [problem for index, use in enumerate(uses if isinstance(uses, list) else []) if isinstance(use, dict)
            for problem in _use_problems(folder, use, ("features", "views", index), raw)]


def _use_problems(folder: Path, use: Raw, path: KeyPath, raw: Raw) -> Iterator[Found]:
    name, known = use.get("view"), view_names(folder)
    if not isinstance(name, str):
        return
    if name not in known:
        yield Found((*path, "view"), f"there is no feature view of this name in {folder / FOLDER}", name, ", ".join(known) or "none yet",
                    did_you_mean(name, known))
        return
    view, problems = read_view(folder / FOLDER / f"{name}.toml")
    if view is None or problems:
        yield Found((*path, "view"), "this feature view has problems of its own", name, hint=f"interlock check {folder / FOLDER / name}.toml")
        return
    features = [feature.name for feature in view.features]
    for place, feature in enumerate(use.get("features") or []):
        if feature not in features:
            yield Found((*path, "features", place), f"the view '{name}' has no such feature", feature, ", ".join(features),
                        did_you_mean(str(feature), features))
    yield from _entity_problems(view, use.get("entity") or {}, path, raw)


def _entity_problems(view: View, mapped: Raw, path: KeyPath, raw: Raw) -> Iterator[Found]:
    for key in mapped:
        if key not in view.entity:
            yield Found((*path, "entity", key), f"the view '{view.name}' has no such entity column", key, ", ".join(view.entity))
    for name in view.entity:
        own = mapped.get(name, name)
        columns = raw.get("columns")
        column = columns.get(own) if isinstance(columns, dict) else None
        if not isinstance(column, dict):
            yield Found((*path, "entity"), f"the entity column '{own}' of the view '{view.name}' is not in [columns]", own,
                        hint=f"entity = {{ {name} = \"own column\" }} says which column it is here")
        elif column.get("role") in {"target", "later", "subject"} or column.get("type") not in KEYS:
            yield Found((*path, "entity"), f"column '{own}' cannot name an entity of the view '{view.name}'",
                        f"{column.get('type')}, {column.get('role', 'feature')}", f"{', '.join(KEYS)}; known at the prediction; no person's token")
        elif own == name:
            yield from key_problems(own, (*path, "entity"), raw)


def _problems(path: Path, raw: Raw) -> Iterator[Found]:
    name, source = raw.get("name"), raw.get("source")
    if isinstance(name, str) and name != path.stem:
        yield Found(("name",), "a view is named like its file", name, path.stem)
    if not isinstance(source, str):
        return
    found, names = _source(path.parent.parent, source)
    if found is None:
        yield Found(("source",), f"there is no use case of this name in {path.parent.parent}", source, ", ".join(names), did_you_mean(source, names))
        return
    for place, column in enumerate(raw.get("entity") or []):
        yield from key_problems(column, ("entity", place), found)
        described = (found.get("columns") or {}).get(column) or {}
        if described.get("role") in {"target", "later", "subject"}:
            yield Found(("entity", place), "an entity is known at the prediction, and is no person: a server has no key to their tokens",
                        described["role"], "feature, identifier, ignore")
    for place, feature in enumerate(raw.get("features") or []):
        if isinstance(feature, dict):
            yield from feature_problems(feature, ("features", place), found, set(), set())


def _source(folder: Path, name: str) -> tuple[Raw | None, list[str]]:
    """The table of the use-case file that has this name, and the names that there are."""
    names = []
    for path in sorted(folder.glob("*.toml")):
        raw = parse_file(path)[0]
        if raw is not None and raw.get("name") == name:
            return raw, []
        names.append(str(raw.get("name")) if raw is not None else path.stem)
    return None, names
