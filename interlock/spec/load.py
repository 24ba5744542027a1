"""Reading use-case files: one call, one use case, or every problem of the file at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlock.errors import UseCaseError, did_you_mean
from interlock.settings import Settings
from interlock.spec.crosschecks import cross_problems
from interlock.spec.problems import Found, Problem, from_validation
from interlock.spec.toml_files import file_bytes, parse_file
from interlock.spec.toml_lines import key_lines
from interlock.spec.usecase import UseCase
from interlock.spec.view_files import view_use_problems

KnownGates = Callable[[str], Collection[str]]


def load_use_case(path: Path, *, known_gates: KnownGates | None = None) -> UseCase:
    """The use case in the file.

    `known_gates(task)` gives the gate names that `[gates.NAME]` may use; without it they are not looked at.
    Raises `UseCaseError` whose `problems` are all the file's problems, each with line, key, value and allowed values.
    """
    use_case, problems = read_use_case(path, known_gates=known_gates)
    if use_case is None or problems:
        raise UseCaseError(f"{path} has {len(problems)} problem{'s' if len(problems) != 1 else ''}:\n" + "\n".join(map(str, problems)),
                           problems=problems, next_step=f"interlock check {path}")
    return use_case


def read_use_case(path: Path, *, known_gates: KnownGates | None = None,
                  data: bytes | None = None) -> tuple[UseCase | None, list[Problem]]:
    """The use case (None where the types refuse it) and all problems, in the order of their lines.

    `data`: read this as the file's content (views beside the file still count), for a change that is only proposed.
    """
    raw, text, broken = parse_file(Path(path), data)
    if raw is None:
        return None, broken
    found = cross_problems(raw) + view_use_problems(Path(path).parent, raw)
    found += _gate_problems(raw, known_gates) if known_gates is not None else []
    use_case = None
    try:
        use_case = UseCase.model_validate(raw)
    except ValidationError as error:
        seen = {problem.path for problem in found}
        typed = from_validation(error, UseCase, raw)
        # The model repeats the cross-checks for use cases made in code; here they are already told, with lines.
        found += [problem for problem in typed if problem.path not in seen and (problem.path or not seen)]
    lines = key_lines(text)
    return use_case, sorted((item.at(str(path), lines) for item in found), key=lambda item: (item.line, item.key))


def spec_digest(path: Path) -> str:
    """`sha256:…` of the file's bytes: what decisions and ledger name as the policy."""
    from hashlib import sha256

    return "sha256:" + sha256(file_bytes(Path(path))).hexdigest()


def policy_digest(settings: Settings, name: str) -> str | None:
    """Digest of the file that names this use case, whether or not it has problems; None where no readable file does."""
    direct = settings.usecases_dir / f"{name}.toml"
    for path in [direct, *(path for path in _files(settings) if path != direct)]:
        try:
            if path.is_file() and _name_of(path) == name:
                return spec_digest(path)
        except UseCaseError:  # a file that cannot be read names nothing
            continue
    return None


def find_use_case(settings: Settings, name: str) -> tuple[Path, UseCase]:
    """File and use case of this name in the installation's folder, or a `UseCaseError` naming those that exist."""
    direct = settings.usecases_dir / f"{name}.toml"
    if direct.is_file():
        found = load_use_case(direct)
        if found.name == name:
            return direct, found
    for path in _files(settings):
        if path != direct and _name_of(path) == name:
            return path, load_use_case(path)
    names = sorted(filter(None, (_name_of(path) for path in _files(settings))))
    raise UseCaseError(f"there is no use case named '{name}' in {settings.usecases_dir}", value=name, allowed=", ".join(names) or "none yet",
                       next_step=did_you_mean(name, names) or "interlock new NAME --from data.csv")


def all_use_cases(settings: Settings) -> list[tuple[Path, UseCase]]:
    """Every use case of the installation by file name; two files with one name are an error."""
    found = [(path, load_use_case(path)) for path in _files(settings)]
    names: dict[str, Path] = {}
    for path, use_case in found:
        if use_case.name in names:
            raise UseCaseError(f"{path} and {names[use_case.name]} both name their use case '{use_case.name}'", next_step="rename one of them")
        names[use_case.name] = path
    return found


def readable_use_cases(settings: Settings) -> list[UseCase]:
    """Those whose file can be read now, by file name: for work that one broken file must not stop for the others. What is wrong with the
    broken one is told by `interlock check`, the schedules' alert and the control room."""
    found = []
    for path in _files(settings):
        with suppress(UseCaseError):
            found.append(load_use_case(path))
    return found


def _files(settings: Settings) -> list[Path]:
    return sorted(settings.usecases_dir.glob("*.toml"))


def _name_of(path: Path) -> str | None:
    raw, _, _ = parse_file(path)
    name = raw.get("name") if raw is not None else None
    return name if isinstance(name, str) else None


def _gate_problems(raw: dict[str, Any], known_gates: KnownGates) -> list[Found]:
    prediction, gates = raw.get("prediction"), raw.get("gates")
    task = prediction.get("task") if isinstance(prediction, dict) else None
    if not isinstance(gates, dict) or task not in {"binary", "multiclass", "regression"}:
        return []
    known = sorted({*known_gates(task), *_rule_gates(raw)})
    return [Found(("gates", name), f"no gate of a {task} task has this name", name, ", ".join(known), did_you_mean(name, known))
            for name, gate in gates.items() if name not in known and not (isinstance(gate, dict) and "metric" in gate)]


def _rule_gates(raw: dict[str, Any]) -> list[str]:
    """Names of the gates that the file's fairness rules make; a gate with a `metric` is the file's own, and has any name."""
    fairness = raw.get("fairness")
    rules = fairness.get("rules") if isinstance(fairness, dict) else None
    return [f"fairness_{rule.get('name')}" for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
