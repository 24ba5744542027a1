"""Which target a person named: a folder, or a table of the database whose URL a variable holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from interlock.control.scoring.results import Target


def target_of(to: str, url_env: str | None) -> Callable[[str], Target]:
    """Makes the target once the model's task is known."""
    def make(task: str) -> Target:
        if url_env is None:
            from interlock.control.scoring.parquet_out import ParquetFolder

            return ParquetFolder(Path(to))
        from interlock.control.scoring.sql_out import SqlTable

        return SqlTable(to, url_env, task)

    return make
