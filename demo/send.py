"""Real flights at a steady pace: `python -m demo.send --days 7` after `make up`, so that a canary has something to be judged on.

Begins at `--start`, by default where the demo's own story ends, and tells the outcomes of each day when the day is over. Sends nothing
but HTTP to the prediction endpoint; Ctrl-C ends it after the request that is under way.
"""

from __future__ import annotations

import argparse
import time
from datetime import datetime, timedelta

from rich.console import Console

from demo.scenario import REPLAY_END, USE_CASE
from demo.traffic import Customers
from interlock.errors import InterlockError
from interlock.settings import load_settings

STEP = timedelta(hours=1)
PAUSE_S = 0.25
DAYS, DAYS_MAX = 7.0, 150.0


def main(arguments: list[str] | None = None) -> int:
    """Send the days asked for; prints one line per day, returns the exit code."""
    wish = _parser().parse_args(arguments)
    customers = Customers(load_settings().predictions_url, USE_CASE)
    start = datetime.fromisoformat(f"{wish.start}T00:00:00+00:00")
    end = start + timedelta(days=wish.days)
    console = Console()
    console.print(f"{customers.count(start, end):,} flights from {start:%Y-%m-%d} on to {customers.address}; Ctrl-C stops")
    try:
        send(customers, start, end, wish.pause, console)
    except KeyboardInterrupt:
        console.print("stopped")
    console.print(f"{customers.sent:,} flights answered, {customers.told:,} outcomes told")
    return 0 if customers.sent else 1


def send(customers: Customers, start: datetime, end: datetime, pause_s: float, console: Console) -> None:
    """Hour by hour of the timetable, `pause_s` seconds apart; after each day its outcomes, and who answered so far."""
    clock, day = start, start
    while clock < end:
        for _ in customers.ask(clock, min(clock + STEP, end)):
            time.sleep(pause_s)
        clock += STEP
        if clock - day >= timedelta(days=1) or clock >= end:
            customers.tell(day, min(clock, end))
            shares = ", ".join(f"version {version} {rows:,}" for (version, _), rows in sorted(customers.answers.items()))
            console.print(f"  {day:%Y-%m-%d}  answered by {shares or 'nobody'}", highlight=False)
            day = clock


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo.send", description="Send real flights of 2013 to the prediction endpoint.")
    parser.add_argument("--days", type=_days, default=DAYS, help=f"days of the timetable, default {DAYS:g}, at most {DAYS_MAX:g}")
    parser.add_argument("--start", type=lambda text: datetime.strptime(text, "%Y-%m-%d").date(), default=REPLAY_END.date(),
                        help=f"first day, default {REPLAY_END:%Y-%m-%d}")
    parser.add_argument("--pause", type=float, default=PAUSE_S, help=f"seconds between two requests, default {PAUSE_S:g}")
    return parser


def _days(text: str) -> float:
    value = float(text)
    if not 0 < value <= DAYS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {DAYS_MAX:g}")
    return value


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except InterlockError as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        raise SystemExit(1) from None
