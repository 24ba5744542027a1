"""Fire drills: what each rehearsal measured."""

import sqlalchemy as sa
from alembic import op

import interlock.records.tables

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    op.create_table(
        "drills",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("use_case", sa.String(length=63), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("started_by", sa.String(length=200), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("started_at", interlock.records.tables.Utc(timezone=True), nullable=False),
        sa.Column("finished_at", interlock.records.tables.Utc(timezone=True), nullable=False),
        sa.CheckConstraint("verdict in ('pass','fail')", name="drill_verdict"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("drills_by_time", "drills", ["use_case", "finished_at"])
