"""Gates on the rows a candidate was made from: their quality, and whether they gave away what nobody knows at the time."""

from __future__ import annotations

from interlock.rules.gates import Gate
from interlock.spec.training import Training


def quality_gates() -> list[Gate]:
    """Gates on the rows that a candidate was made from."""
    return [
        Gate(name="quarantine", title="Refused rows", metric="quality.quarantine_share", direction="at_most", threshold=0.05,
             question="Did the source deliver what the use case promises?",
             source="Convention: more than 1 row in 20 refused means that source or schema is wrong, not the rows."),
        Gate(name="duplicates", title="Repeated rows", metric="quality.duplicate_share", direction="at_most", threshold=0.05,
             question="Was something delivered or joined twice?",
             source="Convention, far above the 0.12 % at most found in the seven public data sets that this project is tested on."),
        Gate(name="label_share", title="Rows with an outcome", metric="quality.label_share", direction="at_least", threshold=0.8,
             question="Do we know how most cases ended?",
             source="Convention: with more than 1 outcome in 5 unknown, the known ones may be a selection."),
        Gate(name="holdout_rows", title="Held-out rows", metric="quality.holdout_rows", direction="at_least", threshold=200, unit="rows",
             question="Is there enough unseen data to judge on?",
             source="Convention: below 200 rows a 95 % interval of an accuracy of 0.9 is wider than ±0.04 (binomial)."),
        Gate(name="freshness", title="Age of the newest row", metric="quality.age_days", direction="at_most", threshold=90, unit="days",
             mode="observe", question="Is the data from the world the model will meet?",
             source="Convention. Observed by default, because history is a legitimate source; set mode = \"block\" where it is not."),
        Gate(name="schema", title="Columns as promised", metric="quality.schema", direction="at_most", threshold=0, unit="columns",
             question="Do the rows still have the columns, types and limits that the use case declares?",
             source="The use case's own [columns]; rows taken in under an older file may break the present one. No tolerance."),
        Gate(name="volume", title="Rows against the previous snapshot", metric="quality.volume_ratio", direction="at_least", threshold=0.5,
             mode="observe", absent="pass", question="Did rows get lost since the last time?",
             source="Convention: a history grows, so half of it missing is an accident or a decision somebody should know of."),
        Gate(name="missing_change", title="Values that went missing", metric="quality.missing_change", direction="at_most", threshold=0.1,
             mode="observe", absent="pass", question="Did a column lose its values since the last snapshot?",
             source="Convention: 1 value in 10 lost between two snapshots is a change at the source, not chance."),
        Gate(name="idle_features", title="Features that say nothing", metric="quality.idle_features", direction="at_most", threshold=0,
             unit="columns", mode="observe", question="Is every feature alive, and none the copy of another?",
             source="Definition: a constant or copied column adds nothing. Observed, because it harms nobody; it hides a broken source."),
        Gate(name="came_alive", title="Features that did not exist all the time", metric="quality.came_alive", direction="at_most",
             threshold=0, unit="columns", mode="observe", absent="pass",
             question="Did each feature exist for the whole history that was learned from?",
             source="Own rule, measured: names the three columns of elec2 that begin after 17,424 rows, and none of the other public data "
                    "sets (docs/gates.md). Observed, because a model may learn the break."),
        Gate(name="label_balance", title="The rarest outcome", metric="quality.rarest_class", direction="at_least", threshold=0.005,
             mode="observe", absent="pass", question="Are there enough cases of the rare outcome to learn and judge it?",
             source="Convention: below 1 in 200 the usual measures and the number of rows held out need a second look (He and Garcia "
                    "2009, 'Learning from imbalanced data')."),
    ]


def leakage_gates(training: Training) -> list[Gate]:
    """Gates on what the model must not have seen. Entities on both sides block where the split promises to keep them apart."""
    apart = training.group is not None and (training.split == "grouped" or training.group_overlap == "remove")
    return [
        Gate(name="later_columns", title="Columns known only later", metric="leakage.later_columns", direction="at_most", threshold=0,
             unit="columns", question="Does the model read something that is not known yet when it must answer?",
             source="The use case's declared prediction moment; Kaufman et al. 2012, 'Leakage in data mining' (no-time-machine rule)."),
        Gate(name="single_feature", title="One column that outranks all others", metric="leakage.single_feature", direction="at_most",
             threshold=0.2, question="Is one column so strong that it must have been written after the outcome?",
             source="Own rule, measured: on the public data sets the known leak lies at 0.30 to 0.60, the strongest honest column at 0.04 "
                    "(docs/gates.md). Idea: exploratory leak detection, Kaufman et al. 2012."),
        Gate(name="strongest_feature", title="One column that knows nearly everything", metric="leakage.strongest_feature",
             direction="at_most", threshold=0.9, question="Is one column all but the answer itself?",
             source="Own rule, measured: on the public data sets a part of the target reaches 0.94, the strongest honest column 0.65 "
                    "(docs/gates.md)."),
        Gate(name="same_rows", title="Rows in both halves", metric="leakage.same_rows", direction="at_most", threshold=0, unit="rows",
             question="Was the model examined on rows it had learned?", source="Definition of a held-out set; no tolerance."),
        Gate(name="time_travel", title="Learning from the future", metric="leakage.time_travel", direction="at_most", threshold=0,
             unit="rows", absent="pass", question="Did the model learn from outcomes nobody knew yet?",
             source="Definition of a split in time; no tolerance."),
        Gate(name="missing_tells", title="A missing value that tells the outcome", metric="leakage.missing_tells", direction="at_most",
             threshold=0.5, question="Is a column filled in only after, and because, something happened?",
             source="Own rule, measured: on the public data sets the strongest honest column lies at 0.083 (docs/gates.md). Idea: "
                    "exploratory leak detection, Kaufman et al. 2012."),
        Gate(name="entity_overlap", title="The same entity in both halves", metric="leakage.entity_overlap", direction="at_most",
             threshold=0, mode="block" if apart else "observe", absent="pass",
             question="Was the model examined on people or machines it had learned from?",
             source="Definition of a grouped split (scikit-learn's GroupKFold). Blocks where [training] promises to keep entities apart; "
                    "else observed, because known customers come back."),
        Gate(name="label_shift", title="The same outcomes in both halves", metric="leakage.label_shift", direction="at_most", threshold=0.1,
             mode="observe", question="Do the held-out rows have about the outcomes that were learned?",
             source="Convention: total variation of the outcomes (regression: means in standard deviations). Observed: the world may move; "
                    "the performance gates judge the effect."),
    ]


def replay_gates() -> list[Gate]:
    """The gate on what a candidate would have answered to real requests."""
    return [
        Gate(name="flips", title="Decisions that would change", metric="replay.flip_rate", direction="at_most", threshold=0.1,
             mode="observe", absent="pass", rows_min=100,
             question="How many customers would get another decision than today?",
             source="Convention: 1 decision in 10 turned over is a new policy, not an update. Observed, because a better model must change "
                    "some; a person looks at who they are."),
    ]
