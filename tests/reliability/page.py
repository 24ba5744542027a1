"""docs/reliability.md from `results/*.json`: `python -m tests.reliability.page`. What was found is in `found.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parents[1] / "docs" / "reliability.md"
Row = tuple[str, str, str]  # promise, experiment, what was measured (with the figures' names)
WHOLE = "Only the old or the new state, ever"
GOES_ON = "Serving goes on; a promotion is refused or deferred, never half done"
ROWS: dict[tuple[str, str], Row] = {
    ("R1", "a promotion killed"): (
        WHOLE + "; the keeper is back within 2 s",
        "`kill -9` at each write, fsync and truncation of the store in a promotion (strace injection); then a new keeper",
        "{kills} kills, left: {left}; keeper's first whole pass {keeper_recovered_s_median} s after its start, slowest "
        "{keeper_recovered_s_max} s"),
    ("R1", "a promotion with its staging killed"): (
        WHOLE, "the same at every sixth of these moments or so, with the staging server between approval and release",
        "{kills} kills, left: {left}"),
    ("R1", "a server killed"): (
        WHOLE + "; the server answers within 5 s", "`kill -9` at each write, fsync and rename of a server that takes on a version; "
        "then a start without the store", "{kills} kills, left: {left}; answering again after {answering_s_max} s at most"),
    ("R1", "the store without power"): (
        WHOLE + ", and nothing gone that a person was told", "the store's files built anew at each moment, cut to what was synced; also "
        "with some unsynced writes and not others", "{moments} power cuts, left: {left}"),
    ("R1", "the server without power"): (
        WHOLE + "; after \"it answers\" only the new one", "the server's files cut likewise, and a server started from them",
        "{moments} power cuts, left: {left}; {servers_started} servers started, slowest {answering_s_max} s"),
    ("R2", "approvers at once"): (
        "Exactly one decision and one effective deployment", "2 to 64 approvers in 4 processes at the same moment: different people, one "
        "person's clicks, both; replays; two keepers; four runs", "{rounds} rounds, {presses} presses: {decisions} decisions, "
        "{effective_deployments} deployments; a press was answered in {answer_ms_median} ms (median), {answer_ms_max} ms at most"),
    ("R3", "kills under load"): (
        "No prediction lost that was answered with `captured: true`; every answer its version's own",
        "`kill -9` of workers, server and `deploy` runs under load; a client checks version, digest and score of every reply",
        "{kills} kills; {promised} promised, {lost} lost; {answered} answers of {versions} versions, {wrong_answers} wrong"),
    ("R3", "system calls of a worker"): (
        "fdatasync before each such reply", "strace of a worker under load; the disk at the moment of each reply, without power",
        "{replies_captured} replies, {before_their_fdatasync} before their fdatasync"),
    ("R5", "flipped bits on the way to live"): (
        "No server death, no wrong answer", "one bit of one file of a package flipped, then the way to live on a real server",
        "{flips} flips, {refused} refused; {server_deaths} deaths, {wrong_answers} wrong answers"),
    ("R5", "flipped bits read"): (
        "Every flipped bit is found", "the reader on packages with one flipped bit", "{flips} flips, {missed} missed"),
    ("R5", "edited trees"): (
        "An edited model never answers", "leaves of a tree turned round; once in place, once with every digest made to fit",
        "{edited} edited, {resealed} resealed, {refused} refused"),
    ("R5", "planted pickles and modules"): (
        "Nothing in a package is run", "pickles and modules that leave a mark, instead of, behind and beside each file",
        "{planted} planted, {code_run} run, {refused} refused"),
    ("R6", "random bodies"): (
        "No 5xx, no dead worker, bounded memory", "random bytes, spoiled JSON, odd headers and paths, from a seed",
        "{requests} requests: {server_errors} 5xx, {worker_deaths} deaths; memory {rss_mb_after_a_tenth} MB after a tenth, "
        "{rss_mb_at_the_end} MB at the end"),
    ("R6", "schemathesis"): (
        "No 5xx; every reply as documented", "schemathesis {version} on /openapi.json, data that fits and data that does not",
        "{operations} operations, {requests} requests, {failures} failures, {worker_deaths} deaths"),
    ("R7", "ten times the stated capacity"): (
        "Goodput ≥ 90 % of peak; refusals clear; health and rollback p99 ≤ 100 ms",
        "{capacity_per_s} requests/s of {rows_per_request} rows stated; {offered_per_s}/s offered by an open-loop client on its own core",
        "goodput {goodput_per_s}/s of {peak_per_s}/s; refused in {refusal_p50_ms} ms (p99 {refusal_p99_ms}); health p99 {health_p99_ms} "
        "ms, rollback p99 {rollback_p99_ms} ms ({rollbacks} rollbacks); goal met: {met}"),
    ("R8", "store locked against writers"): (
        GOES_ON, "another process holds BEGIN EXCLUSIVE", "{failed_answers} of {answered} answers failed; approval refused in words; "
        "`interlock rollback` swapped {command_to_old_version_s} s after it was typed, and was written down afterwards"),
    ("R8", "store locked against everybody"): (
        GOES_ON, "the same, and nobody can read either", "{failed_answers} of {answered} answers failed; approval refused in words; "
        "`interlock rollback` swapped {command_to_old_version_s} s after it was typed, and was written down afterwards"),
    ("R8", "disk full under the capture (serve)"): (
        "Answers go on and say `captured: false`", "capture on a full {disk}, `on_capture_failure = \"serve\"`",
        "{answered_uncaptured} answered, each said so; the gap is on record"),
    ("R8", "disk full under the capture (refuse)"): (
        "Nothing is answered unrecorded", "capture on a full {disk}, `on_capture_failure = \"refuse\"`", "{refused} refused with 503"),
    ("R8", "disk full under the store"): (GOES_ON, "store on a full {disk}", "approval {approval}; {failed_answers} answers failed"),
    ("R8", "Prefect and MLflow down"): (GOES_ON, "an approval while nothing listens on their ports",
                                        "{decision}; said by the status; {failed_answers} answers failed"),
    ("R8", "clock jumps of a run"): (GOES_ON, "a promotion 30 days ahead, and 30 days behind ({tool})",
                                     "ahead: {ahead}; behind: {behind}; {failed_answers} answers failed"),
    ("R8", "clock jumps of the server"): (GOES_ON, "{jumps} jumps of 40 days under load ({tool})",
                                          "{answered} answers, {failed_answers} failed, {restarts} restarts"),
    ("R4", "ingestion"): ("No row lost or doubled; every poison record in quarantine", "replays, shuffles, poison, `kill -9`",
                          "{tests} tests passed with {kills} kills"),
    ("R9", "ledger"): ("Every edit, deletion, reorder, fork and cut is found", "each of them, against a head kept outside",
                       "{tests} tests passed"),
    ("R11", "reports"): ("A report that fails, is empty or stale blocks", "every report made to fail in turn", "{tests} tests passed"),
}
ELSEWHERE = {
    ("R4", "ingestion"): ("tests/records/test_ingest_kills.py", "tests/records/test_quarantine_property.py"),
    ("R9", "ledger"): ("tests/records/test_ledger.py",),
    ("R11", "reports"): ("tests/control/test_every_report.py", "tests/control/test_gate_faults.py"),
}
HEAD = """# Reliability

Generated by `make reliability` from `tests/reliability/results/*.json`: each line is a promise, the experiment that tries to break it,
and what was measured in the full run. `make test` runs the same checks with reduced counts. Each guard has a deliberately broken variant
that the same check must catch. Seconds are of a shared machine with 2 cores; counts are what was run.

| # | promise | experiment | measured |
| --- | --- | --- | --- |
"""


def results(folder: Path = FOLDER / "results") -> dict[tuple[str, str], dict[str, Any]]:
    """Every measured part."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("R*.json")]
    return {(found["id"], part): figures for found in read for part, figures in found["parts"].items()}


def line(key: tuple[str, str], figures: dict[str, Any] | None) -> str:
    """One row of the table."""
    promise, experiment, found = ROWS[key]
    if figures is None:
        return f"| {key[0]} | {promise} | {experiment.partition('{')[0].strip()} | not run in full yet |"
    shown = {name: _shown(value) for name, value in figures.items()}
    return f"| {key[0]} | {promise} | {experiment.format(**shown)} | {found.format(**shown)} ({figures['at'][:10]}) |"


def _shown(value: Any) -> str:
    """A figure as people read it."""
    if isinstance(value, dict):
        return ", ".join(f"{number} {word}" for word, number in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def page() -> str:
    """The whole page."""
    measured = results()
    rows = [line(key, measured.get(key)) for key in sorted(ROWS, key=lambda key: (int(key[0][1:]), list(ROWS).index(key)))]
    return HEAD + "\n".join(rows) + "\n\n" + (FOLDER / "found.md").read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
