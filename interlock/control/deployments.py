"""Names of the Prefect deployments, as `prefect.yaml` has them: flow name = deployment name, all in one work pool."""

from __future__ import annotations

WORK_POOL = "local"

INGEST = "ingest/ingest"
TRAIN = "train/train"
VALIDATE = "validate/validate"
DEPLOY = "deploy/deploy"
ROLLBACK = "rollback/rollback"
DRILL = "drill/drill"
MONITOR = "monitor/monitor"
COSTS = "costs/costs"
MATERIALIZE = "materialize/materialize"
TICK = "tick/tick"
LIFECYCLE = "lifecycle/lifecycle"
BACKUP = "backup/backup"
RESTORE = "restore/restore"
SCORE = "score/score"
RETIRE = "retire/retire"

ALL = (INGEST, TRAIN, VALIDATE, DEPLOY, ROLLBACK, MONITOR, COSTS, MATERIALIZE, TICK, LIFECYCLE, DRILL, BACKUP, RESTORE, SCORE, RETIRE)

# Seconds that a run may hold its intent. A run seen ended badly gives it back at once; a run that still says "running" after this is
# taken for lost. `deploy` and `rollback` are short and safe to repeat; the others may really take hours.
LEASE_S = {DEPLOY: 180, ROLLBACK: 180, RETIRE: 180, TICK: 300, COSTS: 900, DRILL: 900, MATERIALIZE: 3_600, MONITOR: 3_600,
           INGEST: 6 * 3_600, TRAIN: 24 * 3_600, VALIDATE: 6 * 3_600, LIFECYCLE: 24 * 3_600, BACKUP: 6 * 3_600, SCORE: 24 * 3_600}
