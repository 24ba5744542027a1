"""Words for reasons: what the use-case file calls each feature when a person is told why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from interlock.spec.data import Column

CALENDAR = {"hour": "hour of the day", "weekday": "day of the week", "month": "month", "day_of_year": "day of the year",
            "minute_of_day": "time of the day"}
CALENDAR_PREFIX = "event_time."


@dataclass(frozen=True)
class Words:
    """What one feature is called. `withheld` says why it must not be given as a reason; empty where it may."""

    title: str
    reason: str = ""
    high: str = ""
    low: str = ""
    missing: str = ""
    withheld: str = ""

    def text(self, value: object, typical: float | None) -> str:
        """The reason for this value: `missing`, `high`, `low` or `reason`, the title where none is written.

        Numbers are high or low against `typical` (None: neither); true is high and false is low; a text is added to the words.
        """
        if value is None or value != value:
            return self.missing or f"{self.title}: not given"
        if isinstance(value, str):
            return f"{self.reason or self.title}: {value}"
        side = self._side(value, typical)
        return {"high": self.high, "low": self.low}.get(side, "") or self.reason or self.title

    @staticmethod
    def _side(value: object, typical: float | None) -> str:
        if isinstance(value, bool):
            return "high" if value else "low"
        if typical is None or not isinstance(value, (int, float)) or value == typical:
            return ""
        return "high" if value > typical else "low"


def words_for(columns: Mapping[str, Column], names: Iterable[str]) -> dict[str, Words]:
    """Words of each feature (a model's column names). Sensitive columns and features without words of their own are withheld.

    A feature derived from the event time has the usual name of that part of a date; any other feature that is no column of the file
    has no words, because nobody wrote any.
    """
    found = {}
    for name in names:
        column, part = columns.get(name), name.removeprefix(CALENDAR_PREFIX)
        if column is not None:
            title = column.title or name.replace("_", " ").replace("-", " ")
            why = "it is a sensitive attribute" if column.role == "sensitive" else ""
            found[name] = Words(title, column.reason, column.reason_high, column.reason_low, column.reason_missing, why)
        elif name.startswith(CALENDAR_PREFIX) and part in CALENDAR:
            found[name] = Words(CALENDAR[part], reason=f"The {CALENDAR[part]} of the request")
        else:
            found[name] = Words(name, withheld="the use-case file has no words for it")
    return found
