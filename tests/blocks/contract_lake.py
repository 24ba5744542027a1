"""What every lake must do. A new implementation subclasses `LakeContract` and gives a `lake` fixture and a way to damage a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

import polars as pl
import pytest

from interlock.errors import DataError
from interlock.records.lake import Lake, read_frames, write_frame

DAY = date(2013, 5, 4)
Damage = Callable[[str], None]


class LakeContract:
    """Tests that run against every implementation of `interlock.records.lake.Lake`."""

    def test_a_key_names_place_day_and_digest(self, lake: Lake) -> None:
        digest = hashlib.sha256(b"rows").hexdigest()
        key = f"local/flights/snapshot/v1/date=2013-05-04/{digest}.parquet"
        assert lake.key("flights", "snapshot", DAY, b"rows") == key
        assert not lake.exists(key)  # asking for it writes nothing
        assert lake.put("flights", "snapshot", DAY, b"rows") == key

    def test_what_was_put_comes_back(self, lake: Lake) -> None:
        key = lake.put("flights", "snapshot", DAY, b"\x00\xff" * 1000)
        assert lake.get(key) == b"\x00\xff" * 1000
        assert lake.exists(key)

    def test_the_same_bytes_are_one_file(self, lake: Lake) -> None:
        assert lake.put("flights", "snapshot", DAY, b"rows") == lake.put("flights", "snapshot", DAY, b"rows")
        assert len(lake.keys("flights", "snapshot")) == 1
        assert lake.size_bytes("flights", "snapshot") == 4

    def test_a_missing_key_is_an_error_that_says_so(self, lake: Lake) -> None:
        key = lake.put("flights", "snapshot", DAY, b"rows")
        lake.delete(key)
        assert not lake.exists(key)
        with pytest.raises(DataError, match="missing"):
            lake.get(key)

    def test_deleting_twice_is_no_error(self, lake: Lake) -> None:
        key = lake.put("flights", "snapshot", DAY, b"rows")
        lake.delete(key)
        lake.delete(key)
        assert lake.keys("flights", "snapshot") == []

    def test_an_altered_file_is_never_returned(self, lake: Lake, damage: Damage) -> None:
        key = lake.put("flights", "snapshot", DAY, b"rows")
        damage(key)
        with pytest.raises(DataError, match="altered"):
            lake.get(key)

    def test_kinds_and_use_cases_do_not_mix(self, lake: Lake) -> None:
        first = lake.put("flights", "snapshot", DAY, b"1")
        lake.put("flights", "snapshot_more", DAY, b"2")
        lake.put("loans", "snapshot", DAY, b"333")
        assert lake.keys("flights", "snapshot") == [first]
        assert lake.size_bytes("loans", "snapshot") == 3
        assert lake.keys("loans", "quarantine") == []
        assert lake.size_bytes("loans", "quarantine") == 0

    def test_keys_come_by_date(self, lake: Lake) -> None:
        later = lake.put("flights", "snapshot", date(2013, 10, 1), b"1")
        earlier = lake.put("flights", "snapshot", date(2013, 9, 30), b"2")
        assert lake.keys("flights", "snapshot") == [earlier, later]

    @pytest.mark.parametrize("part", ["../x", "", "a/b", "A b"])
    def test_a_part_that_could_lead_elsewhere_is_refused(self, lake: Lake, part: str) -> None:
        with pytest.raises(DataError, match="characters"):
            lake.put(part, "snapshot", DAY, b"rows")

    def test_frames_go_in_by_day_and_come_back_whole(self, lake: Lake) -> None:
        frame = pl.DataFrame({"day": [date(2013, 1, 2), date(2013, 1, 1), date(2013, 1, 2)], "x": [1.5, None, -0.0]})
        entries = write_frame(lake, "flights", "snapshot", frame, "day")
        assert [entry["rows"] for entry in entries] == [1, 2]
        back = read_frames(lake, [str(entry["key"]) for entry in entries])
        assert back.rows() == [(date(2013, 1, 1), None), (date(2013, 1, 2), 1.5), (date(2013, 1, 2), -0.0)]
