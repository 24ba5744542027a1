"""Prepared values of the panel; evidence's champion and policy beside its body; indexes that spare pages the long JSON columns."""

import sqlalchemy as sa
from alembic import op

import interlock.records.tables

revision = '0004'
down_revision = '0003'


def upgrade() -> None:
    op.create_table(
        "prepared",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("prepared_at", interlock.records.tables.Utc(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    op.add_column("evidence", sa.Column("champion_digest", sa.String(length=71), nullable=True))
    op.add_column("evidence", sa.Column("policy_digest", sa.String(length=71), nullable=True))
    rows = sa.table("evidence", sa.column("body", sa.JSON), sa.column("champion_digest", sa.String), sa.column("policy_digest", sa.String))
    op.execute(sa.update(rows).values(champion_digest=rows.c.body["champion_digest"].as_string(),
                                      policy_digest=rows.c.body["policy_digest"].as_string()))
    op.create_index("evidence_rests", "evidence", ["candidate_id", "champion_digest", "policy_digest", "created_at", "verdict", "use_case",
                                                   "digest"])
    op.create_index("windows_seen", "windows", ["use_case", "start", "version", "revision"])
    op.create_index("snapshots_by_time", "snapshots", ["use_case", "created_at"])
    op.create_index("costs_by_day", "costs", ["day", "use_case", "usd"])
    op.create_index("releases_by_time", "releases", ["use_case", "created_at"])
