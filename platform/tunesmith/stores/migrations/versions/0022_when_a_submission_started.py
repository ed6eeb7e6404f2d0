"""When a submission was first seen to run: its hours count like those of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submissions", sa.Column("started_ms", sa.BigInteger()))
    # Those of before count from their beginning.
    op.execute("UPDATE submissions SET started_ms = created_ms WHERE state <> 'PENDING'")
