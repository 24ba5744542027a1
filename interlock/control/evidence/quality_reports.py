"""Reports about the rows a candidate was made from: their quality, and whether they gave away what nobody knows at the time."""

from __future__ import annotations

import polars as pl

from interlock.control.evidence.case import Case, Report, labels_of
from interlock.control.evidence.earlier import count_earlier
from interlock.modeling.schema import polars_type
from interlock.rules.findings import Finding
from reports.quality_shares import absent


def quality(case: Case) -> Report:
    """Refused, repeated and unlabelled rows of the snapshot. Age is observed, because it depends on today."""
    from reports.quality import duplicate_rows, quality_findings

    due = case.frame.filter(pl.col("_event_time") <= case.held_out.split.labels_until - case.use_case.label_delay)
    told_apart = set(case.use_case.by_role("identifier", "subject"))
    columns = [name for name in case.use_case.columns if name in case.frame.columns and name not in told_apart]
    found = quality_findings(
        rows=case.snapshot.rows, quarantined=case.snapshot.quarantined, labelled=due.height - due["_label"].null_count(),
        matured=due.height, duplicates=duplicate_rows(case.frame, [*columns, "_event_time"] if case.use_case.timed else columns),
        holdout_rows=case.held_out.rows.height, newest_event=None, as_of=None)
    return [finding for finding in found if finding.metric != "quality.age_days"], {}


def columns(case: Case) -> Report:
    """What the use case promises of its columns, and features that say nothing or did not exist for a part of the history."""
    from reports.quality_alive import alive_findings
    from reports.quality_columns import idle_findings, mixed_findings, promise_findings

    use_case, learned = case.use_case, case.held_out.split.fit_rows
    subjects = set(use_case.by_role("subject"))  # replaced by tokens: not of the declared type any more
    declared = {name: column for name, column in use_case.columns.items() if name not in subjects}
    found = promise_findings(case.frame, declared, {name: polars_type(column) for name, column in declared.items()})
    features = [name for name in case.package.manifest.features.input_names if name in case.frame.columns]
    found += idle_findings(learned, features) + mixed_findings(case.frame, features)
    if use_case.timed:
        found += alive_findings(case.frame, features, case.frame["_event_time"])
    else:
        found.append(absent("quality.came_alive", "rows have no time of their own, so no history", "columns"))
    return found, {"missing": _missing(case, features)}


def history(case: Case) -> Report:
    """The snapshot beside the one before it: rows, and values that went missing."""
    from reports.quality_history import missing_change_finding, missing_counts, missing_findings, volume_finding

    names = [name for name in case.use_case.columns if name in case.frame.columns]
    before = count_earlier(case.settings, case.store, case.earlier) if case.earlier else None
    found = [volume_finding(case.frame.height, before.rows if before else None),
             missing_change_finding(missing_counts(case.frame, names), case.frame.height, before.missing if before else None,
                                    before.rows if before else 0)]
    return found + missing_findings(case.frame, names), {"previous": before.digest} if before else {}


def labels(case: Case) -> Report:
    """How rare the rarest outcome is, and whether learned and held-out rows have the same ones."""
    from reports.quality_labels import balance_findings, label_shift_finding

    task, learned = case.use_case.prediction.task, case.held_out.split.fit_rows
    classes = class_names(case)
    known = labels_of(case, case.held_out.split.known)
    found = balance_findings(task, known, classes)
    return [*found, label_shift_finding(task, labels_of(case, learned), case.held_out.labels, classes)], {}


def leakage(case: Case) -> Report:
    """Whether the model saw what it may not know."""
    from reports.leakage import power_findings, split_findings

    split, space = case.held_out.split, case.package.manifest.features
    learned = split.fit_rows
    found = split_findings(learned, split.test, by_time=case.use_case.training.split == "time", model_columns=space.input_names,
                           later_columns=case.use_case.by_role("later", "target"))
    powers, figures = power_findings(
        case.use_case.prediction.task, space.encode_frame(learned), labels_of(case, learned), space.names, space.feature_types,
        learned["_event_time"].dt.epoch("us").to_numpy(), seed=case.seed, threads=case.use_case.training.threads)
    return found + powers, figures


def overlap(case: Case) -> Report:
    """Content and entities on both sides of the split, and values whose absence tells the outcome."""
    from reports.leakage_missing import missing_tells
    from reports.leakage_rows import content_findings, entity_finding

    split, space = case.held_out.split, case.package.manifest.features
    learned, features = split.fit_rows, [name for name in space.input_names if name in split.test.columns]
    found: list[Finding] = content_findings(learned, split.test, features)
    found.append(entity_finding(learned, split.test, entities(case)))
    task = case.use_case.prediction.task
    kept = [place for place, spec in enumerate(space.specs) if spec.kind != "calendar"]
    found.append(missing_tells(space.encode_frame(learned)[:, kept], [space.names[place] for place in kept], labels_of(case, learned),
                               classes=0 if task == "regression" else len(class_names(case))))
    return found, {}


def entities(case: Case) -> list[str]:
    """Columns that say whom or what a row is about: `[training] group`, else the columns of role subject."""
    group = case.use_case.training.group
    return [group] if group else case.use_case.by_role("subject")


def class_names(case: Case) -> list[str]:
    """The classes in the order of the labels' numbers; binary: no, yes; regression: none."""
    task = case.use_case.prediction.task
    return [] if task == "regression" else case.package.manifest.classes or ["no", "yes"]


def size(case: Case) -> Report:
    """Bytes of the package."""
    from reports.size import size_finding

    return [size_finding(case.package.size_bytes, len(case.package.files))], {}


def _missing(case: Case, features: list[str]) -> dict[str, float]:
    """Share of missing values per feature, for the model card."""
    from reports.quality_history import missing_counts

    rows = max(case.frame.height, 1)
    return {name: count / rows for name, count in missing_counts(case.frame, features).items() if count}
