"""Which request is replayed next in a fire drill: whole, spoiled, or aimed at the version that was taken off."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace

from interlock.control.releases.load_test import Request, Sent
from interlock.control.releases.real_rows import Record
from interlock.records.ids import new_id
from interlock.rules.drills import DrillFacts
from interlock.serving.shelf import takes_candidate

SPOILED, GOOD = "spoiled", "good"
NO_FIELD = "written_by_the_fire_drill"  # no model has this field: a record that carries it is refused
AIM_TRIES = 2_000


class Replay:
    """The records in turn, each under a new id; the id decides which arm answers, as it does for customers."""

    def __init__(self, records: Sequence[Record], percent: float, fault_share: float, draw: random.Random) -> None:
        """`percent`: share of the candidate. `fault_share`: of its requests, those spoiled while `spoil` holds."""
        self.percent = percent
        self._records, self._fault_share, self._draw = records, fault_share, draw
        self._spoils = self._aims = False

    def spoil(self) -> float:
        """From now on spoil the candidate's requests; the moment, by `time.perf_counter`."""
        self._spoils = True
        return time.perf_counter()

    def aim(self) -> None:
        """From now on send only requests whose ids would be the candidate's."""
        self._spoils, self._aims = False, True

    def heal(self) -> None:
        """Whole requests with any ids again."""
        self._spoils = self._aims = False

    def make(self, number: int) -> Request:
        """The next request."""
        record = dict(self._records[number % len(self._records)])
        record["id"] = self._id()
        spoiled = self._spoils and takes_candidate(record["id"], self.percent) and self._draw.random() < self._fault_share
        if spoiled:
            record[NO_FIELD] = True
        return Request(json.dumps({"records": [record]}, allow_nan=False).encode(), SPOILED if spoiled else GOOD)

    def count(self, sent: Sequence[Sent], facts: DrillFacts) -> DrillFacts:
        """The facts with the requests counted: good ones that failed, and why."""
        good = [one for one in sent if one.tag == GOOD]
        failed = [one for one in good if one.status != 200]
        reasons = tuple(dict.fromkeys(f"{one.status or 'no answer'}: {one.error}"[:200] for one in failed))
        return replace(facts, requests=len(good), failed=len(failed), spoiled=len(sent) - len(good), reasons=reasons[:5])

    def _id(self) -> str:
        found = new_id()
        for _ in range(AIM_TRIES if self._aims else 0):
            if takes_candidate(found, self.percent):
                break
            found = new_id()
        return found
