"""Files beside the server are replaced whole, also when several threads of one process replace the same one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from interlock.records.pointer import write_durably


def test_threads_that_replace_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    """An override is written by the rollback that makes it, and by the supervisor's loop that sees it is not durable yet."""
    path = tmp_path / "late.json"
    texts = [bytes([65 + place]) * (1_000 + 500 * place) for place in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda place: write_durably(path, texts[place % 6]), range(120)))
    assert path.read_bytes() in texts
    assert [found.name for found in tmp_path.iterdir()] == ["late.json"]
