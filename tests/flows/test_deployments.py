"""`prefect.yaml`, the constants and the flows say the same; each flow reads like a recipe."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow

from interlock.control import deployments
from interlock.control.keeping.scheduling import DEPLOYMENT_OF
from interlock.spec.operation import Schedules

ROOT = Path(__file__).resolve().parents[2]
PLAN = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in PLAN["deployments"]}

# What starts each flow besides a person, and the parameters it gives: outbox rows, schedules, the keeper.
STARTED_WITH = {
    "ingest": {"use_case"}, "train": {"use_case"}, "validate": {"use_case"}, "monitor": {"use_case"}, "costs": {"use_case"},
    "materialize": {"use_case"}, "tick": set(), "drill": {"use_case", "started_by"}, "backup": set(), "restore": {"source", "home"},
    "score": {"use_case", "source", "to"},
    "lifecycle": {"use_case", "as_of"}, "deploy": {"use_case", "release_id"}, "rollback": {"use_case", "decision_id"},
    "retire": {"use_case", "decision_id"},
}


def flow_of(name: str) -> Flow[Any, Any]:
    path, _, function = DEPLOYMENTS[name]["entrypoint"].partition(":")
    found = getattr(import_module(path.removesuffix(".py").replace("/", ".")), function)
    assert isinstance(found, Flow)
    return found


def test_names_are_the_constants() -> None:
    assert {f"{name}/{name}" for name in DEPLOYMENTS} == set(deployments.ALL)


def test_every_flow_file_is_deployed() -> None:
    files = {path.stem for path in (ROOT / "flows").glob("*.py")} - {"__init__", "artifacts"}
    assert files == set(DEPLOYMENTS)


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_entrypoint_flow_and_deployment_have_one_name(name: str) -> None:
    assert DEPLOYMENTS[name]["entrypoint"] == f"flows/{name}.py:{name}"
    assert flow_of(name).name == name


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_pool_and_tags(name: str) -> None:
    assert DEPLOYMENTS[name]["work_pool"]["name"] == deployments.WORK_POOL
    assert DEPLOYMENTS[name]["tags"][0] == "interlock"
    assert len(DEPLOYMENTS[name]["tags"]) > 1


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_whoever_starts_it_gives_parameters_that_it_takes_and_all_that_it_needs(name: str) -> None:
    parameters = inspect.signature(flow_of(name).fn).parameters
    needed = {key for key, parameter in parameters.items() if parameter.default is inspect.Parameter.empty}
    assert needed <= STARTED_WITH[name] <= set(parameters)


def test_deploy_and_rollback_never_wait_for_a_place() -> None:
    unlimited = {name for name, entry in DEPLOYMENTS.items() if "concurrency_limit" not in entry}
    assert unlimited == {"deploy", "rollback"}


def test_only_tick_has_a_schedule_here() -> None:
    assert {name for name, entry in DEPLOYMENTS.items() if entry.get("schedules")} == {"tick"}


def test_every_schedule_of_a_use_case_has_its_deployment() -> None:
    assert set(DEPLOYMENT_OF) == set(Schedules.model_fields)
    assert set(DEPLOYMENT_OF.values()) <= set(deployments.ALL)


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_a_flow_says_what_it_reads_computes_judges_and_records(name: str) -> None:
    text = (ast.get_docstring(ast.parse((ROOT / "flows" / f"{name}.py").read_text())) or "").lower()
    assert [word for word in ("reads", "compute", "judge", "record") if word not in text] == []
    assert flow_of(name).description


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_tasks_are_short(name: str) -> None:
    tree = ast.parse((ROOT / "flows" / f"{name}.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    long = {node.name: lines for node in functions if (lines := (node.end_lineno or 0) - node.body[0].lineno) > 14}
    assert long == {}


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_every_flow_publishes_an_artifact(name: str) -> None:
    text = (ROOT / "flows" / f"{name}.py").read_text()
    assert "publish(" in text or ".announce(" in text
