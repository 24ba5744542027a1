"""What every origin of source files must do. A new implementation subclasses `FilesContract` and gives the fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interlock.errors import SourceError
from interlock.records.origins import FileOrigin

Deliver = Callable[[str, bytes], None]


class FilesContract:
    """Tests that run against every implementation of `interlock.records.origins.FileOrigin`."""

    def test_one_file_comes_with_its_name_and_bytes(self, origin: FileOrigin, deliver: Deliver) -> None:
        deliver("in/a.csv.gz", b"\x1f\x8bxyz")
        [path] = origin.find("in/a.csv.gz")
        assert (path.name, path.read_bytes()) == ("a.csv.gz", b"\x1f\x8bxyz")

    def test_a_glob_gives_matching_files_by_name(self, origin: FileOrigin, deliver: Deliver) -> None:
        for name in ("in/b.csv", "in/a.csv", "in/c.parquet", "in/deep/d.csv", "other/e.csv"):
            deliver(name, name.encode())
        assert [path.read_bytes() for path in origin.find("in/*.csv")] == [b"in/a.csv", b"in/b.csv"]
        assert [path.read_bytes() for path in origin.find("in/**/*.csv")] == [b"in/a.csv", b"in/b.csv", b"in/deep/d.csv"]

    @pytest.mark.parametrize("pattern", ["in/none.csv", "in/*.csv"])
    def test_nothing_there_is_an_error_that_names_the_pattern(self, origin: FileOrigin, pattern: str) -> None:
        with pytest.raises(SourceError, match=pattern.replace("*", r"\*")):
            origin.find(pattern)

    def test_a_changed_file_comes_with_its_new_bytes(self, origin: FileOrigin, deliver: Deliver) -> None:
        deliver("in/a.csv", b"old")
        assert origin.find("in/a.csv")[0].read_bytes() == b"old"
        deliver("in/a.csv", b"new")
        assert origin.find("in/a.csv")[0].read_bytes() == b"new"
