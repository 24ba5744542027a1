"""What goes wrong in the keeper's steps: kept in its step, logged once per text, told to people where waiting cannot help."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from interlock.control.keeping.alerting import record_alert
from interlock.errors import InterlockError, StaleState, Unavailable
from interlock.records.store import Store

LOG = logging.getLogger("interlock.keeper")
SILENT_S = 60.0      # people are told when the prediction server has been silent for longer
LOUD_AGAIN_S = 300.0  # the same error of the same step is logged again only after this long
ASKING = ("reconcile ", "release ")  # steps that ask the prediction server


class Troubles:
    """What each step met last. All of it may be lost: the store holds what people were told."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock
        self._heard: dict[str, tuple[str, datetime]] = {}
        self._silent_since: datetime | None = None
        self._silent = ""

    @property
    def known(self) -> dict[str, str]:
        """Step → error, of those that do not work now."""
        return {step: text for step, (text, _) in self._heard.items()}

    def begin_pass(self) -> None:
        """Nobody was silent yet in this pass."""
        self._silent = ""

    def guard(self, step: str, action: Callable[[], Any]) -> None:
        """Keep an error in its step."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - one broken use case must not stop the others; it is logged, shown in the status, alerted
            if isinstance(error, Unavailable) and step.startswith(ASKING):
                self._silent = str(error)
            self._hear(step, error)
        else:
            if self._heard.pop(step, None) is not None:
                LOG.info("%s: works again", step)

    def tell_silence(self) -> None:
        """One alert per outage of the prediction server, after `SILENT_S` of passes in each of which it did not answer."""
        if not self._silent:
            self._silent_since = None
            return
        now = self._clock()
        since = self._silent_since = self._silent_since or now
        if now - since > timedelta(seconds=SILENT_S):
            with self._store.writing() as session:
                record_alert(session, identity=f"silent:endpoint:{since.isoformat()}", severity="critical", at=now,
                             title=f"the prediction server does not answer since {since:%Y-%m-%d %H:%M:%S} UTC",
                             body=f"{self._silent[:2_000]}. Releases wait and no route can change until it answers. interlock status")

    def _hear(self, step: str, error: Exception) -> None:
        text, now = f"{type(error).__name__}: {error}", self._clock()
        last = self._heard.get(step)
        if last is not None and last[0] == text and abs(now - last[1]) < timedelta(seconds=LOUD_AGAIN_S):
            return
        self._heard[step] = (text, now)
        LOG.warning("%s: %s", step, text, exc_info=None if isinstance(error, InterlockError) else error)
        if isinstance(error, (Unavailable, StaleState)):
            return
        try:
            with self._store.writing() as session:
                record_alert(session, identity=f"keeper:{step}:{text}"[:200], severity="critical", at=now,
                             title=f"the keeper cannot {step}", body=text[:2_000])
        except InterlockError as second:
            LOG.warning("the alert about it could not be written: %s", second)
