"""Values prepared for pages: each belongs to a key that names what it was made from, so that an outdated one is never shown.

Whoever reads gets what is stored under the wanted key; what is not there is made on the spot and kept in memory. The keeper asks with
`keep=True`, which stores it: a control room that was just started then finds nearly everything ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any

from sqlalchemy import delete, select

from interlock.records.store import Store, utc_now
from interlock.records.tables import Prepared

Body = dict[str, Any]
Make = Callable[[str, Body | None], Body]
KINDS_KEPT = 64  # pairs of store and kind held in memory
ASKED_AT_ONCE = 500  # names in one query
_HELD: dict[tuple[str, str], dict[str, tuple[str, Body]]] = {}
_ONE_AT_A_TIME = RLock()  # two viewers who look first at the same time: the second finds what the first has made


def prepared(store: Store, kind: str, keys: Mapping[str, str], make: Make, *, keep: bool = False) -> dict[str, Body]:
    """Name → value for every name in `keys`, each made for exactly that key.

    `make(name, old)` makes one that is neither held nor stored; `old` is the value of an earlier key (or None), from which parts may be
    taken over. `keep`: store what was made, and drop names that are no longer asked for.
    """
    with _ONE_AT_A_TIME:
        return _prepared(store, kind, keys, make, keep)


def _prepared(store: Store, kind: str, keys: Mapping[str, str], make: Make, keep: bool) -> dict[str, Body]:
    held = _held(store, kind)
    missing = [name for name, key in keys.items() if held.get(name, ("", None))[0] != key]
    stored = _stored(store, kind, missing)
    made: dict[str, tuple[str, Body]] = {}
    for name in missing:
        key, body = stored.get(name, ("", None))
        if body is None or key != keys[name]:
            old = body if body is not None else held.get(name, ("", None))[1]
            made[name] = keys[name], make(name, old)
            held[name] = made[name]
        else:
            held[name] = key, body
    for name in held.keys() - keys.keys():
        del held[name]
    if keep:
        _keep(store, kind, keys, held)
    return {name: held[name][1] for name in keys}


def _held(store: Store, kind: str) -> dict[str, tuple[str, Body]]:
    place = store.engine.url.render_as_string(), kind
    while place not in _HELD and len(_HELD) >= KINDS_KEPT:
        _HELD.pop(next(iter(_HELD)))
    return _HELD.setdefault(place, {})


def _stored(store: Store, kind: str, names: list[str]) -> dict[str, tuple[str, Body]]:
    found: dict[str, tuple[str, Body]] = {}
    if names:
        with store.reading() as session:
            for start in range(0, len(names), ASKED_AT_ONCE):
                query = select(Prepared.name, Prepared.key, Prepared.body).where(
                    Prepared.kind == kind, Prepared.name.in_(names[start:start + ASKED_AT_ONCE]))
                found |= {name: (key, body) for name, key, body in session.execute(query)}
    return found


def _keep(store: Store, kind: str, keys: Mapping[str, str], held: Mapping[str, tuple[str, Body]]) -> None:
    """Write what the store does not hold under its key; nothing is written where all of it is there."""
    with store.reading() as session:
        rows = session.execute(select(Prepared.name, Prepared.key).where(Prepared.kind == kind)).all()
    there = {name: key for name, key in rows}  # noqa: C416 - rows are not pairs to the type checker
    fresh = [name for name, key in keys.items() if there.get(name) != key]
    gone = there.keys() - keys.keys()
    if not fresh and not gone:
        return
    with store.writing() as session:
        for name in fresh:
            key, body = held[name]
            session.merge(Prepared(kind=kind, name=name, key=key, body=body, prepared_at=utc_now()))
        for name in gone:
            session.execute(delete(Prepared).where(Prepared.kind == kind, Prepared.name == name))
