"""Online tables: the newest values of a feature view, looked up by entity; one file per view, replaced whole.

    online/<view>.table      one line of JSON (what the table is, and the digest of the rest), then MessagePack

Written beside, synced and renamed: a reader sees the old table or the new one. Imported by the prediction server: no Polars, no SQLAlchemy.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from interlock.errors import StoreError
from interlock.records.pointer import write_durably

FORMAT = 1
BYTES_MAX = 4 << 30
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
Steps = tuple[list[int], list[list[float | None]], list[list[int]]]
NO_ENTITY, EARLY, STALE = "no_entity", "early", "stale"


class TableHead(msgspec.Struct, frozen=True):
    """What a table is made of. `made_us`: the moment as of which it knows everything; `ttl_us`: age beyond which a value is stale."""

    view: str
    features: list[str]
    made_us: int
    begin_us: int
    ttl_us: int
    definition: str
    snapshot: str
    entities: int
    body: str
    format: int = FORMAT


@dataclass(frozen=True)
class OnlineTable:
    """A table in memory. `digest` is that of its bytes."""

    head: TableHead
    digest: str
    _steps: Mapping[str, Steps] = field(repr=False)

    def look_up(self, entity: str | None, moment_us: int) -> tuple[dict[str, float | None], list[str]]:
        """The features of the entity at the moment (None = missing), and flags that say why one is missing.

        `no_entity:<view>`: nothing was known of it by then. `early:<view>`: the moment lies before the table begins.
        `stale:<view>.<feature>`: its newest value is older than the time to live.
        """
        head = self.head
        if moment_us < head.begin_us:
            return dict.fromkeys(head.features), [f"{EARLY}:{head.view}"]
        found = self._steps.get(entity) if entity is not None else None
        if found is None:
            return dict.fromkeys(head.features), [f"{NO_ENTITY}:{head.view}"]
        moments, values, lasts = found
        place = bisect_right(moments, moment_us) - 1
        answer: dict[str, float | None] = {}
        flags: list[str] = []
        unknown = 0
        for name, column, last in zip(head.features, values, lasts, strict=True):
            old = last[place] >= 0 and moment_us - last[place] > head.ttl_us
            answer[name] = None if old else column[place]
            flags += [f"{STALE}:{head.view}.{name}"] if old else []
            unknown += last[place] < 0
        return answer, [f"{NO_ENTITY}:{head.view}"] if unknown == len(head.features) else flags


def entity_key(values: Sequence[Any]) -> str | None:
    """The text that names an entity, from the values of its columns as JSON has them; None where one is missing or no word."""
    parts = []
    for value in values:
        if isinstance(value, bool):
            parts.append("true" if value else "false")
        elif isinstance(value, str):
            parts.append(value)
        elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
            parts.append(str(int(value)))
        else:
            return None
    return "\x1f".join(parts)


def table_path(home: Path, view: str) -> Path:
    """Where a view's table lies; a name that is none is a `StoreError` (no path can be smuggled in)."""
    if not _NAME.fullmatch(view):
        raise StoreError("not the name of a feature view", value=view, allowed=_NAME.pattern)
    return home / "online" / f"{view}.table"


def write_table(path: Path, head: TableHead, steps: Mapping[str, Steps]) -> str:
    """Write the table durably in place of the one before; its digest. The same content gives the same bytes."""
    body = msgspec.msgpack.encode(dict(sorted(steps.items())))
    named = msgspec.structs.replace(head, body=f"sha256:{hashlib.sha256(body).hexdigest()}", entities=len(steps))
    data = msgspec.json.encode(named) + b"\n" + body
    write_durably(path, data)
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def read_table(path: Path) -> OnlineTable:
    """The table, its bytes verified. Raises `StoreError` where it is damaged, `FileNotFoundError` where there is none."""
    with path.open("rb") as file:
        data = file.read(BYTES_MAX + 1)
    line, _, body = data.partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=TableHead)
        if head.format != FORMAT or head.body != f"sha256:{hashlib.sha256(body).hexdigest()}":
            raise StoreError("the online table is damaged or of another format", value=str(path), next_step="run the flow `materialize`")
        steps = msgspec.msgpack.decode(body, type=dict[str, Steps])
    except (msgspec.DecodeError, ValueError) as error:
        raise StoreError("the online table is damaged", value=str(path), next_step="run the flow `materialize`") from error
    return OnlineTable(head, f"sha256:{hashlib.sha256(data).hexdigest()}", steps)
