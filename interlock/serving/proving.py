"""Packages are proven once, in a child process, before any worker loads them (law 7)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interlock.modeling.probe import probe_package
from interlock.records.pointer import write_durably
from interlock.rules.routes import Route

log = logging.getLogger("interlock.serving")


class Prover:
    """Remembers proofs on disk: the same bytes under the same XGBoost need no second one. Bytes are verified again at every load."""

    def __init__(self, packages: Path, run: Path, timeout_s: float, probe: Callable[[Path, str, float], Any] = probe_package) -> None:
        self._packages, self._folder, self._timeout_s, self._probe = packages, run / "proven", timeout_s, probe
        self._proof = {"xgboost": version("xgboost"), "numpy": version("numpy")}
        self._one_at_a_time = asyncio.Lock()

    async def prove(self, route: Route) -> None:
        """Raises `PackageError` when a package of the route is damaged or does not answer its golden rows."""
        for slot in route.slots():
            await self.prove_package(slot.digest)

    async def prove_package(self, digest: str) -> None:
        """Raises `PackageError` when the package is damaged or does not answer its golden rows."""
        async with self._one_at_a_time:
            path = self._folder / f"{digest.removeprefix('sha256:')}.json"
            if self._known(path):
                return
            await asyncio.to_thread(self._probe, self._packages, digest, self._timeout_s)
            try:
                await asyncio.to_thread(write_durably, path, json.dumps(self._proof).encode())
            except OSError as error:
                log.warning("the proof of %s could not be kept: %s", digest, error)

    def _known(self, path: Path) -> bool:
        try:
            return bool(json.loads(path.read_bytes()) == self._proof)
        except (OSError, ValueError):
            return False
