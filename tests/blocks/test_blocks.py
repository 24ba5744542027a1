"""Every block: frozen slug, known schema, hidden secrets; and nothing of AWS unless it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from prefect.blocks.core import Block
from pydantic import SecretStr

import blocks
from blocks.endpoint import EmbeddedEndpointBlock
from blocks.notifier import AppriseNotifierBlock
from blocks.source import SqlDatabaseBlock
from interlock.control.endpoint import Endpoint

SCHEMAS = Path(__file__).parent / "schemas"
ROOT = Path(__file__).resolve().parents[2]

# Stored blocks are found by slug: a changed slug orphans them. This list only grows.
SLUGS = {
    "interlock-local-lake": "blocks.lake.LocalLakeBlock",
    "interlock-s3-lake": "blocks.aws.S3LakeBlock",
    "interlock-local-files": "blocks.source.LocalFilesBlock",
    "interlock-s3-files": "blocks.aws.S3FilesBlock",
    "interlock-sql-database": "blocks.source.SqlDatabaseBlock",
    "interlock-embedded-endpoint": "blocks.endpoint.EmbeddedEndpointBlock",
    "interlock-notifier": "blocks.notifier.AppriseNotifierBlock",
}


def all_blocks() -> list[type[Block]]:
    """Every block class that `blocks/` defines, found by looking."""
    modules = [import_module(f"blocks.{module.name}") for module in iter_modules(blocks.__path__)]
    return [value for module in modules for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Block) and value.__module__ == module.__name__]


def own_schema(block: type[Block]) -> dict[str, Any]:
    """The block's schema without what other packages define (their definitions change with their versions)."""
    schema = block.model_json_schema()
    return {key: value for key, value in schema.items() if key not in {"definitions", "block_schema_references"}}


def test_slugs_are_frozen() -> None:
    assert {block._block_type_slug: f"{block.__module__}.{block.__name__}" for block in all_blocks()} == SLUGS


@pytest.mark.parametrize("slug", sorted(SLUGS))
def test_the_schema_is_the_recorded_one(slug: str) -> None:
    block = next(block for block in all_blocks() if block._block_type_slug == slug)
    recorded = json.loads((SCHEMAS / f"{slug}.json").read_text())
    assert own_schema(block) == recorded, "a stored block of the old schema must still load: add optional fields only, then record anew"


@pytest.mark.parametrize("block", all_blocks(), ids=lambda block: block._block_type_slug)
def test_standards(block: type[Block]) -> None:
    assert block.get_description()
    assert all(field.description for name, field in block.model_fields.items()), "every field says what it is"
    assert callable(getattr(block, "open", None)), "a block gives its adapter by open()"
    for name, field in block.model_fields.items():
        if any(word in name for word in ("password", "token", "secret", "url")):
            assert "SecretStr" in str(field.annotation), f"{name} may carry a secret"


def test_secrets_do_not_show() -> None:
    database = SqlDatabaseBlock(url="postgresql://me:hunter2@db/x")
    notifier = AppriseNotifierBlock(urls=["json://me:hunter2@host/"])
    for shown in (str(database), repr(database), database.model_dump_json(), str(notifier), repr(notifier), notifier.model_dump_json()):
        assert "hunter2" not in shown


def test_a_database_block_opens_an_engine() -> None:
    engine = SqlDatabaseBlock(url=SecretStr("sqlite://")).open()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select 1").scalar_one() == 1
    engine.dispose()


def test_an_endpoint_block_opens_an_endpoint(tmp_path: Path) -> None:
    endpoint: Endpoint = EmbeddedEndpointBlock(home=tmp_path, predictions_port=9, control_port=9).open()
    assert {"observed", "converge", "rollback", "absorbed", "stats"} <= set(dir(endpoint))


@pytest.mark.parametrize("module", ["blocks", "blocks.lake", "blocks.source", "blocks.notifier", "blocks.endpoint",
                                    "interlock.records.lake", "interlock.records.lake_s3", "interlock.records.origins"])
def test_nothing_of_aws_is_imported_unless_it_is_used(module: str) -> None:
    script = f"import sys, {module}; print([m for m in sys.modules if m.split('.')[0] in ('boto3', 'botocore', 'prefect_aws')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
