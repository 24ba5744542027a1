"""Evidently's full report about a monitored window, where `monitor` left one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from interlock.control.readmodel.series import WindowRow
from interlock.settings import Settings


@dataclass(frozen=True)
class WindowReport:
    """One window's report. `html` None: it could not be made, `sentence` says why; else `sentence` states sample and columns left out."""

    start: datetime
    html: Path | None
    sentence: str


def window_report(settings: Settings, use_case: str, view: WindowRow) -> WindowReport | None:
    """What lies beside the window, None where nothing was made for it."""
    from interlock.control.windows.window_evidently import BODY, FAILURE, HTML, window_folder

    folder = window_folder(settings, use_case, view.start, view.end, view.digest)
    if (folder / FAILURE).is_file():
        told = _json(folder / FAILURE)
        return WindowReport(view.start, None, f"It could not be made: {told.get('type', 'error')}: {told.get('text', '')}")
    if not (folder / HTML).is_file():
        return None
    return WindowReport(view.start, folder / HTML, _sample(_json(folder / BODY)))


def reported(settings: Settings, use_case: str, views: Sequence[WindowRow]) -> list[WindowReport]:
    """The reports of these windows, newest first."""
    found = [window_report(settings, use_case, view) for view in reversed(views)]
    return [one for one in found if one is not None]


def _sample(body: dict[str, object]) -> str:
    sample = body.get("sample")
    if not isinstance(sample, dict):
        return "The sample it rests on was not recorded."
    sides = [f"{int(sample[f'{side}_used']):,} of {int(sample[f'{side}_rows']):,} {words}"
             for side, words in (("reference", "training rows"), ("current", "rows of the window"))]
    left = body.get("left_out")
    gone = f" Left out, without a value on one side: {', '.join(map(str, left))}." if isinstance(left, list) and left else ""
    return f"{' and '.join(sides)}, chosen by seed {sample['seed']}.{gone}"


def _json(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
