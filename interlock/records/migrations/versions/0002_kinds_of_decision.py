"""Decisions may also grant, revoke or suspend a standing approval, and retire a version."""

from alembic import op

revision = '0002'
down_revision = '0001'

KINDS = "kind in ('approve','reject','waive','rollback','resume','abort','grant','revoke','suspend','retire')"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("decision_kind", "decisions", type_="check")
        op.create_check_constraint("decision_kind", "decisions", KINDS)
        return
    # SQLite cannot change a constraint: the table is made anew. Its rows are referred to, so foreign keys rest meanwhile (they cannot
    # be switched inside a transaction); killed in between, the next run finds the old table and begins again.
    op.execute("PRAGMA foreign_keys=OFF")
    op.execute("BEGIN IMMEDIATE")
    with op.batch_alter_table("decisions", recreate="always") as table:
        table.drop_constraint("decision_kind", type_="check")
        table.create_check_constraint("decision_kind", KINDS)
    op.execute("COMMIT")
    op.execute("PRAGMA foreign_keys=ON")
