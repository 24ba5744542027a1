"""Decisions may also pause a release."""

from alembic import op

revision = '0005'
down_revision = '0004'

KINDS = "kind in ('approve','reject','waive','rollback','resume','abort','grant','revoke','suspend','retire','pause')"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("decision_kind", "decisions", type_="check")
        op.create_check_constraint("decision_kind", "decisions", KINDS)
        return
    # SQLite cannot change a constraint: as in 0002, the table is made anew; killed in between, the next run begins again.
    op.execute("PRAGMA foreign_keys=OFF")
    op.execute("BEGIN IMMEDIATE")
    with op.batch_alter_table("decisions", recreate="always") as table:
        table.drop_constraint("decision_kind", type_="check")
        table.create_check_constraint("decision_kind", KINDS)
    op.execute("COMMIT")
    op.execute("PRAGMA foreign_keys=ON")
